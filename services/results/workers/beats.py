"""Beats in, and how many workers there are."""

from __future__ import annotations

import asyncio
import logging

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Database
from libs.common.errors import Reject, Unavailable
from libs.common.events import WorkerBeat
from services.results.metrics import WORKER_STATES, ResultsMetrics
from services.results.workers import store

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0


class WorkerBeats:
    """Handler of the queue `results.workers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, delivery: Delivery) -> None:
        """Note one beat. Raises Reject, Unavailable."""
        event = delivery.event
        if not isinstance(event.data, WorkerBeat):
            raise Reject(f"{event.type} is no beat")
        async with self._database.transaction() as connection:
            await store.hear(connection, event.data, event.time)


async def watch_workers(database: Database, metrics: ResultsMetrics) -> None:
    """Count workers by state and forget those that are long gone, for ever."""
    while True:
        try:
            async with database.transaction() as connection:
                await store.forget(connection)
                counted = await store.count_states(connection)
        except Unavailable as error:
            log.warning("workers not counted: %s", error.detail)
        else:
            for state in WORKER_STATES:
                metrics.workers.labels(state).set(counted.get(state, 0))
        await asyncio.sleep(LOOK_SECONDS)
