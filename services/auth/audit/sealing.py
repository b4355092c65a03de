"""Turning what services have noted into the chained log: one sealer at a time, whichever replica it is."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime, timedelta

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.auth.audit import store
from services.auth.audit.anchor import Anchor
from services.auth.audit.chain import GENESIS, Link, Root, RootSigner, chained
from services.auth.audit.noted import read_entry
from services.auth.audit.verification import SignedRoot
from services.auth.metrics import AuthMetrics

log = logging.getLogger(__name__)

SEAL_SECONDS = 1.0
"""Between looks for new entries."""
BATCH = 5000
"""Entries sealed in one transaction."""


class LogSealer:
    """Chains, signs, and notes the head outside the database."""

    def __init__(
        self, database: Database, signer: RootSigner, anchor: Anchor | None, metrics: AuthMetrics
    ) -> None:
        """`anchor` is where heads are noted."""
        self._database = database
        self._signer = signer
        self._anchor = anchor
        self._metrics = metrics
        self._unnoted = False
        """Whether the newest head could not be noted there."""
        self._months: set[date] = set()

    async def run(self) -> None:
        """Seal every SEAL_SECONDS, and at once while more waits; for ever."""
        while True:
            try:
                sealed = await self.seal()
            except Unavailable as error:
                log.warning("the audit log is not sealed: %s", error.detail)
                sealed = 0
            if sealed < BATCH:
                await asyncio.sleep(SEAL_SECONDS)

    async def seal(self) -> int:
        """Seal one batch of what waits; returns how many entries. Raises Unavailable."""
        await self._prepare()
        async with self._database.transaction() as connection:
            now = await store.try_lock(connection)
            if now is None:
                return 0
            head = await self._seal_batch(connection, now)
            newest = head or await store.head(connection)
            waiting = await store.backlog(connection)
        self._metrics.show_audit(*waiting, 0 if newest is None else newest.root.last_seq)
        await self._note(head or (newest if self._unnoted else None))
        if head is None:
            return 0
        return head.root.last_seq - head.root.first_seq + 1

    async def _note(self, head: SignedRoot | None) -> None:
        """Note the head elsewhere; what could not be is tried again with the next look."""
        if self._anchor is not None and head is not None:
            self._unnoted = not await asyncio.to_thread(self._anchor.note, head)
            self._metrics.audit_unnoted.set(self._unnoted)

    async def _seal_batch(self, connection: Connection, now: datetime) -> SignedRoot | None:
        pending = await store.take_pending(connection, BATCH)
        if not pending:
            return None
        before = await store.head(connection)
        if before is not None:
            # Months are cut where batches end: none is older than the one before it, whatever clocks do.
            now = max(now, before.root.sealed_at)
        last = Link(0, GENESIS) if before is None else Link(before.root.last_seq, before.root.root)
        entries = [read_entry(written, now) for written in pending]
        links = chained(last, entries)
        root = Root(
            batch=0 if before is None else before.root.batch + 1,
            first_seq=links[0].seq,
            last_seq=links[-1].seq,
            previous=last.hash,
            root=links[-1].hash,
            sealed_at=now,
        )
        if before is None or before.key_id != self._signer.key_id:
            await store.note_key(connection, self._signer.key_id, self._signer.public)
        await store.append(connection, now, links, entries)
        signed = SignedRoot(root, self._signer.key_id, self._signer.sign(root))
        await store.append_root(connection, signed)
        return signed

    async def _prepare(self) -> None:
        """Make the partitions of this month and of the next, once each. Raises Unavailable."""
        this = datetime.now(UTC).date().replace(day=1)
        for month in (this, (this + timedelta(days=31)).replace(day=1)):
            if month not in self._months:
                async with self._database.connection() as connection:
                    await store.prepare_month(connection, month)
                self._months.add(month)
