"""SQL of the reconciliation, which alone reads the schemas ingest and results together, as an operator.

Nothing here commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.events import FileReceived
from services.operator.reconcile.discrepancies import Known

_LOCK_KEY = 0x6463_6D72_6563  # "dcmrec": advisory locks are named by number, within one database

# One statement is one snapshot. In it a result has ingest's row, since that is committed first.
_KNOWN = """
    SELECT page.id,
        file.state AS accepted,
        file.failed_at IS NOT NULL AS failure_noted,
        result.state AS result,
        result.received_at IS NOT NULL AND result.raw_data IS NOT NULL AS header_known,
        result.thumbnail_key,
        num_nulls(result.size_bytes, result.sha256, result.sop_class_uid, result.sop_instance_uid,
            result.transfer_syntax_uid, result.received_at) = 0 AS restorable,
        greatest(file.uploaded_at, result.changed_at) < now() - $2::float8 * interval '1 second' AS aged
    FROM page
    LEFT JOIN ingest.upload_dicomfile AS file ON file.id = page.id
    LEFT JOIN results.upload_dicomresult AS result ON result.file_id = page.id
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
_RECEIVED = """
    SELECT id AS file_id, owner_id, file AS storage_key, size_bytes, sha256, sop_class_uid, sop_instance_uid,
        series_instance_uid, study_instance_uid, modality, transfer_syntax_uid, rows, columns, frames,
        decoded_bytes
    FROM ingest.upload_dicomfile WHERE id = ANY($1::uuid[]) AND state = 'accepted'
"""
_NOTE_FAILURES = """
    UPDATE ingest.upload_dicomfile SET failed_at = now()
    WHERE id = ANY($1::uuid[]) AND failed_at IS NULL AND state = 'accepted'
    RETURNING id
"""
# Its owner may have sent the same bytes again since the row was lost: then that file stands.
_RESTORE_ROWS = """
    INSERT INTO ingest.upload_dicomfile (id, file, file_name, uploaded_at, owner_id, size_bytes, sha256,
        state, sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, modality,
        transfer_syntax_uid, rows, columns, frames, failed_at)
    SELECT file_id, file_id::text, coalesce(file_name, sop_instance_uid || '.dcm'), received_at, owner_id,
        size_bytes, sha256, 'accepted', sop_class_uid, sop_instance_uid, series_instance_uid,
        study_instance_uid, modality, transfer_syntax_uid, rows, columns, frames,
        CASE state WHEN 'failed' THEN now() END
    FROM results.upload_dicomresult WHERE file_id = ANY($1::uuid[]) AND state <> 'erased'
    ON CONFLICT DO NOTHING
    RETURNING id
"""


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


async def received(connection: Connection, file_ids: Sequence[UUID]) -> list[FileReceived]:
    """What puts these files on their way, as ingest said it when it accepted them."""
    return [FileReceived(**row) for row in await connection.fetch(_RECEIVED, file_ids)]


async def note_failures(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Tell ingest that these failed, so that the same bytes sent again are queued again; which it took."""
    return {row["id"] for row in await connection.fetch(_NOTE_FAILURES, file_ids)}


async def restore_rows(connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
    """Make ingest's rows anew from the results; which could be made."""
    return {row["id"] for row in await connection.fetch(_RESTORE_ROWS, file_ids)}
