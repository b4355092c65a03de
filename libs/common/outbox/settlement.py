"""What became of dispatched rows, written back in batches."""

from __future__ import annotations

import asyncio
import logging
from uuid import UUID

from libs.common.backoff import backoff
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.outbox.store import GivenUp, OutboxStore, Released
from libs.common.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

PACE = 0.01
"""Seconds between batches: confirms arrive in bursts, and one UPDATE serves them all."""


class Settlement:
    """Collects outcomes and writes each kind with one statement, where the token still matches."""

    def __init__(self, database: Database, store: OutboxStore, token: UUID, metrics: Metrics) -> None:
        """`token` is the one under which the rows were claimed."""
        self._database = database
        self._store = store
        self._token = token
        self._counted_published = metrics.outbox_published.labels(store.schema)
        self._counted_dead = metrics.outbox_dead.labels(store.schema)
        self._published: list[int] = []
        self._dead: list[GivenUp] = []
        self._released: list[Released] = []
        self._due = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def unwritten(self) -> list[int]:
        """Rows whose outcome is not in the database yet; their leases must be kept."""
        return [*self._published, *(dead.id for dead in self._dead), *(given.id for given in self._released)]

    def published(self, row: int) -> None:
        """The bus has taken it."""
        self._published.append(row)
        self._due.set()

    def dead(self, row: GivenUp) -> None:
        """Given up."""
        self._dead.append(row)
        self._due.set()

    def released(self, row: Released) -> None:
        """Not taken now, or not by all: due again, this attempt uncounted."""
        self._released.append(row)
        self._due.set()

    async def run(self) -> None:
        """Write batches until cancelled."""
        failures = 0
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self.write()
                failures = 0
            except Unavailable as error:
                failures += 1
                self._due.set()
                log.warning("outbox outcomes not written yet: %s", error.detail)
            await asyncio.sleep(backoff(failures) if failures else PACE)

    async def write(self) -> None:
        """Write everything collected so far. Raises Unavailable; what is not written stays collected."""
        async with self._turn:
            if not self.unwritten:
                return
            async with self._database.connection() as connection:
                if ids := self._published[:]:
                    marked = await self._store.published(connection, self._token, ids)
                    del self._published[: len(ids)]
                    self._counted_published.inc(marked)
                if rows := self._dead[:]:
                    marked = await self._store.dead(connection, self._token, rows)
                    del self._dead[: len(rows)]
                    self._counted_dead.inc(marked)
                if given_back := self._released[:]:
                    await self._store.release(connection, self._token, given_back)
                    del self._released[: len(given_back)]
