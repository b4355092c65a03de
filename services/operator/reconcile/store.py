"""SQL of the reconciliation, which alone reads the schemas ingest and results together, as an operator.

Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.events import FileMoved, FileReceived
from services.operator.reconcile.discrepancies import Known

_LOCK_KEY = 0x6463_6D72_6563  # "dcmrec": advisory locks are named by number, within one database

# One statement is one snapshot. In it a result has ingest's row, since that is committed first.
_KNOWN = """
    SELECT page.id,
        file.state AS accepted,
        file.failed_at IS NOT NULL AS failure_noted,
        file.state = 'superseded' AND EXISTS (
            SELECT FROM ingest.upload_dicomfile AS heir
            WHERE heir.collection = file.collection AND heir.sop_instance_uid = file.sop_instance_uid
                AND heir.state NOT IN ('erased', 'superseded')) AS replaced,
        result.state AS result,
        result.received_at IS NOT NULL AND result.raw_data IS NOT NULL AS header_known,
        result.thumbnail_key,
        num_nulls(result.size_bytes, result.sha256, result.sop_class_uid, result.sop_instance_uid,
            result.transfer_syntax_uid, result.received_at) = 0 AS restorable,
        CASE WHEN file.collection = result.collection THEN NULL
            WHEN file.moves > result.moves THEN 'untold'
            WHEN file.moves < result.moves THEN 'unnoted' END AS move,
        request.file_id IS NOT NULL AS requested,
        greatest(file.uploaded_at, result.changed_at) < now() - $2::float8 * interval '1 second' AS aged
    FROM page
    LEFT JOIN ingest.upload_dicomfile AS file ON file.id = page.id
    LEFT JOIN results.upload_dicomresult AS result ON result.file_id = page.id
    LEFT JOIN results.request AS request ON request.file_id = page.id
    ORDER BY page.id
"""
_PAGE = f"""
    WITH page AS (
        (SELECT id FROM ingest.upload_dicomfile WHERE id > $1 ORDER BY id LIMIT $3)
        UNION
        (SELECT file_id FROM results.upload_dicomresult WHERE file_id > $1 ORDER BY file_id LIMIT $3)
        ORDER BY id LIMIT $3
    ) {_KNOWN}
"""
_AGAIN = f"WITH page AS (SELECT unnest($1::uuid[]) AS id) {_KNOWN}"
_OWNED = """
    SELECT id FROM ingest.upload_dicomfile WHERE id = ANY($1::uuid[]) AND state <> 'erased'
    UNION
    SELECT file_id FROM results.upload_dicomresult WHERE file_id = ANY($1::uuid[]) AND state <> 'erased'
"""
_ERASED = """
    SELECT id FROM ingest.upload_dicomfile WHERE id = ANY($1::uuid[]) AND state = 'erased'
    UNION
    SELECT file_id FROM results.upload_dicomresult WHERE file_id = ANY($1::uuid[]) AND state = 'erased'
"""
_TOLD = """file.id AS file_id, file.owner_id, file.collection, file.file AS storage_key, file.size_bytes,
    file.sha256, file.sop_class_uid, file.sop_instance_uid, file.series_instance_uid,
    file.study_instance_uid, file.modality, file.transfer_syntax_uid, file.rows, file.columns, file.frames,
    file.decoded_bytes, file.moves, greatest(file.request, (
        SELECT result.request FROM results.upload_dicomresult AS result
        WHERE result.file_id = file.id)) AS request"""
_RECEIVED = f"""
    SELECT {_TOLD} FROM ingest.upload_dicomfile AS file
    WHERE file.id = ANY($1::uuid[]) AND file.state = 'accepted'
"""
_HEIRS = f"""
    SELECT {_TOLD}, old.id AS supersedes, old.moves AS supersedes_moves
    FROM ingest.upload_dicomfile AS old
    JOIN ingest.upload_dicomfile AS file
        ON file.collection = old.collection AND file.sop_instance_uid = old.sop_instance_uid
        AND file.state NOT IN ('erased', 'superseded')
    WHERE old.id = ANY($1::uuid[]) AND old.state = 'superseded'
