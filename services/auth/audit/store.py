"""All SQL of the audit log's writing side and of its proof. Nothing here commits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import orjson

from libs.common.database.postgres import Connection
from services.auth.audit.chain import Link, RetiredMonth, Root, SealedEntry
from services.auth.audit.verification import Row, SignedRetired, SignedRoot

_FACTS = ", ".join(SealedEntry._fields)
_LOCK = "SELECT CASE WHEN pg_try_advisory_xact_lock(hashtext('auth.audit_sealer')) THEN now() END"
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
    SELECT (SELECT count(*) FROM (SELECT FROM auth.audit_pending LIMIT 100000) AS counted),
        coalesce((SELECT extract(epoch FROM clock_timestamp() - noted_at) FROM auth.audit_pending
            ORDER BY id LIMIT 1), 0)::float8
"""
_RETIRED = """
    SELECT month, last_batch, last_seq, root, retired_at, key_id, signature
    FROM auth.audit_retired ORDER BY month
"""
_OLDEST = """
    SELECT to_date(substr(min(kept.relname::text), 11), 'YYYY_MM') FROM pg_inherits
    JOIN pg_class AS kept ON kept.oid = inhrelid WHERE inhparent = 'auth.audit_log'::regclass
"""
_LAST_OF = """
    SELECT batch, first_seq, last_seq, previous, root, sealed_at, key_id, signature
    FROM auth.audit_batch
    WHERE sealed_at < ($1::date + interval '1 month')::timestamp AT TIME ZONE 'UTC'
    ORDER BY batch DESC LIMIT 1
"""
_RETIRE = "SELECT auth.retire_audit_month($1, $2, $3, $4, $5, $6, $7)"
_TOLD = "SELECT seq FROM auth.audit_sink WHERE sink = $1"
_CLAIM = """
    INSERT INTO auth.audit_sink AS held (sink, holder, leased_until)
    VALUES ($1, $2, now() + $3 * interval '1 s')
    ON CONFLICT (sink) DO UPDATE SET holder = excluded.holder, leased_until = excluded.leased_until
    WHERE held.holder = excluded.holder OR held.leased_until < now()
    RETURNING seq
"""
_ADVANCE = "UPDATE auth.audit_sink SET seq = $3 WHERE sink = $1 AND holder = $2"
_WAITING_SINCE = """
    SELECT coalesce((SELECT extract(epoch FROM clock_timestamp() - sealed_at) FROM auth.audit_log
        WHERE seq > $1 ORDER BY seq LIMIT 1), 0)::float8
"""

_BEHIND = """
    SELECT sink.sink, coalesce((SELECT extract(epoch FROM clock_timestamp() - entry.sealed_at)
        FROM auth.audit_log AS entry WHERE entry.seq > sink.seq ORDER BY entry.seq LIMIT 1), 0)::float8
        AS seconds
    FROM auth.audit_sink AS sink
"""


async def try_lock(connection: Connection) -> datetime | None:
    """The time, by PostgreSQL's clock, if this transaction is the one that seals."""
    now: datetime | None = await connection.fetchval(_LOCK)
    return now


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


async def oldest_month(connection: Connection) -> date | None:
    """The first day of the oldest month that has a partition."""
    month: date | None = await connection.fetchval(_OLDEST)
    return month


async def last_root_of(connection: Connection, month: date) -> SignedRoot | None:
    """The last root of a month, or of one before it."""
    row = await connection.fetchrow(_LAST_OF, month)
    return None if row is None else _root_of(row)


async def retire_month(connection: Connection, said: SignedRetired) -> None:
    """Drop a month, and keep the statement. Raises asyncpg.InsufficientPrivilegeError for a young one."""
    await connection.execute(_RETIRE, *said.retired, said.key_id, said.signature)


async def told(connection: Connection, sink: str) -> int:
    """The last entry that a sink has taken."""
    return int(await connection.fetchval(_TOLD, sink) or 0)


async def sinks_behind(connection: Connection) -> dict[str, float]:
    """Seconds since which each sink that was ever told has not taken an entry; 0: it has all."""
    return {row["sink"]: row["seconds"] for row in await connection.fetch(_BEHIND)}


async def claim_sink(connection: Connection, sink: str, holder: UUID, seconds: float) -> int | None:
    """Take a sink over for a while, unless another replica has it; the last entry that it has taken."""
    seq: int | None = await connection.fetchval(_CLAIM, sink, holder, seconds)
    return seq


