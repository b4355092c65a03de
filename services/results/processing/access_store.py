"""SQL that says whether somebody sees and manages a file. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from services.results.read.visibility import seen, shared
from services.results.write.facts import State

_FIND = f"""
    SELECT collection, state, {shared("$3", manage=True)} AS shared
    FROM results.upload_dicomresult AS file
    WHERE file_id = $1 AND state <> 'erased' AND {seen("$2", "$3")}
"""


_FIND_MANY = _FIND.replace("SELECT ", "SELECT file_id, ", 1).replace(
    "file_id = $1", "file_id = ANY ($1::uuid[])"
)


class SeenFile(NamedTuple):
    """A file that the caller sees."""

    state: State
    managed: bool
    """Whether they may change it: by its collection, or by a share."""


async def find_seen(connection: Connection, file_id: UUID, viewer: Viewer) -> SeenFile | None:
    """The file, if `viewer` sees it."""
    row = await connection.fetchrow(_FIND, file_id, viewer.visible, viewer.grantees)
    if row is None:
        return None
    return SeenFile(row["state"], row["shared"] or viewer.may_manage(row["collection"]))


async def find_all_seen(
    connection: Connection, file_ids: Sequence[UUID], viewer: Viewer
) -> dict[UUID, SeenFile]:
    """Those of the files that `viewer` sees."""
    rows = await connection.fetch(_FIND_MANY, file_ids, viewer.visible, viewer.grantees)
    return {
        UUID(bytes=row["file_id"].bytes): SeenFile(
            row["state"], row["shared"] or viewer.may_manage(row["collection"])
        )
        for row in rows
    }
