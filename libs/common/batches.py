"""Micro-batches: what arrives within milliseconds is committed together, and each waits for the commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar

from libs.common.errors import Unavailable


class Weighty(Protocol):
    """Anything that knows how much a transaction has to carry for it."""

    @property
    def weight(self) -> int:
        """In characters."""


T = TypeVar("T", bound=Weighty)


class _Waiting(NamedTuple, Generic[T]):
    item: T
    done: asyncio.Future[None]


class Batcher(Generic[T]):
    """Groups items for `commit`. While one batch commits, the next gathers."""

    def __init__(
        self,
        commit: Callable[[Sequence[T]], Awaitable[None]],
        *,
        size: int = 64,
        spacing: float = 0.005,
        interval: float = 0.05,
        weight: int = 8 << 20,
    ) -> None:
        """At most `size` items or `weight` characters a batch; one item may exceed it.

        After a batch, one that is not full waits `spacing` seconds for each of its items, `interval` at most:
        a transaction takes nearly as much work for one item as for ten, so steady traffic gathers, while what
        comes alone is committed at once.
        """
        self._commit = commit
        self._size = size
        self._spacing = spacing
        self._interval = interval
        self._next = 0.0  # when the next batch may begin
        self._weight = weight
        self._queue: deque[_Waiting[T]] = deque()
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._stopped = False

    async def submit(self, item: T) -> None:
        """Return once `item` is committed. Raises what the commit of this item raised, or Unavailable."""
        if self._stopped:
            raise _stopping()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(_Waiting(item, done))
        self._arrived.set()
        if len(self._queue) >= self._size:
            self._full.set()
        await done

    async def run(self) -> None:
        """Commit batches for ever. Who still waits when this is cancelled gets Unavailable."""
        try:
            while True:
                await self._gather()
                batch = self._take()
                try:
                    await self._settle(batch)
                except asyncio.CancelledError:
                    # Committed or not, nobody can tell: it has to change nothing when it comes again.
                    _fail(batch, _stopping())
                    raise
        finally:
            self._stopped = True
            _fail(self._queue, _stopping())
            self._queue.clear()

    async def _gather(self) -> None:
        await self._arrived.wait()
        if len(self._queue) >= self._size:
            return
        if self._next <= asyncio.get_running_loop().time():
            await asyncio.sleep(0)  # whoever arrives in this very turn of the loop comes along
            return
        try:
            async with asyncio.timeout_at(self._next):
                await self._full.wait()
        except TimeoutError:
            return

    def _take(self) -> list[_Waiting[T]]:
        batch: list[_Waiting[T]] = []
        weight = 0
        while self._queue and len(batch) < self._size:
            weight += self._queue[0].item.weight
            if batch and weight > self._weight:
                break
            batch.append(self._queue.popleft())
        if not self._queue:
            self._arrived.clear()
        if len(self._queue) < self._size:
            self._full.clear()
        self._next = asyncio.get_running_loop().time() + min(len(batch) * self._spacing, self._interval)
        # Whoever was cancelled has left.
        return [waiting for waiting in batch if not waiting.done.done()]

    async def _settle(self, batch: Sequence[_Waiting[T]]) -> None:
        if not batch:
            return
        try:
            await self._commit([waiting.item for waiting in batch])
        except Unavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  each waiting handler gets its own item's error
            if len(batch) == 1:
                _fail(batch, error)
            else:
                # One item spoils the transaction of all: alone, only that one fails.
                for waiting in batch:
                    await self._settle([waiting])
        else:
            for waiting in batch:
                if not waiting.done.done():
                    waiting.done.set_result(None)


def _fail(batch: Sequence[_Waiting[T]] | deque[_Waiting[T]], error: Exception) -> None:
    for waiting in batch:
        if not waiting.done.done():
            waiting.done.set_exception(error)


def _stopping() -> Unavailable:
    return Unavailable("The service is stopping.")
