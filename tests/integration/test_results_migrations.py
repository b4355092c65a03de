"""Results' migrations on a database that the release before has filled, and goes on filling."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.database.migrations import Migrations, migrate
from libs.common.database.postgres import Connection
from libs.common.ids import new_file_id
from services.operator.migrations import MIGRATIONS
from tests import previous_release
from tests.fixtures_postgres import PostgresServer
from tests.unit.services.results.events import MOMENT

RESULTS = next(source for source in MIGRATIONS if source.schema == "results")
STORE = "services/results/store.py"
ADMIN = "trigram_admin"


def old_statement(name: str) -> str:
    """A statement of the previous release, as it is written there."""
    for node in ast.parse(previous_release.read(STORE)).body:
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == name for t in node.targets
        ):
            return str(ast.literal_eval(node.value))
    raise AssertionError(f"{STORE} of the previous release has no {name}")


def old_values(file_id: UUID, owner_id: int, *, state: str = "received", precedence: int = 0) -> list[Any]:
    """A row as the previous release writes it: a header, and an outcome unless it is only received."""
    header = ["a.dcm", '{"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}}', "[]", 1000,
              "ab" * 32, "1.2.840.10008.5.1.4.1.1.2", f"2.25.{file_id.int}", "1.2.3.4", "1.2.3", "CT",
              "1.2.840.10008.1.2.1", 512, 512, 1, MOMENT]  # fmt: skip
    outcome: list[Any] = [None] * 11
    if state == "processed":
        outcome = ["ACME", 1.5, 0.5, 100, "{}", f"{file_id}.thumbnail", None, None, precedence - 2, 1, MOMENT]
    elif state == "failed":
        outcome = [None, None, None, None, None, None, "decode-failed", "…", None, 3, None]
    return [file_id, owner_id, None, state, precedence, *header, *outcome]


async def write_as_before(connection: Connection, *rows: list[Any]) -> None:
    """What the previous release does with a batch."""
    await connection.fetch(old_statement("_APPLY"), *(list(column) for column in zip(*rows, strict=True)))


def before(folder: Path) -> Migrations:
    """The previous release's migrations of results."""
    for path in previous_release.names("services/results/migrations"):
        (folder / Path(path).name).write_text(previous_release.read(path))
    return Migrations("results", folder)


@pytest.fixture
async def old(empty_database_url: str, tmp_path: Path) -> AsyncIterator[Connection]:
    """A connection to a database of the previous release."""
    await migrate(empty_database_url, [before(tmp_path)])
    connection = await asyncpg.connect(empty_database_url)
    yield connection
    await connection.close()


async def counters(connection: Connection) -> dict[tuple[str, str], int]:
    rows = await connection.fetch("SELECT collection, state, files FROM results.counter WHERE files <> 0")
    return {(row["collection"], row["state"]): row["files"] for row in rows}


async def test_old_rows_get_their_collection_and_are_counted(
    old: Connection, empty_database_url: str
) -> None:
    rows = [
        old_values(new_file_id(), 7),
        old_values(new_file_id(), 7, state="processed", precedence=3),
        old_values(new_file_id(), 7, state="processed", precedence=3),
        old_values(new_file_id(), 8, state="failed", precedence=1),
    ]
    await write_as_before(old, *rows)
    await migrate(empty_database_url, [RESULTS])
    found = await old.fetch("SELECT collection, owner_id FROM results.upload_dicomresult")
    assert {(row["collection"], row["owner_id"]) for row in found} == {("user:7", 7), ("user:8", 8)}
    assert await old.fetchval("SELECT count(*) FROM results.change_feed WHERE collection = 'user:7'") == 3
    assert await counters(old) == {
        ("user:7", "received"): 1,
        ("user:7", "processed"): 2,
        ("user:8", "failed"): 1,
    }
    for table in ("upload_dicomresult", "change_feed"):
        assert await old.fetchval(
            "SELECT attnotnull FROM pg_attribute "
            "WHERE attrelid = $1::text::regclass AND attname = 'collection'",
            f"results.{table}",
        )


async def test_the_release_before_goes_on_writing(old: Connection, empty_database_url: str) -> None:
    first, second = new_file_id(), new_file_id()
    await write_as_before(old, old_values(first, 7))
    await migrate(empty_database_url, [RESULTS])
    await write_as_before(
        old,
        old_values(first, 7, state="processed", precedence=3),
        old_values(second, 8, state="failed", precedence=1),
    )
    rows = await old.fetch(
        "SELECT file_id, collection, state FROM results.upload_dicomresult ORDER BY owner_id"
    )
    assert [tuple(row) for row in rows] == [(first, "user:7", "processed"), (second, "user:8", "failed")]
    feed = await old.fetch("SELECT file_id, collection, state FROM results.change_feed ORDER BY xid, seq")
    assert [tuple(row) for row in feed] == [
        (first, "user:7", "received"),
        (first, "user:7", "processed"),
        (second, "user:8", "failed"),
    ]
    # It knows of no counters: these rows are what `fill-results` finds.
    uncounted = await old.fetchval(
        "SELECT count(*) FROM results.upload_dicomresult WHERE counted IS DISTINCT FROM state"
    )
    assert uncounted == 2


async def test_the_databases_owner_may_make_the_trigram_indexes(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """No superuser; and an extension that somebody has put into a schema of their own is as good."""
    postgres_server.execute(f"CREATE ROLE {ADMIN} LOGIN CREATEROLE PASSWORD 'dicom-tests-only'")
    with postgres_server.database() as one, postgres_server.database() as other:
        try:
            for name in (one, other):
                postgres_server.execute(f'ALTER DATABASE "{name}" OWNER TO {ADMIN}')
            connection = await asyncpg.connect(postgres_server.url(other))
            await connection.execute(
                "CREATE SCHEMA extensions; GRANT USAGE ON SCHEMA extensions TO PUBLIC; "
                "CREATE EXTENSION pg_trgm SCHEMA extensions"
            )
            await connection.close()
            for name in (one, other):
                await migrate(postgres_server.url(name, ADMIN), [RESULTS])
                connection = await asyncpg.connect(postgres_server.url(name))
                await connection.execute("SET enable_seqscan = off")
                await connection.execute("SET ROLE results")
                plan = await connection.fetch(
                    "EXPLAIN SELECT file_id FROM results.upload_dicomresult WHERE search LIKE '%doe%'"
                )
                assert any("upload_dicomresult_search" in row[0] for row in plan)
                await write_as_before(
                    connection, old_values(new_file_id(), 7, state="processed", precedence=3)
                )
                await connection.close()
        finally:
            for name in (one, other):
                connection = await asyncpg.connect(postgres_server.url(name))
                await connection.execute(f"DROP OWNED BY {ADMIN} CASCADE")
                await connection.execute(f'ALTER DATABASE "{name}" OWNER TO CURRENT_USER')
                await connection.close()
    postgres_server.execute(f"DROP ROLE {ADMIN}")
