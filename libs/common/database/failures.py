"""Counters of wrong guesses in a table of the service's own: delays that grow, across replicas.

The table has the columns `key` (text, primary key), `failures`, `last_at` and `blocked_until`. Nothing
here commits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.database.postgres import Connection

# No lock: what a flood of refused attempts costs.
_BLOCKED = """
    SELECT extract(epoch FROM max(blocked_until) - clock_timestamp())::float8
    FROM {table} WHERE key = ANY ($1::text[]) AND blocked_until > clock_timestamp()
"""
# In one order, so that two attempts that share two keys cannot wait for each other. The condition is looked
# at when the row's lock has come: of attempts at the same moment, the later ones find the first one's delay.
_COUNT = """
    WITH wanted AS (
        SELECT * FROM unnest($1::text[], $2::integer[], $3::float8[]) AS one (key, free, longest) ORDER BY key
    )
    INSERT INTO {table} AS known (key, failures, last_at, blocked_until)
    SELECT key, 1, clock_timestamp(),
        clock_timestamp() + CASE WHEN free > 1 THEN 0 ELSE $4 END * interval '1 second'
    FROM wanted
    ON CONFLICT (key) DO UPDATE SET (failures, last_at, blocked_until) = (
        SELECT counted, clock_timestamp(), clock_timestamp() + interval '1 second' * CASE
            WHEN counted < free THEN 0
            ELSE least(longest, $4 * 2.0 ^ least(counted - free, 30))
        END
        FROM (SELECT CASE WHEN known.last_at < clock_timestamp() - $5 * interval '1 second' THEN 1
                     ELSE known.failures + 1 END AS counted) AS new, wanted
        WHERE wanted.key = known.key
    ) WHERE known.blocked_until <= clock_timestamp()
    RETURNING key, blocked_until
"""
_TAKE_BACK = """
    UPDATE {table} AS known SET failures = known.failures - 1,
        blocked_until = CASE WHEN known.blocked_until = own.blocked_until THEN clock_timestamp()
                        ELSE known.blocked_until END
    FROM (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS one (key, blocked_until) ORDER BY key) AS own
    WHERE known.key = own.key
"""
_FORGET = "DELETE FROM {table} WHERE key = $1"
_PRUNE_OLD = "DELETE FROM {table} WHERE failures <= 0 OR last_at < now() - $1 * interval '1 second'"
# Those that hold nobody up go first.
_PRUNE_MANY = """
    DELETE FROM {table} WHERE key IN (
        SELECT key FROM {table} ORDER BY blocked_until DESC, failures DESC OFFSET $1
    )
"""
# A ticket is a row as well: `failures` says in which lane (FRESH, TRIED; + 2 when it is used), `last_at` is
# the time from which it is good, `blocked_until` that of its issue: it holds nobody up.
_HELD = """
    SELECT greatest(extract(epoch FROM last_at - clock_timestamp()), 0)::float8 FROM {table}
    WHERE key = $1 AND failures <= 2 AND last_at > clock_timestamp() - $2 * interval '1 second'
"""
_TRIED = "SELECT EXISTS (SELECT FROM {table} WHERE key = ANY ($1::text[]) AND failures > 0)"
_ADVANCE = """
    INSERT INTO {table} AS lane (key, failures, last_at, blocked_until)
    VALUES ($1, 1, clock_timestamp() + $2::float8 * interval '1 second', clock_timestamp())
    ON CONFLICT (key) DO UPDATE SET blocked_until = clock_timestamp(),
        last_at = greatest(lane.last_at + $3::float8 * interval '1 second', excluded.last_at)
    RETURNING last_at
"""
_ISSUE = """
    INSERT INTO {table} AS ticket (key, failures, last_at, blocked_until)
    VALUES ($1, $2, $3, clock_timestamp())
    ON CONFLICT (key) DO UPDATE SET
        (failures, last_at, blocked_until) = (excluded.failures, excluded.last_at, excluded.blocked_until)
    RETURNING greatest(extract(epoch FROM last_at - clock_timestamp()), 0)::float8
"""
_REDEEM = """
    UPDATE {table} SET failures = failures + 2
    WHERE key = $1 AND failures <= 2 AND last_at <= clock_timestamp()
        AND last_at > clock_timestamp() - $2 * interval '1 second'
    RETURNING true
