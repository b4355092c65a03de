"""All SQL of the outbox. The table is `<schema>.outbox`; nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from libs.common.events import Event
from libs.common.postgres import Connection

_IDENTIFIER = re.compile(r"[a-z][a-z0-9_]{0,62}")


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased row; `attempt` counts this dispatch."""

    id: int
    attempt: int
    event: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits: rows, and the age of the oldest in seconds."""

    pending: int
    oldest_seconds: float


class OutboxStore:
    """The statements for one schema."""

    def __init__(self, schema: str) -> None:
        """Raises ValueError unless `schema` is a plain identifier."""
        if not _IDENTIFIER.fullmatch(schema):
            raise ValueError(f"not a plain identifier: {schema!r}")
        table = f"{schema}.outbox"
        pending = "published_at IS NULL AND dead_at IS NULL"
        self._insert = f"INSERT INTO {table} (event) VALUES ($1::text::jsonb)"  # noqa: S608
        self._claim = f"""
            UPDATE {table} SET token = $1, leased_until = now() + $2::float8 * interval '1 second',
                attempts = attempts + 1
            WHERE id IN (
                SELECT id FROM {table}
                WHERE {pending} AND due_at <= now() AND (leased_until IS NULL OR leased_until < now())
                ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
            )
            RETURNING id, attempts, event::text
        """  # noqa: S608
        self._renew = f"""
            UPDATE {table} SET leased_until = now() + $3::float8 * interval '1 second'
            WHERE id = ANY($2::bigint[]) AND token = $1 AND {pending}
        """  # noqa: S608
        self._published = f"""
            UPDATE {table} SET published_at = now(), token = NULL, leased_until = NULL
            WHERE id = ANY($2::bigint[]) AND token = $1 AND {pending}
        """  # noqa: S608
        self._dead = f"""
            UPDATE {table} SET dead_at = now(), dead_subscription = $3, dead_reason = $4,
                token = NULL, leased_until = NULL
            WHERE id = $2 AND token = $1 AND {pending}
        """  # noqa: S608
        self._release = f"""
            UPDATE {table} SET token = NULL, leased_until = NULL, attempts = attempts - 1,
                due_at = now() + $3::float8 * interval '1 second'
            WHERE id = ANY($2::bigint[]) AND token = $1 AND {pending}
        """  # noqa: S608
        self._take_over = f"UPDATE {table} SET leased_until = NULL WHERE {pending} AND token IS NOT NULL"  # noqa: S608
        self._replay = f"""
            UPDATE {table} SET dead_at = NULL, dead_subscription = NULL, dead_reason = NULL, attempts = 0,
                due_at = now()
            WHERE dead_at IS NOT NULL
        """  # noqa: S608
        self._prune = f"""
            DELETE FROM {table} WHERE published_at < now() - $1::float8 * interval '1 second'
        """  # noqa: S608
        self._backlog = f"""
            SELECT count(*), coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
            FROM {table} WHERE {pending}
        """  # noqa: S608

    async def insert(self, connection: Connection, event: Event) -> None:
        """Add an event, inside the caller's transaction."""
        await connection.execute(self._insert, event.to_json().decode())

    async def claim(self, connection: Connection, token: UUID, lease: float, limit: int) -> list[Claimed]:
        """Lease up to `limit` due rows, oldest first, and count the attempt; `lease` in seconds."""
        rows = await connection.fetch(self._claim, token, lease, limit)
        return sorted((Claimed(*row) for row in rows), key=lambda claimed: claimed.id)

    async def renew(self, connection: Connection, token: UUID, ids: Sequence[int], lease: float) -> None:
        """Hold on to rows leased under `token` for another `lease` seconds."""
        await connection.execute(self._renew, token, ids, lease)

    async def published(self, connection: Connection, token: UUID, ids: Sequence[int]) -> int:
        """Mark rows that are still leased under `token`; how many were."""
        return _count(await connection.execute(self._published, token, ids))

    async def dead(
        self, connection: Connection, token: UUID, row: int, subscription: str | None, reason: str
    ) -> None:
        """Give a row up."""
        await connection.execute(self._dead, token, row, subscription, reason)

    async def release(self, connection: Connection, token: UUID, ids: Sequence[int], delay: float) -> None:
        """Give rows back, due after `delay` seconds; the dispatch does not count as an attempt."""
        await connection.execute(self._release, token, ids, delay)

    async def take_over(self, connection: Connection) -> None:
        """End every lease at once: only for the one process that may run."""
        await connection.execute(self._take_over)

    async def replay(self, connection: Connection) -> int:
        """Make dead rows pending again; how many."""
        return _count(await connection.execute(self._replay))

    async def prune(self, connection: Connection, older_than: float) -> None:
        """Remove rows published more than `older_than` seconds ago."""
        await connection.execute(self._prune, older_than)

    async def backlog(self, connection: Connection) -> Backlog:
        """What waits now."""
        row = await connection.fetchrow(self._backlog)
        return Backlog(0, 0.0) if row is None else Backlog(*row)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
