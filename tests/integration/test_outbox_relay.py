"""The relay and its settlement at their seams: outcomes half written, a lost database, a stop."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.bus.contract import Delivery
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import Topology
from libs.common.database.postgres import Connection, Database
from libs.common.errors import NoRoom, Unavailable
from libs.common.events import Event, FileReceived
from libs.common.outbox import relay as relay_module
from libs.common.outbox.lock import OutboxLock
from libs.common.outbox.relay import OutboxRelay, Reservation
from libs.common.outbox.settlement import Settlement
from libs.common.outbox.store import OutboxStore, enqueue
from tests.bus_support import FAST, FILES, make_telemetry, received
from tests.fixtures_postgres import OpenDatabase
from tests.waiting import PATIENCE, eventually

ONE = Topology(FAST.exchange, (FILES,), FAST.retry_delays)


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    return await open_database("ingest", size=10)


class Store(OutboxStore):
    """Notes what is marked as published; waits for `gate`, then fails once where `fails`."""

    def __init__(self) -> None:
        super().__init__("ingest")
        self.marked: list[list[int]] = []
        self.begun = asyncio.Event()
        self.gate = asyncio.Event()
        self.fails = False

    async def published(self, connection: Connection, token: UUID, ids: Sequence[int]) -> int:
        self.begun.set()
        await self.gate.wait()
        if self.fails:
            self.fails = False
            raise Unavailable("lost in the middle")
        self.marked.append(list(ids))
        return await super().published(connection, token, ids)


async def test_an_outcome_is_kept_until_it_is_written(database: Database) -> None:
    store = Store()
    store.gate.set()
    store.fails = True
    settlement = Settlement(database, store, uuid4(), make_telemetry().metrics)
    settlement.published(1)
    with pytest.raises(Unavailable):
        await settlement.write()
    assert settlement.unwritten == [1]
    await settlement.write()
    assert (settlement.unwritten, store.marked) == ([], [[1]])


async def test_two_writes_at_once_lose_nothing_that_comes_meanwhile(database: Database) -> None:
    store = Store()
    settlement = Settlement(database, store, uuid4(), make_telemetry().metrics)
    settlement.published(1)
    writes = [asyncio.create_task(settlement.write()) for _ in range(2)]
    await store.begun.wait()
    await asyncio.sleep(0.05)
    settlement.published(2)
    store.gate.set()
    await asyncio.gather(*writes)
    await settlement.write()
    assert (settlement.unwritten, sorted(row for rows in store.marked for row in rows)) == ([], [1, 2])


class Handler:
    """Waits for `gate` with each event."""

    def __init__(self) -> None:
        self.seen = 0
        self.gate = asyncio.Event()

    async def __call__(self, _: Delivery) -> None:
        self.seen += 1
        await self.gate.wait()


async def relay_of(database: Database, handler: Handler, **limits: Any) -> OutboxRelay:
    bus = InProcessBus(make_telemetry(), topology=ONE)
    await bus.subscribe(ONE.subscriptions[0], handler, concurrency=100)
    return OutboxRelay(database, bus, "ingest", make_telemetry(), **{"poll": 600.0, **limits})


async def put(database: Database, number: int) -> None:
    for _ in range(number):
        async with database.transaction() as connection:
            await enqueue(connection, "ingest", received())


async def published(database: Database) -> int:
    async with database.connection() as connection:
        statement = "SELECT count(*) FROM ingest.outbox WHERE published_at IS NOT NULL"
        return int(await connection.fetchval(statement))


async def test_a_place_that_comes_free_is_filled_before_the_next_poll(database: Database) -> None:
    handler = Handler()
    await put(database, 3)
    relay = await relay_of(database, handler, in_flight=1)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: handler.seen == 1)
    await asyncio.sleep(0.1)  # the relay waits for work
    handler.gate.set()
    await eventually(lambda: handler.seen == 3)
    await relay.stop(5.0)
    running.cancel()
    await asyncio.wait({running})


async def test_a_stopping_relay_takes_no_more(database: Database) -> None:
    handler = Handler()
    await put(database, 2)
    relay = await relay_of(database, handler, in_flight=1)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: handler.seen == 1)
    stopping = asyncio.create_task(relay.stop(5.0))
    await asyncio.sleep(0.05)
    handler.gate.set()
    await stopping
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait({running})
    assert (handler.seen, await published(database)) == (1, 1)


async def test_a_relay_outlives_a_database_that_is_away(database: Database) -> None:
    """Leases are renewed again, outcomes written and rows claimed once it is back."""
    handler = Handler()
    await put(database, 1)
    relay = await relay_of(database, handler, lease=0.3, poll=0.05)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: handler.seen == 1)
    await database.close()
    await asyncio.sleep(0.5)  # a lease, and several polls
    assert not running.done()
    await database.open()
    handler.gate.set()
    async with asyncio.timeout(PATIENCE):
        while await published(database) != 1:
            await asyncio.sleep(0.05)
    await relay.stop(5.0)
    running.cancel()
    await asyncio.wait({running})


async def test_a_relay_removes_what_was_published_long_ago_and_nothing_recent(database: Database) -> None:
    await put(database, 2)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE ingest.outbox SET published_at = now() - interval '25 hours' * (id % 2)"
        )
        recent = await connection.fetchval("SELECT id FROM ingest.outbox WHERE id % 2 = 0")
    relay = await relay_of(database, Handler())
    running = asyncio.create_task(relay.run())

    async def left() -> list[int]:
        async with database.connection() as connection:
            return [row["id"] for row in await connection.fetch("SELECT id FROM ingest.outbox")]

    async with asyncio.timeout(PATIENCE):
        while len(await left()) == 2:
            await asyncio.sleep(0.02)
    assert await left() == [recent]
    await relay.stop(1.0)
    running.cancel()
    await asyncio.wait({running})


async def holders(connection: Connection) -> list[int]:
    """Backends that hold an advisory lock of this database."""
    found = await connection.fetch(
        "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    return [row["pid"] for row in found]


async def test_a_lock_that_was_lost_is_taken_again_without_the_leases_and_let_go_at_the_end(
    database: Database,
) -> None:
    """The process still works on what it leased; the pool's connections must not keep the lock."""
    store, mine, lock = OutboxStore("ingest"), uuid4(), OutboxLock(database, "ingest", 1)
    async with lock.held(), database.connection() as connection:
        await put(database, 1)
        await store.claim(connection, mine, 60.0, 1)
        (first,) = await holders(connection)
        await connection.execute("SELECT pg_terminate_backend($1)", first)
        async with asyncio.timeout(PATIENCE):
            while not (found := await holders(connection)) or found == [first]:
                await asyncio.sleep(0.05)
        assert await connection.fetchval("SELECT token FROM ingest.outbox") == mine
    async with database.connection() as connection, asyncio.timeout(PATIENCE):
        while await holders(connection):
            await asyncio.sleep(0.05)


