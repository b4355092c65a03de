"""The outbox and its relay on a real PostgreSQL, with the real in-process bus behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from libs.common.bus.contract import Delivery, Handler
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import Topology
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, Reject
from libs.common.events import Event
from libs.common.outbox.relay import OutboxRelay
from libs.common.outbox.store import OutboxStore, enqueue, replay
from tests.bus_support import FAST, make_telemetry, received
from tests.fixtures_postgres import OpenDatabase
from tests.waiting import eventually

ONE = Topology(FAST.exchange, FAST.subscriptions[:1], FAST.retry_delays)
"""One subscription, processor.files, is enough to see what a relay does."""
QUEUE = ONE.subscriptions[0]


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    """A pool of the ingest service."""
    return await open_database("ingest", size=10)


@dataclass
class Dispatched:
    """What handlers saw; each then waits for `gate`."""

    deliveries: list[Delivery] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        await self.gate.wait()

    @property
    def ids(self) -> list[str]:
        """Ids of the events in order of arrival."""
        return [str(delivery.event.id) for delivery in self.deliveries]


def opened() -> Dispatched:
    """Handlers that do not wait."""
    dispatched = Dispatched()
    dispatched.gate.set()
    return dispatched


@asynccontextmanager
async def relaying(
    database: Database,
    handler: Handler | None,
    *,
    in_flight: int = 100,
    lease: float = 30.0,
    poll: float = 30.0,
    in_process_slots: int | None = None,
    stop_timeout: float = 5.0,
) -> AsyncIterator[OutboxRelay]:
    """A running relay; stopped as a service stops it."""
    telemetry = make_telemetry()
    bus = InProcessBus(telemetry, topology=ONE, drain_timeout=1.0)
    if handler is not None:
        await bus.subscribe(QUEUE, handler, concurrency=1000)
    relay = OutboxRelay(
        database,
        bus,
        "ingest",
        telemetry,
        in_flight=in_flight,
        lease=lease,
        poll=poll,
        in_process_slots=in_process_slots,
    )
    async with relay.admitted():
        running = asyncio.create_task(relay.run())
        try:
            yield relay
            await relay.stop(stop_timeout)
        finally:
            running.cancel()
            await asyncio.wait([running])
            if not running.cancelled():
                running.result()


async def put(database: Database, number: int = 1) -> list[Event]:
    """Announce events, each in a transaction of its own."""
    events = [received("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01") for _ in range(number)]
    for event in events:
        async with database.transaction() as connection:
            await enqueue(connection, "ingest", event)
    return events


async def _put_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await enqueue(connection, "ingest", received())
        raise ZeroDivisionError


async def rows(database: Database, condition: str = "true") -> list[dict[str, Any]]:
    """Rows of the outbox that fulfil `condition`."""
    async with database.connection() as connection:
        return [
            dict(r)
            for r in await connection.fetch(f"SELECT * FROM ingest.outbox WHERE {condition} ORDER BY id")
        ]


def all_published(database: Database, number: int) -> Callable[[], Any]:
    """A condition for `eventually`."""

    async def check() -> bool:
        return len(await rows(database, "published_at IS NOT NULL AND token IS NULL")) == number

    return check


async def test_a_committed_event_is_published_at_once_when_woken(database: Database) -> None:
    """Whole, traceparent included; and marked."""
    dispatched = opened()
    async with relaying(database, dispatched) as relay:
        await asyncio.sleep(0.1)  # the relay has looked, and now waits for its poll in 30 seconds
        (event,) = await put(database)
        relay.wake()
        await eventually(all_published(database, 1), 2.0)
    assert dispatched.deliveries == [Delivery(event, 1)]


async def test_polling_finds_what_nobody_announced(database: Database) -> None:
    """As after the crash of the process that wrote it."""
    dispatched = opened()
    async with relaying(database, dispatched, poll=0.05):
        await put(database, 3)
        await eventually(all_published(database, 3), 2.0)


async def test_a_rolled_back_event_never_existed(database: Database) -> None:
    """The outbox is part of the caller's transaction."""
    dispatched = opened()
    async with relaying(database, dispatched, poll=0.05):
        with pytest.raises(ZeroDivisionError):
            await _put_and_fail(database)
        (event,) = await put(database)
        await eventually(all_published(database, 1))
    assert dispatched.ids == [str(event.id)]


async def test_the_attempt_is_written_before_the_work_starts(database: Database) -> None:
    """So that a handler that kills its process is counted."""
    seen = []

    async def look(delivery: Delivery) -> None:
        (row,) = await rows(database)
        seen.append((row["attempts"], delivery.attempt, row["leased_until"] is not None))

    await put(database)
    async with relaying(database, look):
        await eventually(all_published(database, 1))
    assert seen == [(1, 1, True)]


