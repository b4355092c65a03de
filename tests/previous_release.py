"""The release that the present one must be able to run beside, taken from the repository's history."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
UPGRADE_FROM = ROOT / "infra" / "upgrade-from"


class NoHistory(AssertionError):
    """The commit that infra/upgrade-from names is not in this checkout; the message says what to do."""


def commit() -> str:
    """The commit that infra/upgrade-from names."""
    return UPGRADE_FROM.read_text().strip()


def read(path: str) -> str:
    """A text file of the previous release. Raises NoHistory."""
    return _git("show", f"{commit()}:{path}").decode()


def names(*folders: str) -> list[str]:
    """Paths of the previous release's files below `folders`. Raises NoHistory."""
    return _git("ls-tree", "-r", "--name-only", commit(), "--", *folders).decode().split()


def extract(folder: Path) -> None:
    """Put the code of the previous release, and the guide that it serves, into `folder`. Raises NoHistory."""
    parts = _git("ls-tree", "--name-only", commit(), "libs", "services", "docs/guide", "docs/screenshots")
    archive = _git("archive", "--format=tar", commit(), *parts.decode().split())
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        if hasattr(tarfile, "data_filter"):
            files.extractall(folder, filter="data")
        else:  # Debian 12's Python 3.11.2; it is our own archive
            files.extractall(folder)


def _git(*arguments: str) -> bytes:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True, timeout=250)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"").decode(errors="replace").strip() or str(error)
        raise NoHistory(
            f"The previous release is commit {commit()} (infra/upgrade-from), which this checkout does not "
            f"have: clone the whole repository, or `git fetch --unshallow` ({said})."
        ) from None
    return done.stdout
