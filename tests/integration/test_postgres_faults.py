"""The pool and the migrations when PostgreSQL refuses, hangs, or holds a lock."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.common.database import migrations, postgres
from libs.common.database.migrations import Migrations, migrate
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, Unavailable
from libs.postgresql.embedded import EmbeddedPostgres
from tests.fixtures_postgres import FAST, PostgresServer
from tests.waiting import PATIENCE, eventually


@asynccontextmanager
async def opened(url: str, *, size: int = 1, timeout: float = 30.0) -> AsyncIterator[Database]:
    database = Database(url, size=size, timeout=timeout, application_name="test")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def own_server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server that a test may freeze."""
    with EmbeddedPostgres(data_dir, FAST) as server:
        yield server


@pytest.mark.parametrize(
    "code",
    [
        "40001",  # could not be serialised
        "40P01",  # deadlock
        "55P03",  # a lock that did not come in time
        "25006",  # a standby
        "53100",  # disk full
        "53300",  # too many connections
        "57014",  # cancelled
        "57P01",  # the server stops
    ],
)
async def test_what_may_go_better_next_time_is_unavailable(database_url: str, code: str) -> None:
    async with opened(database_url) as database:
        with pytest.raises(Unavailable):
            async with database.transaction() as connection:
                await connection.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")
        await database.ready()


async def test_a_callers_mistake_on_a_sound_connection_keeps_its_type(database_url: str) -> None:
    async with opened(database_url) as database:
        with pytest.raises(asyncpg.InterfaceError):
            async with database.connection() as connection:
                await connection.fetchval("SELECT $1::integer")
        await database.ready()


async def test_a_cancellation_while_the_server_hangs_stays_one(own_server: EmbeddedPostgres) -> None:
    """The connection cannot be given back either: what that raises must not let the task go on."""
    backends: list[int] = []

    async def work() -> None:
        async with database.connection() as connection:
            backends.append(await connection.fetchval("SELECT pg_backend_pid()"))
            os.kill(backends[0], signal.SIGSTOP)
            await connection.execute("SELECT pg_sleep(60)")

    async with opened(own_server.url("postgres"), timeout=2.0) as database:
        task = asyncio.create_task(work())
        await eventually(lambda: backends)
        try:
            await asyncio.sleep(0)
            task.cancel()
            async with asyncio.timeout(PATIENCE):
                await asyncio.wait({task})
            assert task.cancelled()
        finally:
            os.kill(backends[0], signal.SIGCONT)
        await database.ready()


async def test_closing_cuts_what_does_not_come_back(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "CLOSE_TIMEOUT", 0.1)
    async with opened(database_url) as database:
        holding = asyncio.Event()

        async def hold() -> None:
            async with database.connection() as connection:
                holding.set()
                await connection.execute("SELECT pg_sleep(60)")

        held = asyncio.create_task(hold())
        await holding.wait()
        async with asyncio.timeout(PATIENCE):
            await database.close()
        with pytest.raises(Unavailable):
            await held


async def test_a_listener_that_dies_of_a_mistake_says_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def mistaken(*_: object) -> None:
        raise ZeroDivisionError

    async with opened(database_url) as database:
        monkeypatch.setattr(database, "_relay", mistaken)
        with pytest.raises(ZeroDivisionError):
            async with database.listen({"outbox": asyncio.Event()}):
                await eventually(
                    lambda: not any(t.get_name() == "listen outbox" for t in asyncio.all_tasks())
                )


async def test_a_listener_whose_connection_breaks_at_once_tries_another(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And wakes for what it may have missed, but not before it listens."""
    listen, tried, woken_before, woken = asyncpg.Connection.add_listener, 0, [], asyncio.Event()

    async def break_once(connection: Any, *given: Any) -> None:
        nonlocal tried
        woken_before.append(woken.is_set())
        tried += 1
        if tried == 1:
            raise asyncpg.ConnectionDoesNotExistError("it broke")
        await listen(connection, *given)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", break_once)
    async with opened(database_url) as database, database.listen({"outbox": woken}):
        await asyncio.wait_for(woken.wait(), PATIENCE)
        assert woken_before == [False, False]
        woken.clear()
        async with database.connection() as connection:
            await connection.execute("NOTIFY outbox")
        await asyncio.wait_for(woken.wait(), PATIENCE)


async def test_the_state_of_a_session_outlives_a_loan(database_url: str) -> None:
    """So a loan costs no round trip more, and whoever holds a session's lock keeps it."""
    async with opened(database_url) as database:
        async with database.connection() as connection:
            await connection.execute("SELECT pg_advisory_lock(5)")
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT pg_advisory_unlock(5)")


async def test_a_migration_that_cannot_be_recorded_leaves_nothing(
    empty_database_url: str, tmp_path: Path
) -> None:
    (tmp_path / "0001_first.sql").write_text(
        "CREATE TABLE half (n integer); ALTER TABLE schema_migration ADD CHECK (version <> 1);"
    )
    with pytest.raises(asyncpg.CheckViolationError):
        await migrate(empty_database_url, [Migrations("ingest", tmp_path)])
    connection = await asyncpg.connect(empty_database_url)
    assert await connection.fetchval("SELECT to_regclass('ingest.half')") is None
    await connection.close()


async def test_a_migration_waits_for_another_only_so_long(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT", "100ms")
    other = await asyncpg.connect(empty_database_url)
    await other.execute("SELECT pg_advisory_lock($1)", migrations._LOCK_KEY)
    with pytest.raises(ConfigurationError, match="held a lock for 100ms: try again"):
        async with asyncio.timeout(PATIENCE):
            await migrate(empty_database_url, [Migrations("ingest", tmp_path)])
    await other.close()
    assert await migrate(empty_database_url, [Migrations("ingest", tmp_path)]) == []


async def test_a_stranger_to_the_database_has_no_rights_in_it(
    postgres_server: PostgresServer, empty_database_url: str, tmp_path: Path
) -> None:
    await migrate(empty_database_url, [Migrations("ingest", tmp_path)])
    connection = await asyncpg.connect(empty_database_url)
    try:
        await connection.execute("CREATE ROLE stranger LOGIN")
        may = "has_database_privilege($1::name, current_database(), 'CONNECT')"
        uses = "has_schema_privilege($1::name, 'public', 'USAGE')"
        assert await connection.fetchval(f"SELECT {may} OR {uses}", "stranger") is False
        assert await connection.fetchval(f"SELECT {may}", "ingest")
    finally:
        await connection.execute("DROP ROLE IF EXISTS stranger")
        await connection.close()
