"""Live changes: one reader of the change feed per process, fanned out to those who may see them.

What is shared with each follower is kept in memory, and read again when somebody shares or takes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from types import MappingProxyType

from libs.common.access import Viewer
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from libs.common.permissions import ALL
from services.results.cursors import Position
from services.results.feed import store as changes
from services.results.feed.followers import Follower, Followers, Inbox
from services.results.feed.store import Change, Horizon
from services.results.metrics import ResultsMetrics
from services.results.read.shared_store import SHARES_CHANNEL, read_items
from services.results.write.store import CHANNEL

log = logging.getLogger(__name__)

POLL = 1.0
"""Seconds between looks when nobody wakes the reader."""
SPACING = 0.003
"""Seconds that the reader rests for each change it found: a look takes as much work for one as for ten."""
GATHER = 0.03
"""Seconds that it rests at most, so that a burst of transactions is read together."""
SHARES_GATHER = 0.01
"""Seconds between hearing that something was shared and the look, for the same reason."""
SHARES_POLL = 10.0
"""Seconds between looks at what is shared when nobody says that it changed: shares end by themselves."""
HIDDEN_POLL = 0.01
"""Seconds until the first look at a change that a running transaction still hides; then ever slower."""

# The reader reads for everybody who listens.
_ALL = Viewer(0, MappingProxyType({}), ALL)


class Feed:
    """Reads the change feed while anybody listens."""

    def __init__(self, database: Database, metrics: ResultsMetrics, *, queue: int) -> None:
        """`queue` is how many changes may wait for one stream."""
        self._database = database
        self._metrics = metrics
        self._queue = queue
        self._followers = Followers()
        self._reading_shares = asyncio.Lock()
        self._joined = asyncio.Event()
        self._position: Position | None = None
        self._timeline: int | None = None
        self._waiting = False
        self._rested = 0.0  # when the next look may be, by the event loop's time

    @contextlib.asynccontextmanager
    async def join(self, viewer: Viewer, *, again: bool = False) -> AsyncIterator[tuple[Inbox, Horizon]]:
        """Take part from now on, in what `viewer` may see; also where "now" is. Raises Unavailable.

        The reader may be ahead of that place: `catch_up` from there before taking from the inbox. Whoever
        joins `again` may have missed that something was shared, and is told of all that is.
        """
        async with self._database.connection() as connection:
            now = await changes.read_horizon(connection)
        if self._position is None:
            self._position, self._timeline = now.position, now.timeline
        inbox = Inbox(self._queue)
        self._followers.enter(inbox, Follower(viewer))
        if self._timeline != now.timeline:
            # One of the two has not seen yet that the database was replaced: let them meet anew.
            inbox.end()
        self._joined.set()
        self._metrics.sse_clients.inc()
        try:
            # After entering: so whatever is given from now on is noticed.
            await self._read_shares([inbox], announce=again)
            yield inbox, now
        finally:
            self._metrics.sse_clients.dec()
            self._leave(inbox)

    async def catch_up(
        self, after: Position, viewer: Viewer, timeline: int
    ) -> AsyncIterator[tuple[list[Change], Position]]:
        """Pages of what is settled after `after`, each with the place it ends at.

        Raises Unavailable, also where the database has left `timeline`.
        """
        more = True
        while more:
            async with self._database.connection() as connection:
                horizon = await changes.read_horizon(connection)
                if horizon.timeline != timeline:
                    raise Unavailable("The database was replaced.")
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
        loop, pause = asyncio.get_running_loop(), POLL
        while True:
            hint = woken if self._followers else self._joined
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await hint.wait()
            # What comes alone is told at once; steady traffic gathers meanwhile.
            if (rest := self._rested - loop.time()) > 0:
                await asyncio.sleep(rest)
            woken.clear()
            pause = await self._look(pause)

    async def _follow_shares(self, woken: asyncio.Event) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SHARES_POLL):
                    await woken.wait()
                    await asyncio.sleep(SHARES_GATHER)
            woken.clear()
            try:
                await self._read_shares(self._followers, announce=True)
            except Unavailable as error:
                log.warning("live changes go by the shares of before: %s", error.detail)

    async def _read_shares(self, inboxes: Iterable[Inbox], *, announce: bool) -> None:
        """Let these meet what is shared with them now; `announce`: and tell them when that changed."""
        async with self._reading_shares:
            # Whoever joins meanwhile reads for themself, after this.
            asked = list(inboxes)
            grantees = sorted(self._followers.grantees(asked))
            if not grantees:
                return
            async with self._database.connection() as connection:
                held = await read_items(connection, grantees)
            for inbox in asked:
                changed = self._followers.share(inbox, held)
                if announce and changed is not None:
                    inbox.offer(changed)

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
        if horizon.hidden is None or not self._followers:
            return POLL
        return HIDDEN_POLL if before == POLL else min(before * 2, POLL / 2)

    async def _advance(self, connection: Connection) -> Horizon:
        horizon = await changes.read_horizon(connection)
        if horizon.timeline != self._timeline:
            self._begin_anew(horizon)
        if not self._followers:
            self._position = horizon.position
        while self._position is not None and self._position < horizon.position:
            page = await changes.read_page(connection, self._position, horizon, _ALL)
            self._offer(page.changes)
            self._rest(len(page.changes))
            self._position = page.next
        return horizon

    def _rest(self, found: int) -> None:
        self._rested = asyncio.get_running_loop().time() + min(found * SPACING, GATHER)

    def _begin_anew(self, horizon: Horizon) -> None:
        """Positions of another timeline say nothing here: streams end, and come back to be told so."""
        if self._timeline is not None:
            log.warning("the change feed begins anew: PostgreSQL was replaced (a failover, or a restore)")
            self._metrics.feed_restarts.inc()
        for inbox in self._followers:
            inbox.end()
        self._position, self._timeline = horizon.position, horizon.timeline

    def _offer(self, found: Iterable[Change]) -> None:
        for change in found:
            for inbox in self._followers.meeting(change):
                inbox.offer(change)
                if inbox.overflowed:
                    self._metrics.sse_cut.inc()
                    self._leave(inbox)

    def _leave(self, inbox: Inbox) -> None:
        self._followers.leave(inbox)
        if not self._followers:
            self._joined.clear()