"""
_NOTE_FAILURES = """
    UPDATE ingest.upload_dicomfile SET failed_at = now()
    WHERE id = ANY($1::uuid[]) AND failed_at IS NULL AND state = 'accepted'
    RETURNING id
"""
_FORGET_FAILURES = """
    UPDATE ingest.upload_dicomfile SET failed_at = NULL, cured_at = failed_at
    WHERE id = ANY($1::uuid[]) AND failed_at IS NOT NULL AND state = 'accepted'
    RETURNING id
"""
_NOTE_SUPERSESSIONS = """
    UPDATE ingest.upload_dicomfile SET state = 'superseded', failed_at = coalesce(failed_at, now())
    WHERE id = ANY($1::uuid[]) AND state = 'accepted'
    RETURNING id
"""
_MOVES = """
    SELECT file.id AS file_id, file.owner_id, file.collection, file.moves,
        result.collection AS from_collection
    FROM ingest.upload_dicomfile AS file JOIN results.upload_dicomresult AS result ON result.file_id = file.id
    WHERE file.id = ANY($1::uuid[]) AND file.moves > result.moves
"""
_NOTE_MOVES = """
    UPDATE ingest.upload_dicomfile AS file SET collection = result.collection, moves = result.moves
    FROM results.upload_dicomresult AS result
    WHERE file.id = ANY($1::uuid[]) AND result.file_id = file.id AND result.moves > file.moves
        AND NOT EXISTS (
            SELECT FROM ingest.upload_dicomfile AS other
            WHERE other.collection = result.collection AND other.id <> file.id
                AND other.state NOT IN ('erased', 'superseded')
                AND (other.sha256 = file.sha256 OR other.sop_instance_uid = file.sop_instance_uid))
    RETURNING file.id
"""
# The same bytes may have been sent again since the row was lost: then that file stands.
_RESTORE_ROWS = """
    INSERT INTO ingest.upload_dicomfile (id, file, file_name, uploaded_at, owner_id, collection, size_bytes,
        sha256, state, sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, modality,
        transfer_syntax_uid, rows, columns, frames, moves, request, folder, failed_at)
    SELECT file_id, file_id::text, coalesce(file_name, sop_instance_uid || '.dcm'), received_at, owner_id,
        collection, size_bytes, sha256, CASE state WHEN 'superseded' THEN state ELSE 'accepted' END,
        sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, modality,
        transfer_syntax_uid, rows, columns, frames, moves, request, folder,
        CASE WHEN state IN ('failed', 'superseded') THEN now() END
    FROM results.upload_dicomresult WHERE file_id = ANY($1::uuid[]) AND state <> 'erased'
    ON CONFLICT DO NOTHING
    RETURNING id
"""
_REBUILD_ROW = """
    INSERT INTO ingest.upload_dicomfile (id, file, file_name, uploaded_at, owner_id, collection, size_bytes,
        sha256, state, sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, modality,
        transfer_syntax_uid, rows, columns, frames, decoded_bytes, moves, folder)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'accepted', $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
        $20)
    ON CONFLICT DO NOTHING
    RETURNING id
"""
_HOLDERS = """
    SELECT wanted.id AS wanted, held.id, held.sha256 = wanted.sha256 AS same_bytes
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
        AS wanted (id, collection, sha256, sop_instance_uid),
    LATERAL (
        SELECT file.id, file.sha256 FROM ingest.upload_dicomfile AS file
        WHERE file.collection = wanted.collection AND file.state NOT IN ('erased', 'superseded')
            AND (file.sha256 = wanted.sha256 OR file.sop_instance_uid = wanted.sop_instance_uid)
        ORDER BY file.sha256 = wanted.sha256 DESC
        LIMIT 1
    ) AS held
