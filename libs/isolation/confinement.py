"""A process gives up for good what it does not need: before the first foreign byte, after the imports."""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

from libs.isolation import landlock, seccomp

PARTS = ("no_new_privs", "landlock", "seccomp")
_SYSTEM = tuple(map(Path, ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib")))
"""Where shared libraries lie."""
_PR_SET_NO_NEW_PRIVS = 38
_PR_GET_SECCOMP = 21


def confine(package: str) -> list[str]:
    """Confine this process to its code, its memory and what is open; gives the PARTS the kernel lacks.

    `package` is the one, beside `libs`, whose modules may still be imported.
    """
    library = ctypes.CDLL(None, use_errno=True)
    done = [
        library.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0,
        # Other threads would keep what they may: what is imported must start none.
        _threads() == 1 and landlock.restrict(_code("libs", package)),
        seccomp.install(),
    ]
    return [part for part, succeeded in zip(PARTS, done, strict=True) if not succeeded]


def lacking() -> list[str]:
    """Which PARTS this machine's kernel does not offer, as far as one can tell without trying."""
    library = ctypes.CDLL(None, use_errno=True)
    known = platform.machine() in seccomp.ARCHITECTURES
    there = {
        "landlock": landlock.version() > 0,
        "seccomp": known and library.prctl(_PR_GET_SECCOMP, 0, 0, 0, 0) >= 0,
    }
    return [part for part, found in there.items() if not found]


def _code(*packages: str) -> Iterator[Path]:
    """Folders of code. The one that holds the packages may hold data and keys, too: a working copy does."""
    homes = set()
    for package in packages:
        for folder in sys.modules[package].__path__:
            homes.add(Path(folder).parent)
            yield Path(folder)
    for entry in map(Path, filter(None, sys.path)):
        if not any(home.is_relative_to(entry) for home in homes):
            yield entry
    yield from _SYSTEM


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))  # noqa: PTH208 - names are counted
