"""Telling processors which lanes are paused: on each change, and once at the start."""

from __future__ import annotations

import asyncio
import logging

from libs.common.bus.contract import Bus, Work
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable, Undelivered
from libs.common.events import LanesPaused, new_event
from services.results.metrics import ResultsMetrics
from services.results.pauses import store

log = logging.getLogger(__name__)

EVENT_SOURCE = "/results"
LOOK_SECONDS = 2.0
"""Within which a change that another replica made, and could not tell, is told."""


class PauseTeller:
    """Tells what the table says whenever it says something new. One a replica; each may tell."""

    def __init__(self, database: Database, bus: Bus, work: Work, metrics: ResultsMetrics) -> None:
        """`work` has the lanes."""
        self._database = database
        self._bus = bus
        self._work = work
        self._metrics = metrics
        self._told = -1
        self._changed = asyncio.Event()
        self._silent = False

    def wake(self) -> None:
        """Something has changed."""
        self._changed.set()

    async def run(self) -> None:
        """Look and tell, for ever."""
        while True:
            self._changed.clear()
            try:
                await self.tell()
            except (Unavailable, Undelivered) as error:
                if not self._silent:
                    log.warning("processors are not told which lanes are paused: %s", error)
                self._silent = True
            else:
                self._silent = False
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def tell(self) -> None:
        """Tell it if it is new. Raises Unavailable, Undelivered."""
        async with self._database.connection() as connection:
            # First: what is told as this revision holds at least all that was changed by it.
            revision = await store.revision(connection)
            ages = await store.ages(connection)
        for lane in self._work.queues():
            self._metrics.lane_paused.labels(lane).set(ages.get(lane, 0.0))
        if revision == self._told:
            return
        told = LanesPaused(lanes=tuple(sorted(ages)), revision=revision)
        await self._bus.publish(new_event(EVENT_SOURCE, told))
        self._told = revision
