"""Turning what services have noted into the chained log: one sealer at a time, whichever replica it is."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta

import orjson

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.auth.audit import store
from services.auth.audit.anchor import Anchor
from services.auth.audit.chain import GENESIS, Link, Root, RootSigner, SealedEntry, chained
from services.auth.audit.verification import SignedRoot
from services.auth.metrics import AuthMetrics

log = logging.getLogger(__name__)

SEAL_SECONDS = 1.0
"""Between looks for new entries."""
BATCH = 5000
"""Entries sealed in one transaction."""
UNREADABLE = "audit.unreadable"


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
        self._months: set[datetime] = set()

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
        async with self._database.transaction() as connection:
            if not await store.try_lock(connection):
                return 0
            head = await self._seal_batch(connection)
            waiting = await store.backlog(connection)
        self._metrics.show_audit(*waiting, None if head is None else head.root.last_seq)
        if head is None:
            return 0
        if self._anchor is not None:
            await asyncio.to_thread(self._anchor.note, head)
        return head.root.last_seq - head.root.first_seq + 1

    async def _seal_batch(self, connection: Connection) -> SignedRoot | None:
        pending = await store.take_pending(connection, BATCH)
        if not pending:
            return None
        before = await store.head(connection)
        now = datetime.now(UTC)
        await self._prepare(connection, now)
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

    async def _prepare(self, connection: Connection, now: datetime) -> None:
        """Make the partitions of this month and of the next, once each."""
        for when in (now, now + timedelta(days=28)):
            month = datetime(when.year, when.month, 1, tzinfo=UTC)
            if month not in self._months:
                await store.prepare_month(connection, month.date())
                self._months.add(month)


def read_entry(written: str, now: datetime) -> SealedEntry:
    """An entry as it was noted; what cannot be read is kept as it is, for nothing noted is lost."""
    try:
        facts = orjson.loads(written)
        return SealedEntry(
            at=datetime.fromisoformat(facts["at"]).astimezone(UTC),
            service=str(facts["service"]),
            action=str(facts["action"]),
            ending=str(facts["ending"]),
            actor=str(facts["actor"]),
            acting_as=_text(facts, "acting_as"),
            object_type=_text(facts, "object_type"),
            objects=[str(one) for one in facts.get("objects", [])],
            collection=_text(facts, "collection"),
            studies=[str(one) for one in facts.get("studies", [])],
            address=_text(facts, "address"),
            route=_text(facts, "route"),
            status=_number(facts, "status"),
            trace_id=_text(facts, "trace_id"),
            details=dict(facts.get("details", {})),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        log.error("an audit entry has another form than ours: it is kept as it came")
        return SealedEntry(
            at=now, service="auth", action=UNREADABLE, ending="error", actor="system", acting_as=None,
            object_type=None, objects=[], collection=None, studies=[], address=None, route=None,
            status=None, trace_id=None, details={"entry": written},
        )  # fmt: skip


def _text(facts: dict[str, object], name: str) -> str | None:
    value = facts.get(name)
    return None if value is None else str(value)


def _number(facts: dict[str, object], name: str) -> int | None:
    value = facts.get(name)
    if value is None or isinstance(value, int):
        return value
    raise TypeError(name)
