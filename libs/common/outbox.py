"""The outbox relay: what a transaction announced reaches the bus, whatever happens in between.

A relay leases rows (FOR UPDATE SKIP LOCKED, a token, a lease that is renewed while held), publishes them side
by side and marks those that the bus has taken. Several relays share one table; a lost relay's rows come free
when its lease ends.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from libs.common.bus.contract import Bus
from libs.common.errors import ConfigurationError, Reject, Unavailable, Undelivered
from libs.common.events import Event, parse_event
from libs.common.outbox_store import Claimed, OutboxStore
from libs.common.postgres import Connection, Database
from libs.common.telemetry import Telemetry

log = logging.getLogger(__name__)

RETENTION = 7 * 86400.0
"""Seconds that published rows are kept."""
HOUSEKEEPING = 10.0
"""Seconds between looks at the backlog; leases are renewed three times as often as they last."""
RETRY_DELAY = 1.0
"""Seconds before an event that the bus could not take is tried again."""
PRUNE_EVERY = 3600.0


async def enqueue(connection: Connection, schema: str, event: Event) -> None:
    """Add an event to `schema`'s outbox, inside the caller's transaction."""
    await OutboxStore(schema).insert(connection, event)


async def replay(connection: Connection, schema: str) -> int:
    """Make given-up events pending again, from the first attempt on; how many."""
    return await OutboxStore(schema).replay(connection)


class OutboxRelay:
    """Runs until it is stopped; `wake` after each commit that added an event."""

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
        exclusive: bool = False,
    ) -> None:
        """`in_flight` events at once; `lease` and `poll` in seconds.

        `exclusive` (in-process bus): a session advisory lock admits one relay, which takes over all leases.
        """
        self._database = database
        self._bus = bus
        self._schema = schema
        self._store = OutboxStore(schema)
        self._metrics = telemetry.metrics
        self._in_flight = in_flight
        self._lease = lease
        self._poll = poll
        self._exclusive = exclusive
        self._token = uuid4()
        self._work = asyncio.Event()
        self._stopping = asyncio.Event()
        self._running: dict[asyncio.Task[None], int] = {}
        self._done: list[int] = []
        self._marking = asyncio.Event()
        self._mark_turn = asyncio.Lock()
        self._lock: Connection | None = None

    def wake(self) -> None:
        """An event waits."""
        self._work.set()

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """The time in which this relay may run. Raises ConfigurationError when another exclusive one does."""
        if not self._exclusive:
            yield
            return
        key = f"{self._schema}.outbox relay"
        async with self._database.connection() as lock:
            if not await lock.fetchval("SELECT pg_try_advisory_lock(hashtext($1))", key):
                raise ConfigurationError(
                    "Another process already works on this database without RabbitMQ: stop it, "
                    "or set AMQP_URL to run several."
                )
            try:
                await self._store.take_over(lock)
                self._lock = lock
                yield
            finally:
                if not lock.is_closed():
                    await lock.execute("SELECT pg_advisory_unlock(hashtext($1))", key)

    async def run(self) -> None:
        """Relay until cancelled, inside `admitted`."""
        async with asyncio.TaskGroup() as group:
            if self._lock is not None:
                group.create_task(self._hold_lock(self._lock))
            group.create_task(self._claiming())
            group.create_task(self._mark_published())
            group.create_task(self._keep_leases())
            group.create_task(self._keep_house())

    async def stop(self, timeout: float) -> None:
        """Claim no more; give what is in flight `timeout` seconds; release the rest without counting it."""
        self._stopping.set()
        self._work.set()
        if self._running:
            await asyncio.wait(self._running, timeout=timeout)
        late = dict(self._running)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late)
        try:
            await self._mark()
            if late:
                async with self._database.transaction() as connection:
                    await self._store.release(connection, self._token, list(late.values()), 0.0)
        except Unavailable as error:
            log.warning("outbox rows stay leased until their lease ends: %s", error.detail)

    async def _hold_lock(self, lock: Connection) -> None:
        """A lost connection is a lost lock: the error ends the relay, and so the process."""
        while True:
            await asyncio.sleep(self._poll)
            await lock.execute("SELECT 1")

    async def _claiming(self) -> None:
        while not self._stopping.is_set():
            self._work.clear()
            room = self._in_flight - len(self._running)
            claimed: list[Claimed] = []
            if room > 0:
                try:
                    async with self._database.transaction() as connection:
                        claimed = await self._store.claim(connection, self._token, self._lease, room)
                except Unavailable as error:
                    log.warning("outbox not read: %s", error.detail)
            for row in claimed:
                task = asyncio.create_task(self._relay(row))
                self._running[task] = row.id
                task.add_done_callback(self._ended)
            if len(claimed) < max(room, 1):
                await self._wait_for_work()
        await asyncio.Event().wait()

    async def _wait_for_work(self) -> None:
        try:
            async with asyncio.timeout(self._poll):
                await self._work.wait()
        except TimeoutError:
            return

    def _ended(self, task: asyncio.Task[None]) -> None:
        full = len(self._running) >= self._in_flight
        del self._running[task]
        if full:
            self._work.set()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("outbox row not settled; its lease will end", exc_info=error)

    async def _relay(self, row: Claimed) -> None:
        """Publish one event and settle its row; every other end leaves the row leased."""
        try:
            await self._bus.publish(parse_event(row.event), attempt=row.attempt)
        except Unavailable as error:
            log.info("event not published yet: %s", error.detail)
            async with self._database.transaction() as connection:
                await self._store.release(connection, self._token, [row.id], RETRY_DELAY)
        except Undelivered as error:
            await self._give_up(row, error.subscription, error.reason)
        except Reject as error:
            await self._give_up(row, None, error.detail)
        else:
            self._done.append(row.id)
            self._marking.set()

    async def _give_up(self, row: Claimed, subscription: str | None, reason: str) -> None:
        log.error("outbox row %d given up by %s: %s", row.id, subscription, reason)
        async with self._database.transaction() as connection:
            await self._store.dead(connection, self._token, row.id, subscription, reason)
        self._metrics.outbox_dead.inc()

    async def _mark_published(self) -> None:
        """One UPDATE for everything that was published while the last one ran."""
        while True:
            await self._marking.wait()
            self._marking.clear()
            try:
                await self._mark()
            except Unavailable as error:
                log.warning("published events not marked yet: %s", error.detail)
                await asyncio.sleep(RETRY_DELAY)
                self._marking.set()

    async def _mark(self) -> None:
        async with self._mark_turn:
            done = self._done[:]
            if not done:
                return
            async with self._database.transaction() as connection:
                marked = await self._store.published(connection, self._token, done)
            del self._done[: len(done)]
            self._metrics.outbox_published.inc(marked)

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            held = [*self._running.values(), *self._done]
            if not held:
                continue
            try:
                async with self._database.transaction() as connection:
                    await self._store.renew(connection, self._token, held, self._lease)
            except Unavailable as error:
                log.warning("outbox leases not renewed: %s", error.detail)

    async def _keep_house(self) -> None:
        since_pruned = PRUNE_EVERY
        while True:
            try:
                async with self._database.transaction() as connection:
                    if since_pruned >= PRUNE_EVERY:
                        await self._store.prune(connection, RETENTION)
                        since_pruned = 0.0
                    backlog = await self._store.backlog(connection)
                self._metrics.outbox_pending.set(backlog.pending)
                self._metrics.outbox_oldest_seconds.set(backlog.oldest_seconds)
            except Unavailable as error:
                log.warning("outbox not looked after: %s", error.detail)
            await asyncio.sleep(HOUSEKEEPING)
            since_pruned += HOUSEKEEPING
