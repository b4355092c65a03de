"""SQL of the primary's position, and of what a standby holds of it. Nothing here commits."""

from __future__ import annotations

from typing import NamedTuple

import asyncpg

from libs.common.database.postgres import Connection
from services.results.feed.store import TIMELINE, read_horizon
from services.results.metrics import StandbyRefusal

# What anybody can see was flushed before, unless commits are not waited for.
_MARK = f"""
    SELECT CASE current_setting('synchronous_commit') WHEN 'off' THEN pg_current_wal_insert_lsn()
        ELSE pg_current_wal_flush_lsn() END::text AS lsn, {TIMELINE} AS timeline
"""
# The number is replicated: only who has replayed this timeline's own first transactions knows it.
_HELD = """
    SELECT pg_is_in_recovery() AS standby,
        coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false) AS held,
        (SELECT number FROM results.change_feed_timeline) AS timeline
"""
_NOT_OURS = (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError)


class WalMark(NamedTuple):
    """A place in the primary's write-ahead log, behind which is all that could be seen; its timeline."""

    lsn: str
    timeline: int


async def read_mark(primary: Connection) -> WalMark:
    """Where the primary is now."""
    row = await primary.fetchrow(_MARK)
    assert row is not None  # noqa: S101  the statement has exactly one row
    if row["timeline"] is None:
        await read_horizon(primary)
        return await read_mark(primary)
    return WalMark(row["lsn"], row["timeline"])


async def refusal(standby: Connection, mark: WalMark) -> StandbyRefusal | None:
    """Why the server at the other end may not answer for what the primary held at `mark`; None: it may."""
    try:
        row = await standby.fetchrow(_HELD, mark.lsn)
    except _NOT_OURS:
        return "foreign"
    assert row is not None  # noqa: S101  the statement has exactly one row
    if not row["standby"]:
        return "foreign"
    if not row["held"]:
        return "behind"
    return None if row["timeline"] == mark.timeline else "foreign"
