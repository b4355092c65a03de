"""Landlock: which files a process may still open by name (landlock(7)); what is open stays open."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
"""How many rights there are from a version on: all of them are refused, but what rules allow."""
_NETWORK = (4, 0b11)
"""From which version: binding and connecting of TCP."""
_SCOPES = (6, 0b11)
"""From which version: abstract sockets of others, signals to others."""


def version() -> int:
    """Of the kernel's Landlock; 0: it has none, or it is off."""
    return max(_call(_CREATE_RULESET, None, 0, _VERSION), 0)


def restrict(readable: Iterable[Path]) -> bool:
    """Let this thread, and those it starts, open nothing but what lies below `readable`, to read it.

    False where the kernel cannot. Needs `no_new_privs`.
    """
    known = version()
    if known == 0:
        return False
    rights = (1 << max(count for since, count in _FILE_RIGHTS.items() if since <= known)) - 1
    network, scopes = (mask if known >= since else 0 for since, mask in (_NETWORK, _SCOPES))
    # Older kernels know a shorter structure, and take a longer one if the rest is zero.
    handled = struct.pack("=QQQ", rights, network, scopes)
    ruleset = _call(_CREATE_RULESET, handled, len(handled), 0)
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(ruleset, path)
        return _call(_RESTRICT_SELF, ruleset, 0) == 0
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:  # there is no such folder
        return
    rights = _READ_FILE | _READ_DIR if path.is_dir() else _READ_FILE
    _call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0)
    os.close(descriptor)


def _call(number: int, *arguments: int | bytes | None) -> int:
    library = ctypes.CDLL(None, use_errno=True)
    library.syscall.restype = ctypes.c_long
    told = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    return int(library.syscall(ctypes.c_long(number), *told))