async def advance_sink(connection: Connection, sink: str, holder: UUID, seq: int) -> None:
    """Note what a sink has taken."""
    await connection.execute(_ADVANCE, sink, holder, seq)


async def waiting_since(connection: Connection, seq: int) -> float:
    """Seconds since the entry after `seq` was sealed; 0 if there is none."""
    seconds: float = await connection.fetchval(_WAITING_SINCE, seq)
    return max(seconds, 0.0)


async def backlog(connection: Connection) -> tuple[int, float]:
    """How many entries wait to be sealed (of 100 000 at most), and the age of the oldest in seconds."""
    row = await connection.fetchrow(_BACKLOG)
    assert row is not None  # noqa: S101  an aggregate has exactly one row
    return row[0], max(row[1], 0.0)


async def retired(connection: Connection) -> list[SignedRetired]:
    """What stands in the place of dropped months, in order."""
    return [
        SignedRetired(
            RetiredMonth(*(row[name] for name in RetiredMonth._fields)), row["key_id"], row["signature"]
        )
        for row in await connection.fetch(_RETIRED)
    ]


async def roots(connection: Connection, *, after: int = -1, page: int = 10_000) -> AsyncIterator[SignedRoot]:
    """Every root behind batch `after`, in order."""
    while True:
        rows = await connection.fetch(_ROOTS, after, page)
        for row in rows:
            yield _root_of(row)
        if len(rows) < page:
            return
        after = rows[-1]["batch"]


async def rows_after(connection: Connection, seq: int, *, most: int) -> list[Row]:
    """The next entries of the log."""
    return [_row_of(tuple(row)) for row in await connection.fetch(_ROWS, seq, most)]


def _row_of(facts: tuple[Any, ...]) -> Row:
    return Row(Link(facts[0], facts[1]), SealedEntry._make((*facts[2:-1], orjson.loads(facts[-1]))))


def _root_of(row: Any) -> SignedRoot:
    return SignedRoot(
        Root(*(row[name] for name in Root._fields)), key_id=row["key_id"], signature=row["signature"]
    )


_GUARDS = """
    SELECT wanted.name || ' on ' || wanted.relation FROM (
        SELECT relation, name FROM (VALUES
            ('auth.audit_log'::regclass, 'audit_log_append_only'),
            ('auth.audit_log', 'audit_log_not_truncated'),
            ('auth.audit_batch', 'audit_batch_append_only'),
            ('auth.audit_batch', 'audit_batch_kept'),
            ('auth.audit_batch', 'audit_batch_not_truncated'),
            ('auth.audit_retired', 'audit_retired_append_only'),
            ('auth.audit_retired', 'audit_retired_not_truncated')
        ) AS fixed (relation, name)
        UNION ALL
        SELECT relid, name FROM pg_partition_tree('auth.audit_log')
        CROSS JOIN (VALUES ('audit_log_append_only'), ('audit_log_not_truncated')) AS each (name) WHERE isleaf
    ) AS wanted
    LEFT JOIN pg_trigger AS found ON tgrelid = relation AND tgname = wanted.name
        AND tgenabled IN ('O', 'A')
        AND tgfoid IN ('auth.refuse_change()'::regprocedure, 'auth.refuse_loss_of_roots()'::regprocedure)
    WHERE found.oid IS NULL
    LIMIT 1
"""
_RIGHTS = """
    SELECT role || ' may ' || privilege || ' ' || kind.oid::regclass
    FROM pg_class AS kind
    CROSS JOIN unnest(ARRAY['auth', 'ingest', 'results', 'operator']) AS role
    CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
    WHERE (kind.oid IN (SELECT relid FROM pg_partition_tree('auth.audit_log'))
            OR kind.oid IN ('auth.audit_batch'::regclass, 'auth.audit_retired'::regclass))
        AND has_table_privilege(role, kind.oid, privilege)
    LIMIT 1
"""


async def missing_guards(connection: Connection) -> str | None:
    """What keeps the log append-only and is not in force, in words; None: all of it is."""
    missing: str | None = await connection.fetchval(_GUARDS)
    if missing is not None:
        return f"what keeps the log append-only was taken away or switched off: {missing}"
    loose: str | None = await connection.fetchval(_RIGHTS)
    return loose
