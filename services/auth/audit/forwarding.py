"""Handing the sealed log on to sinks: in its order, each entry at least once.

How far a sink has been told lies in the database, and moves only when the sink has taken the entries. One
replica at a time serves a sink, under a lease that outlives the longest post.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.ids import new_uuid
from services.auth.audit import store
from services.auth.audit.sinks import POST_SECONDS, Sink
from services.auth.metrics import AuthMetrics

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
"""Between looks for newly sealed entries."""
MOST_ENTRIES = 500
"""Handed over at once."""
LONGEST_PAUSE = 60.0
"""Seconds between attempts at most."""
LEASE_SECONDS = 3 * POST_SECONDS


class Forwarder:
    """Serves the sinks of one replica."""

    def __init__(self, database: Database, sinks: Sequence[Sink], metrics: AuthMetrics) -> None:
        self._database = database
        self._sinks = sinks
        self._metrics = metrics
        self._holder = new_uuid()

    async def run(self) -> None:
        """Serve every sink, for ever."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for sink in self._sinks:
                    tasks.create_task(self._serve(sink))
                await asyncio.Event().wait()
        finally:
            for sink in self._sinks:
                await sink.close()

    async def told(self) -> int | None:
        """The last entry that all sinks have taken; None without sinks. Raises Unavailable."""
        if not self._sinks:
            return None
        async with self._database.connection() as connection:
            return min([await store.told(connection, sink.name) for sink in self._sinks])

    async def _serve(self, sink: Sink) -> None:
        pause = POLL_SECONDS
        while True:
            try:
                handed = await self.forward(sink)
            except Unavailable as error:
                self._metrics.count_sink_failure(sink.name)
                log.warning("the audit log is not handed on to the %s: %s", sink.name, error.detail)
                pause = min(2 * pause, LONGEST_PAUSE)
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  no secret
                continue
            pause = POLL_SECONDS
            if handed < MOST_ENTRIES:
                await asyncio.sleep(pause)

    async def forward(self, sink: Sink) -> int:
        """Hand over what comes next; returns how many entries. Raises Unavailable."""
        async with self._database.connection() as connection:
            seq = await store.told(connection, sink.name)
            waiting = await store.waiting_since(connection, seq)
            self._metrics.show_sink(sink.name, seq, waiting)
            if waiting == 0.0:
                return 0
            claimed = await store.claim_sink(connection, sink.name, self._holder, LEASE_SECONDS)
            if claimed is None:
                return 0
            rows = await store.rows_after(connection, claimed, most=MOST_ENTRIES)
        if not rows:
            return 0
        await sink.take(rows)
        seq = rows[-1].link.seq
        async with self._database.connection() as connection:
            await store.advance_sink(connection, sink.name, self._holder, seq)
        self._metrics.show_sink(sink.name, seq, 0.0)
        return len(rows)
