"""All SQL of the ingest service. Every function takes a connection and never commits."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.audit.entries import AuditEntry, recording
from libs.common.database.bounded import Parameters, Rows, fetch_planned, first_rows
from libs.common.database.patterns import contains
from libs.common.database.postgres import Connection
from libs.common.events import Event
from services.ingest.models import FileListQuery, IntakeState, StoredFile

SCHEMA = "ingest"

_COLUMNS = """id, file, file_name, uploaded_at, owner_id, collection, size_bytes, sha256, state,
    sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, modality, transfer_syntax_uid,
    rows, columns, frames, decoded_bytes, moves, request, folder"""

# Rows and events in one statement: as atomic as a transaction around many, in one round trip. In the order of
# one of their two unique keys, so that two of these seldom hold each other up; what stands twice in one is
# inserted once.
_ACCEPT = f"""
    WITH given AS (
        SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[], $6::text[],
            $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
            $14::text[], $15::text[], $16::integer[], $17::integer[], $18::integer[], $19::bigint[],
            $20::integer[], $21::integer[], $22::text[], $23::text[], $24::text[])
            AS given ({_COLUMNS}, event, entry)
        ORDER BY collection, sop_instance_uid, sha256
    ), accepted AS (
        INSERT INTO ingest.upload_dicomfile ({_COLUMNS})
        SELECT {_COLUMNS} FROM given
        ON CONFLICT DO NOTHING
        RETURNING id
    ), announced AS (
        INSERT INTO ingest.outbox (event, token, leased_until, attempts)
        SELECT event::jsonb, $25::uuid, now() + $26::float8 * interval '1 second', ($25 IS NOT NULL)::integer
        FROM given JOIN accepted USING (id)
        RETURNING id, event->>'subject' AS subject
    ), noted AS (
        INSERT INTO auth.audit_pending (entry) SELECT entry::jsonb FROM given JOIN accepted USING (id)
    )
    SELECT subject::uuid, id FROM announced
"""
_FIND_TWIN = f"""
    SELECT {_COLUMNS}, failed_at IS NOT NULL AS failed FROM ingest.upload_dicomfile
    WHERE collection = $1 AND state NOT IN ('erased', 'superseded')
        AND (sha256 = $2 OR sop_instance_uid = $3)
    ORDER BY sha256 = $2 DESC
    LIMIT 1
"""
# An outcome of other bytes, of a file that others replaced, or told before, tells nothing of this one now.
_NOTE_FAILED = """
    UPDATE ingest.upload_dicomfile SET failed_at = $2, request = $4
    WHERE id = $1 AND state = 'accepted' AND sha256 = coalesce($3, sha256)
        AND ($4 > request OR ($4 = request AND $2 > coalesce(cured_at, '-infinity')))
"""
# What failed before the request is told by its number, so no time of a cure is needed any more.
_NOTE_REQUESTED = """
    UPDATE ingest.upload_dicomfile SET request = $2, failed_at = NULL, cured_at = NULL
    WHERE id = $1 AND state = 'accepted' AND request < $2
"""
_TAKE_FAILED = """
    UPDATE ingest.upload_dicomfile SET failed_at = NULL, cured_at = coalesce(failed_at, cured_at)
    WHERE id = $1 AND state = 'accepted' AND (failed_at IS NOT NULL OR $2)
    RETURNING id
"""
_SUPERSEDE = """
    UPDATE ingest.upload_dicomfile SET state = 'superseded'
    WHERE id = $1 AND state = 'accepted' AND failed_at IS NOT NULL AND collection = $2
    RETURNING moves
"""
_GET = f"""
    SELECT {_COLUMNS} FROM ingest.upload_dicomfile
    WHERE id = $1 AND ($2::text[] IS NULL OR collection = ANY ($2))
"""
_HOLD = f"{_GET} FOR UPDATE"
_MOVE = f"""
    UPDATE ingest.upload_dicomfile SET collection = $2, moves = moves + 1 WHERE id = $1 RETURNING {_COLUMNS}
