"""How many files wait for their outcome, and for how long: what a stuck processor shows first."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple, get_args

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from libs.common.events import RequestReason
from services.results.metrics import ResultsMetrics
from services.results.write.fill_store import count_unfilled

log = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
MOST = 100_000
"""Counting stops here: it must stay cheap when most is going on."""

# By the index on (state, file_id): file ids are UUIDv7, so the lowest is the oldest; one that failed and is
# tried again waits since that was asked.
_WAITING = """
    SELECT (SELECT count(*) FROM (
            SELECT FROM results.upload_dicomresult WHERE state = 'received' LIMIT $1) AS counted) AS files,
        coalesce(extract(epoch FROM now() - least(
            (SELECT received_at FROM results.upload_dicomresult
                WHERE state = 'received' AND request = 0 ORDER BY file_id LIMIT 1),
            (SELECT requested_at FROM results.request WHERE reason = 'retry' ORDER BY requested_at LIMIT 1)
        ))::float8, 0) AS oldest_seconds
"""
_PENDING = "SELECT reason, count(*) FROM results.request GROUP BY reason"


class Waiting(NamedTuple):
    """Files without outcome (MOST at most), and the age of the oldest in seconds."""

    files: int
    oldest_seconds: float


async def read_waiting(connection: Connection) -> Waiting:
    """What waits now."""
    row = await connection.fetchrow(_WAITING, MOST)
    assert row is not None  # noqa: S101  the statement has exactly one row
    return Waiting(row["files"], max(row["oldest_seconds"], 0.0))


async def read_pending(connection: Connection) -> dict[str, int]:
    """How many requests no outcome has answered, by reason."""
    return {row[0]: row[1] for row in await connection.fetch(_PENDING)}


async def show_waiting(database: Database, metrics: ResultsMetrics) -> None:
    """Look every LOOK_SECONDS, for ever."""
    while True:
        try:
            async with database.connection() as connection:
                waiting = await read_waiting(connection)
                unfilled = await count_unfilled(connection, MOST)
                pending = await read_pending(connection)
        except Unavailable as error:
            log.warning("waiting files not counted: %s", error.detail)
        else:
            metrics.waiting_files.set(waiting.files)
            metrics.oldest_waiting_seconds.set(waiting.oldest_seconds)
            metrics.unfilled_rows.set(unfilled)
            for reason in get_args(RequestReason):
                metrics.pending_requests.labels(reason).set(pending.get(reason, 0))
        await asyncio.sleep(LOOK_SECONDS)
