"""What the container engine of this machine lacks, where it has one that `make up` would use."""

from __future__ import annotations

import shutil

from libs.common import podman
from services.operator.doctor.report import Finding

NAME = "containers"


def check() -> list[Finding]:
    """Podman's parts; Docker's daemon brings its own, and inside of containers there is neither."""
    if shutil.which("podman") is None or shutil.which("docker") is not None:
        return []
    lacks = podman.missing()
    if not lacks:
        return [Finding(NAME, "ok", "Podman has what it calls.")]
    return [
        Finding(
            NAME,
            "warning",
            f"Podman cannot start the system: {lack.what}.",
            "See to podman first." if lack.package is None else f"apt-get install {lack.package}",
        )
        for lack in lacks
    ]
