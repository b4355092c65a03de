"""The outbox and its relay on a real PostgreSQL, with the real in-process bus behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest

from libs.common.bus.contract import Delivery, Handler
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import RESULTS_FILES, RESULTS_MOVES, Topology
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, Reject, Unavailable
from libs.common.events import Event
from libs.common.ids import new_file_id
from libs.common.outbox.relay import OutboxRelay
from libs.common.outbox.store import DeadRow, OutboxStore, enqueue, replay
from tests import previous_release
from tests.bus_support import FAST, FILES, make_telemetry, received
from tests.fixtures_postgres import OpenDatabase, PostgresServer
from tests.unit.services.results.events import moved
from tests.waiting import eventually

ONE = Topology(FAST.exchange, (FILES,), FAST.retry_delays)
"""One subscription is enough to see what a relay does."""
QUEUE = ONE.subscriptions[0]
LEASE = 4.0
"""Seconds: short, but longer than a busy machine keeps a relay from renewing it."""


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
    *handlers: Handler,
    in_flight: int = 100,
    lease: float = 30.0,
    poll: float = 600.0,
    in_process_slots: int | None = None,
    stop_timeout: float = 5.0,
) -> AsyncIterator[OutboxRelay]:
    """A running relay, stopped as a service stops it; one handler for each of the first subscriptions."""
    telemetry = make_telemetry()
    topology = Topology(
        FAST.exchange, (FILES, RESULTS_FILES, RESULTS_MOVES)[: len(handlers)], FAST.retry_delays
    )
    bus = InProcessBus(telemetry, topology=topology, drain_timeout=1.0)
    for subscription, handler in zip(topology.subscriptions, handlers, strict=True):
        await bus.subscribe(subscription, handler, concurrency=1000)
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
        await asyncio.sleep(0.1)  # the relay has looked, and now waits for its poll
        (event,) = await put(database)
        relay.wake()
        await eventually(all_published(database, 1))
    assert dispatched.deliveries == [Delivery(event, 1)]


async def test_polling_finds_what_nobody_announced(database: Database) -> None:
    """As after the crash of the process that wrote it."""
    dispatched = opened()
    async with relaying(database, dispatched, poll=0.05):
        await put(database, 3)
        await eventually(all_published(database, 3))


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

    async def leased_until() -> datetime:
        (row,) = await rows(database)
        until: datetime = row["leased_until"]
        return until

    async with relaying(database, slow, lease=LEASE):
        await eventually(lambda: slow.deliveries)
        first = await leased_until()
        async with relaying(database, other, poll=0.05):

            async def outlived() -> bool:
                return await leased_until() > first + timedelta(seconds=LEASE)

            await eventually(outlived)
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
    assert other.deliveries == [Delivery(event, 2, redelivered=True)]
    await relay.stop(0.0)


@pytest.mark.parametrize("error", [None, Reject("no such shape"), Unavailable("away")])
async def test_a_result_counts_only_while_the_token_matches(
    database: Database, error: Exception | None
) -> None:
    """A relay that lost its lease to another marks nothing, whatever has become of the event."""
    slow = Dispatched()

    async def handler(delivery: Delivery) -> None:
        await slow(delivery)
        if error is not None:
            raise error

    await put(database)
    async with relaying(database, handler, stop_timeout=0.5):
        await eventually(lambda: slow.deliveries)
        async with database.connection() as connection:
            await connection.execute("UPDATE ingest.outbox SET token = gen_random_uuid()")
        slow.gate.set()
        await asyncio.sleep(0.2)
    (row,) = await rows(database)
    assert (row["published_at"], row["dead_at"]) == (None, None)
    assert (row["attempts"], row["token"] is not None) == (1, True)


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


async def test_what_one_subscription_gives_up_costs_the_others_nothing(database: Database) -> None:
    """The row remembers who is done, and a replay reaches only the rest."""
    refuse, taken, others = True, [], opened()

    async def handler(delivery: Delivery) -> None:
        taken.append(delivery)
        if refuse:
            raise Reject("no such shape")

    async def dead() -> list[dict[str, Any]]:
        return await rows(database, "dead_at IS NOT NULL")

    (event,) = await put(database)
    async with relaying(database, handler, others, poll=0.05):
        (row,) = await eventually(dead)
        assert (row["dead_subscription"], row["done"]) == ("processor.files", ["results.files"])
        refuse = False
        async with database.transaction() as connection:
            assert await replay(connection, "ingest") == 1
        await eventually(all_published(database, 1))
    assert taken == [Delivery(event, 1), Delivery(event, 1)]
    assert others.deliveries == [Delivery(event, 1)]


async def test_a_stop_in_the_middle_leaves_the_rest_to_do_and_no_more(database: Database) -> None:
    """The next process goes on where this one was."""
    slow, others, later = Dispatched(), opened(), opened()
    (event,) = await put(database)
    async with relaying(database, slow, others, stop_timeout=0.05):
        await eventually(lambda: slow.deliveries and others.deliveries)
    (row,) = await rows(database)
    assert (row["done"], row["attempts"], row["token"]) == (["results.files"], 0, None)
    async with relaying(database, later, others):
        await eventually(all_published(database, 1))
    assert later.deliveries == others.deliveries == [Delivery(event, 1)]


async def test_a_row_that_is_not_due_waits(database: Database) -> None:
    """Others go by."""
    dispatched = opened()
    early, late = await put(database, 2)
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE ingest.outbox SET due_at = now() + interval '1 hour' WHERE event->>'id' = $1",
            str(early.id),
        )
    async with relaying(database, dispatched, poll=0.02) as relay:
        await eventually(all_published(database, 1))
        (third,) = await put(database)
        relay.wake()
        await eventually(all_published(database, 2))
        assert dispatched.ids == [str(late.id), str(third.id)]
        async with database.connection() as connection:
            await connection.execute("UPDATE ingest.outbox SET due_at = now()")
        await eventually(all_published(database, 3))


async def test_outcomes_outlast_an_outage_of_the_database(
    database: Database,
    postgres_server: PostgresServer,
    database_name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Written again and again until they are written, of each kind; nobody is called a second time."""
    gate, seen = asyncio.Event(), []

    async def handler(delivery: Delivery) -> None:
        seen.append(str(delivery.event.id))
        await gate.wait()
        if seen.index(str(delivery.event.id)) == 0:
            raise Reject("not this one")

    events = await put(database, 3)
    async with relaying(database, handler, poll=0.05):
        await eventually(lambda: len(seen) == 3)
        postgres_server.execute(
            f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS false',
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database_name}'",
        )
        gate.set()
        await eventually(lambda: caplog.text.count("outbox outcomes not written yet") >= 2)
        postgres_server.execute(f'ALTER DATABASE "{database_name}" ALLOW_CONNECTIONS true')
        await eventually(all_published(database, 2))
        (dead,) = await eventually(lambda: rows(database, "dead_at IS NOT NULL"))
    assert dead["dead_reason"] == "not this one"
    assert sorted(seen) == sorted(str(event.id) for event in events)


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


