"""SQL that completes rows of earlier releases. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import orjson

from libs.common.database.postgres import Connection
from services.results.write.facts import PIXELS
from services.results.write.header import HEADER_VERSION, TYPES

NOBODY = UUID(int=0)
"""Below every file's id."""

_UNCOUNTED = "counted IS DISTINCT FROM state"
# As the indexes upload_dicomresult_uncounted and upload_dicomresult_unqueried say it, which hold only these.
_UNFILLED = f"""({_UNCOUNTED} OR (study_instance_uid IS NOT NULL AND filed IS DISTINCT FROM state)
    OR (raw_data IS NOT NULL AND header_version < {HEADER_VERSION}))"""
_COUNT = f"SELECT count(*) FROM (SELECT FROM results.upload_dicomresult WHERE {_UNFILLED} LIMIT $1) AS found"
_PICK = f"""
    SELECT file_id, coalesce(pg_column_size(raw_data), 0) AS bytes FROM results.upload_dicomresult
    WHERE file_id > $1 AND {_UNFILLED} ORDER BY file_id LIMIT $2
"""
_PICK_UNCOUNTED = f"""
    SELECT file_id FROM results.upload_dicomresult WHERE {_UNCOUNTED} ORDER BY file_id LIMIT $1
"""
_READ = f"""
    SELECT file_id, owner_id, collection, state, study_instance_uid, series_instance_uid, counted, filed,
        received_at, state = 'processed' AND thumbnail_key IS NOT NULL AS cover, modality, file_name,
        raw_data::text AS raw_data
    FROM results.upload_dicomresult WHERE file_id = ANY ($1::uuid[]) AND {_UNFILLED} ORDER BY file_id
"""
_TYPES = ", ".join(f"{name} {type_}" for name, type_ in TYPES.items())
_SET = ", ".join(f"{name} = CASE WHEN told.known THEN told.{name} ELSE held.{name} END" for name in TYPES)
_COMPLETE = f"""
    UPDATE results.upload_dicomresult AS held SET {_SET}, counted = told.state,
        header_version = CASE WHEN told.known THEN {HEADER_VERSION} ELSE held.header_version END,
        filed = CASE WHEN study_instance_uid IS NOT NULL THEN told.state END
    FROM jsonb_to_recordset($1::text::jsonb) AS told (file_id uuid, state text, known boolean, {_TYPES})
    WHERE held.file_id = told.file_id AND held.state = told.state
    RETURNING held.file_id
"""
# What the row itself does not tell is in the log of the attempt that made it.
_ANALYSE = f"""
    INSERT INTO results.analysis AS held
        (file_id, analyzer, version, state, precedence, reason, attempt, worker, started_at, finished_at)
    SELECT file_id, '{PIXELS}', method_version,
        CASE WHEN failure_reason IS NULL THEN 'processed' ELSE 'failed' END,
        CASE WHEN failure_reason IS NULL THEN 2 + least(greatest(method_version, 0), 2147483643) ELSE 1 END,
        failure_reason, attempts, attempt.worker, attempt.started_at,
        coalesce(attempt.finished_at, processed_at)
    FROM results.upload_dicomresult AS file LEFT JOIN LATERAL (
        SELECT worker, started_at, finished_at FROM results.processing_log AS log
        WHERE log.file_id = file.file_id AND log.reason IS NOT DISTINCT FROM file.failure_reason
            AND log.outcome = CASE WHEN failure_reason IS NULL THEN 'processed' ELSE 'failed' END
            AND (file.processed_at IS NULL OR log.finished_at = file.processed_at)
        ORDER BY recorded_at LIMIT 1) AS attempt ON true
    WHERE file_id = ANY ($1::uuid[]) AND (failure_reason IS NOT NULL OR method_version IS NOT NULL)
    ON CONFLICT (file_id, analyzer) DO UPDATE SET version = excluded.version, state = excluded.state,
        precedence = excluded.precedence, reason = excluded.reason, attempt = excluded.attempt,
        worker = excluded.worker, started_at = excluded.started_at, finished_at = excluded.finished_at
    WHERE excluded.precedence > held.precedence
"""


async def count_unfilled(connection: Connection, most: int | None = None) -> int:
    """How many rows lack something; counting stops at `most`."""
    found: int = await connection.fetchval(_COUNT, most)
    return found


async def pick_unfilled(connection: Connection, after: UUID, files: int, size: int) -> list[UUID]:
    """The next rows that lack something: `files` at most, and about `size` packed bytes of headers."""
    picked: list[UUID] = []
    for row in await connection.fetch(_PICK, after, files):
        size -= row["bytes"]
        if picked and size < 0:
            break
        picked.append(row["file_id"])
    return picked


async def pick_uncounted(connection: Connection, files: int) -> list[UUID]:
    """Rows that somebody wrote who knows of no counters."""
    return [row["file_id"] for row in await connection.fetch(_PICK_UNCOUNTED, files)]


async def read_unfilled(connection: Connection, file_ids: Sequence[UUID]) -> list[Any]:
    """Those of these rows that lack something, and what they say."""
    return await connection.fetch(_READ, file_ids)


async def complete(connection: Connection, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Write header columns and what the row is counted as from now on; which rows still were as read."""
    text = orjson.dumps(rows).decode()
    return {row["file_id"] for row in await connection.fetch(_COMPLETE, text)}


async def analyse(connection: Connection, file_ids: Sequence[UUID]) -> None:
    """Give the built-in analyzer's outcomes their rows."""
    await connection.execute(_ANALYSE, file_ids)
