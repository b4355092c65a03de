"""SQL that writes results: what events tell, one set-based statement each. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.database.postgres import Connection
from services.results.write.facts import Facts, HeaderColumns, LogEntry, Outcome
from services.results.write.outcomes import precedence, state_of

CHANNEL = "results_change"

# `precedence` is the rule of outcomes.py: the higher one replaces, equals change nothing. A header only fills
# what is still unknown. `changed_at = now()` marks exactly the rows whose result this transaction changed.
# `before` sees the rows as they were.
_APPLY = """
    WITH before AS (
        SELECT file_id, precedence FROM results.upload_dicomresult WHERE file_id = ANY ($1)
    ), applied AS (
        INSERT INTO results.upload_dicomresult AS held (
            file_id, owner_id, trace_id, state, precedence,
            file_name, raw_data, warnings, size_bytes, sha256, sop_class_uid, sop_instance_uid,
            series_instance_uid, study_instance_uid, modality, transfer_syntax_uid, rows, columns, frames,
            received_at,
            device_name, average_before_normalization, average_after_normalization, data_size, statistics,
            thumbnail_key, failure_reason, failure_detail, method_version, attempts, processed_at)
        SELECT
            file_id, owner_id, trace_id, state, precedence,
            file_name, raw_data::jsonb, warnings::jsonb, size_bytes, sha256, sop_class_uid, sop_instance_uid,
            series_instance_uid, study_instance_uid, modality, transfer_syntax_uid, rows, columns, frames,
            received_at,
            device_name, average_before_normalization, average_after_normalization, data_size,
            statistics::jsonb, thumbnail_key, failure_reason, failure_detail, method_version, attempts,
            processed_at
        FROM unnest(
            $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::integer[],
            $6::text[], $7::text[], $8::text[], $9::bigint[], $10::text[], $11::text[], $12::text[],
            $13::text[], $14::text[], $15::text[], $16::text[], $17::integer[], $18::integer[],
            $19::integer[], $20::timestamptz[],
            $21::text[], $22::float8[], $23::float8[], $24::bigint[], $25::text[],
            $26::text[], $27::text[], $28::text[], $29::integer[], $30::integer[], $31::timestamptz[]
        ) AS told (
            file_id, owner_id, trace_id, state, precedence,
            file_name, raw_data, warnings, size_bytes, sha256, sop_class_uid, sop_instance_uid,
            series_instance_uid, study_instance_uid, modality, transfer_syntax_uid, rows, columns, frames,
            received_at,
            device_name, average_before_normalization, average_after_normalization, data_size, statistics,
            thumbnail_key, failure_reason, failure_detail, method_version, attempts, processed_at)
        ON CONFLICT (file_id) DO UPDATE SET
            trace_id = coalesce(held.trace_id, excluded.trace_id),
            file_name = coalesce(held.file_name, excluded.file_name),
            raw_data = coalesce(held.raw_data, excluded.raw_data),
            warnings = CASE WHEN held.raw_data IS NULL
                THEN coalesce(excluded.warnings, held.warnings) ELSE held.warnings END,
            size_bytes = coalesce(held.size_bytes, excluded.size_bytes),
            sha256 = coalesce(held.sha256, excluded.sha256),
            sop_class_uid = coalesce(held.sop_class_uid, excluded.sop_class_uid),
            sop_instance_uid = coalesce(held.sop_instance_uid, excluded.sop_instance_uid),
            series_instance_uid = coalesce(held.series_instance_uid, excluded.series_instance_uid),
            study_instance_uid = coalesce(held.study_instance_uid, excluded.study_instance_uid),
            modality = coalesce(held.modality, excluded.modality),
            transfer_syntax_uid = coalesce(held.transfer_syntax_uid, excluded.transfer_syntax_uid),
            rows = coalesce(held.rows, excluded.rows),
            columns = coalesce(held.columns, excluded.columns),
            frames = coalesce(held.frames, excluded.frames),
            received_at = coalesce(held.received_at, excluded.received_at),
            (state, precedence, changed_at, device_name, average_before_normalization,
             average_after_normalization, data_size, statistics, thumbnail_key, failure_reason,
             failure_detail, method_version, attempts, processed_at) = (
                SELECT excluded.state, excluded.precedence, excluded.changed_at, excluded.device_name,
                    excluded.average_before_normalization, excluded.average_after_normalization,
                    excluded.data_size, excluded.statistics, excluded.thumbnail_key,
                    excluded.failure_reason, excluded.failure_detail, excluded.method_version,
                    excluded.attempts, excluded.processed_at
                WHERE excluded.precedence > held.precedence
                UNION ALL
                SELECT held.state, held.precedence, held.changed_at, held.device_name,
                    held.average_before_normalization, held.average_after_normalization,
                    held.data_size, held.statistics, held.thumbnail_key,
                    held.failure_reason, held.failure_detail, held.method_version,
                    held.attempts, held.processed_at
                WHERE excluded.precedence <= held.precedence)
        WHERE held.state <> 'erased' AND (
            excluded.precedence > held.precedence
            OR (held.received_at IS NULL AND excluded.received_at IS NOT NULL)
            OR (held.raw_data IS NULL AND excluded.raw_data IS NOT NULL))
        RETURNING file_id, owner_id, state, changed_at, received_at
    ), fed AS (
        INSERT INTO results.change_feed (file_id, owner_id, state, changed_at)
        SELECT file_id, owner_id, state, changed_at FROM applied WHERE changed_at = now()
    )
    SELECT file_id, applied.state, applied.received_at, applied.changed_at = now() AS changed,
        coalesce(before.precedence, 0) = 0 AS first
    FROM applied LEFT JOIN before USING (file_id)
