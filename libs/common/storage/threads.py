"""Threads for blocking calls of coroutines: what disks make wait.

`concurrent.futures` and asyncio's way to it take locks, futures and turns of the event loop of their own for
each call, several times a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from functools import partial
from queue import Empty, SimpleQueue
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """Daemons, started as calls come in while all others are busy; they never end, and belong to no loop."""

    def __init__(self, most: int) -> None:
        """`most` of them; further calls wait."""
        self._most = most
        self._started = 0
        self._waiting: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._idle: SimpleQueue[None] = SimpleQueue()  # one for each that waits for a call

    def submit(self, call: Callable[[], None]) -> None:
        """Run soon; `call` raises nothing."""
        self._waiting.put(call)
        if self._started < self._most:
            try:
                self._idle.get_nowait()
            except Empty:
                self._started += 1
                threading.Thread(target=self._work, name=f"disk-{self._started}", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._waiting.get()()
            if self._started < self._most:
                self._idle.put(None)


THREADS = Threads(min(32, (os.cpu_count() or 1) + 4))
"""Those of the process; as many as asyncio's own."""


class _Call(Generic[T]):
    """One call on its way to a thread and back."""

    __slots__ = ("_function", "_loop", "error", "over", "value", "waiter")

    def __init__(self, function: Callable[[], T]) -> None:
        self._loop = asyncio.get_running_loop()
        self._function = function
        self.waiter = self._loop.create_future()
        self.over = False
        self.value: T
        self.error: BaseException | None = None

    def __call__(self) -> None:
        try:
            self.value = self._function()
        except BaseException as error:  # noqa: BLE001  whoever waits gets it
            self.error = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        self.over = True
        if not self.waiter.done():
            self.waiter.set_result(None)

    def renew(self) -> asyncio.Future[None]:
        """Wait again, after a cancellation."""
        self.waiter = self._loop.create_future()
        return self.waiter


async def in_thread(
    threads: Threads | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run in one of `threads` (None: the process's own), and never leave it running behind.

    Cancellation waits for the thread: what it works on, a file descriptor above all, must not be closed and
    reused under it.
    """
    call = _Call(partial(function, *args, **kwargs))
    (threads or THREADS).submit(call)
    try:
        await call.waiter
    except asyncio.CancelledError:
        while not call.over:
            with contextlib.suppress(asyncio.CancelledError):  # raised again below, once is enough
                await call.renew()
        raise
    if call.error is None:
        return call.value
    error, call.error = call.error, None
    try:
        raise error
    finally:
        del error  # its frames hold this one and the call: else all live until the collector comes
