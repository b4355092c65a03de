"""Objects of many frames that stay open between requests for them.

To open one, its sealed header is read, which takes longer than a frame where it tells of a thousand of them;
and an object in MongoDB is copied to a disk for the processes that decode.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from services.results.pixels.source import DecodingFor, FrameSource

MOST_OPEN = 8
KEPT_SECONDS = 10.0
"""After the last request for it."""
_LEAST_FRAMES = 2

_Key = tuple[str, UUID]


@dataclass
class _Kept:
    source: FrameSource
    users: int = 0
    end: asyncio.TimerHandle | None = None
    stale: bool = False
    """Pushed out while somebody used it."""


class OpenedSources:
    """Of one event loop. Whoever uses one has been let in by the database for this very request."""

    def __init__(self) -> None:
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def count(self) -> int:
        """How many are open between requests, or used."""
        return len(self._kept)

    @asynccontextmanager
    async def use(self, decoding: DecodingFor, file_id: UUID) -> AsyncIterator[FrameSource]:
        """An open object, for this owner's turns. Raises as FrameSource.open."""
        key = decoding.owner, file_id
        kept = self._kept.get(key)
        if kept is None:
            source = await FrameSource.open(decoding, file_id)
            if source.count < _LEAST_FRAMES or key in self._kept:
                async with source:
                    yield source
                return
            kept = self._kept[key] = _Kept(source)
        self._kept.move_to_end(key)
        if kept.end is not None:
            kept.end.cancel()
            kept.end = None
        kept.users += 1
        self._make_room(key)
        try:
            yield kept.source
        finally:
            kept.users -= 1
            if kept.users == 0:
                self._release(key, kept)

    async def close(self) -> None:
        """Close all of them."""
        for key in list(self._kept):
            self._push_out(key)
        if self._closing:
            await asyncio.wait(self._closing)

    def _release(self, key: _Key, kept: _Kept) -> None:
        if kept.stale:
            self._end(kept)
        else:
            kept.end = asyncio.get_running_loop().call_later(KEPT_SECONDS, self._push_out, key)

    def _make_room(self, key: _Key) -> None:
        while len(self._kept) > MOST_OPEN:
            self._push_out(next(one for one in self._kept if one != key))

    def _push_out(self, key: _Key) -> None:
        kept = self._kept.pop(key)
        if kept.end is not None:
            kept.end.cancel()
        if kept.users:
            kept.stale = True
        else:
            self._end(kept)

    def _end(self, kept: _Kept) -> None:
        closing = asyncio.get_running_loop().create_task(kept.source.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
