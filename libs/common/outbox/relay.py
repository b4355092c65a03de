"""The outbox: what a transaction announced reaches the bus, whatever happens in between.

A relay leases rows (FOR UPDATE SKIP LOCKED, a token, a lease that is renewed while held), counting the
attempt as it does so, publishes them side by side and writes the outcomes back in batches. Several relays
share one table; a lost relay's rows come free when its lease ends.

Whoever commits events in the relay's own process may ask it for places first (`reserve`): the rows are
written as leased, and published from memory once they are committed, without being read again. Their first
lease is short, so that what a crash leaves behind goes on at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID, uuid4

from libs.common.backoff import backoff
from libs.common.bus.contract import Bus
from libs.common.database.postgres import Database
from libs.common.errors import NoRoom, Reject, Unavailable, Undelivered
from libs.common.events import EVENT_TYPES, Event, parse_event
from libs.common.outbox.lock import OutboxLock
from libs.common.outbox.places import FairPlaces, Withheld
from libs.common.outbox.settlement import PACE, Settlement
from libs.common.outbox.store import GivenUp, OutboxStore, Released
from libs.common.telemetry.tracing import Telemetry

log = logging.getLogger(__name__)

RETENTION = 86_400.0
"""Seconds that published rows are kept."""
PRUNE_LIMIT = 5_000
OTHERS = 0.5
"""Seconds between looks for collections that a burst keeps outside."""
WITHHELD = 5.0
"""Seconds for which a collection is passed over whose lane is full."""
HOUSEKEEPING = 10.0
"""Seconds between looks at the backlog."""
FRESH_LEASE = 2.0
"""Seconds for which a row is leased that is published from memory: what a crash delays it by."""
LEASES = 0.5
"""Seconds between looks for leases to be renewed."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a relay keeps free for events about to be committed: their rows are leased under `token`."""

    token: UUID
    seconds: float
    collections: Sequence[str | None]


@dataclass(frozen=True, slots=True)
class _Dispatch:
    """A row on its way; the bus adds to `done` the queues whose handlers have finished with it."""

    row: int
    attempt: int
    collection: str | None
    event: Event | str
    """As it was committed in this process, or as the table has it."""
    done: set[str]