@pytest.mark.parametrize(("slots", "burst", "others"), [(2, 12, 2), (None, 16, 0)], ids=["alone", "broker"])
async def test_a_burst_leaves_places_for_other_collections(
    database: Database, slots: int | None, burst: int, others: int
) -> None:
    """In process an event keeps its place until its file is measured; with a broker none waits for that."""
    seen, gate = Counter[str](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        assert isinstance(delivery.event.data, FileReceived)
        seen[delivery.event.data.collection] += 1
        await gate.wait()

    events = [*(received() for _ in range(40)), *(received(collection="user:8") for _ in range(2))]
    async with database.transaction() as connection:
        for event in events:
            await enqueue(connection, "ingest", event)
    bus = InProcessBus(make_telemetry(), topology=ONE)
    await bus.subscribe(ONE.subscriptions[0], handler, concurrency=100)
    relay = OutboxRelay(
        database, bus, "ingest", make_telemetry(), in_flight=16, poll=0.02, in_process_slots=slots
    )
    async with relay.admitted():
        running = asyncio.create_task(relay.run())
        await eventually(lambda: (seen["user:7"], seen["user:8"]) == (burst, others))
        await asyncio.sleep(0.1)
        assert (seen["user:7"], seen["user:8"]) == (burst, others)
        gate.set()
        await eventually(lambda: seen.total() == len(events))
        await relay.stop(5.0)
        running.cancel()
        await asyncio.wait([running])


class FullLane(InProcessBus):
    """As RabbitMQ refuses what one collection's lane takes."""

    def __init__(self) -> None:
        super().__init__(make_telemetry(), topology=ONE)
        self.refused = 0

    async def publish(self, event: Event, *, attempt: int = 1, done: set[str] | None = None) -> None:
        if isinstance(event.data, FileReceived) and event.data.collection == "user:7":
            self.refused += 1
            raise NoRoom("a queue is full")
        await super().publish(event, attempt=attempt, done=done)


async def test_a_full_lane_holds_nobody_else_up(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many of its events are older; and they are tried again from time to time."""
    monkeypatch.setattr("libs.common.outbox.relay.WITHHELD", 0.5)
    # What is refused is due again soon: it is first in line each time.
    monkeypatch.setattr("libs.common.outbox.relay.backoff", lambda _: 0.02)
    await put(database, 40)
    async with database.transaction() as connection:
        await enqueue(connection, "ingest", received(collection="user:8"))
    bus, handler = FullLane(), Handler()
    handler.gate.set()
    await bus.subscribe(ONE.subscriptions[0], handler, concurrency=100)
    relay = OutboxRelay(database, bus, "ingest", make_telemetry(), in_flight=4, poll=0.05)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: handler.seen == 1)
    tried = bus.refused
    await eventually(lambda: bus.refused > tried)
    await relay.stop(5.0)
    running.cancel()
    await asyncio.wait({running})


class Slow(Handler):
    """Notes how often each event came."""

    def __init__(self) -> None:
        super().__init__()
        self.events: Counter[UUID] = Counter()

    async def __call__(self, delivery: Delivery) -> None:
        self.events[delivery.event.id] += 1
        await super().__call__(delivery)


async def commit(
    database: Database, places: Reservation, events: Sequence[Event]
) -> list[tuple[int | None, Event]]:
    """Write events as leased, as whoever has places does."""
    statement = """
        INSERT INTO ingest.outbox (event, token, leased_until, attempts)
        VALUES ($1::text::jsonb, $2, now() + $3::float8 * interval '1 second', 1) RETURNING id
    """
    async with database.connection() as connection:
        return [
            (
                await connection.fetchval(statement, event.to_json().decode(), places.token, places.seconds),
                event,
            )
            for event in events
        ]


async def reserved(relay: OutboxRelay, collections: Sequence[str]) -> Reservation:
    """Reservation, once the relay has seen that nothing waits in the table."""
    found: list[Reservation] = []

    def has_places() -> bool:
        found.extend(filter(None, [relay.reserve(collections)]))
        return bool(found)

    await eventually(has_places)
    return found[0]


async def test_what_was_reserved_is_published_from_memory_and_its_lease_is_kept(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Slow()
    monkeypatch.setattr(relay_module, "FRESH_LEASE", 4.0)
    relay = await relay_of(database, handler, poll=0.1)
    async with relay.admitted():
        running = asyncio.create_task(relay.run())
        places = await reserved(relay, ["user:7", "user:7"])
        events = [received(), received()]
        rows = await commit(database, places, events[:1])
        relay.begin(places, [*rows, (None, events[1])])
        await eventually(lambda: handler.seen == 1)
        statement = "SELECT attempts, leased_until > now() + interval '5 seconds' FROM ingest.outbox"
        async with database.connection() as connection:

            async def kept() -> bool:
                row = await connection.fetchrow(statement)
                return row is not None and bool(row[1])

            await eventually(kept)
            assert await connection.fetchval(statement) == 1
        handler.gate.set()
        await eventually(lambda: published(database))
        assert handler.events == {events[0].id: 1}
        await relay.stop(5)
        running.cancel()


async def test_what_a_crash_leaves_between_commit_and_publish_goes_on(database: Database) -> None:
    lost, handler = Slow(), Slow()
    handler.gate.set()
    killed, other = await relay_of(database, lost, poll=0.1), await relay_of(database, handler, poll=0.1)
    running = asyncio.create_task(killed.run())
    places = await reserved(killed, ["user:7"])
    running.cancel()
    event = received()
    await commit(database, places, [event])
    running = asyncio.create_task(other.run())
    await eventually(lambda: handler.events == {event.id: 1})
    assert lost.seen == 0
    await other.stop(5)
    running.cancel()


async def test_no_event_overtakes_those_that_wait_in_the_table(database: Database) -> None:
    handler = Slow()
    relay = await relay_of(database, handler, in_flight=3)
    assert relay.reserve(["user:7"]) is None  # nobody has looked yet
    running = asyncio.create_task(relay.run())
    await reserved(relay, ["user:7", "user:7"])
    assert relay.reserve(["user:7", "user:7"]) is None  # one place is left
    relay.wake()
    assert relay.reserve(["user:7"]) is None  # somebody waits
    await put(database, 3)
    relay.wake()
    await eventually(lambda: handler.seen == 1)
    assert relay.reserve([]) is None
    handler.gate.set()
    await relay.stop(5)
    running.cancel()