async def test_relays_side_by_side_publish_each_event_once(database: Database) -> None:
    """Three of them, a few hundred events."""
    dispatched = opened()
    async with (
        relaying(database, dispatched, poll=0.02, in_flight=20),
        relaying(database, dispatched, poll=0.02, in_flight=20),
        relaying(database, dispatched, poll=0.02, in_flight=20),
    ):
        events = await put(database, 300)
        await eventually(all_published(database, 300))
    assert sorted(dispatched.ids) == sorted(str(event.id) for event in events)
    assert {delivery.attempt for delivery in dispatched.deliveries} == {1}


async def test_a_held_lease_is_renewed(database: Database) -> None:
    """A dispatch that takes several leases is not taken from its relay."""
    slow, other = Dispatched(), opened()
    await put(database)
    async with relaying(database, slow, lease=0.3):
        await eventually(lambda: slow.deliveries)
        async with relaying(database, other, poll=0.05):
            await asyncio.sleep(1.0)
            assert other.deliveries == []
            slow.gate.set()
            await eventually(all_published(database, 1))
    assert len(slow.deliveries) == 1


async def test_a_lost_relay_is_replaced_when_its_lease_ends(database: Database) -> None:
    """The next dispatch is the second attempt."""
    lost, other = Dispatched(), opened()
    (event,) = await put(database)
    bus = InProcessBus(make_telemetry(), topology=ONE)
    await bus.subscribe(QUEUE, lost, concurrency=1)
    relay = OutboxRelay(database, bus, "ingest", make_telemetry(), lease=0.4)
    running = asyncio.create_task(relay.run())
    await eventually(lambda: lost.deliveries)
    running.cancel()  # never stopped: nothing is released and nothing renewed any more
    await asyncio.wait([running])
    async with relaying(database, other, poll=0.05):
        await eventually(all_published(database, 1))
    assert other.deliveries == [Delivery(event, 2)]
    await relay.stop(0.0)


async def test_a_result_counts_only_while_the_token_matches(database: Database) -> None:
    """A relay that lost its lease to another marks nothing."""
    slow = Dispatched()
    await put(database)
    async with relaying(database, slow):
        await eventually(lambda: slow.deliveries)
        async with database.connection() as connection:
            await connection.execute("UPDATE ingest.outbox SET token = gen_random_uuid()")
        slow.gate.set()
        await asyncio.sleep(0.2)
    (row,) = await rows(database)
    assert row["published_at"] is None
    assert row["token"] is not None


async def test_what_the_bus_cannot_take_now_is_tried_again_uncounted(database: Database) -> None:
    """Here a bus whose handler comes late, as a broker may."""
    dispatched, telemetry = opened(), make_telemetry()
    (event,) = await put(database)
    bus = InProcessBus(telemetry, topology=ONE)
    relay = OutboxRelay(database, bus, "ingest", telemetry, poll=0.05)
    running = asyncio.create_task(relay.run())

    async def put_off() -> bool:
        return len(await rows(database, "due_at > created_at AND token IS NULL AND attempts = 0")) == 1

    await eventually(put_off)
    await bus.subscribe(QUEUE, dispatched, concurrency=1)
    await eventually(all_published(database, 1))
    assert dispatched.deliveries == [Delivery(event, 1)]
    await relay.stop(1.0)
    running.cancel()
    await asyncio.wait([running])


async def test_a_given_up_event_is_dead_with_who_and_why_until_it_is_replayed(database: Database) -> None:
    """Replay starts at the first attempt."""
    refuse, dispatched = True, []

    async def handler(delivery: Delivery) -> None:
        dispatched.append(delivery)
        if refuse:
            raise Reject("no such shape")

    async def dead() -> list[dict[str, Any]]:
        return await rows(database, "dead_at IS NOT NULL")

    (event,) = await put(database)
    async with relaying(database, handler, poll=0.05):
        (row,) = await eventually(dead)
        assert (row["dead_subscription"], row["dead_reason"]) == ("processor.files", "no such shape")
        assert (row["token"], row["published_at"]) == (None, None)
        refuse = False
        async with database.transaction() as connection:
            assert await replay(connection, "ingest") == 1
            assert await replay(connection, "ingest") == 0
        await eventually(all_published(database, 1))
    assert dispatched == [Delivery(event, 1), Delivery(event, 1)]
    (row,) = await rows(database)
    assert (row["dead_at"], row["dead_subscription"], row["dead_reason"]) == (None, None, None)


async def test_a_row_that_nobody_can_read_is_dead(database: Database) -> None:
    """It does not hold up the others."""
    dispatched = opened()
    async with database.connection() as connection:
        await connection.execute(
            """INSERT INTO ingest.outbox (event) VALUES ('{"type": "unheard.of"}'::text::jsonb)"""
        )
    await put(database)
    async with relaying(database, dispatched):
        await eventually(all_published(database, 1))

        async def dead() -> list[dict[str, Any]]:
            return await rows(database, "dead_at IS NOT NULL")

        (row,) = await eventually(dead)
    assert row["dead_subscription"] is None
    assert row["dead_reason"].startswith("not a valid event")


