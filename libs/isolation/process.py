"""A child as its parent sees it: a process, a socket, and the calls that it was given."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path

from libs.isolation.calls import Call
from libs.isolation.frames import BEGUN_BYTES, Frame, Frames

ROOT = Path(__file__).parents[2]
"""Where `libs` and `services` lie."""
ENVIRONMENT: Mapping[str, str] = {"OPENBLAS_NUM_THREADS": "1"}
"""All that a child has of one. Its work has one thread, and each of a BLAS would cost it memory."""
MOST_ANSWERED_BYTES = 64 << 20
_READ_BYTES = 256 << 10


class Child:
    """One process. What it says is not trusted: whatever breaks the format ends it."""

    def __init__(self) -> None:
        """Start it; blocks for the few milliseconds until it is executed. Raises OSError."""
        self._channel, theirs = socket.socketpair()
        self._channel.setblocking(False)
        self._begun = os.memfd_create("begun")
        with theirs:
            try:
                os.ftruncate(self._begun, BEGUN_BYTES)
                self._process = _executed(theirs, self._begun)
            except OSError:
                self._channel.close()
                os.close(self._begun)
                raise
        self.pid = self._process.pid
        self.channel = self._channel.fileno()
        self.ended = os.pidfd_open(self.pid)
        """Readable once it has ended."""
        self.started = False
        """Whether it has said that it is ready."""
        self.dismissed = False
        self.lost = False
        """Whether it was killed, or found dead."""
        self.verdict: Exception | None = None
        """Why, where that is known."""
        self.successor: Child | None = None
        self.calls: deque[Call | None] = deque()
        """Those that it was given, the first of which it works on; None: it was given to another one, too."""
        self.given = 0
        self.answered = 0
        self.has_begun = False
        """Whether it had begun the first of its calls, as it says itself; known once it was reaped."""
        self.since = 0.0
        """When it began the first of them, or its start."""
        self.watched = -1
        """How many it had answered when it was looked at last; -1: it did not work."""
        self.cpu = 0.0
        """CPU seconds that it had taken when this call was first looked at."""
        self._frames = Frames(MOST_ANSWERED_BYTES)
        self._clock = (~self.pid << 3) | 2  # CPU time of all threads of a process: clock_getcpuclockid(3)

    @property
    def open(self) -> bool:
        """Whether it may be given calls."""
        return self.started and not self.dismissed and not self.lost

    def configure(self, configuration: bytes) -> None:
        """Send the first frame."""
        with contextlib.suppress(OSError):  # it is gone: `ended` tells that
            self._channel.send(configuration)

    def give(self, call: Call) -> None:
        """Queue a call. Raises OSError where the child is gone, or does not read."""
        descriptors = () if call.descriptor is None else (call.descriptor,)
        if socket.send_fds(self._channel, [call.frame], descriptors) != len(call.frame):
            raise BlockingIOError("the child does not read")
        self.calls.append(call)
        self.given += 1

    def take_back(self) -> list[Call]:
        """Calls behind the first, for other children; what it answers to them later counts for nothing."""
        behind = [call for call in list(self.calls)[1:] if call is not None and call.wanted]
        for place in range(1, len(self.calls)):
            self.calls[place] = None
        return behind

    def received(self, *, all_of_it: bool = False) -> Iterator[Frame]:
        """Frames that have come, by one read, or by as many as there is something for. Raises Malformed."""
        while data := self._read():
            yield from self._frames.feed(data)
            if not all_of_it:
                return

    def cpu_seconds(self) -> float:
        """CPU time of all its threads so far."""
        try:
            return time.clock_gettime(self._clock)
        except OSError:  # it has ended
            return 0.0

    def kill(self) -> None:
        """End it at once."""
        self.lost = True
        self._process.kill()

    def dismiss(self) -> None:
        """Let it end once it has answered what it was given."""
        self.dismissed = True
        with contextlib.suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)

    def reap(self) -> int:
        """Exit code (negative: a signal) once it has ended; releases what belongs to it."""
        self.lost = True
        code = self._process.wait()
        # Read, not mapped: whatever it does to the file harms nobody here.
        begun = int.from_bytes(os.pread(self._begun, BEGUN_BYTES, 0), sys.byteorder)
        self.has_begun = begun > self.answered
        self._channel.close()
        os.close(self._begun)
        os.close(self.ended)
        return code

    def _read(self) -> bytes:
        try:
            return self._channel.recv(_READ_BYTES)
        except OSError:  # nothing is there, or it has ended
            return b""


def _executed(channel: socket.socket, begun: int) -> subprocess.Popen[bytes]:
    """Executed anew: a forked copy would have this process's memory, and in it the keys."""
    return subprocess.Popen(  # noqa: S603 - our own interpreter and module
        [sys.executable, "-s", "-B", "-m", "libs.isolation.child", str(channel.fileno()), str(begun)],
        cwd=ROOT,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        pass_fds=[channel.fileno(), begun],
        # A terminal's Ctrl-C is the parent's alone. Not a session: Linux gives each as much of the cores as
        # the parent's, with all its services (sched(7), autogroup).
        process_group=0,
    )
