"""Whose call is next: owners take turns, so that nobody's thousand calls stand before another's one."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.errors import TooManyRequests, Unavailable

RETRY_SECONDS = 5


class FairTurns:
    """`places` may be taken at once; who waits, waits in a line of their owner's own. Of one event loop."""

    def __init__(self, places: int, *, per_owner: int, together: int) -> None:
        """At most `per_owner` of one owner wait, and `together` of all."""
        self._free = places
        self._per_owner = per_owner
        self._together = together
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()
        self.waiting = 0

    @asynccontextmanager
    async def turn(self, owner: str) -> AsyncIterator[None]:
        """Hold a place within the block. Raises TooManyRequests, Unavailable."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(owner)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, owner: str) -> None:
        line = self._lines.get(owner)
        if line is not None and len(line) >= self._per_owner:
            raise TooManyRequests(
                f"{self._per_owner} of your images wait to be decoded, the most at once: ask for fewer.",
                code="too-many-images",
                retry_after=RETRY_SECONDS,
            )
        if self.waiting >= self._together:
            raise Unavailable("Too many images wait to be decoded: ask again in a moment.")
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(owner, deque()).append(place)
        self.waiting += 1
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._pass_on()  # it was ours a moment ago
            else:
                self._leave(owner, place)
            raise

    def _leave(self, owner: str, place: asyncio.Future[None]) -> None:
        line = self._lines[owner]
        line.remove(place)
        self.waiting -= 1
        if not line:
            del self._lines[owner]

    def _pass_on(self) -> None:
        """Give the place to the first of the owner who has waited for longest without one."""
        if not self._lines:
            self._free += 1
            return
        owner, line = self._lines.popitem(last=False)
        place = line.popleft()
        self.waiting -= 1
        if line:
            self._lines[owner] = line
        place.set_result(None)
