"""The reconciliation: every file of both schemas, every object and every event that was given up.

Made to run beside the working system: what looks wrong is looked at again, in one transaction with its
repair, before it counts. Rows are read in pages and objects in batches, so memory does not grow with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from uuid import UUID

from libs.common.database.postgres import Connection, Database
from libs.common.errors import ObjectCorrupt, ObjectNotFound
from libs.common.events import FileMoved, FileReceived, new_event
from libs.common.ids import ObjectKey, file_key
from libs.common.outbox.store import OutboxStore
from libs.common.storage import Storage
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
from services.operator.reconcile.findings import Discrepancy, FindingTally, Options
from services.operator.reconcile.sealed import read_sealed
from services.operator.reconcile.unowned import EVENT_SOURCE, INGEST, LOOKS, Unowned, rebuild
from services.results.processing.requests import SCHEMA as RESULTS
from services.results.processing.requests import ask_again

PAGE = 500
"""Rows at once."""


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
        self._outboxes = (self._outbox, OutboxStore(RESULTS))
        self._newest_events = [0, 0]
        self.tally = FindingTally()

    async def findings(self) -> AsyncGenerator[Discrepancy, None]:
        """Look at everything. Raises Unavailable when the database or the store does not answer."""
        async with self._database.connection() as connection:
            # What this run announces itself need not be looked through again and again.
            self._newest_events = [await outbox.newest(connection) for outbox in self._outboxes]
        # Given-up events first: replayed, they are on their way again, and their files are not stalled.
        unowned = Unowned(self._database, self._storage, self._options, self.tally)
        for part in (self._given_up(), self._files(), unowned.findings()):
            async with aclosing(part) as found:
                async for finding in found:
                    self.tally.add(finding)
                    yield finding

    async def _given_up(self) -> AsyncGenerator[Discrepancy, None]:
        for outbox in self._outboxes:
            after = 0
            async with self._database.transaction() as connection:
                while rows := await outbox.list_dead(connection, after, PAGE):
                    for row in rows:
                        detail = f"{outbox.schema}.outbox row {row.id}, given up by {row.by}: {row.reason}"
                        yield Discrepancy("outbox-dead", row.subject, self._options.repair, detail)
                    after = rows[-1].id
                if after and self._options.repair:
                    await outbox.replay(connection)

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
            busy: set[UUID] = set()
            for outbox, newest in zip(self._outboxes, self._newest_events, strict=True):
                busy |= await outbox.under_way(connection, file_ids, older_than, newest)
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
            if self._options.rebuild_rows:
                lost = [
                    known.file_id
                    for kind, known, _ in found
                    if kind == "result-without-file" and (kind, known.file_id) not in repaired
                ]
                repaired |= {("result-without-file", one) for one in await self._rebuild(connection, lost)}
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
            "queue-heir": await self._queue_heirs(connection, by_remedy.get("queue-heir", ())),
            "ask-again": await ask_again(connection, by_remedy.get("ask-again", ())),
            "note-failure": await store.note_failures(connection, by_remedy.get("note-failure", ())),
            "forget-failure": await store.forget_failures(connection, by_remedy.get("forget-failure", ())),
            # First: the files that took their places may have rows to be restored.
            "note-supersession": await store.note_supersessions(
                connection, by_remedy.get("note-supersession", ())
            ),
            "tell-move": await self._tell_moves(connection, by_remedy.get("tell-move", ())),
            "note-move": await store.note_moves(connection, by_remedy.get("note-move", ())),
            "restore-row": await store.restore_rows(connection, by_remedy.get("restore-row", ())),
        }
        return {(kind, file_id) for kind, file_id in found if file_id in done[RULES[kind].remedy]}

    async def _queue(self, connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
        """Announce files again; ingest's relay, which looks every second, does the rest."""
        events = await store.received(connection, file_ids)
        await self._announce(connection, events)
        return {data.file_id for data in events}

    async def _queue_heirs(self, connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
        """Announce again the files that took the places of these, which tells results of both."""
        events = await store.heirs(connection, file_ids)
        await self._announce(connection, events)
        return {data.supersedes for data in events if data.supersedes is not None}

    async def _tell_moves(self, connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
        """Tell results again where these lie."""
        events = await store.moves(connection, file_ids)
        await self._announce(connection, events)
        return {data.file_id for data in events}

    async def _announce(self, connection: Connection, events: Sequence[FileReceived | FileMoved]) -> None:
        for data in events:
            await self._outbox.insert(connection, new_event(EVENT_SOURCE, data))

    async def _rebuild(self, connection: Connection, file_ids: Sequence[UUID]) -> set[UUID]:
        """Make these rows from what their objects say; which could be."""
        found = [await read_sealed(self._storage, file_id) for file_id in file_ids]
        return {
            sealed.received.file_id
            for sealed in found
            if sealed is not None and await rebuild(connection, self._outbox, sealed)
        }

    async def _objects(self, known: Known, *, thorough: bool = False) -> Objects:
        """What the store has of a file; `thorough` opens the object instead of asking whether it is there.

        A thumbnail is read: it was not made durable, and a power cut may have left an empty one.
        """
        look = self._opened if thorough else self._seen
        expected = known.thumbnail_key if known.result == "processed" else None
        async with self._looks:
            return Objects(
                await look(file_key(known.file_id)),
                None if expected is None else await self._read(ObjectKey(expected)),
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

    async def _read(self, key: ObjectKey) -> ObjectState:
        try:
            await self._storage.verify(key)
        except ObjectNotFound:
            return "missing"
        except ObjectCorrupt:
            return "corrupt"
        return "there"
