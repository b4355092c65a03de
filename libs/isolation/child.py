"""What runs in a child: `python -m libs.isolation.child SOCKET MEMORY`, begun by `libs/isolation/process.py`.

The first frame over the socket names the function that makes the work; each one after it is a call.
"""

from __future__ import annotations

import ctypes
import importlib
import mmap
import os
import signal
import socket
import sys
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence

import orjson

from libs.isolation.confinement import confine
from libs.isolation.frames import (
    ANSWER,
    BEGUN_BYTES,
    CALL_ON_FILE,
    CONFIGURE,
    RAISED,
    READY,
    Frame,
    Frames,
    frame,
)
from libs.isolation.limits import limit

Answering = Callable[[tuple[bytes, ...], int], Sequence[bytes]]
"""Takes the parts of a call and an open descriptor, which it closes; gives the parts of the answer."""

MOST_ASKED_BYTES = 1 << 20
_READ_BYTES = 64 << 10
_PR_SET_PDEATHSIG = 1
_STANDARD_ERROR = 2


class Calls:
    """What the parent sends: frames, and with each call a descriptor."""

    def __init__(self, channel: socket.socket) -> None:
        """`channel` is this process's end of the socket pair."""
        self._channel = channel
        self._frames = Frames(MOST_ASKED_BYTES)
        self._descriptors: deque[int] = deque()

    def __iter__(self) -> Iterator[tuple[Frame, int]]:
        """Each frame and its descriptor (-1: none), until the parent closes its end."""
        while True:
            data, descriptors, _, _ = socket.recv_fds(self._channel, _READ_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
            if not data:
                return
            self._descriptors.extend(descriptors)
            for received in self._frames.feed(data):
                yield received, self._descriptors.popleft() if received.kind == CALL_ON_FILE else -1


def serve(channel: socket.socket, begun: ctypes.c_uint64) -> None:
    """Answer call after call until the parent closes its end; `begun` counts them where the parent looks."""
    calls = iter(Calls(channel))
    received, _ = next(calls)
    if received.kind != CONFIGURE:
        raise SystemExit(f"the first frame is of kind {received.kind}")
    what, settings = received.parts
    told = orjson.loads(what)
    work = _made(told["work"], settings)
    limit(told["memory_bytes"], told["nice"])
    _silence()
    lacking = confine(told["work"].partition(".")[0])
    channel.sendall(frame(READY, [orjson.dumps(lacking)]))
    for number, (received, descriptor) in enumerate(calls, 1):
        begun.value = number
        channel.sendall(_answer(work, received.parts, descriptor))


def counter_in(descriptor: int) -> ctypes.c_uint64:
    """A number in shared memory, whose descriptor is closed: Python's own mapping would keep one."""
    library = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = (
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    )
    access = mmap.PROT_READ | mmap.PROT_WRITE
    address = library.mmap(None, BEGUN_BYTES, access, mmap.MAP_SHARED, descriptor, 0)
    if address == ctypes.c_void_p(-1).value:
        raise OSError(ctypes.get_errno(), "no shared memory")
    os.close(descriptor)
    return ctypes.c_uint64.from_address(address)


def _answer(work: Answering, parts: tuple[bytes, ...], descriptor: int) -> bytes:
    try:
        return frame(ANSWER, work(parts, descriptor))
    except Exception as error:  # noqa: BLE001 - the edge: the parent is told what nobody foresaw
        return frame(RAISED, [_described(error).encode()])


def _described(error: Exception) -> str:
    """Kind and place; not the text, which may quote what was worked on."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{type(error).__name__} at {frames[-1].filename}:{frames[-1].lineno}"


def _made(work: str, settings: bytes) -> Answering:
    module, _, name = work.partition(":")
    made: Answering = getattr(importlib.import_module(module), name)(settings)
    return made


def _silence() -> None:
    """What libraries print of a file goes nowhere; until now it told why a child could not begin."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, _STANDARD_ERROR)
    os.close(nowhere)


def _end_with_parent() -> None:
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # the parent died before the signal was armed


def main() -> None:
    """Take the socket and the memory that the parent has left open, and serve."""
    _end_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        serve(channel, counter_in(int(sys.argv[2])))


if __name__ == "__main__":
    main()
