"""The migration runner and the roles: order, record, refusals, rights, races."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from libs.common.database.migrations import Migrations, migrate, require_current
from libs.common.database.postgres import Database
from libs.common.database.roles import scram_verifier
from libs.common.errors import ConfigurationError, Unavailable
from services.operator.migrations import bring_up_to_date
from tests.fixtures_postgres import PostgresServer

ADMIN = "test_admin"
ADMIN_PASSWORD = "dicom-tests-only"


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Migrations, Migrations]:
    """Two schemas of one file each."""
    for schema in ("ingest", "results"):
        (tmp_path / schema).mkdir()
        (tmp_path / schema / "0001_first.sql").write_text(
            f"CREATE TABLE {schema}.thing (id integer GENERATED ALWAYS AS IDENTITY, name text);\n"
            f"INSERT INTO {schema}.thing (name) VALUES ('{schema}');\n"
        )
    return Migrations("results", tmp_path / "results"), Migrations("ingest", tmp_path / "ingest")


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()


async def test_applies_each_file_once_in_order(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    ingest = sources[1]
    (ingest.folder / "0010_third.sql").write_text("INSERT INTO thing (name) VALUES ('third')")
    (ingest.folder / "0002_second.sql").write_text("INSERT INTO thing (name) VALUES ('second')")
    applied = await migrate(empty_database_url, sources)
    assert applied == ["results/0001_first", "ingest/0001_first", "ingest/0002_second", "ingest/0010_third"]
    assert await migrate(empty_database_url, sources) == []
    async with connected(empty_database_url) as connection:
        names = await connection.fetch("SELECT name FROM ingest.thing ORDER BY id")
        assert [row["name"] for row in names] == ["ingest", "second", "third"]
        record = await connection.fetch("SELECT * FROM ingest.schema_migration ORDER BY version")
        assert [(row["version"], row["name"]) for row in record] == [
            (1, "0001_first"),
            (2, "0002_second"),
            (10, "0010_third"),
        ]
        assert all(len(row["checksum"]) == 64 and row["applied_at"] is not None for row in record)


async def test_a_file_that_fails_leaves_nothing_and_is_named(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    broken = sources[1].folder / "0002_broken.sql"
    broken.write_text("CREATE TABLE ingest.half (n integer); SELECT 1/0;")
    with pytest.raises(asyncpg.DivisionByZeroError) as caught:
        await migrate(empty_database_url, sources)
    assert "ingest/0002_broken" in caught.value.__notes__[0]
    async with connected(empty_database_url) as connection:
        assert await connection.fetchval("SELECT to_regclass('ingest.half')") is None
    broken.write_text("CREATE TABLE ingest.half (n integer);")
    assert await migrate(empty_database_url, sources) == ["ingest/0002_broken"]


async def test_a_changed_file_is_refused(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    await migrate(empty_database_url, sources)
    (sources[1].folder / "0001_first.sql").write_text("-- nothing\n")
    with pytest.raises(ConfigurationError, match=r"ingest/0001_first was changed"):
        await migrate(empty_database_url, sources)


async def test_a_vanished_file_and_an_overtaken_one_are_refused(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    third = sources[1].folder / "0003_third.sql"
    third.write_text("SELECT 1")
    await migrate(empty_database_url, sources)
    second = sources[1].folder / "0002_second.sql"
    second.write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match=r"Renumber migration ingest/0002_second"):
        await migrate(empty_database_url, sources)
    second.unlink()
    third.unlink()
    with pytest.raises(ConfigurationError, match=r"newer than this release"):
        await migrate(empty_database_url, sources)


@pytest.mark.parametrize("name", ["1_short.sql", "0002-dash.sql", "0001_Upper.sql"])
async def test_a_misnamed_file_is_refused(
    empty_database_url: str, sources: tuple[Migrations, Migrations], name: str
) -> None:
    (sources[1].folder / name).write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="Rename migration"):
        await migrate(empty_database_url, sources)


async def test_a_doubled_number_is_refused(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    (sources[1].folder / "0001_second.sql").write_text("SELECT 1")
    with pytest.raises(ConfigurationError, match="Renumber migration"):
        await migrate(empty_database_url, sources)


async def test_many_at_once_apply_each_file_once(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    applied = await asyncio.gather(*(migrate(empty_database_url, sources) for _ in range(8)))
    assert sorted(name for names in applied for name in names) == ["ingest/0001_first", "results/0001_first"]


async def test_roles_survive_a_race_between_databases(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """Roles are the cluster's: no lock of one database keeps another's migration away."""
    schema = "race_service"
    (tmp_path / "0001_first.sql").write_text(f"CREATE TABLE {schema}.thing ()")
    source = Migrations(schema, tmp_path)
    with postgres_server.database() as one, postgres_server.database() as other:
        urls = [postgres_server.url(name) for name in (one, other)]
        try:
            for _ in range(5):
                applied = await asyncio.gather(*(migrate(url, [source]) for url in urls))
                assert applied == [[f"{schema}/0001_first"]] * 2
                for url in urls:
                    async with connected(url) as connection:
                        await connection.execute(f"DROP SCHEMA {schema} CASCADE; DROP OWNED BY {schema}")
                postgres_server.execute(f"DROP ROLE {schema}")
        finally:
            for url in urls:
                async with connected(url) as connection:
                    if await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", schema):
                        await connection.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
                        await connection.execute(f"DROP OWNED BY {schema}")
            postgres_server.execute(f"DROP ROLE IF EXISTS {schema}")


async def test_an_owner_with_createrole_is_admin_enough(
    postgres_server: PostgresServer, sources: tuple[Migrations, Migrations], tmp_path: Path
) -> None:
    """No superuser: a fresh role is made, may be assumed by the admin, and sees its own schema only."""
    schema = "owned_service"
    (tmp_path / "0001_first.sql").write_text(f"CREATE TABLE {schema}.thing AS SELECT 7 AS n")
    postgres_server.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD '{ADMIN_PASSWORD}'")
    with postgres_server.database() as name:
        try:
            postgres_server.execute(f'ALTER DATABASE "{name}" OWNER TO {ADMIN}')
            url = postgres_server.url(name, ADMIN)
            source = Migrations(schema, tmp_path)
            assert await migrate(url, [source]) == [f"{schema}/0001_first"]
            assert await migrate(url, [source]) == []
            database = Database(url, role=schema, size=1, timeout=5, application_name="test")
            await database.open()
            async with database.connection() as connection:
                assert await connection.fetchval(f"SELECT n FROM {schema}.thing") == 7
                assert await connection.fetchval("SELECT current_user") == schema
            await database.close()
        finally:
            async with connected(postgres_server.url(name)) as connection:
                await connection.execute(f"DROP OWNED BY {ADMIN} CASCADE")
                await connection.execute(f"DROP OWNED BY {schema} CASCADE; DROP ROLE {schema}")
                await connection.execute(f'ALTER DATABASE "{name}" OWNER TO CURRENT_USER')
    postgres_server.execute(f"DROP ROLE {ADMIN}")


async def test_the_record_is_not_the_services_to_write(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    await migrate(empty_database_url, sources)
    async with connected(empty_database_url) as connection:
        await connection.execute("SET ROLE ingest")
        await connection.execute("INSERT INTO ingest.thing (name) VALUES ('by the service')")
        assert await connection.fetchval("SELECT count(*) FROM ingest.schema_migration") == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM ingest.schema_migration")


async def test_require_current_asks_for_what_is_missing(
    empty_database_url: str, sources: tuple[Migrations, Migrations]
) -> None:
    ingest = sources[1]
    database = Database(empty_database_url, size=1, timeout=5, application_name="test")
    await database.open()
    with pytest.raises(Unavailable, match="0001_first: run `python -m services migrate`"):
        await require_current(database, ingest)
    await migrate(empty_database_url, sources)
    await require_current(database, ingest)
    later = ingest.folder / "0002_later.sql"
    later.write_text("SELECT 1")
    with pytest.raises(Unavailable, match="lacks 0002_later"):
        await require_current(database, ingest)
    await migrate(empty_database_url, sources)
    later.unlink()
    await require_current(database, ingest)  # an older release on a newer schema goes on
    await database.close()


async def test_given_passwords_let_roles_log_in_and_missing_ones_change_nothing(
    postgres_server: PostgresServer,
) -> None:
    """By the verifiers themselves: the test server may trust everybody."""
    with postgres_server.database() as name:
        url = postgres_server.url(name)
        kept = "SELECT rolname, rolpassword FROM pg_authid WHERE rolname IN ('auth', 'ingest', 'results')"
        async with connected(url) as connection:
            await bring_up_to_date(url)
            before = {row["rolname"]: row["rolpassword"] for row in await connection.fetch(kept)}
            try:
                assert await bring_up_to_date(url, {"ingest": "first"}) == []
                await bring_up_to_date(url, {"ingest": "second one'\\"})
                after = {row["rolname"]: row["rolpassword"] for row in await connection.fetch(kept)}
                assert {**after, "ingest": before["ingest"]} == before
                salt = base64.b64decode(after["ingest"].split("$")[1].split(":")[1])
                assert after["ingest"] == scram_verifier("ingest", "second one'\\", salt)
                with pytest.raises(
                    ConfigurationError, match="printable ASCII characters only in the password of role ingest"
                ):
                    await bring_up_to_date(url, {"ingest": "contraseña"})
            finally:
                verifier = before["ingest"]
                given = "NULL" if verifier is None else f"'{verifier}'"
                await connection.execute(f"ALTER ROLE ingest PASSWORD {given}")
