"""SQL of paused lanes. Nothing here commits."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from libs.common.database.postgres import Connection

_PAUSED = "SELECT lane, paused_by, paused_at FROM results.lane_pause ORDER BY lane"
_REVISION = "SELECT revision FROM results.lane_pause_revision"
# Locks it first: the number goes up in the order in which changes are committed.
_COUNT = "UPDATE results.lane_pause_revision SET revision = revision + 1"
_PAUSE = """
    INSERT INTO results.lane_pause (lane, paused_by) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING true
"""
_RESUME = "DELETE FROM results.lane_pause WHERE lane = $1 RETURNING true"
_AGES = """
    SELECT lane, extract(epoch FROM now() - paused_at)::float8 AS seconds FROM results.lane_pause
"""


class Pause(NamedTuple):
    """A lane that begins nothing."""

    lane: str
    paused_by: int
    paused_at: datetime


async def paused(connection: Connection) -> dict[str, Pause]:
    """Every lane that is paused."""
    return {row["lane"]: Pause(*row) for row in await connection.fetch(_PAUSED)}


async def revision(connection: Connection) -> int:
    """Which change was the last."""
    return int(await connection.fetchval(_REVISION) or 0)


async def pause(connection: Connection, lane: str, user_id: int) -> bool:
    """Note that a lane is paused; False where it is already."""
    await connection.execute(_COUNT)
    return await connection.fetchval(_PAUSE, lane, user_id) is not None


async def resume(connection: Connection, lane: str) -> bool:
    """Note that it is no longer; False where it was not."""
    await connection.execute(_COUNT)
    return await connection.fetchval(_RESUME, lane) is not None


async def ages(connection: Connection) -> dict[str, float]:
    """Seconds since which each paused lane is."""
    return {row["lane"]: row["seconds"] for row in await connection.fetch(_AGES)}
