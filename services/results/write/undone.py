"""Moves that the release before has undone: it knows of none, and puts a file where its `received` says."""

from __future__ import annotations

from uuid import UUID

from libs.common.database.postgres import Connection, Database
from libs.common.events import MOVED
from libs.common.ids import new_uuid
from services.results.write.facts import Facts, LogEntry, Reported
from services.results.write.handlers import record

_PICK = """
    SELECT file_id, owner_id, moved_to, moves, changed_at FROM results.upload_dicomresult
    WHERE moved_to <> collection ORDER BY file_id LIMIT $1
"""


async def move_again(database: Database, most: int) -> int:
    """Repeat up to `most` such moves in one transaction; how many."""
    async with database.connection() as connection:
        undone = await _undone(connection, most)
        if undone:
            async with connection.transaction():
                await record(connection, undone)
    return len(undone)


async def _undone(connection: Connection, most: int) -> list[Reported]:
    return [
        Reported(
            Facts(
                UUID(bytes=row["file_id"].bytes), row["owner_id"], row["moved_to"], None, moves=row["moves"]
            ),
            None,
            LogEntry(new_uuid(), row["file_id"], MOVED, None, None, None, row["changed_at"], "moved", None),
        )
        for row in await connection.fetch(_PICK, most)
    ]