"""
# As literals: the planner has to see which of the partial indexes answers.
_STATES: dict[IntakeState | None, str] = {
    None: "state <> 'superseded'",
    "accepted": "state = 'accepted'",
    "superseded": "state = 'superseded'",
    "erased": "state = 'erased'",
}


class Twin(NamedTuple):
    """The file whose place another wants; `failed`: it could not be measured, and waits for a cure."""

    file: StoredFile
    failed: bool


class Acceptance(NamedTuple):
    """A file that wants a row, the event that puts it on its way, and the audit entry of it."""

    file: StoredFile
    event: Event
    entry: AuditEntry


async def accept_files(
    connection: Connection, given: Sequence[Acceptance], token: UUID | None = None, lease: float | None = None
) -> dict[UUID, int]:
    """Insert rows, announce and note them, but where the collection has the bytes or SOP Instance UID.

    The outbox row of each file that was inserted, leased for `lease` seconds under `token`, if there is one.
    Raises NotRecorded, and asyncpg's errors.
    """
    rows = [
        (*one.file.model_dump(mode="python").values(), one.event.to_json().decode(), one.entry.to_json())
        for one in given
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    with recording():
        found = await connection.fetch(_ACCEPT, *columns, token, lease)
    return {row[0]: row[1] for row in found}


async def accept_file(connection: Connection, file: StoredFile, event: Event, entry: AuditEntry) -> bool:
    """As `accept_files`, of one; whether it was inserted."""
    return bool(await accept_files(connection, [Acceptance(file, event, entry)]))


async def find_twin(
    connection: Connection, collection: str, sha256: str, sop_instance_uid: str
) -> Twin | None:
    """The collection's file with the same bytes, else with the same SOP Instance UID."""
    row = await connection.fetchrow(_FIND_TWIN, collection, sha256, sop_instance_uid)
    return None if row is None else Twin(StoredFile.model_validate(dict(row)), row["failed"])


async def note_failed(
    connection: Connection, file_id: UUID, failed_at: datetime, sha256: str | None, request: int
) -> None:
    """Remember that processing failed, upon this request; `sha256` of the bytes, None if nobody knows."""
    await connection.execute(_NOTE_FAILED, file_id, failed_at, sha256, request)


async def note_requested(connection: Connection, file_id: UUID, request: int) -> None:
    """Forget what failed before this request: it is being tried again, and nobody may take its place."""
    await connection.execute(_NOTE_REQUESTED, file_id, request)


async def take_failed(connection: Connection, file_id: UUID, *, unless_failed: bool = False) -> bool:
    """Forget the failure; True for the one caller who may queue the file again.

    `unless_failed`: also where nothing failed, for a file whose object was lost.
    """
    return await connection.fetchval(_TAKE_FAILED, file_id, unless_failed) is not None


async def supersede(connection: Connection, file_id: UUID, collection: str) -> int | None:
    """Give up the place of a failed file in `collection`, for the one caller who may take it.

    How often it had been moved; None where it failed no longer, or lies elsewhere by now.
    """
    moves: int | None = await connection.fetchval(_SUPERSEDE, file_id, collection)
    return moves


async def hold_file(
    connection: Connection, file_id: UUID, collections: Sequence[str] | None
) -> StoredFile | None:
    """As `get_file`; nobody else moves, replaces or cures it until the transaction ends."""
    row = await connection.fetchrow(_HOLD, file_id, collections)
    return None if row is None else StoredFile.model_validate(dict(row))


async def move_file(connection: Connection, file_id: UUID, collection: str) -> StoredFile:
    """Put a held file into `collection`. Raises asyncpg.UniqueViolationError: its place is taken there."""
    row = await connection.fetchrow(_MOVE, file_id, collection)
    assert row is not None  # noqa: S101  the caller holds it
    return StoredFile.model_validate(dict(row))


async def get_file(
    connection: Connection, file_id: UUID, collections: Sequence[str] | None
) -> StoredFile | None:
    """One file, if it lies in one of `collections`; None are all."""
    row = await connection.fetchrow(_GET, file_id, collections)
    return None if row is None else StoredFile.model_validate(dict(row))


def list_statement(
    collections: Sequence[str] | None, query: FileListQuery, limit: int
) -> tuple[str, list[Any]]:
    """The statement that lists files of `collections` (None: of all), and its values."""
    parameters = Parameters()
    oldest = query.sort == "uploaded"
    conditions = [_STATES[query.state]]
    if query.cursor is not None:
        conditions.append(f"id {'>' if oldest else '<'} {parameters.add(query.cursor)}")
    if query.owner is not None:
        conditions.append(f"owner_id = {parameters.add(query.owner)}")
    conditions += _meaning(query.q or "", parameters)
    order = "id ASC" if oldest else "id DESC"
    wanted = Rows("ingest.upload_dicomfile", _COLUMNS, conditions, order, parameters.add(limit))
    return first_rows(collections, wanted, parameters), parameters.values


def _meaning(q: str, parameters: Parameters) -> list[str]:
    """What `q` says of a file: its id, or words of its name."""
    with contextlib.suppress(ValueError):
        return [f"id = {parameters.add(UUID(q.strip()))}"]
    return [f"lower(file_name) LIKE lower({parameters.add(contains(word))})" for word in q.split()]


async def list_files(
    connection: Connection, collections: Sequence[str] | None, query: FileListQuery, limit: int
) -> list[StoredFile]:
    """So many at most, in `collections` (None: in all); without a `state` all but superseded."""
    rows = await fetch_planned(connection, *list_statement(collections, query, limit))
    return [StoredFile.model_validate(dict(row)) for row in rows]
