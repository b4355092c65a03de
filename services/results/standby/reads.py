"""Reads on a standby, where it holds all that the primary held when they were asked for; else on the primary.

So nobody sees on it a state older than what anybody was told of before, by any replica: what one has written,
what a live stream or a webhook has told, that a share was taken back (ADR 0056).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.results.metrics import ResultsMetrics, StandbyRefusal
from services.results.standby.marks import Marks
from services.results.standby.store import WalMark, refusal

log = logging.getLogger(__name__)

PROBE = 1.0
"""Seconds between looks at the standby; one that has failed is not read before a look finds it well."""
ANSWER_SECONDS = 1.0
"""How long a standby may take to connect and to say where it is, beyond the wait for what it lacks."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.02

T = TypeVar("T")


class _NotRead(Exception):
    """This standby may not answer."""

    def __init__(self, cause: StandbyRefusal) -> None:
        super().__init__(cause)
        self.cause = cause


# Whatever its server complains of, a broken index as well: if the statement is at fault, the primary says so.
_STANDBY_FAILED = (_NotRead, Unavailable, TimeoutError, asyncpg.PostgresError)


class Reads:
    """Runs what only reads. What decides or writes in the same transaction belongs to the primary."""

    def __init__(
        self, primary: Database, standby: Database | None, metrics: ResultsMetrics, *, wait: float
    ) -> None:
        """`wait` in seconds for the standby to have what the primary had; `standby` None: there is none."""
        self._primary = primary
        self._standby = standby
        self._metrics = metrics
        self._wait = wait
        self._marks = Marks(primary)
        self._well = False
        self._held_at = time.monotonic()

    async def __call__(self, read: Callable[[Connection], Awaitable[T]]) -> T:
        """What `read` answers; where the standby fails, anew on the primary. Raises Unavailable."""
        if self._standby is not None and self._well and (mark := await self._marks.after_now()) is not None:
            try:
                found = await self._ask(self._standby, mark, read)
            except _STANDBY_FAILED as error:
                self._set_aside(error)
            else:
                self._metrics.reads.labels("standby").inc()
                return found
        async with self._primary.connection() as connection:
            found = await read(connection)
        self._metrics.reads.labels("primary").inc()
        return found

    async def run(self) -> None:
        """Look at the standby for ever."""
        if self._standby is None:
            await asyncio.Event().wait()
            return
        self._held_at = time.monotonic()
        while True:
            await self._probe(self._standby)
            await asyncio.sleep(PROBE)

    async def _probe(self, standby: Database) -> None:
        mark = await self._marks.after_now()
        if mark is None:
            # Nobody can say what it lacks.
            return
        try:
            await self._ask(standby, mark, _nothing)
        except _STANDBY_FAILED as error:
            self._set_aside(error)
            self._metrics.standby_lag.set(time.monotonic() - self._held_at)
            return
        if not self._well:
            log.info("the standby is read")
        self._well = True
        self._held_at = time.monotonic()
        self._metrics.standby_lag.set(0.0)

    async def _ask(self, standby: Database, mark: WalMark, read: Callable[[Connection], Awaitable[T]]) -> T:
        async with asyncio.timeout(self._wait + ANSWER_SECONDS) as limit, standby.connection() as connection:
            try:
                await self._require(connection, mark)
            except BaseException:
                # The address may lead to several standbys, and to another server by now: begin anew there.
                # One that does not answer is not waited for again.
                connection.terminate()
                raise
            limit.reschedule(None)
            return await read(connection)

    async def _require(self, connection: Connection, mark: WalMark) -> None:
        """Return when this standby holds all up to `mark`. Raises _NotRead."""
        until = time.monotonic() + self._wait
        pause = _FIRST_PAUSE
        while (cause := await refusal(connection, mark)) is not None:
            if cause != "behind" or time.monotonic() >= until:
                raise _NotRead(cause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _set_aside(self, error: Exception) -> None:
        cause: StandbyRefusal = error.cause if isinstance(error, _NotRead) else "away"
        self._metrics.standby_refusals.labels(cause).inc()
        if self._well:
            log.warning("the standby is not read: %s", cause)
        self._well = False


async def _nothing(_: Connection) -> None:
    """A look is all."""
