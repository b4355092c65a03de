"""The product in a folder of the test's own, and its images."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.deploy.podman import Podman

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ("auth", "ingest", "processor", "results", "portal", "operator")
VERSION = "deploy-test"
_PARTS = (
    *("infra", "libs", "services", "docs/guide", "docs/screenshots"),
    *("pyproject.toml", "uv.lock", ".dockerignore"),
)


def copy(folder: Path) -> Path:
    """What the deployment needs of the work tree, so that secrets and settings are made elsewhere."""
    folder.mkdir(parents=True)
    for name in _PARTS:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".env"))
        else:
            shutil.copy2(source, folder / name)
    return folder


def reference(name: str) -> str:
    """The image of a service."""
    return f"localhost/dicom/{name}:{VERSION}"


def build(podman: Podman, folder: Path, arguments: Mapping[str, str]) -> dict[str, int]:
    """Build every image by infra/Dockerfile; returns their sizes in bytes."""
    for name in IMAGES:
        given = {**arguments, "SERVICE": name, "VERSION": VERSION}
        podman(
            "build",
            "--quiet",
            # HEALTHCHECK is not part of podman's own format.
            "--format=docker",
            *(f"--build-arg={key}={value}" for key, value in given.items()),
            f"--tag={reference(name)}",
            f"--file={folder / 'infra' / 'Dockerfile'}",
            str(folder),
            timeout=900,
        )
    return {name: int(podman.inspect(reference(name))[0]["Size"]) for name in IMAGES}
