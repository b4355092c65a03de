"""Group commit: files that wait at the same moment are accepted by one statement.

What was accepted is published from memory, where the relay has places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from libs.common.batches import Batcher
from libs.common.database.postgres import Connection, Database
from libs.common.outbox.relay import OutboxRelay, Reservation
from services.ingest import store
from services.ingest.metrics import IngestMetrics
from services.ingest.store import Acceptance


@dataclass(slots=True)
class Candidate:
    """A file that waits to be accepted, and what has become of it so far."""

    acceptance: Acceptance
    asked: bool = False
    """Whether the database may have accepted it, though the answer is lost."""
    accepted: bool = False

    @property
    def weight(self) -> int:
        """Rows are small: how many they are says it all."""
        return 0


class Collided(Exception):
    """Files of two groups wait for each other: alone, each of them finds its place."""


class Accepting:
    """Commits the groups that a batcher makes."""

    def __init__(self, database: Database, relay: OutboxRelay, metrics: IngestMetrics) -> None:
        """`relay` publishes what was accepted."""
        self._metrics = metrics
        self._database = database
        self._relay = relay

    async def __call__(self, group: Sequence[Candidate]) -> None:
        """One statement. Raises Unavailable, NotRecorded, Collided, and asyncpg's errors."""
        given = [waiting.acceptance for waiting in group]
        places = self._relay.reserve([one.file.collection for one in given])
        rows: dict[UUID, int] = {}
        try:
            async with self._database.connection() as connection:
                for waiting in group:
                    waiting.asked = True
                rows = await self._accept(connection, given, places)
        finally:
            if places is not None:
                self._relay.begin(places, [(rows.get(one.file.id), one.event) for one in given])
            elif rows:
                self._relay.wake()
        self._metrics.group_size.observe(len(group))
        for waiting in group:
            waiting.accepted = waiting.acceptance.file.id in rows

    async def _accept(
        self, connection: Connection, given: Sequence[Acceptance], places: Reservation | None
    ) -> dict[UUID, int]:
        try:
            if places is None:
                return await store.accept_files(connection, given)
            return await store.accept_files(connection, given, places.token, places.seconds)
        except asyncpg.DeadlockDetectedError as error:
            raise Collided from error


def group_commit(database: Database, relay: OutboxRelay, metrics: IngestMetrics) -> Batcher[Candidate]:
    """Accepts files: what comes while one statement is under way goes into the next; nothing else waits."""
    return Batcher(Accepting(database, relay, metrics), spacing=0.0)
