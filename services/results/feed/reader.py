"""Live changes: one reader of the change feed per process, fanned out to those who may see them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Sequence
from types import MappingProxyType

from libs.common.access import Viewer
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from libs.common.permissions import ALL
from services.results.cursors import Position
from services.results.feed import store as changes
from services.results.feed.store import Change, Horizon
from services.results.metrics import ResultsMetrics
from services.results.write.store import CHANNEL

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks when nobody wakes the reader."""
GATHER = 0.01
"""Seconds between a wake-up and the look, so that a burst of transactions is read at once."""
HIDDEN_POLL = 0.05
"""Seconds until the first look at a change that a running transaction still hides; then ever slower."""

# The reader reads for everybody who listens.
_ALL = Viewer(0, MappingProxyType({}), ALL)


class Inbox:
    """What waits for one stream, bounded: a reader that falls behind is cut, and resumes by cursor."""

    def __init__(self, limit: int) -> None:
        """`limit` is how many changes may wait."""
        self.overflowed = False
        self._limit = limit
        self._queue: deque[Change] = deque()
        self._ended = False
        self._ready = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Queue a change; the one that is too many ends the inbox instead."""
        if self._ended:
            return
        if len(self._queue) >= self._limit:
            self.overflowed = True
            self.end()
            return
        self._queue.append(change)
        self._ready.set()

    @property
    def waiting(self) -> bool:
        """Whether changes are queued."""
        return bool(self._queue)

    def end(self) -> None:
        """Let the stream end after what is queued already."""
        self._ended = True
        self._ready.set()

    async def take(self) -> list[Change] | None:
        """Wait for changes and take all that are queued; None at the end."""
        await self._ready.wait()
        taken = list(self._queue)
        self._queue.clear()
        if self._ended:
            return taken or None
        self._ready.clear()
        return taken


class Feed:
    """Reads the change feed while anybody listens."""

    def __init__(self, database: Database, metrics: ResultsMetrics, *, queue: int) -> None:
        """`queue` is how many changes may wait for one stream."""
        self._database = database
        self._metrics = metrics
        self._queue = queue
        self._inboxes: dict[Inbox, Sequence[str | None]] = {}
        self._by_collection: dict[str | None, set[Inbox]] = {}
        self._joined = asyncio.Event()
        self._position: Position | None = None
        self._waiting = False

    @contextlib.asynccontextmanager
    async def join(self, viewer: Viewer) -> AsyncIterator[tuple[Inbox, Position]]:
        """Take part from now on, in what `viewer` may see; also where "now" is. Raises Unavailable.

        The reader may be ahead of that place: `catch_up` from there before taking from the inbox.
        """
        async with self._database.connection() as connection:
            now = (await changes.read_horizon(connection)).position
        if self._position is None:
            self._position = now
        inbox = Inbox(self._queue)
        self._enter(viewer, inbox)
        self._metrics.sse_clients.inc()
        try:
            yield inbox, now
        finally:
            self._metrics.sse_clients.dec()
            self._leave(inbox)

    async def catch_up(self, after: Position, viewer: Viewer) -> AsyncIterator[tuple[list[Change], Position]]:
        """Pages of what is settled after `after`, each with the place it ends at. Raises Unavailable."""
        more = True
        while more:
            async with self._database.connection() as connection:
                horizon = await changes.read_horizon(connection)
                page = await changes.read_page(connection, after, horizon, viewer)
            after, more = page.next, page.more
            yield page.changes, after

    @property
    def position(self) -> Position | None:
        """Every change up to here was offered to every inbox."""
        return self._position

    async def run(self) -> None:
        """Read for ever: at once when woken, each second anyway, through outages of the database."""
        async with self._database.listen(CHANNEL) as woken:
            pause = POLL
            while True:
                hint = woken if self._inboxes else self._joined
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await hint.wait()
                        await asyncio.sleep(GATHER)
                woken.clear()
                pause = await self._look(pause)

    async def _look(self, before: float) -> float:
        """Offer what is new; the seconds until the next look, `before` being those of the last."""
        try:
            async with self._database.connection() as connection:
                horizon = await self._advance(connection)
        except Unavailable as error:
            if not self._waiting:
                log.warning("live changes wait: %s", error.detail)
            self._waiting = True
            return POLL
        self._waiting = False
        self._metrics.feed_lag.set(horizon.hidden or 0.0)
        if horizon.hidden is None or not self._inboxes:
            return POLL
        return HIDDEN_POLL if before == POLL else min(before * 2, POLL / 2)

    async def _advance(self, connection: Connection) -> Horizon:
        horizon = await changes.read_horizon(connection)
        if not self._inboxes:
            self._position = horizon.position
        while self._position is not None and self._position < horizon.position:
            page = await changes.read_page(connection, self._position, horizon, _ALL)
            self._offer(page.changes)
            self._position = page.next
        return horizon

    def _offer(self, found: Iterable[Change]) -> None:
        for change in found:
            for collection in (None, change.collection):
                for inbox in tuple(self._by_collection.get(collection, ())):
                    inbox.offer(change)
                    if inbox.overflowed:
                        self._metrics.sse_cut.inc()
                        self._leave(inbox)

    def _enter(self, viewer: Viewer, inbox: Inbox) -> None:
        """Under each collection of the viewer, or under None for one who sees all: a change meets it once."""
        collections = [None] if viewer.visible is None else viewer.visible
        self._inboxes[inbox] = collections
        for collection in collections:
            self._by_collection.setdefault(collection, set()).add(inbox)
        self._joined.set()

    def _leave(self, inbox: Inbox) -> None:
        for collection in self._inboxes.pop(inbox, ()):
            inboxes = self._by_collection[collection]
            inboxes.discard(inbox)
            if not inboxes:
                del self._by_collection[collection]
        if not self._inboxes:
            self._joined.clear()
