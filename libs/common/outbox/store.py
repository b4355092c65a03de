"""All SQL of the outbox, the operator's included. The table is `<schema>.outbox`; nothing here commits."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg

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
                AND ($4::text[] IS NULL OR coalesce(event->'data'->>'collection', '') <> ALL($4::text[]))
            ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED
        )
        UPDATE {table} AS claimed
        SET token = $1, leased_until = now() + $2::float8 * interval '1 second', attempts = attempts + 1
        FROM due WHERE claimed.id = due.id
        RETURNING claimed.id, claimed.attempts, claimed.event::text, claimed.done,
            claimed.event->'data'->>'collection'
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
            done = string_to_array(one.done, ','), token = NULL, leased_until = NULL
        FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[]) AS one (id, subscription, reason, done)
        WHERE given_up.id = one.id AND token = $1 AND {pending}
    """,
    "release": """
        UPDATE {table} AS released
        SET token = NULL, leased_until = NULL, attempts = greatest(attempts - 1, 0),
            done = string_to_array(one.done, ','), due_at = now() + one.delay * interval '1 second'
        FROM unnest($2::bigint[], $3::float8[], $4::text[]) AS one (id, delay, done)
        WHERE released.id = one.id AND token = $1 AND {pending}
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
    "revive": """
        UPDATE {table} SET dead_at = NULL, dead_reason = NULL, attempts = 0, due_at = now()
        WHERE dead_at IS NOT NULL AND dead_subscription IS NULL AND dead_reason LIKE 'unknown event type%'
            AND event->>'type' = ANY($1::text[])
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
    "count_dead": "SELECT count(*) FROM {table} WHERE dead_at IS NOT NULL",
    "list_dead": """
        SELECT id, coalesce(event->>'subject', 'no file'), coalesce(dead_subscription, 'the relay'),
            coalesce(dead_reason, 'no reason noted')
        FROM {table} WHERE dead_at IS NOT NULL AND id > $1 ORDER BY id LIMIT $2
    """,
    "dead_letters": """
        SELECT id, event::text AS event, attempts, dead_at, dead_subscription, dead_reason
        FROM {table} WHERE dead_at IS NOT NULL AND id > $1 ORDER BY id LIMIT $2
    """,
    "replay_some": """
        UPDATE {table}
        SET dead_at = NULL, dead_subscription = NULL, dead_reason = NULL, attempts = 0, due_at = now()
        WHERE dead_at IS NOT NULL AND id = ANY($1::bigint[])
    """,
    "drop_dead": "DELETE FROM {table} WHERE dead_at IS NOT NULL AND id = ANY($1::bigint[])",
    "newest": "SELECT coalesce(max(id), 0) FROM {table}",
    "under_way": """
        SELECT DISTINCT told.file_id::uuid AS file_id
        FROM {table}, LATERAL (VALUES (event->>'subject'), (event->'data'->>'supersedes')) AS told (file_id)
        WHERE ({pending} OR published_at >= now() - $2::float8 * interval '1 second')
            AND told.file_id = ANY($1::text[]) AND id <= $3
    """,
}


@dataclass(frozen=True, slots=True)
class Claimed:
    """A leased row; `attempt` counts this dispatch, `done` are the queues whose handlers have finished."""

    id: int
    attempt: int
    event: str
    done: Sequence[str]
    collection: str | None


