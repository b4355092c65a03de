"""Results' migrations on a database that the release before has filled, and goes on filling."""

from __future__ import annotations

import ast
import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.database.migrations import Migrations, migrate
from libs.common.database.postgres import Connection, Database
from libs.common.ids import new_file_id
from services.operator.fill import fill
from services.operator.migrations import MIGRATIONS
from services.operator.progress import Progress
from services.results.processing import uncounted
from services.results.write import filling, store
from services.results.write.fill_store import NOBODY, count_unfilled
from tests import previous_release
from tests.accounts_support import require_agreement
from tests.fixtures_postgres import PostgresServer
from tests.results_support import Results, running_results
from tests.unit.services.results.events import MOMENT, processed, received
from tests.waiting import eventually

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


OLD_HISTORY = (("received", 0), ("processed", 3), ("failed", 1), ("processed", 4))


async def test_old_rows_are_filled_in_batches_and_after_a_kill(
    old: Connection, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counters, studies, series, header columns and analyses, as if this release had written the rows."""
    rows = [
        old_values(new_file_id(), 7 + index % 2, state=state, precedence=precedence)
        for index in range(10)
        for state, precedence in OLD_HISTORY
    ]
    await write_as_before(old, *rows)
    await migrate(empty_database_url, [RESULTS])
    monkeypatch.setattr(filling, "FILES", 7)
    database = Database(empty_database_url, size=2, timeout=10, application_name="test")
    await database.open()
    async with database.connection() as connection:
        assert await count_unfilled(connection, 1000) == 40
        assert await count_unfilled(connection, 10) == 10
    after, filled = await filling.fill_next(database, NOBODY)
    assert (after, filled) == (rows[6][0], 7)
    # Killed in the middle of a batch: nothing of it is kept.
    async with database.connection() as connection:
        killed = connection.transaction()
        await killed.start()
        assert await filling.fill_files(connection, [row[0] for row in rows[7:14]]) == 7
        await killed.rollback()
    out = io.StringIO()
    assert await fill(database, Progress(out, "results")) == 33
    assert "100 %  33 of 33 results" in out.getvalue()
    assert await fill(database, Progress(out, "results")) == 0
    await require_agreement(old)
    row = await old.fetchrow("SELECT * FROM results.upload_dicomresult LIMIT 1")
    assert row is not None
    assert (row["patient_name"], row["search"]) == ("Doe^Jane", "doe jane a.dcm")
    study = await old.fetchrow("SELECT * FROM results.study WHERE collection = 'user:7'")
    assert study is not None
    assert (study["patient_name"], study["modalities"], study["instances"]) == ("Doe^Jane", ["CT"], 20)
    await database.close()


async def test_the_running_service_counts_what_the_release_before_writes(
    role_url: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(database_url)
    file_ids = [new_file_id() for _ in range(5)]
    try:
        async with running_results(role_url("results"), tmp_path) as results:
            await write_as_before(connection, *(old_values(file_id, 7) for file_id in file_ids))
            await eventually(lambda: agrees(connection))
            summary = await results.json("/api/results/summary")
            assert (summary["received"], summary["total"]) == (5, 5)
            ended = [old_values(file_id, 7, state="processed", precedence=3) for file_id in file_ids]
            await write_as_before(connection, *ended)
            await results.publish(processed(file_ids[0], version=7))
            await eventually(lambda: agrees(connection))
    finally:
        await connection.close()


async def test_what_the_release_before_wrote_is_complete_once_this_one_changes_it(
    role_url: Callable[[str], str], database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncounted, "LOOK_SECONDS", 1000)
    connection = await asyncpg.connect(database_url)
    try:
        async with running_results(role_url("results"), tmp_path) as results:
            old = new_file_id()
            await write_as_before(connection, old_values(old, 7, state="failed", precedence=1))
            await results.upload(received(supersedes=old))
            analysis = await connection.fetchrow("SELECT * FROM results.analysis WHERE file_id = $1", old)
            assert analysis is not None
            assert (analysis["state"], analysis["reason"]) == ("failed", "decode-failed")
            await filling.fill_files(connection, [old])
            await require_agreement(connection)
    finally:
        await connection.close()


async def agrees(connection: Connection) -> bool:
    await require_agreement(connection)
    return True


async def test_filling_beside_both_releases_neither_waits_in_a_circle_nor_miscounts(
    role_url: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    connection, other = await asyncpg.connect(database_url), await asyncpg.connect(database_url)
    database = Database(database_url, size=2, timeout=10, application_name="test")
    await database.open()
    file_ids = [new_file_id() for _ in range(60)]
    await write_as_before(connection, *(old_values(file_id, 7 + i % 3) for i, file_id in enumerate(file_ids)))

    async def write_old() -> None:
        for i, file_id in enumerate(file_ids):
            if i % 2:
                async with connection.transaction():
                    await store.lock_files(connection, [file_id])
                    ended = old_values(file_id, 7 + i % 3, state="processed", precedence=3)
                    await write_as_before(connection, ended)

    async def write_new(results: Results) -> None:
        events = [processed(file_id, 7 + i % 3, version=2) for i, file_id in enumerate(file_ids) if i % 3]
        await asyncio.gather(*(results.publish(event) for event in reversed(events)))

    try:
        async with running_results(role_url("results"), tmp_path) as results:
            await asyncio.gather(
                write_old(),
                write_new(results),
                fill(database, Progress(io.StringIO(), "results")),
                fill(database, Progress(io.StringIO(), "results")),
            )
            await fill(database, Progress(io.StringIO(), "results"))
            await require_agreement(other)
    finally:
        await database.close()
        await connection.close()
        await other.close()


async def test_studies_of_before_the_search_are_completed(
    role_url: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    """As the release with migration 0016 leaves them, which knows the columns of none of this."""
    studies = "SELECT * FROM results.study ORDER BY study_instance_uid"
    files = "SELECT * FROM results.upload_dicomresult ORDER BY file_id"
    dicom = {
        "00080070": {"vr": "LO", "Value": ["ACME"]},
        "0008103E": {"vr": "LO", "Value": ["axial"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jané"}]},
    }
    connection = await asyncpg.connect(database_url)
    database = Database(database_url, size=2, timeout=10, application_name="test")
    await database.open()
    try:
        async with running_results(role_url("results"), tmp_path) as results:
            for number in range(3):
                await results.upload(
                    received(study_instance_uid=f"1.{number // 2}"), dicom=dicom, file_name="a.dcm"
                )
            expected = await connection.fetch(studies), await connection.fetch(files)
            assert expected[0][0]["patient"] == "doe jane"
            assert expected[0][0]["also"] == "a.dcm\nacme\naxial"
            assert (expected[0][0]["devices"], expected[0][0]["owners"]) == (["ACME"], [7])
            await connection.execute(
                "UPDATE results.study SET patient = '', devices = '{}', owners = '{}', also = ''"
            )
            await connection.execute("UPDATE results.series SET device = NULL")
            await connection.execute(
                "UPDATE results.upload_dicomresult SET header_version = 1, device = NULL, patient = NULL"
            )
            assert (await results.json("/api/studies?sort=patient"))["studies"] != []
            assert await fill(database, Progress(io.StringIO(), "results")) == 3
            assert (await connection.fetch(studies), await connection.fetch(files)) == expected
            assert await connection.fetchval("SELECT min(device) FROM results.series") == "ACME"
            assert await fill(database, Progress(io.StringIO(), "results")) == 0
    finally:
        await database.close()
        await connection.close()


async def test_what_searches_compare_is_filled_in_beside_the_release_before(
    role_url: Callable[[str], str], database_url: str, tmp_path: Path
) -> None:
    """As the release with migration 0022 leaves rows, and goes on to write them: of header_version 2."""
    dicom = {
        "00080090": {"vr": "PN", "Value": [{"Alphabetic": "House^Greg"}]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jané", "Ideographic": "山田"}]},
        "00400244": {"vr": "DA", "Value": ["20260131"]},
        "00400275": {"vr": "SQ", "Value": [{"00401001": {"vr": "SH", "Value": ["RP1"]}}]},
    }
    added = {
        "upload_dicomresult": "patient_names, physician_names, procedure_step_date, requested_procedure_ids",
        "study": "patient_names, physician_names",
        "series": "procedure_step_date, requested_procedure_ids",
    }
    connection = await asyncpg.connect(database_url)
    database = Database(database_url, size=2, timeout=10, application_name="test")
    await database.open()
    try:
        async with running_results(role_url("results"), tmp_path) as results:
            for _ in range(2):
                await results.upload(received(), dicom=dicom)
            for table, columns in added.items():
                nothing = ", ".join(f"{name} = NULL" for name in columns.split(", "))
                await connection.execute(f"UPDATE results.{table} SET {nothing}")
            await connection.execute("UPDATE results.upload_dicomresult SET header_version = 2")
            assert await results.json("/dicom-web/studies?PatientName=doe*") == []
            assert len(await results.json("/dicom-web/studies")) == 1
            assert await fill(database, Progress(io.StringIO(), "results")) == 2
            for table, columns in added.items():
                rows = await connection.fetch(f"SELECT {columns} FROM results.{table}")
                assert all(value is not None for row in rows for value in row), table
            for query in ("PatientName=doe*", "PatientName=山田", "ReferringPhysicianName=*greg"):
                assert len(await results.json(f"/dicom-web/studies?{query}")) == 1
            assert len(await results.json("/dicom-web/series?00400275.00401001=RP1&00400244=20260131")) == 1
            assert await fill(database, Progress(io.StringIO(), "results")) == 0
    finally:
        await database.close()
        await connection.close()


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
