"""All SQL of the outbox. The table is `<schema>.outbox`; nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.events import Event

_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")

_STATEMENTS = {
    "insert": "INSERT INTO {table} (event) VALUES ($1::text::jsonb)",
    # A materialised CTE is evaluated once, so no more than LIMIT rows are ever locked and updated.
    "claim": """
        WITH due AS MATERIALIZED (
            SELECT id FROM {table}
            WHERE {pending} AND due_at <= now() AND (leased_until IS NULL OR leased_until <= now())
            ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE {table} AS claimed
        SET token = $1, leased_until = now() + $2::float8 * interval '1 second', attempts = attempts + 1
        FROM due WHERE claimed.id = due.id
        RETURNING claimed.id, claimed.attempts, claimed.event::text
    """,
    "renew": """
        UPDATE {table} SET leased_until = now() + $3::float8 * interval '1 second'
        WHERE id = ANY($2::bigint[]) AND token = $1 AND {pending}
    """,
    "published": """
        UPDATE {table} SET published_at = now(), token = NULL, leased_until = NULL
        WHERE id = ANY($2::bigint[]) AND token = $1 AND {pending}
    """,
    "dead": """
        UPDATE {table} AS given_up
        SET dead_at = now(), dead_subscription = one.subscription, dead_reason = one.reason,
            token = NULL, leased_until = NULL
        FROM unnest($2::bigint[], $3::text[], $4::text[]) AS one (id, subscription, reason)
        WHERE given_up.id = one.id AND token = $1 AND {pending}
    """,
    "release": """
        UPDATE {table}
        SET token = NULL, leased_until = NULL, attempts = greatest(attempts - 1, 0),
            due_at = now() + $3::float8 * interval '1 second'
        WHERE id = ANY($2::bigint[]) AND token = $1 AND {pending}
    """,
    "take_over": """
        WITH begun AS (
            SELECT id FROM {table} WHERE {pending} AND token IS NOT NULL ORDER BY id LIMIT $1
        )
        UPDATE {table} SET token = NULL, leased_until = NULL, due_at = now(),
            attempts = CASE WHEN token IS NULL OR id IN (SELECT id FROM begun) THEN attempts
                            ELSE greatest(attempts - 1, 0) END
        WHERE {pending} AND (token IS NOT NULL OR due_at > now())
    """,
    "replay": """
        UPDATE {table}
        SET dead_at = NULL, dead_subscription = NULL, dead_reason = NULL, attempts = 0, due_at = now()
        WHERE dead_at IS NOT NULL
    """,
    "prune": """
        DELETE FROM {table} WHERE id IN (
            SELECT id FROM {table} WHERE published_at < now() - $1::float8 * interval '1 second'
            ORDER BY published_at LIMIT $2
        )
    """,
    "backlog": """
        SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
        FROM {table} WHERE {pending}
    """,
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased row; `attempt` counts this dispatch."""

    id: int
    attempt: int
    event: str


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A row that will not be dispatched again, and why; `subscription` None when nobody could read it."""

    id: int
    subscription: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: rows, and the age of the oldest in seconds."""

    pending: int
    oldest_seconds: float


class OutboxStore:
    """The statements for one schema."""

    def __init__(self, schema: str) -> None:
        """Raises ValueError unless `schema` is a plain identifier: it becomes part of the statements."""
        if not _IDENTIFIER.fullmatch(schema):
            raise ValueError(f"not a plain identifier: {schema!r}")
        names = {"table": f"{schema}.outbox", "pending": "published_at IS NULL AND dead_at IS NULL"}
        self._sql = {name: statement.format_map(names) for name, statement in _STATEMENTS.items()}

    async def insert(self, connection: Connection, event: Event) -> None:
        """Add an event, inside the caller's transaction."""
        await connection.execute(self._sql["insert"], event.to_json().decode())

    async def claim(self, connection: Connection, token: UUID, lease: float, limit: int) -> list[Claimed]:
        """Lease up to `limit` due rows, oldest first, and count the attempt; `lease` in seconds."""
        rows = await connection.fetch(self._sql["claim"], token, lease, limit)
        return sorted((Claimed(*row) for row in rows), key=lambda claimed: claimed.id)

    async def renew(self, connection: Connection, token: UUID, ids: Sequence[int], lease: float) -> int:
        """Hold on to rows leased under `token` for another `lease` seconds; how many were still ours."""
        return _count(await connection.execute(self._sql["renew"], token, ids, lease))

    async def published(self, connection: Connection, token: UUID, ids: Sequence[int]) -> int:
        """Mark rows that are still leased under `token`; how many were."""
        return _count(await connection.execute(self._sql["published"], token, ids))

    async def dead(self, connection: Connection, token: UUID, rows: Sequence[GivenUp]) -> int:
        """Give rows up that are still leased under `token`; how many were."""
        columns = [row.id for row in rows], [row.subscription for row in rows], [row.reason for row in rows]
        return _count(await connection.execute(self._sql["dead"], token, *columns))

    async def release(self, connection: Connection, token: UUID, ids: Sequence[int], delay: float) -> None:
        """Give rows back, due after `delay` seconds; the dispatch does not count as an attempt."""
        await connection.execute(self._sql["release"], token, ids, delay)

    async def take_over(self, connection: Connection, begun: int) -> None:
        """End every lease and every delay: only for the one process that may run, at its start.

        Work begins oldest first, so the `begun` oldest leased rows keep their attempt: one of them may have
        ended the process. The others only waited.
        """
        await connection.execute(self._sql["take_over"], begun)

    async def replay(self, connection: Connection) -> int:
        """Make dead rows pending again, from the first attempt on; how many."""
        return _count(await connection.execute(self._sql["replay"]))

    async def prune(self, connection: Connection, older_than: float, limit: int) -> int:
        """Remove up to `limit` rows published more than `older_than` seconds ago; how many."""
        return _count(await connection.execute(self._sql["prune"], older_than, limit))

    async def backlog(self, connection: Connection) -> Backlog:
        """What waits now."""
        row = await connection.fetchrow(self._sql["backlog"])
        return Backlog(0, 0.0) if row is None else Backlog(*row)


async def enqueue(connection: Connection, schema: str, event: Event) -> None:
    """Add an event to `schema`'s outbox, inside the caller's transaction; `wake` a relay after the commit."""
    await OutboxStore(schema).insert(connection, event)


async def replay(connection: Connection, schema: str) -> int:
    """Make given-up events pending again, from the first attempt on; how many."""
    return await OutboxStore(schema).replay(connection)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
