"""Working on jobs: each step is a transaction of its own, taken by whichever replica is first.

What a job has asked for and how far it has walked are written together, so a process that is killed at any
moment leaves a job that another one goes on with.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg
import orjson
from pydantic import ValidationError

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.results.jobs import store
from services.results.jobs.models import ActionFilter, JobFilter
from services.results.jobs.pacing import Paced, allot
from services.results.metrics import ResultsMetrics
from services.results.processing.requests import Asker, ask

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
PAGE = 5_000
"""Files looked at in one step."""


class _Turn(NamedTuple):
    """A job that is worked on, with the places that are its own."""

    row: asyncpg.Record
    where: JobFilter
    places: int


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
        places = allot([_paced(row) for row in rows], self._at_once)
        again = False
        for row in rows:
            if row["state"] != "running" or _filter(row) is None:
                continue
            if not row["counted"]:
                again |= await self._count(row["id"])
            elif row["id"] in places:
                again |= await self._ask(row["id"])
            elif row["walked"] and row["under_way"] <= 0:
                again |= await self._finish(row["id"])
        return again

    async def _count(self, job_id: UUID) -> bool:
        async with self._database.transaction() as connection:
            turn = await self._turn(connection, job_id)
            if turn is None or turn.row["counted"]:
                return False
            after, last = turn.row["counted_to"], turn.row["last_file"]
            page = await store.page(connection, turn.where, after, last, rows=PAGE, most=PAGE)
            await store.note_count(connection, job_id, len(page.found), page.end or after, whole=page.whole)
        return True

    async def _ask(self, job_id: UUID) -> bool:
        async with self._database.transaction() as connection:
            turn = await self._turn(connection, job_id)
            if turn is None or turn.row["walked"] or not turn.places:
                return False
            row, after, last = turn.row, turn.row["walked_to"], turn.row["last_file"]
            page = await store.page(connection, turn.where, after, last, rows=PAGE, most=turn.places)
            raised = row["raised_at"] is not None
            asker = Asker(row["created_by"], "normal" if raised else "low", job_id)
            asked = await ask(connection, page.found, asker) if page.found else []
            # After the files: whoever tells what came of them locks these first, and the job then.
            await store.note_walk(connection, job_id, len(asked), page.end or after, whole=page.whole)
        for of in asked:
            self._metrics.requests.labels(of.reason).inc()
        if asked:
            self._wake_relay()
        return True

    async def _turn(self, connection: Connection, job_id: UUID) -> _Turn | None:
        """The job as it is now, if it runs and nobody else works on jobs at this moment."""
        if not await store.take_turn(connection):
            return None
        rows = await store.active(connection)
        # Counted anew: another replica may have taken places since this one looked.
        places = allot([_paced(row) for row in rows], self._at_once).get(job_id, 0)
        for row in rows:
            if row["id"] == job_id and row["state"] == "running":
                where = _filter(row)
                return None if where is None else _Turn(row, where, places)
        return None

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
        # One that waits for a raised one is idle, and well; files of a cancelled one take places of others.
        stuck = (row for row in rows if row["under_way"] > 0 or not row["counted"])
        idle = (row["idle_seconds"] for row in stuck)
        self._metrics.job_idle_seconds.set(max(idle, default=0.0))


def _paced(row: asyncpg.Record) -> Paced:
    hungry = row["state"] == "running" and row["counted"] and not row["walked"]
    return Paced(row["id"], max(row["under_way"], 0), hungry, row["raised_at"], row["idle_seconds"])


def _filter(row: asyncpg.Record) -> JobFilter | None:
    """Which files; None for what a newer release has written and this one does not know."""
    try:
        wanted = orjson.loads(row["wanted"])
        return (ActionFilter if "action" in wanted else JobFilter).model_validate(wanted)
    except ValidationError:
        log.warning("job %s waits for the release that made it: its filter is not known here", row["id"])
        return None
