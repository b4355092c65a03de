"""Working on jobs: each step is a transaction of its own, taken by whichever replica is first.

What a job has asked for and how far it has walked are written together, so a process that is killed at any
moment leaves a job that another one goes on with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from uuid import UUID

import asyncpg
import orjson

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.results.jobs import store
from services.results.jobs.models import JobFilter
from services.results.jobs.pacing import Paced, allot
from services.results.metrics import ResultsMetrics
from services.results.processing.requests import Asker, ask

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PAGE = 5_000
"""Files looked at in one step."""


class Jobs:
    """Asks for the files of all jobs, at their pace. `wake` the outbox's relay."""

    def __init__(
        self, database: Database, metrics: ResultsMetrics, *, at_once: int, wake: Callable[[], None]
    ) -> None:
        """`at_once` bounds the files of all jobs that are under way."""
        self._database = database
        self._metrics = metrics
        self._at_once = at_once
        self._wake_relay = wake
        self._due = asyncio.Event()

    def wake(self) -> None:
        """A job is new, or files of one have ended."""
        self._due.set()

    async def run(self) -> None:
        """Work for ever."""
        while True:
            self._due.clear()
            try:
                again = await self.step()
            except Unavailable as error:
                log.warning("jobs wait: %s", error.detail)
                again = False
            if again:
                continue
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._due.wait()
            except TimeoutError:
                continue

    async def step(self) -> bool:
        """One turn of every job; whether there is more to do at once."""
        async with self._database.connection() as connection:
            rows = await store.active(connection)
        self._show(rows)
        running = {row["id"]: row for row in rows if row["state"] == "running"}
        places = allot([_paced(row) for row in rows], self._at_once)
        again = False
        for job_id, row in running.items():
            if not row["counted"]:
                again |= await self._count(job_id)
            elif job_id in places:
                again |= await self._ask(job_id, places[job_id])
            elif row["walked"] and row["under_way"] <= 0:
                again |= await self._finish(job_id)
        return again

    async def _count(self, job_id: UUID) -> bool:
        async with self._database.transaction() as connection:
            row = await _turn(connection, job_id)
            if row is None or row["counted"]:
                return False
            where, after, last = _filter(row), row["counted_to"], row["last_file"]
            found = await store.page(connection, where, after, last, rows=PAGE, most=PAGE)
            await store.note_count(connection, job_id, found.matching, found.end or after, whole=found.whole)
        return True

    async def _ask(self, job_id: UUID, most: int) -> bool:
        async with self._database.transaction() as connection:
            row = await _turn(connection, job_id)
            if row is None or row["walked"]:
                return False
            where, after, last = _filter(row), row["walked_to"], row["last_file"]
            found = await store.page(connection, where, after, last, rows=PAGE, most=most)
            raised = row["raised_at"] is not None
            asker = Asker(row["created_by"], "normal" if raised else "low", job_id)
            asked = await ask(connection, found.first, asker) if found.first else []
            # After the files: whoever tells what came of them locks these first, and the job then.
            await store.note_walk(connection, job_id, len(asked), found.end or after, whole=found.whole)
        for of in asked:
            self._metrics.requests.labels(of.reason).inc()
        if asked:
            self._wake_relay()
        return True

    async def _finish(self, job_id: UUID) -> bool:
        async with self._database.transaction() as connection:
            finished = await store.finish(connection, job_id)
        if finished:
            log.info("job %s is done", job_id)
        return finished

    def _show(self, rows: Sequence[asyncpg.Record]) -> None:
        running = [row for row in rows if row["state"] == "running"]
        self._metrics.jobs_running.set(len(running))
        self._metrics.job_files.set(sum(row["under_way"] for row in rows))
        # One that waits for a raised one is idle, and well.
        idle = (row["idle_seconds"] for row in running if row["under_way"] > 0 or not row["counted"])
        self._metrics.job_idle_seconds.set(max(idle, default=0.0))


async def _turn(connection: Connection, job_id: UUID) -> asyncpg.Record | None:
    """The job as it is now, if it runs and nobody else works on jobs at this moment."""
    if not await store.take_turn(connection):
        return None
    rows = await store.active(connection)
    return next((row for row in rows if row["id"] == job_id and row["state"] == "running"), None)


def _paced(row: asyncpg.Record) -> Paced:
    hungry = row["state"] == "running" and row["counted"] and not row["walked"]
    return Paced(row["id"], max(row["under_way"], 0), hungry, row["raised_at"], row["idle_seconds"])


def _filter(row: asyncpg.Record) -> JobFilter:
    return JobFilter.model_validate(orjson.loads(row["wanted"]))
