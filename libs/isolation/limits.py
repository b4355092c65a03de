"""What a child may take, and how the kernel is told so."""

from __future__ import annotations

import os
import resource
from dataclasses import dataclass

OPEN_FILES = 64


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """Of one child."""

    cpu_seconds: float
    """CPU time of all its threads for one call, counted by the parent; a busy machine costs none."""
    wall_seconds: float
    """For one call, of a child that hangs without computing."""
    memory_bytes: int
    """Private memory (RLIMIT_DATA; RLIMIT_AS would count the libraries that it maps)."""
    calls: int
    """After so many another child takes its place."""
    nice: int = 0
    """By so much its threads go behind others of the same session or container (nice(2))."""


def limit(memory_bytes: int, nice: int) -> None:
    """Limit this process for good: its memory, no core dump, no file that it could write, few descriptors.

    Where a child may compute for minutes, `nice` has those that wait for an answer go first.
    """
    os.nice(nice)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
