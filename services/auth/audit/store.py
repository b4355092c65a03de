"""All SQL of the audit log's writing side and of its proof. Nothing here commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from libs.common.database.postgres import Connection
from services.auth.audit.chain import Link, Root, SealedEntry
from services.auth.audit.verification import Row, SignedRoot

_FACTS = ", ".join(SealedEntry._fields)
_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('auth.audit_sealer'))"
_TAKE = """
    WITH taken AS MATERIALIZED (SELECT id FROM auth.audit_pending ORDER BY id LIMIT $1)
    DELETE FROM auth.audit_pending AS pending USING taken WHERE pending.id = taken.id
    RETURNING pending.id, pending.entry::text AS entry
"""
_HEAD = """
    SELECT batch, first_seq, last_seq, previous, root, sealed_at, key_id, signature
    FROM auth.audit_batch ORDER BY batch DESC LIMIT 1
"""
_APPEND = f"""
    INSERT INTO auth.audit_log (seq, sealed_at, link, {_FACTS})
    SELECT one.seq, $1, one.link, one.at, one.service, one.action, one.ending, one.actor, one.acting_as,
        one.object_type, ARRAY(SELECT jsonb_array_elements_text(one.objects)), one.collection,
        ARRAY(SELECT jsonb_array_elements_text(one.studies)), one.address, one.route, one.status,
        one.trace_id, one.details
    FROM unnest($2::bigint[], $3::bytea[], $4::timestamptz[], $5::text[], $6::text[], $7::text[], $8::text[],
        $9::text[], $10::text[], $11::text[]::jsonb[], $12::text[], $13::text[]::jsonb[], $14::text[],
        $15::text[], $16::integer[], $17::text[], $18::text[]::jsonb[])
        AS one (seq, link, at, service, action, ending, actor, acting_as, object_type, objects, collection,
            studies, address, route, status, trace_id, details)
"""
_APPEND_ROOT = """
    INSERT INTO auth.audit_batch (batch, first_seq, last_seq, previous, root, sealed_at, key_id, signature)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_NOTE_KEY = "INSERT INTO auth.audit_key (key_id, public) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_ROOTS = """
    SELECT batch, first_seq, last_seq, previous, root, sealed_at, key_id, signature
    FROM auth.audit_batch WHERE batch > $1 ORDER BY batch LIMIT $2
"""
_ROWS = f"SELECT seq, link, {_FACTS}::text FROM auth.audit_log WHERE seq > $1 ORDER BY seq LIMIT $2"
_BACKLOG = """
    SELECT count(*)::bigint, coalesce(extract(epoch FROM now() - min((entry->>'at')::timestamptz)), 0)::float8
    FROM (SELECT entry FROM auth.audit_pending ORDER BY id LIMIT 100000) AS counted
"""


async def try_lock(connection: Connection) -> bool:
    """Whether this transaction is the one that seals."""
    return bool(await connection.fetchval(_LOCK))


async def take_pending(connection: Connection, most: int) -> list[str]:
    """Remove the oldest entries that wait, in their order, as JSON."""
    rows = await connection.fetch(_TAKE, most)
    return [row["entry"] for row in sorted(rows, key=lambda row: row["id"])]


async def head(connection: Connection) -> SignedRoot | None:
    """The last root."""
    row = await connection.fetchrow(_HEAD)
    return None if row is None else _root_of(row)


async def append(
    connection: Connection, sealed_at: datetime, links: Sequence[Link], entries: Sequence[SealedEntry]
) -> None:
    """Add entries with their links."""
    columns: list[list[Any]] = [list(column) for column in zip(*entries, strict=True)]
    for place, name in enumerate(SealedEntry._fields):
        if name in ("objects", "studies", "details"):
            columns[place] = [orjson.dumps(one).decode() for one in columns[place]]
    await connection.execute(
        _APPEND, sealed_at, [link.seq for link in links], [link.hash for link in links], *columns
    )


async def append_root(connection: Connection, signed: SignedRoot) -> None:
    """Add a root."""
    await connection.execute(_APPEND_ROOT, *signed.root, signed.key_id, signed.signature)


async def note_key(connection: Connection, key_id: str, public: bytes) -> None:
    """Keep the public key beside what it signs."""
    await connection.execute(_NOTE_KEY, key_id, public)


async def prepare_month(connection: Connection, month: date) -> None:
    """Make the partition of a month unless it is there."""
    await connection.execute("SELECT auth.prepare_audit_month($1)", month)


async def backlog(connection: Connection) -> tuple[int, float]:
    """How many entries wait to be sealed (of 100 000 at most), and the age of the oldest in seconds."""
    row = await connection.fetchrow(_BACKLOG)
    assert row is not None  # noqa: S101  an aggregate has exactly one row
    return row[0], max(row[1], 0.0)


async def roots(connection: Connection, *, page: int = 10_000) -> AsyncIterator[SignedRoot]:
    """Every root, in order."""
    after = -1
    while True:
        rows = await connection.fetch(_ROOTS, after, page)
        for row in rows:
            yield _root_of(row)
        if len(rows) < page:
            return
        after = rows[-1]["batch"]


async def rows_after(connection: Connection, seq: int, *, most: int) -> list[Row]:
    """The next entries of the log."""
    return [
        Row(Link(row["seq"], row["link"]), _entry_of(row)) for row in await connection.fetch(_ROWS, seq, most)
    ]


def _entry_of(row: Any) -> SealedEntry:
    facts = [row[name] for name in SealedEntry._fields]
    facts[-1] = orjson.loads(facts[-1])
    return SealedEntry(*facts)


def _root_of(row: Any) -> SignedRoot:
    return SignedRoot(
        Root(*(row[name] for name in Root._fields)), key_id=row["key_id"], signature=row["signature"]
    )


_GUARDS = """
    SELECT count(*) FILTER (WHERE tgenabled IN ('O', 'A')) FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid IN ('auth.audit_log'::regclass, 'auth.audit_batch'::regclass)
        AND tgfoid = 'auth.refuse_change()'::regprocedure
"""
_RIGHTS = """
    SELECT role || ' may ' || privilege || ' ' || kind.oid::regclass
    FROM pg_class AS kind
    CROSS JOIN unnest(ARRAY['auth', 'ingest', 'results', 'operator']) AS role
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE kind.oid IN (SELECT relid FROM pg_partition_tree('auth.audit_log'))
        AND has_table_privilege(role, kind.oid, privilege)
    LIMIT 1
"""
GUARDS = 4


async def missing_guards(connection: Connection) -> str | None:
    """What keeps the log append-only and is not in force, in words; None: all of it is."""
    if await connection.fetchval(_GUARDS) != GUARDS:
        return "a trigger that keeps the log append-only is missing or switched off"
    loose: str | None = await connection.fetchval(_RIGHTS)
    return loose
