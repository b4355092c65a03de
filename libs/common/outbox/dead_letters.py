"""Rows that an outbox gave up, as dead letters."""

from __future__ import annotations

import asyncpg

from libs.common.bus.dead_letters import (
    REASON_LENGTH,
    DeadLetter,
    Judge,
    Walked,
    event_facts,
    shown,
)
from libs.common.database.postgres import Database
from libs.common.outbox.store import OutboxStore

PAGE = 200


class OutboxLetters:
    """Implements `DeadLetters` on `<schema>.outbox`: there a letter is a row, and moves within it."""

    def __init__(self, database: Database, schema: str) -> None:
        """The relay of the outbox finds by itself what is replayed."""
        self._database = database
        self._store = OutboxStore(schema)
        self._schema = schema

    async def walk(self, judge: Judge, limit: int, walked: Walked) -> None:
        """Page by page, each with what is done to it in one transaction. Raises Unavailable."""
        after = 0
        while True:
            async with self._database.transaction() as connection:
                rows = await self._store.dead_letters(connection, after, min(PAGE, limit - walked.seen + 1))
                taken = rows[: limit - walked.seen]
                fates = {row["id"]: judge(self._letter(row)) for row in taken}
                replay = [row for row, fate in fates.items() if fate == "replay"]
                drop = [row for row, fate in fates.items() if fate == "drop"]
                replayed = await self._store.replay_some(connection, replay) if replay else 0
                dropped = await self._store.drop_dead(connection, drop) if drop else 0
            walked.seen += len(taken)
            walked.replayed += replayed
            walked.dropped += dropped
            if len(taken) < len(rows):
                walked.more = True
                return
            if not rows:
                return
            after = rows[-1]["id"]

    def _letter(self, row: asyncpg.Record) -> DeadLetter:
        event: str = row["event"]
        facts = event_facts(event)
        return DeadLetter(
            id=f"{self._schema}-{row['id']}",
            place=f"{self._schema}.outbox",
            queue=row["dead_subscription"],
            reason=shown(row["dead_reason"] or "no reason noted", REASON_LENGTH),
            attempts=row["attempts"],
            given_up_at=row["dead_at"],
            size_bytes=len(event.encode()),
            message_id=None if facts is None else facts.id,
            trace_id=None if facts is None else facts.trace_id,
            headers={},
            event=facts,
        )