"""
_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS key"
_LOG = """
    INSERT INTO results.processing_log
        (event_id, file_id, event, attempt, worker, started_at, finished_at, outcome, reason)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::integer[], $5::text[], $6::timestamptz[],
        $7::timestamptz[], $8::text[], $9::text[])
    ON CONFLICT (event_id) DO NOTHING
"""


class Applied(NamedTuple):
    """A row that was made or completed."""

    file_id: UUID
    state: str
    received_at: datetime | None
    changed: bool
    """Whether the result changed, not only what is known of the header."""
    first: bool
    """Whether the file had no outcome before."""


_NO_HEADER = (None,) * len(HeaderColumns._fields)
_NO_OUTCOME = (None,) * len(Outcome._fields)


async def lock_files(connection: Connection, file_ids: Iterable[UUID]) -> None:
    """Hold these files until the transaction ends; to be taken before anything is written.

    A transaction gets its id with its first write, and the change feed is read in the order of those ids. So
    of two that change the same file, the later one must not get its id before the earlier one has ended.
    """
    # The random half of a UUIDv7, in one order for everybody, so that nobody waits in a circle.
    keys = sorted({int.from_bytes(file_id.bytes[8:], signed=True) for file_id in file_ids})
    await connection.execute(_LOCK, keys)


async def apply_facts(connection: Connection, facts: Sequence[Facts]) -> list[Applied]:
    """Make or complete the rows of `facts`, at most one per file, in order; those that were.

    Each change of a result gets a row in the change feed.
    """
    rows = [
        (
            known.file_id,
            known.owner_id,
            known.trace_id,
            state_of(known.outcome),
            precedence(known.outcome),
            *(known.header or _NO_HEADER),
            *(known.outcome or _NO_OUTCOME),
        )
        for known in facts
    ]
    return [Applied(*row) for row in await connection.fetch(_APPLY, *zip(*rows, strict=True))]


async def log_attempts(connection: Connection, entries: Sequence[LogEntry]) -> None:
    """Note every attempt; an event that was noted before is not noted again."""
    await connection.execute(_LOG, *zip(*entries, strict=True))


async def notify(connection: Connection) -> None:
    """Wake the feed readers of every process when this transaction commits."""
    await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
