"""SQL of workers: their last beats, and who has been silent for too long."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import asyncpg
import orjson

from libs.common.database.postgres import Connection
from libs.common.events import WorkerBeat
from libs.common.ids import lowest_id

MISSED = 3
"""Beats after which a worker is lost."""
KEPT_SECONDS = 3600.0
"""How long a worker is shown that is lost or has stopped."""
MOST = 1000
"""Workers that are shown."""

_HEAR = """
    INSERT INTO results.worker AS held (worker, version, state, started_at, told_at, seconds, slots, busy,
        under_way, files, budget_bytes, budget_used_bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::text::jsonb, $11, $12)
    ON CONFLICT (worker) DO UPDATE SET version = excluded.version, state = excluded.state,
        started_at = excluded.started_at, told_at = excluded.told_at, heard_at = now(),
        seconds = excluded.seconds, slots = excluded.slots, busy = excluded.busy,
        under_way = excluded.under_way, files = excluded.files, budget_bytes = excluded.budget_bytes,
        budget_used_bytes = excluded.budget_used_bytes
    WHERE excluded.told_at >= held.told_at
        AND (held.state <> 'stopped' OR excluded.started_at > held.started_at)
"""
# Who said that it begins nothing more has gone as it said it would; a file that it could not end in time is
# delivered to another one.
_SHOWN = f"""
    CASE WHEN state = 'stopped' THEN 'stopped'
         WHEN heard_at > now() - {MISSED} * seconds * interval '1 second' THEN state
         WHEN state = 'draining' THEN 'stopped'
         ELSE 'lost' END
"""
_LIST = f"""
    SELECT worker, version, {_SHOWN} AS state, started_at, heard_at, slots, busy, under_way,
        budget_bytes, budget_used_bytes, files::text AS files
    FROM results.worker ORDER BY worker LIMIT {MOST}
"""
_COUNT = f"SELECT {_SHOWN} AS state, count(*) AS workers FROM results.worker GROUP BY 1"
LATEST = 2000
"""Lines of the log, the latest, that tell the pace; half of them are of attempts."""
# The log's ids are UUIDv7: the highest are the latest.
_PACE = f"""
    SELECT (SELECT count(*) FROM results.worker WHERE {_SHOWN} = 'working') AS workers,
        (SELECT coalesce(sum(slots), 0) FROM results.worker WHERE {_SHOWN} = 'working') AS slots,
        (SELECT avg(decode_seconds + coalesce(measure_seconds, 0)) FROM (
            SELECT decode_seconds, measure_seconds FROM results.processing_log
            ORDER BY event_id DESC LIMIT {LATEST}) AS latest) AS seconds_per_file
"""
MOST_ENDED = 100_000
"""Counting stops here."""
# Ids of events are UUIDv7: their order is that of the outcomes.
ENDED_SINCE = f"""
    SELECT count(*) FROM (SELECT FROM results.processing_log
        WHERE event_id >= $1 AND outcome IN ('processed', 'failed') LIMIT {MOST_ENDED}) AS ended
"""
_FORGET = "DELETE FROM results.worker WHERE heard_at < now() - $1::float8 * interval '1 second'"


class Pace(NamedTuple):
    """Who works, and what the latest files took of a decoder process, in seconds; None: none was measured."""

    workers: int
    slots: int
    seconds_per_file: float | None


async def read_pace(connection: Connection) -> Pace:
    """The pace of now."""
    row = await connection.fetchrow(_PACE)
    assert row is not None  # noqa: S101  the statement has exactly one row
    return Pace(row["workers"], row["slots"], row["seconds_per_file"])


async def count_ended(connection: Connection, seconds: float) -> int:
    """Files whose outcome came within so many seconds, counted up to MOST_ENDED."""
    since = lowest_id(datetime.now(UTC).timestamp() - seconds)
    return int(await connection.fetchval(ENDED_SINCE, since) or 0)


async def hear(connection: Connection, beat: WorkerBeat, told_at: datetime) -> None:
    """Note a beat, unless a later one is known; nothing comes after the last.

    A container that is started again has the name that it had: who began later is another worker.
    """
    await connection.execute(
        _HEAR,
        beat.worker,
        beat.version,
        beat.state,
        beat.started_at,
        told_at,
        beat.seconds,
        beat.slots,
        beat.busy,
        beat.under_way,
        orjson.dumps([file.model_dump(mode="json") for file in beat.files]).decode(),
        beat.budget_bytes,
        beat.budget_used_bytes,
    )


async def list_workers(connection: Connection) -> list[asyncpg.Record]:
    """Everybody who was heard within KEPT_SECONDS."""
    return await connection.fetch(_LIST)


async def count_states(connection: Connection) -> dict[str, int]:
    """How many workers are in each state; states without any are missing."""
    return {row["state"]: row["workers"] for row in await connection.fetch(_COUNT)}


async def forget(connection: Connection) -> None:
    """Delete who has been silent for KEPT_SECONDS."""
    await connection.execute(_FORGET, KEPT_SECONDS)
