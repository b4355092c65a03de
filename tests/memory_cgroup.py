"""A memory cgroup of a test's own, as a pod has one; needs root and a writable hierarchy."""

from __future__ import annotations

import secrets
from pathlib import Path

from tests.waiting import wait_until

V1 = Path("/sys/fs/cgroup/memory")
V2 = Path("/sys/fs/cgroup")


class MemoryCgroup:
    """Processes that may take so many bytes together, of which the kernel ends the largest beyond it."""

    def __init__(self, limit: int) -> None:
        """Raises OSError where cgroups cannot be made."""
        self._v1 = V1.is_dir()
        self.folder = (V1 if self._v1 else V2) / f"dicom-test-{secrets.token_hex(4)}"
        self.folder.mkdir()
        (self.folder / ("memory.limit_in_bytes" if self._v1 else "memory.max")).write_text(str(limit))

    def add(self, pid: int) -> None:
        """This process, and all that it starts from now on."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        """How many processes the kernel has ended for memory."""
        text = (self.folder / ("memory.oom_control" if self._v1 else "memory.events")).read_text()
        counts = dict(line.split() for line in text.splitlines())
        return int(counts["oom_kill"])

    def remove(self) -> None:
        """Once the last process in it has ended, which takes the kernel a moment."""
        wait_until(lambda: not (self.folder / "cgroup.procs").read_text())
        self.folder.rmdir()
