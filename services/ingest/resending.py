"""Files of which their collection has the bytes or the SOP Instance UID already.

The same bytes are the first file again; where its object is lost, corrupt or could not be measured, they take
the object's place, and the file is queued again. Other bytes take the place of a file that failed, under an
id of their own; a file that did not fail stands. The same data set is such a file again also where its file
meta information is another: each program that sends or exports it writes its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from uuid import UUID
from weakref import WeakValueDictionary

from libs.common.audit.acts import done
from libs.common.audit.entries import AuditEntry, write
from libs.common.database.postgres import Database
from libs.common.errors import Conflict, NotRecorded, ObjectCorrupt, ObjectNotFound, StorageError, Unavailable
from libs.common.events import Event, Priority, new_event
from libs.common.ids import ObjectKey
from libs.common.outbox.store import enqueue
from libs.common.storage import Storage
from libs.common.telemetry.tracing import current_traceparent
from services.ingest import store
from services.ingest.data_sets import comparable, same_data_set
from services.ingest.models import StoredFile
from services.ingest.store import SCHEMA, Twin

log = logging.getLogger(__name__)

EVENT_SOURCE = "/ingest"
_LOOKS = 5
"""How often a place may change hands while somebody wants it."""


def announcement(
    file: StoredFile, priority: Priority, supersedes: UUID | None = None, supersedes_moves: int = 0
) -> Event:
    """The event that puts `file` on its way."""
    data = file.received(supersedes, supersedes_moves).model_copy(update={"priority": priority})
    return new_event(EVENT_SOURCE, data, current_traceparent())


def acceptance(file: StoredFile) -> AuditEntry:
    """The audit entry of its acceptance, to be written with it."""
    return done("file", file.id, collection=file.collection, study=file.study_instance_uid)


@dataclass(frozen=True)
class Accepted:
    """A file that will be, or was, processed; `queued`: its event waits in the outbox."""

    file: StoredFile
    duplicate: bool = False
    """The collection had the same bytes before."""
    supersedes: UUID | None = None
    """The failed file whose place it took."""
    queued: bool = False

    @property
    def id(self) -> UUID:
        """Of the file that was sent, or of the one that it is the same as."""
        return self.file.id


class _Overtaken(Exception):
    """Somebody else was faster: what was begun is to be undone."""


class Resending:
    """Decides what becomes of a file that was not accepted as a new one."""

    def __init__(
        self, storage: Storage, database: Database, slot: Callable[[], AbstractAsyncContextManager[None]]
    ) -> None:
        """`slot` bounds the files that are written at the same time."""
        self._storage = storage
        self._database = database
        self._slot = slot
        self._cures: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()

    async def settle(self, file: StoredFile, priority: Priority = "normal") -> Accepted:
        """Give `file`, which has an object and no row, its place; without one its object goes.

        Raises Conflict, Unavailable.
        """
        keep = False
        try:
            for _ in range(_LOOKS):
                twin = await self._twin(file)
                if twin is not None and twin.file.id == file.id:
                    # A reconciliation has just made this row, from the object.
                    keep = True
                    return Accepted(file)
                if twin is not None and twin.file.sha256 == file.sha256:
                    if (first := await self._same_bytes(file, twin, priority)) is not None:
                        return first
                    continue
                if twin is not None and not twin.failed:
                    if await self._same_data_set(file, twin.file):
                        return Accepted(twin.file, duplicate=True)
                    raise Conflict(
                        "Other bytes with this SOP Instance UID were sent before; that file is untouched. "
                        "A changed image needs a SOP Instance UID of its own."
                    )
                # Once asked, the database may have accepted it though the answer is lost.
                keep = True
                replaced = None if twin is None else twin.file.id
                if await self._take_place(file, replaced, priority):
                    return Accepted(file, supersedes=replaced, queued=True)
                keep = False
            raise Unavailable("Others send the same file at this very moment; send it again.")
        except NotRecorded:
            keep = False
            raise
        finally:
            if not keep:
                await self._storage.delete(ObjectKey(file.file))

    async def _twin(self, file: StoredFile) -> Twin | None:
        async with self._database.connection() as connection:
            return await store.find_twin(connection, file.collection, file.sha256, file.sop_instance_uid)

    async def _take_place(self, file: StoredFile, replaced: UUID | None, priority: Priority) -> bool:
        """Accept `file` instead of the failed `replaced`, atomically; False if somebody else was faster."""
        try:
            async with self._database.transaction() as connection:
                moves: int | None = 0
                if replaced is not None:
                    moves = await store.supersede(connection, replaced, file.collection)
                if moves is None:
                    return False
                event = announcement(file, priority, replaced, moves)
                if not await store.accept_file(connection, file, event, acceptance(file)):
                    raise _Overtaken
        except _Overtaken:
            return False
        return True

    async def _same_bytes(self, file: StoredFile, twin: Twin, priority: Priority) -> Accepted | None:
        """The first file, cured if it needs it; None if it was replaced meanwhile."""
        if not twin.failed and await self._is_whole(twin.file):
            return Accepted(twin.file, duplicate=True)
        # One at a time: whoever comes next finds it cured.
        async with self._cures.setdefault(twin.file.id, asyncio.Lock()):
            return await self._cure(file, priority)

    async def _cure(self, file: StoredFile, priority: Priority) -> Accepted | None:
        twin = await self._twin(file)
        if twin is None or twin.file.sha256 != file.sha256:
            return None
        first = Accepted(twin.file, duplicate=True)
        if not twin.failed and await self._is_whole(twin.file):
            return first
        async with self._slot():
            await self._put_in_place(file, twin.file)
        async with self._database.transaction() as connection:
            # A failure is taken by one caller, of whichever process; a loss nobody has noted.
            if not await store.take_failed(connection, twin.file.id, unless_failed=not twin.failed):
                return None
            await enqueue(connection, SCHEMA, announcement(twin.file, priority))
            await write(connection, acceptance(twin.file))
        return replace(first, queued=True)

    async def _same_data_set(self, file: StoredFile, first: StoredFile) -> bool:
        """Whether only the way differs in which it is written; no, where the first object cannot be read."""
        if not comparable(file.transfer_syntax_uid, first.transfer_syntax_uid):
            return False
        try:
            return await same_data_set(
                self._storage, ObjectKey(file.file), ObjectKey(first.file), file.transfer_syntax_uid
            )
        except StorageError:
            return False

    async def _is_whole(self, file: StoredFile) -> bool:
        """Whether the object can be read to its end, and is what was accepted."""
        try:
            trailer = await self._storage.verify(ObjectKey(file.file))
        except ObjectNotFound:
            fault = "lost"
        except ObjectCorrupt:
            fault = "corrupt"
        else:
            if trailer["sha256"] == file.sha256:
                return True
            fault = "another"
        log.warning("the object of file %s is %s; the bytes that were sent again replace it", file.id, fault)
        return False

    async def _put_in_place(self, file: StoredFile, first: StoredFile) -> None:
        """Seal the bytes of `file` anew as the object of `first`; readers see the old or the new one."""
        reader = await self._storage.open(ObjectKey(file.file))
        try:
            async with self._storage.writer(ObjectKey(first.file)) as writer:
                async for chunk in reader.chunks():
                    await writer.write(chunk)
                await writer.commit({**reader.trailer, **first.identity()})
        finally:
            await reader.close()
