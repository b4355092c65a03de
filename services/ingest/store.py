"""All SQL of the ingest service. Every function takes a connection and never commits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.events import Event
from libs.common.ids import UserId
from services.ingest.models import StoredFile

_COLUMNS = """id, file, file_name, uploaded_at, owner_id, size_bytes, sha256, state, sop_class_uid,
    sop_instance_uid, series_instance_uid, study_instance_uid, modality, transfer_syntax_uid,
    rows, columns, frames, decoded_bytes"""

# Row and event in one statement: as atomic as a transaction around two, in one round trip instead of four.
_ACCEPT = f"""
    WITH accepted AS (
        INSERT INTO ingest.upload_dicomfile ({_COLUMNS})
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        ON CONFLICT DO NOTHING
        RETURNING id
    ), announced AS (
        INSERT INTO ingest.outbox (event) SELECT $19::text::jsonb FROM accepted
    )
    SELECT id FROM accepted
"""
_FIND_TWIN = f"""
    SELECT {_COLUMNS} FROM ingest.upload_dicomfile
    WHERE owner_id = $1 AND state <> 'erased' AND (sha256 = $2 OR sop_instance_uid = $3)
    ORDER BY sha256 = $2 DESC
    LIMIT 1
"""
_NOTE_FAILED = """
    UPDATE ingest.upload_dicomfile SET failed_at = $2
    WHERE id = $1 AND state <> 'erased'
"""
_TAKE_FAILED = """
    UPDATE ingest.upload_dicomfile SET failed_at = NULL
    WHERE id = $1 AND failed_at IS NOT NULL
    RETURNING id
"""
_GET = (
    f"SELECT {_COLUMNS} FROM ingest.upload_dicomfile WHERE id = $1 AND ($2::bigint IS NULL OR owner_id = $2)"
)
_LIST = f"""
    SELECT {_COLUMNS} FROM ingest.upload_dicomfile
    WHERE ($1::bigint IS NULL OR owner_id = $1) AND ($2::uuid IS NULL OR id < $2)
    ORDER BY id DESC
    LIMIT $3
"""


async def accept_file(connection: Connection, file: StoredFile, event: Event) -> bool:
    """Insert the row and announce it, unless the owner has the same bytes or the same SOP Instance UID.

    Returns whether it was inserted.
    """
    values = file.model_dump(mode="python").values()
    return await connection.fetchval(_ACCEPT, *values, event.to_json().decode()) is not None


async def find_twin(
    connection: Connection, owner_id: UserId, sha256: str, sop_instance_uid: str
) -> StoredFile | None:
    """The owner's file with the same bytes, else with the same SOP Instance UID."""
    row = await connection.fetchrow(_FIND_TWIN, owner_id, sha256, sop_instance_uid)
    return None if row is None else StoredFile.model_validate(dict(row))


async def note_failed(connection: Connection, file_id: UUID, failed_at: datetime) -> None:
    """Remember that processing failed."""
    await connection.execute(_NOTE_FAILED, file_id, failed_at)


async def take_failed(connection: Connection, file_id: UUID) -> bool:
    """Forget the failure; True for the one caller who may queue the file again."""
    return await connection.fetchval(_TAKE_FAILED, file_id) is not None


async def get_file(connection: Connection, file_id: UUID, owner_id: UserId | None) -> StoredFile | None:
    """One file; `owner_id` None sees all."""
    row = await connection.fetchrow(_GET, file_id, owner_id)
    return None if row is None else StoredFile.model_validate(dict(row))


async def list_files(
    connection: Connection, owner_id: UserId | None, before: UUID | None, limit: int
) -> list[StoredFile]:
    """Newest first, below `before`; `owner_id` None sees all."""
    rows = await connection.fetch(_LIST, owner_id, before, limit)
    return [StoredFile.model_validate(dict(row)) for row in rows]
