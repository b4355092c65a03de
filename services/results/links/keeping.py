"""Browsers whose time is over, and old counters of guesses: swept, and what is left shown in the metrics."""

from __future__ import annotations

import asyncio
import logging

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from services.results.links import store, throttle
from services.results.metrics import ResultsMetrics

log = logging.getLogger(__name__)

LOOK_SECONDS = 30.0
BATCH = 10_000
MOST = 100_000
"""Counting stops here."""


async def sweep(database: Database, metrics: ResultsMetrics) -> None:
    """Delete what is over, and show what is left. Raises Unavailable."""
    async with database.transaction() as connection:
        await store.prune(connection, BATCH)
        await throttle.COUNTERS.prune(connection, throttle.FORGET, throttle.MOST)
    async with database.connection() as connection:
        sessions = await store.count_sessions(connection, MOST)
        counters, blocked = await throttle.COUNTERS.sizes(connection)
    metrics.link_sessions.set(sessions)
    metrics.link_counters.labels("all").set(counters)
    metrics.link_counters.labels("blocked").set(blocked)


async def keep_links(database: Database, metrics: ResultsMetrics) -> None:
    """Sweep every LOOK_SECONDS, for ever."""
    while True:
        try:
            await sweep(database, metrics)
        except Unavailable as error:
            log.warning("links not looked at: %s", error.detail)
        await asyncio.sleep(LOOK_SECONDS)
