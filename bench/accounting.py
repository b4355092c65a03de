"""CPU time and peak memory of process trees, from /proc (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Usage:
    """Seconds of CPU so far, and the sum of each process's highest resident size in bytes."""

    cpu_seconds: float
    peak_bytes: int


def _stat(pid: int) -> tuple[int, float] | None:
    """Parent pid and CPU seconds (with those of ended, awaited children); None when the process is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return int(fields[1]), sum(map(int, fields[11:15])) / _TICK


def high_water(pid: int) -> int:
    """Highest resident size so far, in bytes; 0 when the process is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def reset_high_water(pid: int) -> None:
    """Let the highest resident size start again from the present one."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def children(root: int) -> list[int]:
    """Pids directly below `root`."""
    return [pid for pid in _pids() if (stat := _stat(pid)) is not None and stat[0] == root]


def _pids() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def usage_of(root: int, *, without: frozenset[int] = frozenset()) -> Usage:
    """The tree below `root`, without the trees below the pids of `without`."""
    found = {pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
    cpu, peak, queue = 0.0, 0, [root]
    while queue:
        pid = queue.pop()
        if pid in without or pid not in found:
            continue
        cpu += found[pid][1]
        peak += high_water(pid)
        queue.extend(child for child, (parent, _) in found.items() if parent == pid)
    return Usage(cpu, peak)


def descendant(root: int, command: str) -> int | None:
    """The first process below `root` whose command name is `command`."""
    found = {pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
    queue = [root]
    while queue:
        pid = queue.pop(0)
        name = Path(f"/proc/{pid}/comm")
        if pid != root and name.exists() and name.read_text().strip() == command:
            return pid
        queue.extend(child for child, (parent, _) in found.items() if parent == pid)
    return None
