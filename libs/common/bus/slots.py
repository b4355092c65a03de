"""What a delivery of the in-process bus waits for: a free slot, or its turn among the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from libs.common.bus.contract import Admission, Delivery
from libs.common.bus.handling import Handling
from libs.common.bus.waiting import NotBegun, WaitingRoom
from libs.common.errors import Unavailable


class Slots:
    """The worker slots of a handler, a set of their own for each nesting depth.

    A handler at depth d waits for slots of depth d + 1 only, so waiting can never close a circle: handlers
    that publish, even to themselves, cannot deadlock on the limits.
    """

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._slots: dict[int, asyncio.Semaphore] = {}

    def place(self, delivery: Delivery, depth: int) -> AbstractAsyncContextManager[None]:
        """Wait for a slot, and keep it."""
        if depth not in self._slots:
            self._slots[depth] = asyncio.Semaphore(self._concurrency)
        return self._slots[depth]

    def close(self) -> None:
        """Who gets a slot finds out that the bus drains."""


class LanedSlots:
    """The lanes of a work, and the admission that says what begins.

    What a handler publishes begins at once: it would wait for the handler that waits for it.
    """

    def __init__(self, admission: Admission, handling: Handling) -> None:
        self._room = WaitingRoom[asyncio.Future[None]](admission, self._begin, handling.waiting.set)

    @asynccontextmanager
    async def place(self, delivery: Delivery, depth: int) -> AsyncIterator[None]:
        """Wait until the admission names this delivery. Raises Unavailable once the bus drains."""
        if depth > 0 or delivery.lane is None:
            yield
            return
        if self._room.closed:
            raise shutting_down()
        begun = asyncio.get_running_loop().create_future()
        self._room.add(NotBegun(delivery.lane, delivery, begun))
        try:
            await begun
        except asyncio.CancelledError:
            if not self._room.remove(lambda other: other is begun):
                self._room.ended(delivery.lane, delivery)
            raise
        try:
            yield
        finally:
            self._room.ended(delivery.lane, delivery)

    def close(self) -> None:
        """Nothing begins any more; those that wait are told."""
        for waiting in self._room.close():
            if not waiting.item.done():
                waiting.item.set_exception(shutting_down())

    @staticmethod
    def _begin(waiting: NotBegun[asyncio.Future[None]]) -> None:
        if not waiting.item.done():
            waiting.item.set_result(None)


def shutting_down() -> Unavailable:
    """Why nothing begins any more."""
    return Unavailable("The event bus is shutting down.")
