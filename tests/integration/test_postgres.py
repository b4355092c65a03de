"""The pool: bounded waits, failures as Unavailable, reconnection, JSON, NOTIFY."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from libs.common.database.postgres import Connection, Database
from libs.common.errors import ConfigurationError, Unavailable
from libs.postgresql.embedded import EmbeddedPostgres
from tests.fixtures_postgres import FAST, OpenDatabase
from tests.waiting import PATIENCE, eventually


@asynccontextmanager
async def opened(
    url: str, *, role: str | None = None, size: int = 2, timeout: float = 30.0
) -> AsyncIterator[Database]:
    database = Database(url, role=role, size=size, timeout=timeout, application_name="test")
    await database.open()
    try:
        yield database
    finally:
        await database.close()


@pytest.fixture
def own_server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A server that a test may stop and start."""
    with EmbeddedPostgres(data_dir, FAST) as server:
        yield server


async def test_json_travels_as_python_values(database_url: str) -> None:
    value = {"name": "Ångström\u2028", "list": [1, 2.5, None, True], "nested": {"": {}}}
    async with opened(database_url) as database, database.connection() as connection:
        for kind in ("json", "jsonb"):
            assert await connection.fetchval(f"SELECT $1::{kind}", value) == value
        assert await connection.fetchval("SELECT $1::jsonb ->> 'name'", value) == value["name"]


async def test_transaction_commits_on_return_and_rolls_back_on_an_exception(database_url: str) -> None:
    async with opened(database_url) as database:
        async with database.transaction() as connection:
            await connection.execute("CREATE TABLE public.kept (n integer)")
        with pytest.raises(KeyError):
            await _insert_and_fail(database)
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT count(*) FROM public.kept") == 0


async def test_role_is_assumed_on_every_connection_and_survives_reuse(database_url: str) -> None:
    async with opened(database_url, role="ingest", size=1) as database:
        for _ in range(3):
            async with database.connection() as connection:
                assert await connection.fetchval("SELECT current_user") == "ingest"
        async with database.connection() as connection:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetchval("SELECT count(*) FROM auth.auth_user")


async def test_waiting_for_a_connection_is_bounded(database_url: str) -> None:
    async with opened(database_url, size=1, timeout=1.5) as database, database.connection():
        with pytest.raises(Unavailable, match=r"no connection within 1\.5 s"):
            async with asyncio.timeout(PATIENCE), database.connection():
                pytest.fail("a second connection came out of a pool of one")


async def test_a_statement_is_bounded_and_its_connection_usable_afterwards(database_url: str) -> None:
    async with opened(database_url, size=1, timeout=1.0) as database:
        with pytest.raises(Unavailable):
            async with database.connection() as connection:
                await connection.execute("SELECT pg_sleep(30)")
        await eventually(lambda: _answers(database))


async def test_errors_of_the_caller_keep_their_type(database_url: str) -> None:
    async with opened(database_url) as database:
        with pytest.raises(asyncpg.UndefinedTableError):
            async with database.connection() as connection:
                await connection.execute("SELECT * FROM nowhere")
        with pytest.raises(FileNotFoundError):
            async with database.connection():
                Path("/no/such/file").read_bytes()


async def test_a_connection_that_the_server_ends_is_unavailable_and_replaced(database_url: str) -> None:
    async with opened(database_url, size=1) as database, opened(database_url) as other:
        with pytest.raises(Unavailable):
            await _use_while_terminated(database, other)
        await database.ready()


async def test_no_server_is_unavailable_until_it_starts(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, FAST)
    async with opened(server.url("postgres")) as database:
        with pytest.raises(Unavailable):
            await database.ready()
        with server:
            await database.ready()


async def test_the_pool_survives_a_restart_of_the_server(own_server: EmbeddedPostgres) -> None:
    async with opened(own_server.url("postgres"), size=4) as database:
        async with database.connection(), database.connection():
            pass
        own_server.stop()
        with pytest.raises(Unavailable):
            await database.ready()
        own_server.start()
        await eventually(lambda: _answers(database))


async def test_wrong_database_and_unknown_role_are_unavailable(own_server: EmbeddedPostgres) -> None:
    async with opened(own_server.url("missing")) as database:
        with pytest.raises(Unavailable):
            await database.ready()
    async with opened(own_server.url("postgres"), role="nobody") as database:
        with pytest.raises(Unavailable):
            await database.ready()


async def test_unavailable_names_neither_host_nor_user() -> None:
    url = "postgresql://secretuser:secretword@127.0.0.1:1/secretbase"
    async with opened(url, timeout=2) as database:
        with pytest.raises(Unavailable) as caught:
            await database.ready()
    assert "secret" not in caught.value.detail
    assert "127.0.0.1" not in caught.value.detail


def test_a_url_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Database("mysql://u:secretword@host/db", size=1, timeout=1, application_name="test")
    assert "secretword" not in caught.value.detail


async def test_closed_pool_is_unavailable(database_url: str) -> None:
    async with opened(database_url) as database:
        await database.ready()
    with pytest.raises(Unavailable):
        await database.ready()


async def test_notifications_wake_the_listener(open_database: OpenDatabase) -> None:
    database = await open_database("ingest")
    woken = asyncio.Event()
    async with database.listen({"outbox": woken}):
        await asyncio.wait_for(woken.wait(), PATIENCE)  # the connection itself counts as a wake-up
        woken.clear()
        async with database.connection() as connection:
            await connection.execute("NOTIFY outbox")
        await asyncio.wait_for(woken.wait(), PATIENCE)


async def test_a_notification_wakes_its_channel_alone(open_database: OpenDatabase) -> None:
    database = await open_database("ingest")
    woken = {"outbox": asyncio.Event(), "inbox": asyncio.Event()}
    async with database.listen(woken):
        for event in woken.values():
            await asyncio.wait_for(event.wait(), PATIENCE)
            event.clear()
        async with database.connection() as connection:
            await connection.execute("NOTIFY inbox")
        await asyncio.wait_for(woken["inbox"].wait(), PATIENCE)
        assert not woken["outbox"].is_set()


async def test_the_listener_reconnects_and_wakes_for_what_it_missed(own_server: EmbeddedPostgres) -> None:
    woken = asyncio.Event()
    async with opened(own_server.url("postgres")) as database, database.listen({"outbox": woken}):
        await asyncio.wait_for(woken.wait(), PATIENCE)
        woken.clear()
        own_server.stop()
        own_server.start()
        await asyncio.wait_for(woken.wait(), PATIENCE)
        woken.clear()
        async with database.connection() as connection:
            await connection.execute("NOTIFY outbox")
        await asyncio.wait_for(woken.wait(), PATIENCE)


async def _answers(database: Database) -> bool:
    try:
        await database.ready()
    except Unavailable:
        return False
    return True


async def _insert_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("INSERT INTO public.kept VALUES (1)")
        raise KeyError("changed my mind")


async def _use_while_terminated(database: Database, other: Database) -> None:
    async with database.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")
        async with other.connection() as killer:
            await killer.execute("SELECT pg_terminate_backend($1)", pid)
        await eventually(lambda: _fails(connection))
        await connection.execute("SELECT 1")


async def _fails(connection: Connection) -> bool:
    try:
        await connection.execute("SELECT 1")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError):
        return True
    return False
