"""Stand-ins for third-party images, made from Debian packages where no image registry is reachable.

One root file system comes from debootstrap; each image is a small Containerfile on top. They are kept between
runs and made anew when their recipe changes.
"""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import tempfile
from pathlib import Path

from tests.deploy.podman import Podman

IMAGES = Path(__file__).parent / "images"
NAMES = tuple(sorted(folder.name for folder in IMAGES.iterdir()))
REGISTRY = "registry-1.docker.io"
SUITE = "trixie"
"""Debian 13: Python 3.13, RabbitMQ 4.0, PostgreSQL 17, nginx 1.26, Prometheus 2.53."""
MIRROR = os.environ.get("DEBIAN_MIRROR", "http://deb.debian.org/debian")
CERTIFICATES = Path("/usr/local/share/ca-certificates")
"""Where Debian keeps the authorities that its administrator trusts."""
_LABEL = "org.dicom-test.recipe"
_BOOTSTRAP = ["debootstrap", "--variant=minbase", "--include=ca-certificates", SUITE]


def registry_reachable() -> bool:
    """Whether the real images can be had."""
    try:
        with socket.create_connection((REGISTRY, 443), timeout=3):
            return True
    except OSError:
        return False


def reference(name: str) -> str:
    """The stand-in's name for podman."""
    return f"localhost/dicom-test/{name}:current"


def make(podman: Podman) -> dict[str, str]:
    """Make what is missing or outdated; returns the references by name. Needs root and debootstrap."""
    base = _digest(" ".join(_BOOTSTRAP).encode())
    if not _made(podman, "debian", base):
        _bootstrap(podman, base)
    CERTIFICATES.mkdir(exist_ok=True)
    trusted = [file.read_bytes() for file in sorted(CERTIFICATES.glob("*.crt"))]
    for name in NAMES:
        folder = IMAGES / name
        files = [
            part for file in sorted(folder.iterdir()) for part in (file.name.encode(), file.read_bytes())
        ]
        recipe = _digest(base.encode(), *files, *trusted)
        if not _made(podman, name, recipe):
            podman(
                "build",
                "--quiet",
                "--layers=false",
                "--network=host",
                f"--volume={CERTIFICATES}:/machine-certificates:ro",
                f"--label={_LABEL}={recipe}",
                f"--tag={reference(name)}",
                f"--file={folder / 'Containerfile'}",
                str(folder),
                timeout=600,
            )
    return {name: reference(name) for name in NAMES}


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:16]


def _made(podman: Podman, name: str, recipe: str) -> bool:
    return any((image["Labels"] or {}).get(_LABEL) == recipe for image in podman.inspect(reference(name)))


def _bootstrap(podman: Podman, recipe: str) -> None:
    assert os.geteuid() == 0, "only root can make the stand-ins (debootstrap); or let a registry be reachable"
    with tempfile.TemporaryDirectory(prefix="dicom-test-debian-") as folder:
        podman.command([*_BOOTSTRAP, folder, MIRROR], timeout=600)
        # What apt downloaded is no part of the image.
        excluded = ("--exclude=./var/cache/apt/*", "--exclude=./var/lib/apt/lists/*")
        tar = subprocess.Popen(["tar", "-C", folder, *excluded, "-c", "."], stdout=subprocess.PIPE)
        labelled = f"--change=LABEL {_LABEL}={recipe}"
        try:
            subprocess.run(
                ["podman", "import", "--quiet", labelled, "-", reference("debian")],
                env=dict(podman.environment),
                stdin=tar.stdout,
                check=True,
                capture_output=True,
                timeout=300,
            )
        finally:
            assert tar.stdout is not None
            tar.stdout.close()
            tar.wait(60)
