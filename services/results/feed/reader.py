"""Live changes: one reader of the change feed per process, fanned out to those who may see them.

What is shared with each follower is kept in memory, and read again when somebody shares or takes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from libs.common.access import Mode, Viewer
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from libs.common.permissions import ALL
from services.results.cursors import Position
from services.results.feed import store as changes
from services.results.feed.store import Change, Horizon
from services.results.metrics import ResultsMetrics
from services.results.read.shared_store import SHARES_CHANNEL, SharedItem, items_of, read_items
from services.results.write.store import CHANNEL

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks when nobody wakes the reader."""
GATHER = 0.01
"""Seconds between a wake-up and the look, so that a burst of transactions is read at once."""
SHARES_POLL = 10.0
"""Seconds between looks at what is shared when nobody says that it changed: shares end by themselves."""
HIDDEN_POLL = 0.05
"""Seconds until the first look at a change that a running transaction still hides; then ever slower."""

# The reader reads for everybody who listens.
_ALL = Viewer(0, MappingProxyType({}), ALL)


MeetingPlace: TypeAlias = str | SharedItem | None
"""Where a change is met: in a collection, at something that is shared, or anywhere."""


class SharesChanged(NamedTuple):
    """Something more, or something less, is shared with a follower."""

    given: int
    taken_back: int


@dataclass
class Follower:
    """Who follows, and where changes meet them."""

    viewer: Viewer
    shared: Mapping[SharedItem, Mode] = field(default_factory=dict)

    @property
    def places(self) -> set[MeetingPlace]:
        """A viewer who sees all meets every change once."""
        if self.viewer.visible is None:
            return {None}
        return {*self.viewer.visible, *self.shared}


class Inbox:
    """What waits for one stream, bounded: a reader that falls behind is cut, and resumes by cursor."""

    def __init__(self, limit: int) -> None:
        """`limit` is how many changes may wait."""
        self.overflowed = False
        self._limit = limit
        self._queue: deque[Change | SharesChanged] = deque()
        self._ended = False
        self._ready = asyncio.Event()

    def offer(self, change: Change | SharesChanged) -> None:
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

    async def take(self) -> list[Change | SharesChanged] | None:
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
        self._inboxes: dict[Inbox, Follower] = {}
        self._by_place: dict[MeetingPlace, set[Inbox]] = {}
        self._reading_shares = asyncio.Lock()
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
        self._enter(inbox, Follower(viewer))
        self._metrics.sse_clients.inc()
        try:
            # After entering: so whatever is given from now on is noticed.
            await self._read_shares({inbox: self._inboxes[inbox]}, announce=False)
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
        changed, shared = asyncio.Event(), asyncio.Event()
        async with (
            self._database.listen({CHANNEL: changed, SHARES_CHANNEL: shared}),
            asyncio.TaskGroup() as readers,
        ):
            readers.create_task(self._read_changes(changed))
            readers.create_task(self._follow_shares(shared))

    async def _read_changes(self, woken: asyncio.Event) -> None:
        pause = POLL
        while True:
            hint = woken if self._inboxes else self._joined
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await hint.wait()
                    await asyncio.sleep(GATHER)
            woken.clear()
            pause = await self._look(pause)

    async def _follow_shares(self, woken: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHARES_POLL):
                    await woken.wait()
                    await asyncio.sleep(GATHER)
            woken.clear()
            try:
                await self._read_shares(dict(self._inboxes), announce=True)
            except Unavailable as error:
                log.warning("live changes go by the shares of before: %s", error.detail)

    async def _read_shares(self, inboxes: Mapping[Inbox, Follower], *, announce: bool) -> None:
        """Let these meet what is shared with them now; `announce`: and tell them when that changed."""
        async with self._reading_shares:
            followers = [f.viewer for f in inboxes.values() if f.viewer.visible is not None]
            grantees = sorted({grantee for viewer in followers for grantee in viewer.grantees})
            if not grantees:
                return
            async with self._database.connection() as connection:
                held = await read_items(connection, grantees)
            for inbox, follower in inboxes.items():
                if inbox in self._inboxes and follower.viewer.visible is not None:
                    self._share(inbox, follower, held, announce=announce)

    def _share(
        self,
        inbox: Inbox,
        follower: Follower,
        held: Mapping[str, Mapping[SharedItem, Mode]],
        *,
        announce: bool,
    ) -> None:
        now: dict[SharedItem, Mode] = {}
        for grantee in follower.viewer.grantees:
            for item, mode in held.get(grantee, {}).items():
                if not follower.viewer.sees(item.collection):
                    now[item] = "manage" if now.get(item) == "manage" else mode
        before = follower.shared
        if now == before:
            return
        self._leave(inbox)
        self._enter(inbox, Follower(follower.viewer, now))
        if announce:
            given, taken = now.items() - before.items(), before.items() - now.items()
            inbox.offer(SharesChanged(len(given), len(taken)))

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
            items = items_of(
                change.collection, change.file_id, change.study_instance_uid, change.series_instance_uid
            )
            meeting: set[Inbox] = set()
            for place in (None, change.collection, *items):
                meeting |= self._by_place.get(place, set())
            for inbox in meeting:
                inbox.offer(change)
                if inbox.overflowed:
                    self._metrics.sse_cut.inc()
                    self._leave(inbox)

    def _enter(self, inbox: Inbox, follower: Follower) -> None:
        self._inboxes[inbox] = follower
        for place in follower.places:
            self._by_place.setdefault(place, set()).add(inbox)
        self._joined.set()

    def _leave(self, inbox: Inbox) -> None:
        follower = self._inboxes.pop(inbox, None)
        for place in () if follower is None else follower.places:
            inboxes = self._by_place[place]
            inboxes.discard(inbox)
            if not inboxes:
                del self._by_place[place]
        if not self._inboxes:
            self._joined.clear()
