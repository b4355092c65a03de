"""Months of the audit log that are dropped: what is left proves itself, and nothing younger can be lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, time
from pathlib import Path

import asyncpg
import pytest

from libs.common.database.postgres import Connection, Database
from services.auth.audit import archive, store
from services.auth.audit.anchor import Anchor, noted_heads
from services.auth.audit.auditing import Verifier
from services.auth.audit.chain import RetiredMonth
from services.auth.audit.proof import prove
from services.auth.audit.retention import ends_by, retire
from services.auth.audit.verification import SignedRetired
from tests.audit_support import (
    KEYS,
    SIGNER,
    entries,
    metrics,
    months_ago,
    note,
    seal_then,
    sealer_of,
    untriggered,
)

AGES = (30, 26, 25, 13, 2)
"""In months, of the batches below, with as many entries as its place says, from 1."""


@pytest.fixture
async def database(role_url: Callable[[str], str]) -> AsyncIterator[Database]:
    found = Database(role_url("auth"), size=4, timeout=10, application_name="test")
    await found.open()
    yield found
    await found.close()


@pytest.fixture
async def grown(sql: Connection, tmp_path: Path) -> Path:
    """A log of two and a half years; the file in which its heads are noted."""
    path = tmp_path / "anchors.jsonl"
    for count, age in enumerate(AGES, 1):
        month = months_ago(age)
        for day in (3, 20):
            when = datetime.combine(month.replace(day=day), time(12), UTC)
            await seal_then(sql, entries(count), when)
            head = await store.head(sql)
            assert head is not None
            Anchor(path).note(head)
    return path


async def kept(sql: Connection) -> set[int]:
    """Ages of the months of which entries are there."""
    rows = await sql.fetch(
        "SELECT DISTINCT date_trunc('month', sealed_at, 'UTC')::date AS m FROM auth.audit_log"
    )
    return {age for row in rows for age in AGES if months_ago(age) == row["m"]}


def test_months_are_counted_from_their_end() -> None:
    assert f"{ends_by(datetime(2026, 3, 31, tzinfo=UTC), 12)}" == "2025-03-01"
    assert f"{ends_by(datetime(2026, 1, 1, tzinfo=UTC), 72)}" == "2020-01-01"


async def test_a_retired_month_leaves_a_log_that_proves_itself(
    sql: Connection, database: Database, grown: Path
) -> None:
    assert await retire(database, SIGNER, 24, told=None) == [months_ago(age) for age in (30, 26, 25)]
    assert await kept(sql) == {13, 2}
    found = await prove(sql, KEYS, noted_heads(grown))
    assert (found.broken, found.entries) == (None, 2 * (4 + 5))
    # Each dropped month has left its last root and a statement.
    assert await sql.fetchval("SELECT count(*) FROM auth.audit_batch") == 3 + 4
    assert [one.retired.last_batch for one in await store.retired(sql)] == [1, 3, 5]
    assert await retire(database, SIGNER, 24, told=None) == []


async def test_that_a_month_was_retired_is_itself_noted(
    sql: Connection, database: Database, grown: Path
) -> None:
    await retire(database, SIGNER, 26, told=None)
    assert await sealer_of(database).seal() == 1
    row = await sql.fetchrow("SELECT action, objects, actor FROM auth.audit_log ORDER BY seq DESC LIMIT 1")
    assert row is not None
    assert dict(row) == {
        "action": "retire_audit_month",
        "objects": [f"{months_ago(30):%Y-%m}"],
        "actor": "system",
    }
    assert (await prove(sql, KEYS, noted_heads(grown))).broken is None


async def test_an_export_of_what_is_left_proves_itself_elsewhere(
    sql: Connection, database: Database, grown: Path, tmp_path: Path
) -> None:
    await retire(database, SIGNER, 24, told=None)
    folder = tmp_path / "export"
    folder.mkdir()
    await archive.write(sql, folder, KEYS)
    public = archive.read_keys(folder / archive.KEYS)
    assert public == KEYS
    found = archive.prove(folder, public, noted_heads(grown), lambda _read, _of: None)
    assert (found.broken, found.entries) == (None, 18)
    (folder / archive.RETIRED).write_bytes(b"")
    found = archive.prove(folder, public, noted_heads(grown), lambda _read, _of: None)
    assert found.broken is not None
    assert found.broken.kind == "missing"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("DELETE FROM auth.audit_retired WHERE last_batch = 5", "missing"),
        (
            "UPDATE auth.audit_retired SET last_seq = last_seq + 8, last_batch = 7 WHERE last_batch = 5",
            "forged",
        ),
        ("DELETE FROM auth.audit_batch WHERE batch = 5", "missing"),
        ("DELETE FROM auth.audit_log WHERE seq = (SELECT min(seq) FROM auth.audit_log)", "missing"),
    ],
)
async def test_tampering_with_what_a_month_has_left_is_found(
    sql: Connection, database: Database, grown: Path, statement: str, kind: str
) -> None:
    await retire(database, SIGNER, 24, told=None)
    await untriggered(sql, statement)
    found = (await prove(sql, KEYS, noted_heads(grown))).broken
    assert found is not None
    assert found.kind == kind


async def test_a_month_that_somebody_dropped_is_missing(sql: Connection, grown: Path) -> None:
    await sql.execute(f"DROP TABLE auth.audit_log_{months_ago(30):%Y_%m}")
    found = (await prove(sql, KEYS)).broken
    assert found is not None
    assert (found.kind, found.seq) == ("missing", 1)
    await untriggered(sql, "DELETE FROM auth.audit_batch WHERE batch < 2")
    found = (await prove(sql, KEYS)).broken
    assert found is not None
    assert (found.kind, found.seq) == ("missing", 1)


async def test_what_a_sink_was_not_told_stays(sql: Connection, database: Database, grown: Path) -> None:
    assert await retire(database, SIGNER, 24, told=4) == [months_ago(30)]
    assert await kept(sql) == {26, 25, 13, 2}


@pytest.mark.parametrize("age", [2, 13, 26])
async def test_the_service_cannot_drop_a_young_month_nor_one_out_of_turn(
    database: Database, grown: Path, age: int
) -> None:
    async with database.connection() as connection:
        root = await store.last_root_of(connection, months_ago(age))
        assert root is not None
        said = RetiredMonth(
            months_ago(age), root.root.batch, root.root.last_seq, root.root.root, datetime.now(UTC)
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await store.retire_month(connection, SignedRetired(said, SIGNER.key_id, SIGNER.sign(said)))


async def test_the_service_cannot_lie_about_where_a_month_ends(database: Database, grown: Path) -> None:
    async with database.connection() as connection:
        root = await store.last_root_of(connection, months_ago(30))
        assert root is not None
        said = RetiredMonth(
            months_ago(30), root.root.batch + 1, root.root.last_seq, root.root.root, datetime.now(UTC)
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="where"):
            await store.retire_month(connection, SignedRetired(said, SIGNER.key_id, SIGNER.sign(said)))
        for statement in (
            "DELETE FROM auth.audit_batch",
            "DELETE FROM auth.audit_retired",
            "INSERT INTO auth.audit_retired SELECT now(), 0, 0, '', now(), '', ''",
            f"DROP TABLE auth.audit_log_{months_ago(30):%Y_%m}",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)


async def test_roots_cannot_be_deleted_by_the_owner_either(sql: Connection, grown: Path) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await sql.execute("DELETE FROM auth.audit_batch WHERE batch = 0")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await sql.execute(f"TRUNCATE auth.audit_log_{months_ago(30):%Y_%m}")


async def test_looking_on_sees_what_was_added_and_the_whole_look_the_rest(
    sql: Connection, database: Database, grown: Path
) -> None:
    verifier = Verifier(database, KEYS, grown, metrics())
    assert (await verifier.verify(whole=True)).entries == 2 * (1 + 2 + 3 + 4 + 5)
    await note(sql, *entries(3))
    assert await sealer_of(database, grown).seal() == 3
    added = await verifier.verify(whole=False)
    assert (added.entries, added.broken) == (3, None)
    await untriggered(sql, "UPDATE auth.audit_log SET actor = 'user:8' WHERE seq = 2")
    assert (await verifier.verify(whole=False)).broken is None
    found = (await verifier.verify(whole=True)).broken
    assert found is not None
    assert (found.kind, found.seq) == ("changed", 2)
    # It is not forgotten with the next look at what was added.
    assert (await verifier.verify(whole=False)).broken == found


async def test_a_cut_end_is_found_by_looking_on_as_well(
    sql: Connection, database: Database, grown: Path
) -> None:
    verifier = Verifier(database, KEYS, None, metrics())
    await verifier.verify(whole=True)
    await untriggered(sql, "DELETE FROM auth.audit_batch WHERE batch = 9")
    await untriggered(sql, "DELETE FROM auth.audit_log WHERE seq > 25")
    found = (await verifier.verify(whole=False)).broken
    assert found is not None
    assert found.kind == "cut"
