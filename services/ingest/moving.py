"""Moving a file into another collection: an act of its own, of somebody who manages both."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.audit.acts import note_done
from libs.common.database.postgres import Database
from libs.common.errors import Conflict, NotFound, PermissionDenied
from libs.common.events import FileMoved, new_event
from libs.common.ids import place_key
from libs.common.outbox.store import enqueue
from libs.common.storage import Storage
from libs.common.telemetry.tracing import current_traceparent
from services.ingest import store
from services.ingest.models import StoredFile
from services.ingest.resending import EVENT_SOURCE
from services.ingest.store import SCHEMA

_STATES = {
    "superseded": "Another file has taken its place; what could not be measured stays where that happened.",
    "erased": "This file was erased: there is nothing to move.",
}


class Moving:
    """Moves files. `wake` is called when an event waits in the outbox."""

    def __init__(self, storage: Storage, database: Database, *, wake: Callable[[], None]) -> None:
        self._storage = storage
        self._database = database
        self._wake = wake

    async def move(self, file_id: UUID, target: str, mover: Viewer) -> StoredFile:
        """Put a file into `target`; where it lies there already, nothing changes and nobody is told.

        Raises NotFound for a file or collection that `mover` does not see, PermissionDenied for one that they
        only see, Conflict, Unavailable.
        """
        require_managed(mover, target)
        try:
            file, moved = await self._move(file_id, target, mover)
        except asyncpg.UniqueViolationError as error:
            raise await self._taken(file_id, target, mover) from error
        if moved:
            self._wake()
        return file

    async def _move(self, file_id: UUID, target: str, mover: Viewer) -> tuple[StoredFile, bool]:
        """Row and event in one transaction; whether anything changed."""
        async with self._database.transaction() as connection:
            file = await store.hold_file(connection, file_id, mover.visible)
            if file is None:
                raise unknown_file()
            if not mover.may_manage(file.collection):
                raise PermissionDenied(
                    f"You may look into {file.collection}, not take files out of it: ask who manages it."
                )
            if file.collection == target:
                return file, False
            if file.state in _STATES:
                raise Conflict(_STATES[file.state])
            moved = await store.move_file(connection, file_id, target)
            data = FileMoved(
                file_id=file_id,
                owner_id=file.owner_id,
                collection=target,
                from_collection=file.collection,
                moves=moved.moves,
                moved_by=mover.user_id,
            )
            await enqueue(connection, SCHEMA, new_event(EVENT_SOURCE, data, current_traceparent()))
            moved_from = file.collection
            await note_done(connection, "file", file_id, collection=target, moved_from=moved_from)
            # Before the commit: were both databases lost then, the file would not go back to whom it left.
            await self._storage.put(place_key(file_id), b"", moved.place())
        return moved, True

    async def _taken(self, file_id: UUID, target: str, mover: Viewer) -> Conflict:
        """Names the file that has the place: `mover` sees the target, and so what lies in it."""
        async with self._database.connection() as connection:
            file = await store.get_file(connection, file_id, mover.visible)
            twin = None
            if file is not None:
                twin = await store.find_twin(connection, target, file.sha256, file.sop_instance_uid)
        told = {} if twin is None else {"file_id": str(twin.file.id)}
        return Conflict(f"The same bytes or SOP Instance UID lie in {target} already.", **told)


def require_managed(mover: Viewer, target: str) -> None:
    """Raises NotFound for a collection that `mover` does not see, PermissionDenied for one only seen."""
    if not mover.sees(target):
        raise NotFound(f"There is no collection {target} that you may see.")
    if not mover.may_manage(target):
        raise PermissionDenied(f"You may look into {target}, not add to it: ask who manages it.")


def unknown_file() -> NotFound:
    """What is no id is as unknown as an id of nobody."""
    return NotFound("You have no file with this id.")