class OutboxRelay:
    """Dispatches the rows of one outbox: `async with relay.admitted():` run `run()`, at last call `stop`."""

    def __init__(
        self,
        database: Database,
        bus: Bus,
        schema: str,
        telemetry: Telemetry,
        *,
        in_flight: int = 100,
        lease: float = 30.0,
        poll: float = 1.0,
        in_process_slots: int | None = None,
    ) -> None:
        """`in_flight` events at once; `lease` and `poll` in seconds.

        `in_process_slots` (in-process bus): one relay for the whole database, which takes over all leases at
        start; so many events at once can have been in the hands of the handler that attempts protect from.
        """
        self._database = database
        self._bus = bus
        self._store = OutboxStore(schema)
        self._pending = telemetry.metrics.outbox_pending.labels(schema)
        self._oldest_seconds = telemetry.metrics.outbox_oldest_seconds.labels(schema)
        self._lease = lease
        self._poll = poll
        self._lock = None if in_process_slots is None else OutboxLock(database, schema, in_process_slots)
        self._token = uuid4()
        self._settlement = Settlement(database, self._store, self._token, telemetry.metrics)
        self._work = asyncio.Event()
        self._stopping = asyncio.Event()
        self._claim_turn = asyncio.Lock()
        self._running: dict[asyncio.Task[None], _Dispatch] = {}
        self._renewals: dict[int, float] = {}
        """When the lease of a row is to be renewed, by the event loop's clock."""
        self._all_claimed = False
        """Whether the last look left nothing behind: only then may an event overtake the table."""
        self._places = FairPlaces(in_flight, fair=in_process_slots is not None)
        self._withheld = Withheld(WITHHELD)
        self._rest = 0.0
        self._look_at = 0.0
        self._refused = False
        self._failures = 0

    def wake(self) -> None:
        """An event waits: look now instead of at the next poll."""
        self._all_claimed = False
        self._work.set()

    def reserve(self, collections: Sequence[str | None]) -> Reservation | None:
        """Places for events of these collections; None where they are to wait in the table.

        Whoever gets places calls `begin`, whatever became of the events.
        """
        if self._stopping.is_set() or not self._all_claimed or self._failures:
            return None
        withheld = self._withheld.names(asyncio.get_running_loop().time())
        if len(collections) > self._places.open or any(name in withheld for name in collections):
            return None
        for name in collections:
            self._places.begun(name)
        return Reservation(self._token, FRESH_LEASE, collections)

    def begin(self, places: Reservation, committed: Iterable[tuple[int | None, Event]]) -> None:
        """Publish what was committed, in the order of the places; without a row, a place is free again."""
        for collection, (row, event) in zip(places.collections, committed, strict=True):
            self._places.ended(collection)
            if row is None:
                continue
            if self._stopping.is_set():
                self._settlement.released(Released(row, 0.0))
            else:
                self._dispatch(_Dispatch(row, 1, collection, event, set()), 0.4 * places.seconds)

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """The time in which this relay may run. Raises ConfigurationError when another exclusive one does."""
        if self._lock is None:
            yield
            return
        async with self._lock.held():
            yield

    async def run(self) -> None:
        """Relay until cancelled, inside `admitted`."""
        async with asyncio.TaskGroup() as group:
            if self._lock is not None:
                group.create_task(self._lock.watch(), name="outbox lock watch")
            group.create_task(self._claiming(), name="outbox claims")
            group.create_task(self._settlement.run(), name="outbox settlement")
            group.create_task(self._keep_leases(), name="outbox leases")
            group.create_task(self._keep_house(), name="outbox housekeeping")

    async def stop(self, timeout: float) -> None:
        """Claim no more, give what is in flight `timeout` seconds, release the rest without counting it."""
        self._stopping.set()
        async with self._claim_turn:
            running = dict(self._running)
        late: set[asyncio.Task[None]] = set()
        if running:
            _, late = await asyncio.wait(running, timeout=timeout)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        for task in late:
            if task.cancelled():
                self._settlement.released(Released(running[task].row, 0.0, running[task].done))
        try:
            await self._settlement.write()
        except Unavailable as error:
            log.warning("outbox rows stay leased until their lease ends: %s", error.detail)

    async def _claiming(self) -> None:
        """Fill the free places whenever somebody wakes us, a place comes free, or it is time to look."""
        while True:
            self._work.clear()
            room = self._places.open
            claimed = await self._claim(room)
            self._all_claimed = claimed is not None and claimed < room and not self._work.is_set()
            await asyncio.sleep(self._pause())
            if room <= 0 or claimed is None or claimed < room:
                await self._wait_for_work()

    def _pause(self) -> float:
        """Seconds until the next claim: a moment in which wake-ups and free places gather for it.

        Longer while the bus takes nothing: what keeps one event from it mostly keeps them all.
        """
        if not self._refused:
            return max(PACE, self._rest)
        self._refused = False
        self._failures += 1
        return max(backoff(self._failures), self._rest)

    async def _claim(self, room: int) -> int | None:
        """Lease rows and start to publish them; how many, those in kept places aside; None: nobody knows."""
        async with self._claim_turn:
            if self._stopping.is_set():
                return None
            try:
                claimed = await self._lease_open(room) if room > 0 else 0
                if claimed == room:
                    await self._claim_for_others()
            except Unavailable as error:
                log.warning("outbox not read: %s", error.detail)
                return None
            return claimed

    async def _lease_open(self, room: int) -> int:
        """Lease what is due, but of collections that find no room; where all those are read, seldom."""
        clock = asyncio.get_running_loop().time
        started = clock()
        names = self._withheld.names(started)
        claimed = await self._lease_rows(room, names or None)
        self._rest = 4 * (clock() - started) if names else 0.0
        return claimed

    async def _claim_for_others(self) -> None:
        """Fill places kept for collections with little under way; seldom, since all rows are read."""
        clock = asyncio.get_running_loop().time
        started = clock()
        if self._places.kept <= 0 or started < self._look_at:
            return
        await self._lease_rows(self._places.kept, self._places.with_much)
        self._look_at = clock() + max(OTHERS, 20 * (clock() - started))

    async def _lease_rows(self, room: int, without: Sequence[str] | None = None) -> int:
        async with self._database.connection() as connection:
            rows = await self._store.claim(connection, self._token, self._lease, room, without)
        for row in rows:
            dispatch = _Dispatch(row.id, row.attempt, row.collection, row.event, set(row.done))
            self._dispatch(dispatch, self._lease / 3)
        return len(rows)

    def _dispatch(self, dispatch: _Dispatch, renew_after: float) -> None:
        task = asyncio.create_task(self._publish(dispatch), name=f"outbox row {dispatch.row}")
        self._running[task] = dispatch
        self._places.begun(dispatch.collection)
        self._renewals[dispatch.row] = asyncio.get_running_loop().time() + renew_after
        task.add_done_callback(self._ended)

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self._poll):
                await self._work.wait()
        except TimeoutError:
            return

    async def _publish(self, dispatch: _Dispatch) -> None:
        """Publish one event and note the outcome."""
        row, done, event = dispatch.row, dispatch.done, dispatch.event
        try:
            event = parse_event(event) if isinstance(event, str) else event
            await self._bus.publish(event, attempt=dispatch.attempt, done=done)
        except Unavailable as error:
            log.info("outbox row %d not published yet: %s", row, error.detail)
            self._refused = True
            self._all_claimed = False
            if isinstance(error, NoRoom):
                self._withheld.add(dispatch.collection, asyncio.get_running_loop().time())
            self._settlement.released(Released(row, backoff(self._failures + 1), done))
        except Undelivered as error:
            self._give_up(GivenUp(row, error.subscription, error.reason, done))
        except Reject as error:
            self._give_up(GivenUp(row, None, error.detail))
        else:
            self._refused, self._failures = False, 0
            self._settlement.published(row)

    def _give_up(self, row: GivenUp) -> None:
        log.error("outbox row %d given up by %s: %s", row.id, row.subscription or "the relay", row.reason)
        self._settlement.dead(row)

    def _ended(self, task: asyncio.Task[None]) -> None:
        was_full = self._places.full
        ended = self._running.pop(task)
        self._places.ended(ended.collection)
        if was_full:
            self._work.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error(
                "outbox row %d: the bus failed; tried again when its lease ends", ended.row, exc_info=error
            )

    async def _keep_leases(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(min(LEASES, self._lease / 3))
            held = {*(one.row for one in self._running.values()), *self._settlement.unwritten}
            self._renewals = {row: at for row, at in self._renewals.items() if row in held}
            now = clock()
            due = [row for row, at in self._renewals.items() if at <= now]
            if not due:
                continue
            try:
                async with self._database.connection() as connection:
                    kept = await self._store.renew(connection, self._token, due, self._lease)
            except Unavailable as error:
                log.warning("outbox leases not renewed: %s", error.detail)
            else:
                self._renewals.update(dict.fromkeys(due, now + self._lease / 3))
                log.debug("kept %d outbox leases", kept)

    async def _keep_house(self) -> None:
        while True:
            try:
                async with self._database.connection() as connection:
                    await self._store.prune(connection, RETENTION, PRUNE_LIMIT)
                    # A relay of the release before may share the outbox, and reads fewer types.
                    if revived := await self._store.revive(connection, EVENT_TYPES):
                        log.warning("%d events go on that an older release could not read", revived)
                    backlog = await self._store.backlog(connection)
                self._pending.set(backlog.pending)
                self._oldest_seconds.set(backlog.oldest_seconds)
            except Unavailable as error:
                log.warning("outbox not looked after: %s", error.detail)
            await asyncio.sleep(HOUSEKEEPING)
