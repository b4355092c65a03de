"""How many files wait for their outcome, and for how long: what a stuck processor shows first."""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.results.metrics import ResultsMetrics
from services.results.write.fill_store import count_unfilled

log = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
MOST = 100_000
"""Counting stops here: it must stay cheap when most is going on."""

# Both walk the index on (state, file_id); file ids are UUIDv7, so the lowest is the oldest.
_WAITING = """
    SELECT (SELECT count(*) FROM (
            SELECT FROM results.upload_dicomresult WHERE state = 'received' LIMIT $1) AS counted) AS files,
        coalesce((SELECT extract(epoch FROM now() - received_at)::float8 FROM results.upload_dicomresult
            WHERE state = 'received' ORDER BY file_id LIMIT 1), 0) AS oldest_seconds
"""


class Waiting(NamedTuple):
    """Files without outcome (MOST at most), and the age of the oldest in seconds."""

    files: int
    oldest_seconds: float


async def read_waiting(connection: Connection) -> Waiting:
    """What waits now."""
    row = await connection.fetchrow(_WAITING, MOST)
    assert row is not None  # noqa: S101  the statement has exactly one row
    return Waiting(row["files"], max(row["oldest_seconds"], 0.0))


async def show_waiting(database: Database, metrics: ResultsMetrics) -> None:
    """Look every LOOK_SECONDS, for ever."""
    while True:
        try:
            async with database.connection() as connection:
                waiting = await read_waiting(connection)
                unfilled = await count_unfilled(connection, MOST)
        except Unavailable as error:
            log.warning("waiting files not counted: %s", error.detail)
        else:
            metrics.waiting_files.set(waiting.files)
            metrics.oldest_waiting_seconds.set(waiting.oldest_seconds)
            metrics.unfilled_rows.set(unfilled)
        await asyncio.sleep(LOOK_SECONDS)
