"""SQL of requests to measure files again. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.events import FileRequested, Priority, RequestReason

_TABLE = "results.upload_dicomresult"
# All that its first event told and rows keep; how large it is when decoded is known from its measurement,
# else by its header.
_DESCRIBE = f"""
    SELECT file_id, owner_id, collection, size_bytes, sha256, sop_class_uid, sop_instance_uid,
        series_instance_uid, study_instance_uid, modality, transfer_syntax_uid, rows, columns, frames, moves,
        request, state, data_size, raw_data #>> '{{00280002,Value,0}}' AS samples,
        raw_data #>> '{{00280100,Value,0}}' AS bits
    FROM unnest((SELECT $1::uuid[])) AS asked (id)
    CROSS JOIN LATERAL (SELECT * FROM {_TABLE} WHERE file_id = asked.id OFFSET 0) AS file
    WHERE state IN ('received', 'processed', 'failed')
        AND num_nulls(size_bytes, sha256, transfer_syntax_uid, received_at) = 0
    ORDER BY file_id
"""
_PENDING = """
    SELECT file_id, number, reason, priority, requested_by FROM results.request
    WHERE file_id = ANY ($1::uuid[])
"""
_NOTE = """
    INSERT INTO results.request (file_id, number, reason, priority, requested_by, job_id)
    SELECT *, $6::uuid FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::text[], $5::bigint[])
"""
# Jobs are locked after all else, in the order of their ids.
_ANSWER = """
    WITH answered AS (
        DELETE FROM results.request AS held
        USING unnest($1::uuid[], $2::integer[], $3::text[]) AS told (file_id, number, state)
        WHERE held.file_id = told.file_id AND held.number <= told.number
        RETURNING held.job_id, told.state
    ), counted AS (
        SELECT job_id, count(*) FILTER (WHERE state = 'processed') AS processed,
            count(*) FILTER (WHERE state = 'failed') AS failed
        FROM answered WHERE job_id IS NOT NULL GROUP BY job_id
    ), locked AS (
        SELECT id FROM results.job WHERE id IN (SELECT job_id FROM counted) ORDER BY id FOR UPDATE
    )
    UPDATE results.job AS job SET processed = job.processed + counted.processed,
        failed = job.failed + counted.failed, changed_at = now()
    FROM counted JOIN locked ON locked.id = counted.job_id WHERE job.id = counted.job_id
"""


class Pending(NamedTuple):
    """A request that no outcome has answered."""

    file_id: UUID
    number: int
    reason: RequestReason
    priority: Priority
    requested_by: int | None


class Answer(NamedTuple):
    """What came of the latest request that somebody tells of."""

    number: int
    state: str


async def describe(connection: Connection, file_ids: Sequence[UUID]) -> list[Mapping[str, Any]]:
    """What is known of these; who was not received yet, or is no more, is missing."""
    rows = await connection.fetch(_DESCRIBE, file_ids)
    # asyncpg's own kind of UUID is no JSON.
    return [{**dict(row), "file_id": UUID(bytes=row["file_id"].bytes)} for row in rows]


async def pending(connection: Connection, file_ids: Sequence[UUID]) -> dict[UUID, Pending]:
    """By file, what was asked for and is not answered."""
    rows = await connection.fetch(_PENDING, file_ids)
    return {row["file_id"]: Pending(*row) for row in rows}


async def note(connection: Connection, requests: Sequence[FileRequested], job_id: UUID | None) -> None:
    """Remember requests, of a job or of somebody, until they are answered."""
    rows = [(of.file_id, of.request, of.reason, of.priority, of.requested_by) for of in requests]
    await connection.execute(_NOTE, *zip(*rows, strict=True), job_id)


async def answer(connection: Connection, answers: Mapping[UUID, Answer]) -> None:
    """Forget the requests that outcomes have answered, and count them for their jobs."""
    numbers, states = [of.number for of in answers.values()], [of.state for of in answers.values()]
    await connection.execute(_ANSWER, list(answers), numbers, states)
