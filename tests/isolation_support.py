"""Work for isolated children that does what a call says, good or bad."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import orjson

WORK = f"{__name__}:worker"


def worker(settings: bytes) -> Callable[[tuple[bytes, ...], int], Sequence[bytes]]:
    """The first part of a call is the name of what to do, the others are its arguments."""
    if settings == b"broken":
        raise SystemExit(3)

    def work(parts: tuple[bytes, ...], descriptor: int) -> Sequence[bytes]:
        name, *arguments = parts
        if descriptor >= 0:
            arguments.append(os.pread(descriptor, 1000, 0))
            os.close(descriptor)
        return list(DEEDS[name](*arguments))

    return work


def _echo(*arguments: bytes) -> Iterable[bytes]:
    return arguments


def _pid() -> Iterable[bytes]:
    yield str(os.getpid()).encode()


def _sleep(seconds: bytes) -> Iterable[bytes]:
    time.sleep(float(seconds))
    yield str(os.getpid()).encode()


def _crash() -> Iterable[bytes]:
    ctypes.string_at(0)
    return ()


def _spin() -> Iterable[bytes]:
    while True:
        pass


def _fail() -> Iterable[bytes]:
    raise ValueError("PAT-0001")


def _say(raw: bytes) -> Iterable[bytes]:
    """Say what is no answer, past the one who answers."""
    with socket.socket(fileno=os.dup(int(sys.argv[1]))) as channel:
        channel.sendall(raw)
    signal.pause()
    return ()


def _look() -> Iterable[bytes]:
    """Everything that a parent could have left by mistake."""
    targets = {int(name): _target(name) for name in os.listdir("/proc/self/fd")}  # noqa: PTH208 - names, no paths
    yield orjson.dumps({"environment": dict(os.environ), "descriptors": list(map(list, targets.items()))})


def _target(name: str) -> str:
    try:
        return str(Path("/proc/self/fd", name).readlink())
    except OSError:  # the folder that was listed
        return ""


DEEDS: dict[bytes, Callable[..., Iterable[bytes]]] = {
    b"echo": _echo,
    b"pid": _pid,
    b"sleep": _sleep,
    b"crash": _crash,
    b"spin": _spin,
    b"fail": _fail,
    b"say": _say,
    b"look": _look,
}
