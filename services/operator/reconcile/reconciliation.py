"""The reconciliation: every file of both schemas, every object and every event that was given up.

Made to run beside the working system: what looks wrong is looked at again, in one transaction with its
repair, before it counts. Rows are read in pages and objects in batches, so memory does not grow with them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from libs.common.database.postgres import Connection, Database
from libs.common.errors import ObjectCorrupt, ObjectNotFound
from libs.common.events import new_event
from libs.common.ids import ObjectKey, file_key
from libs.common.outbox.store import OutboxStore
from libs.common.storage import Storage, StoredObject
from services.operator.reconcile import store
from services.operator.reconcile.discrepancies import (
    RULES,
    Kind,
    Known,
    Objects,
    ObjectState,
    discrepancies,
    repairable,
)

PAGE = 500
"""Rows or objects at once."""
LOOKS = 32
"""Questions to the object store at once."""
ORPHAN_AGE = timedelta(hours=24)
"""An object without a row may belong to an upload under way; no upload takes so long after its last byte."""
INGEST = "ingest"
EVENT_SOURCE = "/ingest"
"""The event is the one that ingest announced, told again."""
_UUID_LENGTH = 36


@dataclass(frozen=True)
class Options:
    """What to do; `older_than` in seconds is how long work on a file may take."""

    repair: bool = False
    delete_orphans: bool = False
    older_than: float = 3600.0


class Discrepancy(NamedTuple):
    """One discrepancy: at which file, object, outbox row or queue, and whether it is repaired now."""

    kind: Kind
    subject: str
    repaired: bool = False
    detail: str | None = None


@dataclass
class Tally:
    """What was looked at and found."""

    files: int = 0
    objects: int = 0
    young_objects: int = 0
    """Without a row, and too young to be orphans."""
    found: Counter[Kind] = field(default_factory=Counter)
    repaired: Counter[Kind] = field(default_factory=Counter)

    def add(self, finding: Discrepancy) -> None:
        """Count a finding."""
        self.found[finding.kind] += 1
        self.repaired[finding.kind] += finding.repaired


class Reconciliation:
    """One run; `findings` may be read once."""

    def __init__(self, database: Database, storage: Storage, options: Options, *, backlog: bool) -> None:
        """`database` may read and write both schemas.

        `backlog` says that the broker still has work: files that wait there are not taken for stalled.
        """
        self._database = database
        self._storage = storage
        self._options = options
        self._backlog = backlog
        self._looks = asyncio.Semaphore(LOOKS)
        self._outbox = OutboxStore(INGEST)
        self._newest_event = 0
        self.tally = Tally()

    async def findings(self) -> AsyncGenerator[Discrepancy, None]:
        """Look at everything. Raises Unavailable when the database or the store does not answer."""
        async with self._database.connection() as connection:
            # What this run announces itself need not be looked through again and again.
            self._newest_event = await self._outbox.newest(connection)
        # Given-up events first: replayed, they are on their way again, and their files are not stalled.
        for part in (self._given_up(), self._files(), self._orphans()):
            async with aclosing(part) as found:
                async for finding in found:
                    self.tally.add(finding)
                    yield finding

    async def _given_up(self) -> AsyncGenerator[Discrepancy, None]:
        after = 0
        async with self._database.transaction() as connection:
            while rows := await self._outbox.list_dead(connection, after, PAGE):
                for row in rows:
                    detail = f"outbox row {row.id}, given up by {row.by}: {row.reason}"
                    yield Discrepancy("outbox-dead", row.subject, self._options.repair, detail)
                after = rows[-1].id
            if after and self._options.repair:
                await self._outbox.replay(connection)

    async def _files(self) -> AsyncGenerator[Discrepancy, None]:
        after = UUID(int=0)
        while True:
            async with self._database.connection() as connection:
                page = await store.page(connection, after, self._options.older_than, PAGE)
            if not page:
                return
            after = page[-1].file_id
            self.tally.files += len(page)
            objects = await asyncio.gather(*(self._objects(known) for known in page))
            suspects = [
                known.file_id
                for known, held in zip(page, objects, strict=True)
                if discrepancies(known, held, under_way=self._backlog)
            ]
            if suspects:
                for finding in await self._look_again(suspects):
                    yield finding

    async def _look_again(self, file_ids: Sequence[UUID]) -> list[Discrepancy]:
        """What is still wrong with these, repaired if that is wanted: one transaction."""
        older_than = self._options.older_than
        async with self._database.transaction() as connection:
            files = await store.look_again(connection, file_ids, older_than)
            busy = await self._outbox.under_way(connection, file_ids, older_than, self._newest_event)
            held = await asyncio.gather(*(self._objects(known, thorough=True) for known in files))
            found = [
                (kind, known, objects)
                for known, objects in zip(files, held, strict=True)
                for kind in discrepancies(known, objects, under_way=self._backlog or known.file_id in busy)
            ]
            repaired: set[tuple[Kind, UUID]] = set()
            if self._options.repair:
                repaired = await self._repair(
                    connection,
                    [
                        (kind, known.file_id)
                        for kind, known, objects in found
                        if repairable(kind, known, objects)
                    ],
                )
        return [
            Discrepancy(kind, str(known.file_id), (kind, known.file_id) in repaired)
            for kind, known, _ in found
        ]

    async def _repair(
        self, connection: Connection, found: Sequence[tuple[Kind, UUID]]
    ) -> set[tuple[Kind, UUID]]:
        """Mend these in the caller's transaction; which could be."""
        by_remedy: dict[str, list[UUID]] = {}
        for kind, file_id in found:
            by_remedy.setdefault(RULES[kind].remedy, []).append(file_id)
        done = {
            "queue": await self._queue(connection, by_remedy.get("queue", ())),
            "note-failure": await store.note_failures(connection, by_remedy.get("note-failure", ())),
            "restore-row": await store.restore_rows(connection, by_remedy.get("restore-row", ())),
        }
        return {(kind, file_id) for kind, file_id in found if file_id in done[RULES[kind].remedy]}

    async def _queue(self, connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
        """Announce files again; ingest's relay, which looks every second, does the rest."""
        events = await store.received(connection, file_ids)
        for data in events:
            await self._outbox.insert(connection, new_event(EVENT_SOURCE, data))
        return {data.file_id for data in events}

    async def _objects(self, known: Known, *, thorough: bool = False) -> Objects:
        """What the store has of a file; `thorough` opens the object instead of asking whether it is there."""
        look = self._opened if thorough else self._seen
        async with self._looks:
            thumbnail = known.thumbnail_key
            return Objects(
                await look(file_key(known.file_id)),
                None if thumbnail is None else await self._storage.exists(ObjectKey(thumbnail)),
            )

    async def _seen(self, key: ObjectKey) -> ObjectState:
        return "there" if await self._storage.exists(key) else "missing"

    async def _opened(self, key: ObjectKey) -> ObjectState:
        try:
            await self._storage.read_trailer(key)
        except ObjectNotFound:
            return "missing"
        except ObjectCorrupt:
            return "corrupt"
        return "there"

    async def _orphans(self) -> AsyncGenerator[Discrepancy, None]:
        async with aclosing(_batched(self._storage.keys(), PAGE)) as batches:
            async for batch in batches:
                self.tally.objects += len(batch)
                async with self._database.connection() as connection:
                    owned = await store.owned(connection, list({_file_id(stored) for stored in batch}))
                for stored in batch:
                    if _file_id(stored) in owned:
                        continue
                    if datetime.now(UTC) - stored.modified_at < ORPHAN_AGE:
                        self.tally.young_objects += 1
                        continue
                    detail = f"{stored.size_bytes} bytes of {stored.modified_at:%Y-%m-%d %H:%M} UTC"
                    # A database that knows no file is another one than these objects', or lost: then they
                    # are all that is left.
                    delete = self._options.delete_orphans and self.tally.files > 0
                    if delete:
                        await self._storage.delete(stored.key)
                    elif self._options.delete_orphans:
                        detail += "; kept, since this database knows no file at all"
                    yield Discrepancy("orphan-object", stored.key, delete, detail)


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
