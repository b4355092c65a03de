"""Ports for servers that tests start in processes of their own.

Below those that the kernel gives to connections and to whoever asks for any, so that none is taken between
its choice and its use; and each for one process of all that run tests on this machine.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

FIRST = 18_000
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_CLAIMS = Path(tempfile.gettempdir()) / f"dicom-test-ports-{os.geteuid()}"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has."""
    return free_ports(1)[0]


def free_ports(number: int) -> list[int]:
    """So many ports of 127.0.0.1 that nobody has; they stay this process's until it ends."""
    _CLAIMS.mkdir(mode=0o700, exist_ok=True)
    end = int(_RANGE.read_text().split()[0])
    found: list[int] = []
    with (_CLAIMS / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for port in random.sample(range(FIRST, end), end - FIRST):
            claim = _CLAIMS / str(port)
            if not _is_claimed(claim) and _is_free(port):
                claim.write_text(str(os.getpid()))
                found.append(port)
            if len(found) == number:
                return found
    raise AssertionError(f"no {number} free ports between {FIRST} and {end}")


def _is_claimed(claim: Path) -> bool:
    return claim.exists() and Path("/proc", claim.read_text()).exists()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