"""


class Holder(NamedTuple):
    """An accepted file that has the place another one would need."""

    file_id: UUID
    same_bytes: bool


async def lock(connection: Connection) -> bool:
    """Be the only reconciliation of this database until the connection ends; False if there is another."""
    taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY)
    return taken


async def page(connection: Connection, after: UUID, older_than: float, limit: int) -> list[Known]:
    """The next files of either schema in order of id; `older_than` in seconds."""
    return [Known(*row) for row in await connection.fetch(_PAGE, after, older_than, limit)]


async def look_again(connection: Connection, file_ids: Sequence[UUID], older_than: float) -> list[Known]:
    """The same files as they are now."""
    return [Known(*row) for row in await connection.fetch(_AGAIN, file_ids, older_than)]


async def owned(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Those that have a row in either schema and are not erased."""
    return {row["id"] for row in await connection.fetch(_OWNED, file_ids)}


async def erased(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Those that either schema knows as erased."""
    return {row["id"] for row in await connection.fetch(_ERASED, file_ids)}


async def received(connection: Connection, file_ids: Sequence[UUID]) -> list[FileReceived]:
    """What puts these files on their way, as ingest said it when it accepted them."""
    return [FileReceived(**row) for row in await connection.fetch(_RECEIVED, file_ids)]


async def heirs(connection: Connection, file_ids: Sequence[UUID]) -> list[FileReceived]:
    """What puts the files on their way that took the places of these superseded ones; it names both."""
    return [FileReceived(**row) for row in await connection.fetch(_HEIRS, file_ids)]


async def note_failures(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Tell ingest that these failed, so that the same bytes sent again are queued again; which it took."""
    return {row["id"] for row in await connection.fetch(_NOTE_FAILURES, file_ids)}


async def forget_failures(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Tell ingest that these were measured after all; which it took."""
    return {row["id"] for row in await connection.fetch(_FORGET_FAILURES, file_ids)}


async def note_supersessions(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Tell ingest that other files took the places of these; which it took."""
    return {row["id"] for row in await connection.fetch(_NOTE_SUPERSESSIONS, file_ids)}


async def moves(connection: Connection, file_ids: Sequence[UUID]) -> list[FileMoved]:
    """What tells results of the latest moves of these files."""
    return [FileMoved(**row) for row in await connection.fetch(_MOVES, file_ids)]


async def note_moves(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Tell ingest that these were moved; which it took: not those whose place is taken there."""
    return {row["id"] for row in await connection.fetch(_NOTE_MOVES, file_ids)}


async def restore_rows(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Make ingest's rows anew from the results; which could be made."""
    return {row["id"] for row in await connection.fetch(_RESTORE_ROWS, file_ids)}


async def rebuild_row(
    connection: Connection, file: FileReceived, name: str, folder: str | None, uploaded_at: datetime
) -> bool:
    """Make ingest's row anew from what its object says; False where another file has its place."""
    values = (
        file.file_id,
        file.storage_key,
        name,
        uploaded_at,
        file.owner_id,
        file.collection,
        file.size_bytes,
        file.sha256,
        file.sop_class_uid,
        file.sop_instance_uid,
        file.series_instance_uid,
        file.study_instance_uid,
        file.modality,
        file.transfer_syntax_uid,
        file.rows,
        file.columns,
        file.frames,
        file.decoded_bytes,
        file.moves,
        folder,
    )
    return await connection.fetchval(_REBUILD_ROW, *values) is not None


async def holders(connection: Connection, files: Sequence[FileReceived]) -> dict[UUID, Holder]:
    """By file, the accepted one that has its bytes or its SOP Instance UID in its collection."""
    wanted = [(file.file_id, file.collection, file.sha256, file.sop_instance_uid) for file in files]
    columns = zip(*wanted, strict=True) if wanted else [[]] * 4
    rows = await connection.fetch(_HOLDERS, *columns)
    return {row["wanted"]: Holder(row["id"], row["same_bytes"]) for row in rows}