async def test_what_an_older_release_could_not_read_goes_on_by_itself(database: Database) -> None:
    """While both relay from one outbox; what nobody can read stays dead."""
    event = moved(new_file_id(), "group:3")
    assert 'Reject(f"unknown event type {' in previous_release.read("libs/common/events.py")
    async with database.transaction() as connection:
        await enqueue(connection, "ingest", event)
        await connection.execute(
            """
            INSERT INTO ingest.outbox (event) VALUES ('{"type": "unheard.of"}'::text::jsonb);
            UPDATE ingest.outbox SET dead_at = now(), attempts = 1,
                dead_reason = format('unknown event type %L', event->>'type')
            """
        )
    dispatched = opened()
    async with relaying(database, opened(), opened(), dispatched, poll=0.05):
        await eventually(all_published(database, 1))
    assert dispatched.deliveries == [Delivery(event, 1)]
    (row,) = await rows(database, "dead_at IS NOT NULL")
    assert "unheard.of" in row["dead_reason"]


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
        assert len(await rows(database, "token IS NOT NULL")) == 3
        await put(database, 1)
        never.set()
        relay.wake()
        await eventually(all_published(database, 24))


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
        with monkeypatch.context() as impatient:
            impatient.setattr("libs.common.outbox.lock.PATIENCE", 0.2)
            with pytest.raises(ConfigurationError, match="Another process already works on this database"):
                async with second.admitted():
                    pytest.fail("admitted twice")
    assert dispatched.deliveries == [Delivery(event, 4, redelivered=True)]
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

        await eventually(again)
        await put(database)
        relay.wake()
        await eventually(all_published(database, 1))


async def test_old_published_rows_are_removed_and_no_others(database: Database) -> None:
    """Unpublished and dead ones stay, however old, and what was published since."""
    await put(database, 8)
    async with database.connection() as connection:
        await connection.execute(
            """UPDATE ingest.outbox SET created_at = now() - interval '1 year',
                published_at = CASE id % 4
                    WHEN 0 THEN now() - interval '25 hours' WHEN 1 THEN now() - interval '23 hours' END,
                dead_at = CASE id % 4 WHEN 2 THEN now() - interval '1 year' END"""
        )
        before = await rows(database)
        assert await OutboxStore("ingest").prune(connection, 86_400.0, 1) == 1
        assert await OutboxStore("ingest").prune(connection, 86_400.0, 1000) == 1
    assert await rows(database) == [row for row in before if row["id"] % 4]


async def test_what_an_operator_asks_of_it(database: Database) -> None:
    """Dead rows in order, the newest row, and whose events wait or have just gone."""
    store = OutboxStore("ingest")
    events = await put(database, 5)
    ids = [event.file_id for event in events]
    async with database.connection() as connection:
        first, *_, last = (row["id"] for row in await rows(database))
        await connection.execute(
            """UPDATE ingest.outbox SET
                dead_at = CASE WHEN id < $1 + 2 THEN now() END,
                dead_subscription = CASE WHEN id = $1 THEN 'results.files' END,
                dead_reason = CASE WHEN id = $1 THEN 'too strange' END,
                published_at = CASE id - $1 WHEN 2 THEN now() - interval '1 hour' WHEN 3 THEN now() END""",
            first,
        )
        assert await store.count_dead(connection) == 2
        found = await store.list_dead(connection, 0, 10)
        assert found == [
            DeadRow(first, str(ids[0]), "results.files", "too strange"),
            DeadRow(first + 1, str(ids[1]), "the relay", "no reason noted"),
        ]
        assert await store.list_dead(connection, first, 1) == found[1:]
        assert await store.newest(connection) == last
        assert await store.under_way(connection, ids, 60.0, last) == set(ids[3:])
        assert await store.under_way(connection, ids, 60.0, last - 1) == {ids[3]}
        assert await store.under_way(connection, ids[:3], 7200.0, last) == {ids[2]}


@pytest.mark.parametrize("schema", ["", "ingest; DROP TABLE x", "In", 'a"b', "1a", "a.b", "a" * 64])
def test_a_schema_that_is_no_identifier_is_refused(schema: str) -> None:
    """It becomes part of the statements."""
    with pytest.raises(ValueError, match="not a plain identifier"):
        OutboxStore(schema)
