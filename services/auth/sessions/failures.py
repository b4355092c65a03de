"""SQL of the sign-in throttle. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from libs.common.database.postgres import Connection

# No lock: what a flood of refused attempts costs.
_BLOCKED = """
    SELECT extract(epoch FROM max(blocked_until) - clock_timestamp())::float8
    FROM auth.sign_in_failure WHERE key = ANY ($1::text[]) AND blocked_until > clock_timestamp()
"""
# In one order, so that two attempts that share two keys cannot wait for each other. The condition is looked
# at when the row's lock has come: of attempts at the same moment, the later ones find the first one's delay.
_COUNT = """
    WITH wanted AS (
        SELECT * FROM unnest($1::text[], $2::integer[], $3::float8[]) AS one (key, free, longest) ORDER BY key
    )
    INSERT INTO auth.sign_in_failure AS known (key, failures, last_at, blocked_until)
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
    UPDATE auth.sign_in_failure AS known SET failures = known.failures - 1,
        blocked_until = CASE WHEN known.blocked_until = own.blocked_until THEN clock_timestamp()
                        ELSE known.blocked_until END
    FROM (SELECT * FROM unnest($1::text[], $2::timestamptz[]) AS one (key, blocked_until) ORDER BY key) AS own
    WHERE known.key = own.key
"""
_FORGET = "DELETE FROM auth.sign_in_failure WHERE key = $1"
_FORGET_ACCOUNT = "DELETE FROM auth.sign_in_failure WHERE key = $1 OR starts_with(key, $2)"
_PRUNE_OLD = (
    "DELETE FROM auth.sign_in_failure WHERE failures <= 0 OR last_at < now() - $1 * interval '1 second'"
)
# Those that hold nobody up go first.
_PRUNE_MANY = """
    DELETE FROM auth.sign_in_failure WHERE key IN (
        SELECT key FROM auth.sign_in_failure ORDER BY blocked_until DESC, failures DESC OFFSET $1
    )
"""
_KNOWN_ADDRESSES = """
    SELECT DISTINCT session.remote_address
    FROM auth.auth_session AS session JOIN auth.auth_user AS one ON one.id = session.user_id
    WHERE lower(one.username) = lower($1) AND session.remote_address <> '' LIMIT 1000
"""
_COUNT_ROWS = "SELECT count(*), count(*) FILTER (WHERE blocked_until > now()) FROM auth.sign_in_failure"


@dataclass(frozen=True)
class Limit:
    """One of the counters that an attempt adds to; `longest` delay in seconds."""

    key: str
    free: int
    longest: float


async def blocked_for(connection: Connection, keys: Sequence[str]) -> float | None:
    """Seconds until an attempt may be made; None: now."""
    seconds: float | None = await connection.fetchval(_BLOCKED, list(keys))
    return seconds


async def count(
    connection: Connection, limits: Sequence[Limit], first_delay: float, forget_after: float
) -> dict[str, datetime]:
    """Count an attempt and say until when the next one waits, by key; keys that are blocked are missing."""
    rows = await connection.fetch(
        _COUNT,
        [limit.key for limit in limits],
        [limit.free for limit in limits],
        [limit.longest for limit in limits],
        first_delay,
        forget_after,
    )
    return {row["key"]: row["blocked_until"] for row in rows}


async def take_back(connection: Connection, counted: dict[str, datetime]) -> None:
    """Undo `count`, its delay too unless a later attempt has set another."""
    await connection.execute(_TAKE_BACK, list(counted), list(counted.values()))


async def forget(connection: Connection, key: str) -> None:
    """Delete one counter."""
    await connection.execute(_FORGET, key)


async def forget_account(connection: Connection, account_key: str, pair_prefix: str) -> None:
    """Delete an account's counters, from wherever the attempts came."""
    await connection.execute(_FORGET_ACCOUNT, account_key, pair_prefix)


async def prune(connection: Connection, forget_after: float, most: int) -> None:
    """Delete what is older than `forget_after` seconds, and all but `most` counters."""
    await connection.execute(_PRUNE_OLD, forget_after)
    await connection.execute(_PRUNE_MANY, most)


async def known_addresses(connection: Connection, username: str) -> list[str]:
    """Whence the account has signed in, as far back as sessions are kept."""
    return [row["remote_address"] for row in await connection.fetch(_KNOWN_ADDRESSES, username)]


async def sizes(connection: Connection) -> tuple[int, int]:
    """How many counters there are, and how many of them hold somebody up."""
    row = await connection.fetchrow(_COUNT_ROWS)
    return (0, 0) if row is None else (row[0], row[1])