"""
_GIVE_BACK = "UPDATE {table} SET failures = failures - 2 WHERE key = $1 AND failures > 2"
_COUNT_ROWS = "SELECT count(*), count(*) FILTER (WHERE blocked_until > now()) FROM {table}"


@dataclass(frozen=True)
class Limit:
    """One of the counters that an attempt adds to; `longest` delay in seconds."""

    key: str
    free: int
    longest: float


@dataclass(frozen=True)
class WaitingList:
    """Who waits for one counter that many add to: a lane of those that never failed, and one of the others.

    `spacing` of each lane and `good_for` in seconds. Times of a lane's tickets lie `spacing` apart, whoever
    holds them: that bounds how many guesses tickets are good for.
    """

    key: str
    fresh_spacing: float
    tried_spacing: float
    good_for: float


FRESH, TRIED = 1, 2


class Failures:
    """The counters of one table, which is named in code."""

    def __init__(self, table: str) -> None:
        """`table` with its schema."""
        self._table = table

    def _of(self, statement: str) -> str:
        return statement.format(table=self._table)

    async def blocked_for(self, connection: Connection, keys: Sequence[str]) -> float | None:
        """Seconds until an attempt may be made; None: now."""
        seconds: float | None = await connection.fetchval(self._of(_BLOCKED), list(keys))
        return seconds

    async def count(
        self, connection: Connection, limits: Sequence[Limit], first_delay: float, forget_after: float
    ) -> dict[str, datetime]:
        """Count an attempt; until when the next one waits, by key. Keys that are blocked are missing."""
        rows = await connection.fetch(
            self._of(_COUNT),
            [limit.key for limit in limits],
            [limit.free for limit in limits],
            [limit.longest for limit in limits],
            first_delay,
            forget_after,
        )
        return {row["key"]: row["blocked_until"] for row in rows}

    async def take_back(self, connection: Connection, counted: dict[str, datetime]) -> None:
        """Undo `count`, its delay too unless a later attempt has set another."""
        await connection.execute(self._of(_TAKE_BACK), list(counted), list(counted.values()))

    async def forget(self, connection: Connection, key: str) -> None:
        """Delete one counter."""
        await connection.execute(self._of(_FORGET), key)

    async def ticket(
        self, connection: Connection, waiting: WaitingList, ticket: str, pair: str, wait: float
    ) -> float:
        """Seconds until the ticket of `pair` is good.

        It is the one that the pair holds, or a new one, good in `wait` seconds at the earliest. Who has
        failed, or has had a ticket before, gets one of the slower lane.
        """
        held: float | None = await connection.fetchval(self._of(_HELD), ticket, waiting.good_for)
        if held is not None:
            return held
        # Of attempts at the same moment, one takes a place.
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", ticket)
        held = await connection.fetchval(self._of(_HELD), ticket, waiting.good_for)
        if held is not None:
            return held
        tried = await connection.fetchval(self._of(_TRIED), [ticket, pair])
        lane, spacing = (TRIED, waiting.tried_spacing) if tried else (FRESH, waiting.fresh_spacing)
        good_at = await connection.fetchval(self._of(_ADVANCE), f"{waiting.key}:{lane}", wait, spacing)
        seconds: float = await connection.fetchval(self._of(_ISSUE), ticket, lane, good_at)
        return seconds

    async def redeem(self, connection: Connection, waiting: WaitingList, ticket: str) -> bool:
        """Use a ticket whose time has come, once."""
        return bool(await connection.fetchval(self._of(_REDEEM), ticket, waiting.good_for))

    async def give_back(self, connection: Connection, ticket: str) -> None:
        """Undo `redeem`."""
        await connection.execute(self._of(_GIVE_BACK), ticket)

    async def prune(self, connection: Connection, forget_after: float, most: int) -> None:
        """Delete what is older than `forget_after` seconds, and all but `most` counters."""
        await connection.execute(self._of(_PRUNE_OLD), forget_after)
        await connection.execute(self._of(_PRUNE_MANY), most)

    async def sizes(self, connection: Connection) -> tuple[int, int]:
        """How many counters there are, and how many of them hold somebody up."""
        row = await connection.fetchrow(self._of(_COUNT_ROWS))
        return (0, 0) if row is None else (row[0], row[1])
