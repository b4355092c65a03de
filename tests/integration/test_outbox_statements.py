"""The outbox's statements one by one: what one relay may do to another's rows, and to none."""

from __future__ import annotations

from uuid import uuid4

import pytest

from libs.common.database.postgres import Connection, Database
from libs.common.outbox.store import Claimed, GivenUp, OutboxStore, Released, enqueue
from tests.bus_support import received
from tests.fixtures_postgres import OpenDatabase

STORE = OutboxStore("ingest")
MINE, ANOTHERS = uuid4(), uuid4()


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    return await open_database("ingest")


async def claimed(connection: Connection, number: int = 1) -> list[Claimed]:
    for _ in range(number):
        await enqueue(connection, "ingest", received())
    return await STORE.claim(connection, MINE, 30.0, 100)


async def table(connection: Connection) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await connection.fetch("SELECT * FROM ingest.outbox ORDER BY id")]


async def test_under_a_foreign_token_nothing_changes(database: Database) -> None:
    async with database.connection() as connection:
        (row,) = await claimed(connection)
        before = await table(connection)
        assert await STORE.renew(connection, ANOTHERS, [row.id], 60.0) == 0
        assert await STORE.published(connection, ANOTHERS, [row.id]) == 0
        assert await STORE.dead(connection, ANOTHERS, [GivenUp(row.id, None, "x")]) == 0
        await STORE.release(connection, ANOTHERS, [Released(row.id, 0.0)])
        assert await table(connection) == before
        assert await STORE.renew(connection, MINE, [row.id], 60.0) == 1
        assert await table(connection) != before


async def test_what_is_leased_or_done_is_claimed_by_nobody(database: Database) -> None:
    async with database.connection() as connection:
        first, second, _ = await claimed(connection, 3)
        assert await STORE.claim(connection, ANOTHERS, 30.0, 100) == []
        await STORE.published(connection, MINE, [first.id])
        await STORE.dead(connection, MINE, [GivenUp(second.id, None, "x")])
        await connection.execute("UPDATE ingest.outbox SET leased_until = now()")
        (left,) = await STORE.claim(connection, ANOTHERS, 30.0, 100)
        assert (left.id, left.attempt) == (second.id + 1, 2)


async def test_a_released_row_waits_its_delay_and_keeps_who_is_done(database: Database) -> None:
    async with database.connection() as connection:
        (row,) = await claimed(connection)
        await STORE.release(connection, MINE, [Released(row.id, 60.0, {"one", "other"})])
        assert await STORE.claim(connection, ANOTHERS, 30.0, 100) == []
        await connection.execute("UPDATE ingest.outbox SET due_at = due_at - interval '61 seconds'")
        (again,) = await STORE.claim(connection, ANOTHERS, 30.0, 100)
        assert (again.attempt, sorted(again.done)) == (1, ["one", "other"])


async def test_who_takes_over_waits_for_no_delay(database: Database) -> None:
    async with database.connection() as connection:
        delayed, _ = await claimed(connection, 2)
        await STORE.release(connection, MINE, [Released(delayed.id, 60.0)])
        await STORE.take_over(connection, 1)
        found = await STORE.claim(connection, ANOTHERS, 30.0, 100)
        assert [row.attempt for row in found] == [1, 2]


async def test_the_backlog_is_what_waits(database: Database) -> None:
    async with database.connection() as connection:
        published, dead, _ = await claimed(connection, 3)
        await STORE.published(connection, MINE, [published.id])
        await STORE.dead(connection, MINE, [GivenUp(dead.id, None, "x")])
        assert (await STORE.backlog(connection)).pending == 1


async def test_no_more_are_pruned_than_asked_for(database: Database) -> None:
    async with database.connection() as connection:
        rows = await claimed(connection, 3)
        await STORE.published(connection, MINE, [row.id for row in rows])
        await connection.execute("UPDATE ingest.outbox SET published_at = now() - interval '1 hour'")
        assert await STORE.prune(connection, 7200.0, 100) == 0
        assert await STORE.prune(connection, 1800.0, 2) == 2
        assert await STORE.prune(connection, 1800.0, 2) == 1
