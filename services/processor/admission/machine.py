"""What this machine gives a worker: the only place where admission looks at files of the kernel.

Control groups bound a container (v2: cpu.max, memory.max; v1: cpu.cfs_quota_us, memory.limit_in_bytes), the
nearest and all above it; PSI and the load average tell of neighbours (kernel documentation, cgroup-v2.rst and
psi.rst; proc(5)).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KIB = 1024
_NO_LIMIT = 1 << 60
"""Version 1 says "no limit" with a number near 2⁶³."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One look at the machine; bytes, and cores as a number that may be broken (a quota of 1.5)."""

    cores: float
    """That this process may use: of its affinity and of the quotas of its control groups the least."""
    machine_cores: int
    memory_limit: int
    """The least limit of its control groups, else the machine's memory."""
    memory_free: int
    """What can still be taken before somebody is ended for it; what can be reclaimed counts as free."""
    pressure: float = 0.0
    """Percent of the last ten seconds in which something of ours waited for a CPU; 0 where nobody counts."""
    load: float = 0.0
    """Who ran or waited for a CPU of the whole machine, on average over a minute."""


class Machine:
    """Looks at `root`, which is `/` but in tests. What is not there bounds nothing."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Nothing is read yet."""
        self._proc = root / "proc"
        self._groups = root / "sys/fs/cgroup"

    def read(self) -> Reading:
        """Look once; some ten small files."""
        meminfo = self._meminfo()
        limit, free = meminfo["MemTotal"], meminfo["MemAvailable"]
        for bound, left in self._memory_limits():
            limit, free = min(limit, bound), min(free, max(0, left))
        return Reading(
            cores=self.cores(),
            machine_cores=os.cpu_count() or 1,
            memory_limit=limit,
            memory_free=free,
            pressure=self._pressure(),
            load=float((self._text(self._proc / "loadavg") or "0").split()[0]),
        )

    def cores(self) -> float:
        """Cores that this process may use."""
        cores = float(len(os.sched_getaffinity(0)))
        for folder in self._folders(""):
            quota, _, period = (self._text(folder / "cpu.max") or "max").strip().partition(" ")
            if quota != "max":
                cores = min(cores, int(quota) / int(period or 100_000))
        for folder in self._folders("cpu"):
            quota_us = int(self._text(folder / "cpu.cfs_quota_us") or -1)
            if quota_us > 0:
                cores = min(cores, quota_us / int(self._text(folder / "cpu.cfs_period_us") or 100_000))
        return cores

    def _memory_limits(self) -> Iterator[tuple[int, int]]:
        """Limit and what is left below it, for each group that has one."""
        for folder in self._folders(""):
            bound = (self._text(folder / "memory.max") or "max").strip()
            if bound != "max":
                yield int(bound), int(bound) - self._held(folder, "memory.current", "")
        for folder in self._folders("memory"):
            in_bytes = int(self._text(folder / "memory.limit_in_bytes") or _NO_LIMIT)
            if in_bytes < _NO_LIMIT:
                yield in_bytes, in_bytes - self._held(folder, "memory.usage_in_bytes", "total_")

    def _held(self, folder: Path, usage: str, prefix: str) -> int:
        """What the group holds and cannot be reclaimed: files once read stay until room is needed."""
        wanted = {f"{prefix}active_file", f"{prefix}inactive_file"}
        lines = (self._text(folder / "memory.stat") or "").splitlines()
        cached = sum(int(value) for name, _, value in map(_split, lines) if name in wanted)
        return max(0, int(self._text(folder / usage) or 0) - cached)

    def _pressure(self) -> float:
        for folder in (*self._folders(""), None):
            text = self._text(folder / "cpu.pressure" if folder else self._proc / "pressure" / "cpu")
            if text and text.startswith("some avg10="):
                return float(text.split()[1].removeprefix("avg10="))
        return 0.0

    def _folders(self, controller: str) -> Iterator[Path]:
        """Our group's folder and all above it; `controller` is empty for version 2 (cgroups(7))."""
        mount = self._groups / controller
        for line in (self._text(self._proc / "self" / "cgroup") or "").splitlines():
            _, controllers, path = line.split(":", 2)
            if controller in controllers.split(","):
                # Inside a container of version 1 the path is the host's, and only the mount exists.
                folder = mount / path.strip("/")
                while folder != mount:
                    yield folder
                    folder = folder.parent
                yield mount

    def _meminfo(self) -> dict[str, int]:
        lines = (self._text(self._proc / "meminfo") or "").splitlines()
        found = {name.rstrip(":"): int(value.split()[0]) * _KIB for name, _, value in map(_split, lines)}
        total = found.get("MemTotal", _NO_LIMIT)
        return {"MemTotal": total, "MemAvailable": found.get("MemAvailable", total)}

    def _text(self, path: Path) -> str | None:
        try:
            return path.read_text()
        except OSError:  # not there, or not for us: it bounds nothing
            return None


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(" ")