@dataclass(frozen=True, slots=True)
class Released:
    """A row given back, due after `delay` seconds; `done` as in Claimed."""

    id: int
    delay: float
    done: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A row that will not be dispatched again, and why; `subscription` None when nobody could read it."""

    id: int
    subscription: str | None
    reason: str
    done: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class DeadRow:
    """What an operator sees of such a row: its file, who gave it up, and why."""

    id: int
    subject: str
    by: str
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
        self.schema = schema
        names = {"table": f"{schema}.outbox", "pending": "published_at IS NULL AND dead_at IS NULL"}
        self._sql = {name: statement.format_map(names) for name, statement in _STATEMENTS.items()}

    async def insert(self, connection: Connection, event: Event) -> None:
        """Add an event, inside the caller's transaction."""
        await connection.execute(self._sql["insert"], event.to_json().decode())

    async def claim(
        self,
        connection: Connection,
        token: UUID,
        lease: float,
        limit: int,
        without: Sequence[str] | None = None,
    ) -> list[Claimed]:
        """Lease up to `limit` due rows, oldest first, and count the attempt; `lease` in seconds.

        What lies in one of the collections `without` is left.
        """
        rows = await connection.fetch(self._sql["claim"], token, lease, limit, without)
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
        return _count(await connection.execute(self._sql["dead"], token, *columns, _joined(rows)))

    async def release(self, connection: Connection, token: UUID, rows: Sequence[Released]) -> None:
        """Give rows back that are still leased under `token`; the dispatch does not count as an attempt."""
        columns = [row.id for row in rows], [row.delay for row in rows]
        await connection.execute(self._sql["release"], token, *columns, _joined(rows))

    async def take_over(self, connection: Connection, begun: int) -> None:
        """End every lease and every delay: only for the one process that may run, at its start.

        Work begins oldest first, so the `begun` oldest leased rows keep their attempt: one of them may have
        ended the process. The others only waited.
        """
        await connection.execute(self._sql["take_over"], begun)

    async def replay(self, connection: Connection) -> int:
        """Make dead rows pending again, from the first attempt on, for whom they are not done; how many."""
        return _count(await connection.execute(self._sql["replay"]))

    async def revive(self, connection: Connection, event_types: Sequence[str]) -> int:
        """Make events of these types pending again that a relay gave up for not knowing them; how many."""
        return _count(await connection.execute(self._sql["revive"], event_types))

    async def prune(self, connection: Connection, older_than: float, limit: int) -> int:
        """Remove up to `limit` rows published more than `older_than` seconds ago; how many."""
        return _count(await connection.execute(self._sql["prune"], older_than, limit))

    async def backlog(self, connection: Connection) -> Backlog:
        """What waits now."""
        row = await connection.fetchrow(self._sql["backlog"])
        return Backlog(0, 0.0) if row is None else Backlog(*row)

    async def count_dead(self, connection: Connection) -> int:
        """How many rows were given up."""
        return int(await connection.fetchval(self._sql["count_dead"]))

    async def list_dead(self, connection: Connection, after: int, limit: int) -> list[DeadRow]:
        """The next rows that were given up, in order of id."""
        return [DeadRow(*row) for row in await connection.fetch(self._sql["list_dead"], after, limit)]

    async def dead_letters(self, connection: Connection, after: int, limit: int) -> list[asyncpg.Record]:
        """The next rows that were given up, with their events, in order of id."""
        return list(await connection.fetch(self._sql["dead_letters"], after, limit))

    async def replay_some(self, connection: Connection, ids: Sequence[int]) -> int:
        """As `replay`, of these rows; how many were still dead."""
        return _count(await connection.execute(self._sql["replay_some"], ids))

    async def drop_dead(self, connection: Connection, ids: Sequence[int]) -> int:
        """Remove rows that were given up, for good; how many were still dead."""
        return _count(await connection.execute(self._sql["drop_dead"], ids))

    async def newest(self, connection: Connection) -> int:
        """Id of the newest row; 0 without any."""
        return int(await connection.fetchval(self._sql["newest"]))

    async def under_way(
        self, connection: Connection, file_ids: Sequence[UUID], newer_than: float, up_to: int
    ) -> set[UUID]:
        """Files with an event that waits, or was published less than `newer_than` seconds ago.

        Only of the rows up to number `up_to`.
        """
        subjects = [str(file_id) for file_id in file_ids]
        rows = await connection.fetch(self._sql["under_way"], subjects, newer_than, up_to)
        return {row["file_id"] for row in rows}


async def enqueue(connection: Connection, schema: str, event: Event) -> None:
    """Add an event to `schema`'s outbox, inside the caller's transaction; `wake` a relay after the commit."""
    await OutboxStore(schema).insert(connection, event)


async def replay(connection: Connection, schema: str) -> int:
    """Make given-up events pending again, from the first attempt on; how many."""
    return await OutboxStore(schema).replay(connection)


def _joined(rows: Sequence[GivenUp | Released]) -> list[str]:
    """Lists of lists must be rectangular in PostgreSQL; names of queues have no comma."""
    return [",".join(sorted(row.done)) for row in rows]


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
