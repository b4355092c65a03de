"""Work for isolated children that does what a call says, good or bad."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import orjson

from tests import isolation_attempts

WORK = f"{__name__}:worker"


def worker(settings: bytes) -> Callable[[tuple[bytes, ...], int], Sequence[bytes]]:
    """The first part of a call is the name of what to do, the others are its arguments."""
    if settings == b"broken":
        raise SystemExit(3)

    folder = os.open("/proc/self/fd", os.O_RDONLY)  # confined, it could not open it any more

    def work(parts: tuple[bytes, ...], descriptor: int) -> Sequence[bytes]:
        name, *arguments = parts
        if name == b"look":
            return [_look(folder)]
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


def _deny() -> Iterable[bytes]:
    """End, and say that nothing was begun."""
    below = sys._getframe()
    while "begun" not in below.f_locals:
        assert below.f_back is not None
        below = below.f_back
    below.f_locals["begun"].value = 0
    os.kill(os.getpid(), signal.SIGKILL)
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


def _attempt(name: bytes, *arguments: bytes) -> Iterable[bytes]:
    """Do what is forbidden; says how it ended."""
    try:
        isolation_attempts.ATTEMPTS[name.decode()](*arguments)
    except OSError as error:
        yield errno.errorcode[error.errno or 0].encode()
    else:
        yield b"done"


def _look(folder: int) -> bytes:
    """Everything that a parent could have left by mistake; `folder` lists descriptors, itself included."""
    descriptors = []
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):  # the one that was listed with
            descriptors.append((int(name), os.readlink(name, dir_fd=folder)))
    others = [one for one in descriptors if one[0] != folder]
    return orjson.dumps({"environment": dict(os.environ), "descriptors": others})


DEEDS: dict[bytes, Callable[..., Iterable[bytes]]] = {
    b"echo": _echo,
    b"pid": _pid,
    b"sleep": _sleep,
    b"crash": _crash,
    b"deny": _deny,
    b"spin": _spin,
    b"fail": _fail,
    b"say": _say,
    b"attempt": _attempt,
}