async def test_a_slow_event_does_not_hold_up_later_ones_and_places_are_limited(database: Database) -> None:
    """`in_flight` places; a free one is filled at once."""
    never, seen = asyncio.Event(), []

    async def handler(delivery: Delivery) -> None:
        seen.append(delivery)
        if len(seen) <= 3:
            await never.wait()

    await put(database, 3)
    async with relaying(database, handler, in_flight=4) as relay:
        await eventually(lambda: len(seen) == 3)
        await put(database, 20)
        relay.wake()
        await eventually(all_published(database, 20))
        await put(database, 1)
        assert len(await rows(database, "token IS NOT NULL")) == 3
        never.set()
        await eventually(all_published(database, 23))


async def test_no_more_than_in_flight_are_leased(database: Database) -> None:
    """The rest is left for other relays."""
    slow = Dispatched()
    await put(database, 10)
    async with relaying(database, slow, in_flight=4, poll=0.02):
        await eventually(lambda: len(slow.deliveries) == 4)
        await asyncio.sleep(0.1)
        assert len(await rows(database, "token IS NOT NULL")) == 4
        slow.gate.set()
        await eventually(all_published(database, 10))


async def test_stopping_waits_and_then_releases_the_rest(database: Database) -> None:
    """What finished in time is marked; what did not is free at once, uncounted."""
    slow = Dispatched()
    await put(database)
    async with relaying(database, slow):
        await eventually(lambda: slow.deliveries)
        slow.gate.set()
    assert len(await rows(database, "published_at IS NOT NULL")) == 1

    slow = Dispatched()
    await put(database)
    async with relaying(database, slow, stop_timeout=0.05, poll=0.02) as relay:
        relay.wake()
        await eventually(lambda: slow.deliveries)
    (row,) = await rows(database, "published_at IS NULL")
    assert (row["token"], row["leased_until"], row["attempts"]) == (None, None, 0)


async def test_an_exclusive_relay_is_the_only_one_and_takes_over_every_lease(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A killed process may have held them for a long time yet."""
    monkeypatch.setattr("libs.common.outbox.lock.PATIENCE", 0.2)
    dispatched = opened()
    (event,) = await put(database)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE ingest.outbox SET token = gen_random_uuid(), attempts = 3, "
            "leased_until = now() + interval '1 hour'"
        )
    async with relaying(database, dispatched, in_process_slots=2):
        await eventually(all_published(database, 1))
        second = OutboxRelay(
            database, InProcessBus(make_telemetry()), "ingest", make_telemetry(), in_process_slots=2
        )
        with pytest.raises(ConfigurationError, match="Another process already works on this database"):
            async with second.admitted():
                pytest.fail("admitted twice")
    assert dispatched.deliveries == [Delivery(event, 4)]
    async with relaying(database, dispatched, in_process_slots=2):
        await put(database)


async def test_only_what_can_have_begun_counts_an_attempt_when_the_process_is_lost(
    database: Database,
) -> None:
    """Rows are leased by the thousand; those that only waited are no suspects."""
    dispatched = opened()
    events = await put(database, 6)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE ingest.outbox SET token = gen_random_uuid(), attempts = 4, "
            "leased_until = now() + interval '1 hour'"
        )
    async with relaying(database, dispatched, in_process_slots=2):
        await eventually(all_published(database, 6))
    attempts = {str(d.event.id): d.attempt for d in dispatched.deliveries}
    assert [attempts[str(event.id)] for event in events] == [5, 5, 4, 4, 4, 4]


async def test_an_exclusive_relay_takes_a_lost_lock_again(database: Database) -> None:
    """As after a restart of PostgreSQL; the process goes on."""
    dispatched = opened()

    async def holders() -> list[int]:
        async with database.connection() as connection:
            found = await connection.fetch(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = "
                "(SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            return [row["pid"] for row in found]

    async with relaying(database, dispatched, in_process_slots=2) as relay:
        (first,) = await holders()
        async with database.connection() as connection:
            await connection.execute("SELECT pg_terminate_backend($1)", first)

        async def again() -> bool:
            return bool(await holders()) and await holders() != [first]

        await eventually(again, 30)
        await put(database)
        relay.wake()
        await eventually(all_published(database, 1))


async def test_old_published_rows_are_removed_and_no_others(database: Database) -> None:
    """Unpublished and dead ones stay, however old."""
    await put(database, 4)
    async with database.connection() as connection:
        await connection.execute(
            """UPDATE ingest.outbox SET created_at = now() - interval '1 year',
                published_at = CASE WHEN id % 2 = 0 THEN now() - interval '2 days' END"""
        )
        before = await rows(database)
        assert await OutboxStore("ingest").prune(connection, 86_400.0, 1000) == 2
    assert await rows(database) == [row for row in before if row["published_at"] is None]


@pytest.mark.parametrize("schema", ["", "ingest; DROP TABLE x", "In", 'a"b', "1a", "a.b", "a" * 64])
def test_a_schema_that_is_no_identifier_is_refused(schema: str) -> None:
    """It becomes part of the statements."""
    with pytest.raises(ValueError, match="not a plain identifier"):
        OutboxStore(schema)
