"""Shares end by themselves: noted beside everything else, and counted for the metrics."""

from __future__ import annotations

import asyncio
import logging

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from services.results.metrics import GRANTEES, ResultsMetrics
from services.results.sharing import lists_store, store

log = logging.getLogger(__name__)

LOOK_SECONDS = 15.0
BATCH = 1000
MOST = 100_000
"""Counting stops here."""


async def end_and_count(database: Database, metrics: ResultsMetrics) -> None:
    """Note the ends that came, and show how many shares are in force. Raises Unavailable."""
    async with database.transaction() as connection:
        if ended := await store.end_expired(connection, BATCH):
            await store.notify(connection)
        counts = await lists_store.count_live(connection, MOST)
    metrics.shares_ended.labels("expired").inc(ended)
    for whom in GRANTEES:
        metrics.shares.labels(whom).set(counts.get(whom, 0))


async def keep_shares(database: Database, metrics: ResultsMetrics) -> None:
    """Look every LOOK_SECONDS, for ever."""
    while True:
        try:
            await end_and_count(database, metrics)
        except Unavailable as error:
            log.warning("shares not looked at: %s", error.detail)
        await asyncio.sleep(LOOK_SECONDS)
