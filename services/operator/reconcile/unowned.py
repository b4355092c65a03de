"""Objects that no row knows: rows that were lost, or what nobody needs.

An object that says whose it is may be all that is left of an accepted file, so it is never deleted; its row
can be made anew. A killed upload leaves the same: made anew, it is a file that its sender wanted to send.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from libs.common.database.postgres import Connection, Database
from libs.common.errors import ObjectCorrupt, ObjectNotFound
from libs.common.events import new_event
from libs.common.ids import file_key, place_key
from libs.common.outbox.store import OutboxStore
from libs.common.storage import Storage, StoredObject
from services.operator.reconcile import store
from services.operator.reconcile.findings import Discrepancy, FindingTally, Options
from services.operator.reconcile.sealed import SealedIdentity, read_sealed

PAGE = 500
"""Objects at once."""
LOOKS = 32
"""Questions to the object store at once."""
ORPHAN_AGE = timedelta(hours=24)
"""An object without a row may belong to an upload under way; no upload takes so long after its last byte."""
INGEST = "ingest"
EVENT_SOURCE = "/ingest"
"""The event is the one that ingest announced, told again."""
_UUID_LENGTH = 36


class _Verdict(NamedTuple):
    """On all objects of one file."""

    sealed: SealedIdentity | None
    """Whose it is, if its row is missing; None for an orphan."""
    detail: str | None = None
    held: bool = False
    """Whether another file has the place that its row would need."""


class Unowned:
    """The walk through the store; `findings` may be read once."""

    def __init__(self, database: Database, storage: Storage, options: Options, tally: FindingTally) -> None:
        """`tally` knows how many files there are: all rows were looked through before."""
        self._database = database
        self._storage = storage
        self._options = options
        self._tally = tally
        self._outbox = OutboxStore(INGEST)
        self._looks = asyncio.Semaphore(LOOKS)

    async def findings(self) -> AsyncGenerator[Discrepancy, None]:
        """Look at every object. Raises Unavailable."""
        async with aclosing(_batched(self._storage.keys(), PAGE)) as batches:
            async for batch in batches:
                self._tally.objects += len(batch)
                for finding in await self._judge(batch):
                    yield finding

    async def _judge(self, batch: Sequence[StoredObject]) -> list[Discrepancy]:
        ids = list({_file_id(stored) for stored in batch})
        async with self._database.connection() as connection:
            owned = await store.owned(connection, ids)
        settled = [
            stored
            for stored in batch
            if _file_id(stored) not in owned
            and self._older(stored, timedelta(seconds=self._options.older_than))
        ]
        verdicts = await self._verdicts({_file_id(stored) for stored in settled})
        found: list[Discrepancy] = []
        for stored in batch:
            file_id = _file_id(stored)
            if file_id in owned:
                continue
            verdict = verdicts.get(file_id)
            if verdict is None or (verdict.sealed is None and not self._older(stored, ORPHAN_AGE)):
                self._tally.young_objects += 1
            elif verdict.sealed is None:
                found.append(await self._orphan(stored, verdict))
            elif stored.key == file_key(file_id):
                found.append(await self._row_missing(stored, verdict, verdict.sealed))
        return found

    @staticmethod
    def _older(stored: StoredObject, age: timedelta) -> bool:
        return datetime.now(UTC) - stored.modified_at >= age

    async def _verdicts(self, ids: Iterable[UUID]) -> dict[UUID, _Verdict]:
        asked = list(ids)
        sealed = dict(zip(asked, await asyncio.gather(*map(self._sealed, asked)), strict=True))
        async with self._database.connection() as connection:
            erased = await store.erased(connection, asked)
            named = [one.received for one in sealed.values() if one is not None]
            holders = await store.holders(connection, named)
        return {
            file_id: _Verdict(None)
            if file_id in erased
            else await self._verdict(sealed[file_id], holders.get(file_id))
            for file_id in asked
        }

    async def _verdict(self, sealed: SealedIdentity | None, holder: store.Holder | None) -> _Verdict:
        if sealed is not None and not sealed.placed:
            place = place_key(sealed.received.file_id)
            return _Verdict(sealed, f"{place} does not say where it was moved to", held=True)
        if sealed is None or holder is None:
            return _Verdict(sealed)
        if not holder.same_bytes:
            return _Verdict(sealed, f"{holder.file_id} has its SOP Instance UID, with other bytes", held=True)
        try:
            await self._storage.verify(file_key(holder.file_id))
        except (ObjectNotFound, ObjectCorrupt):
            return _Verdict(sealed, f"{holder.file_id} has the same bytes, in no sound object", held=True)
        return _Verdict(None, f"{holder.file_id} has the same bytes")

    async def _sealed(self, file_id: UUID) -> SealedIdentity | None:
        async with self._looks:
            return await read_sealed(self._storage, file_id)

    async def _row_missing(
        self, stored: StoredObject, verdict: _Verdict, sealed: SealedIdentity
    ) -> Discrepancy:
        detail, rebuilt = verdict.detail or _described(stored), False
        if self._options.rebuild_rows and not verdict.held:
            if self._tally.files == 0:
                # Its owners' numbers may mean other people here.
                detail += "; not made, since this database knows no file at all"
            else:
                async with self._database.transaction() as connection:
                    rebuilt = await rebuild(connection, self._outbox, sealed)
        return Discrepancy("row-missing", stored.key, rebuilt, detail)

    async def _orphan(self, stored: StoredObject, verdict: _Verdict) -> Discrepancy:
        detail = "; ".join(filter(None, (_described(stored), verdict.detail)))
        # A database that knows no file is another one than these objects', or lost: then they are all that
        # is left.
        delete = self._options.delete_orphans and self._tally.files > 0
        if delete:
            await self._storage.delete(stored.key)
        elif self._options.delete_orphans:
            detail += "; kept, since this database knows no file at all"
        return Discrepancy("orphan-object", stored.key, delete, detail)


async def rebuild(connection: Connection, outbox: OutboxStore, sealed: SealedIdentity) -> bool:
    """Make ingest's row anew and announce the file; False if another has its place, or nobody knows it.

    Does not commit.
    """
    if not sealed.placed:
        return False
    told = sealed.file_name, sealed.folder, sealed.uploaded_at
    if not await store.rebuild_row(connection, sealed.received, *told):
        return False
    await outbox.insert(connection, new_event(EVENT_SOURCE, sealed.received))
    return True


def _described(stored: StoredObject) -> str:
    return f"{stored.size_bytes} bytes of {stored.modified_at:%Y-%m-%d %H:%M} UTC"


def _file_id(stored: StoredObject) -> UUID:
    """The file that an object belongs to, the thumbnail like the original."""
    return UUID(stored.key[:_UUID_LENGTH])


async def _batched(found: AsyncIterator[StoredObject], size: int) -> AsyncGenerator[list[StoredObject], None]:
    batch: list[StoredObject] = []
    async for stored in found:
        batch.append(stored)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
