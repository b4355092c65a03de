"""The audit log on a real PostgreSQL: what services note is chained, kept, and proved to be whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from libs.common.audit.entries import AuditEntry, write
from libs.common.database.postgres import Connection, Database
from libs.common.encryption.keyring import Keyring
from services.auth.audit.anchor import Anchor, read_anchors
from services.auth.audit.chain import signers_of
from services.auth.audit.noted import UNREADABLE
from services.auth.audit.proof import Proof, prove
from services.auth.audit.sealing import BATCH, LogSealer
from services.auth.metrics import AuthMetrics

KEYRING = Keyring("k", {"k": b"k" * 32})
SIGNER, KEYS = signers_of(KEYRING)


def entries(count: int, first: int = 0) -> list[AuditEntry]:
    return [
        AuditEntry("ingest", "upload_files", "success", "user:7", objects=[str(first + n)], details={"n": n})
        for n in range(count)
    ]


@pytest.fixture
async def database(role_url: Callable[[str], str]) -> AsyncIterator[Database]:
    found = Database(role_url("auth"), size=4, timeout=10, application_name="test")
    await found.open()
    yield found
    await found.close()


@pytest.fixture
def anchor_file(tmp_path: Path) -> Path:
    return tmp_path / "anchors.jsonl"


@pytest.fixture
def sealer(database: Database, anchor_file: Path) -> LogSealer:
    return LogSealer(database, SIGNER, Anchor(anchor_file), AuthMetrics(CollectorRegistry()))


async def note(sql: Connection, *noted: AuditEntry) -> None:
    async with sql.transaction():
        await write(sql, *noted)


async def look(sql: Connection, anchor_file: Path | None = None) -> Proof:
    anchors = [] if anchor_file is None else list(read_anchors(anchor_file))
    return await prove(sql, KEYS, anchors)


async def sealed(sql: Connection, sealer: LogSealer, *batches: int) -> None:
    first = 0
    for size in batches:
        await note(sql, *entries(size, first))
        assert await sealer.seal() == size
        first += size


async def broken(sql: Connection, anchor_file: Path | None = None) -> tuple[str, int]:
    found = (await look(sql, anchor_file)).broken
    assert found is not None
    return found.kind, found.seq


async def test_what_was_noted_is_chained_in_its_order_and_once(
    sql: Connection, sealer: LogSealer, anchor_file: Path
) -> None:
    await sealed(sql, sealer, 3, 2)
    assert await sealer.seal() == 0
    rows = await sql.fetch("SELECT seq, objects, action, actor FROM auth.audit_log ORDER BY seq")
    assert [(row["seq"], row["objects"]) for row in rows] == [(n + 1, [str(n)]) for n in range(5)]
    found = await look(sql, anchor_file)
    assert (found.entries, found.last_seq, found.broken) == (5, 5, None)
    assert [root.last_seq for root in read_anchors(anchor_file)] == [3, 5]


async def test_a_head_that_could_not_be_noted_is_noted_later(
    sql: Connection, database: Database, tmp_path: Path
) -> None:
    registry, path = CollectorRegistry(), tmp_path / "mount" / "anchors.jsonl"
    sealer = LogSealer(database, SIGNER, Anchor(path), AuthMetrics(registry))
    await sealed(sql, sealer, 3)
    assert registry.get_sample_value("audit_anchor_failing") == 1
    assert await sealer.seal() == 0
    path.parent.mkdir()
    assert await sealer.seal() == 0
    assert registry.get_sample_value("audit_anchor_failing") == 0
    assert [root.last_seq for root in read_anchors(path)] == [3]


async def test_two_sealers_make_one_chain(sql: Connection, database: Database, sealer: LogSealer) -> None:
    other = LogSealer(database, SIGNER, None, AuthMetrics(CollectorRegistry()))
    await note(sql, *entries(BATCH + 20))
    for _ in range(3):
        await asyncio.gather(*(one.seal() for one in (sealer, other, sealer)))
    found = await look(sql)
    assert (found.entries, found.last_seq, found.broken) == (BATCH + 20, BATCH + 20, None)


async def test_an_act_that_is_undone_leaves_nothing(sql: Connection, sealer: LogSealer) -> None:
    undone = sql.transaction()
    await undone.start()
    await write(sql, *entries(1))
    await undone.rollback()
    assert await sealer.seal() == 0


async def test_what_cannot_be_read_is_kept_as_it_came(sql: Connection, sealer: LogSealer) -> None:
    await sql.execute("""INSERT INTO auth.audit_pending (entry) VALUES ('{"at": 7, "x": "y"}'), ('[]')""")
    assert await sealer.seal() == 2
    rows = await sql.fetch("SELECT action, details FROM auth.audit_log ORDER BY seq")
    assert [row["action"] for row in rows] == [UNREADABLE, UNREADABLE]
    assert "x" in str(rows[0]["details"])
    assert (await look(sql)).broken is None


@pytest.mark.parametrize("role", ["ingest", "results"])
async def test_other_services_add_and_nothing_else(role_url: Callable[[str], str], role: str) -> None:
    connection = await asyncpg.connect(role_url(role))
    try:
        await write(connection, *entries(1))
        for statement in (
            "SELECT * FROM auth.audit_pending",
            "UPDATE auth.audit_pending SET entry = '{}'",
            "DELETE FROM auth.audit_pending",
            "TRUNCATE auth.audit_pending",
            "SELECT * FROM auth.audit_log",
            "INSERT INTO auth.audit_log (seq) VALUES (1)",
            "SELECT * FROM auth.auth_user",
            "SELECT auth.prepare_audit_month(now()::date)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_the_log_is_append_only_for_auth_itself(
    sql: Connection, sealer: LogSealer, role_url: Callable[[str], str]
) -> None:
    await sealed(sql, sealer, 2)
    (partition,) = await sql.fetch("SELECT DISTINCT tableoid::regclass::text AS name FROM auth.audit_log")
    connection = await asyncpg.connect(role_url("auth"))
    try:
        for table in ("auth.audit_log", "auth.audit_batch", partition["name"]):
            for statement in (
                f"DELETE FROM {table}",
                f"TRUNCATE {table}",
                f"UPDATE {table} SET sealed_at = now()",
            ):
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.execute(statement)
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await sql.execute("DELETE FROM auth.audit_log")


async def untriggered(sql: Connection, statement: str) -> None:
    """What a superuser can do who leaves no trace in the schema."""
    async with sql.transaction():
        await sql.execute("SET LOCAL session_replication_role = replica")
        await sql.execute(statement)


TAMPERING = {
    "changed": ("UPDATE auth.audit_log SET actor = 'user:8' WHERE seq = 3", ("changed", 3)),
    "dated back": ("UPDATE auth.audit_log SET at = at - interval '1 us' WHERE seq = 3", ("changed", 3)),
    "removed": ("DELETE FROM auth.audit_log WHERE seq = 3", ("missing", 3)),
    "added": (
        "INSERT INTO auth.audit_log SELECT 6, sealed_at, link, at, service, action, ending, actor, "
        "acting_as, object_type, objects FROM auth.audit_log WHERE seq = 5",
        ("added", 6),
    ),
    "swapped": (
        "UPDATE auth.audit_log AS one SET objects = two.objects, at = two.at, details = two.details "
        "FROM auth.audit_log AS two WHERE (one.seq, two.seq) IN ((2, 3), (3, 2))",
        ("reordered", 2),
    ),
    "forged": ("UPDATE auth.audit_batch SET signature = sha512('') WHERE batch = 1", ("forged", 4)),
}


@pytest.mark.parametrize("how", TAMPERING)
async def test_tampering_by_a_superuser_is_found(sql: Connection, sealer: LogSealer, how: str) -> None:
    await sealed(sql, sealer, 3, 2)
    statement, found = TAMPERING[how]
    await untriggered(sql, statement)
    assert await broken(sql) == found


async def test_a_cut_end_is_found_by_the_anchor(
    sql: Connection, sealer: LogSealer, anchor_file: Path
) -> None:
    await sealed(sql, sealer, 3, 2)
    await untriggered(sql, "DELETE FROM auth.audit_log WHERE seq > 3")
    await untriggered(sql, "DELETE FROM auth.audit_batch WHERE batch = 1")
    assert (await look(sql)).broken is None, "the database alone does not tell"
    assert await broken(sql, anchor_file) == ("cut", 4)


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TRIGGER audit_log_append_only ON auth.audit_log",
        "ALTER TABLE auth.audit_log DISABLE TRIGGER audit_log_not_truncated",
        "GRANT DELETE ON auth.audit_log TO results",
    ],
)
async def test_a_guard_that_was_taken_away_is_missed(
    sql: Connection, sealer: LogSealer, statement: str
) -> None:
    await sealed(sql, sealer, 1)
    await sql.execute(statement)
    assert (await broken(sql))[0] == "changed"


async def test_a_key_that_was_replaced_still_proves(
    sql: Connection, sealer: LogSealer, database: Database
) -> None:
    await sealed(sql, sealer, 2)
    newer = Keyring("n", {"n": b"n" * 32, "k": b"k" * 32})
    signer, keys = signers_of(newer)
    await sealed(sql, LogSealer(database, signer, None, AuthMetrics(CollectorRegistry())), 1)
    assert (await prove(sql, keys)).broken is None
    assert await broken(sql) == ("forged", 3)


HOSTILE: dict[str, dict[str, Any]] = {
    "status": {"status": 2**40},
    "actor": {"actor": "x" * 100_000},
    "objects": {"objects": [f"{n:0>3000}" for n in range(20)]},
    "studies": {"studies": [str(n) for n in range(5000)]},
    "at": {"at": "0001-01-01T00:00:00+14:00"},
    "numbers": {"details": {"huge": 10**400, "small": 1e-320, "whole": 1e22, "minus": -0.0}},
    "depth": {"details": {"deep": "DEPTH"}},
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_no_entry_stops_the_sealer(
    sql: Connection, sealer: LogSealer, role_url: Callable[[str], str], what: str
) -> None:
    """A service that was taken over may add entries, and must not keep others from being sealed by one."""
    facts = {"at": "2026-05-01T00:00:00Z", "service": "results", "action": "x", "ending": "success",
             "actor": "user:7", **HOSTILE[what]}  # fmt: skip
    hostile = json.dumps(facts).replace('"DEPTH"', "[" * 900 + "]" * 900)
    connection = await asyncpg.connect(role_url("results"))
    try:
        await connection.execute("INSERT INTO auth.audit_pending (entry) VALUES ($1::text::jsonb)", hostile)
    finally:
        await connection.close()
    await note(sql, *entries(2))
    assert await sealer.seal() == 3
    found = await look(sql)
    assert (found.broken, found.entries) == (None, 3)


async def test_a_guard_of_one_month_that_was_taken_away_is_missed(sql: Connection, sealer: LogSealer) -> None:
    await sealed(sql, sealer, 1)
    partition = await sql.fetchval("SELECT DISTINCT tableoid::regclass::text FROM auth.audit_log")
    await sql.execute(f"ALTER TABLE {partition} DISABLE TRIGGER audit_log_append_only")
    assert (await broken(sql))[0] == "changed"
