"""Beats: this worker says what it does, again and again, so that its silence means something."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from libs.common.bus.contract import Bus
from libs.common.errors import Unavailable, Undelivered
from libs.common.events import WorkerBeat, WorkerState, new_event
from libs.common.version import VERSION
from services.processor.pool import DecoderPool
from services.processor.under_way import UnderWay

log = logging.getLogger(__name__)
EVENT_SOURCE = "/processor"
LAST_SECONDS = 1.0
"""How long the beats of a worker that ends may take: nobody waits for them."""


class BudgetUse(NamedTuple):
    """Memory of decoders, in bytes."""

    whole: int
    used: int


class Beats:
    """Publishes one every `seconds`. One that cannot be published is not kept: the next says more."""

    def __init__(
        self,
        bus: Bus,
        pool: DecoderPool,
        under_way: UnderWay,
        *,
        worker: str,
        seconds: float,
        budget: Callable[[], BudgetUse] | None = None,
    ) -> None:
        """`worker` names this process; `budget` answers what its decoders may take and are held to take."""
        self._bus = bus
        self._pool = pool
        self._under_way = under_way
        self._worker = worker
        self._seconds = seconds
        self._budget = budget
        self._started = datetime.now(UTC)
        self._state: WorkerState = "working"
        self._unheard = 0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self._send()
            await asyncio.sleep(self._seconds)

    async def leave(self, state: WorkerState) -> None:
        """Say at once that nothing more is begun; or, when `run` has ended, that this was the last beat."""
        self._state = state
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._send()

    async def _send(self) -> None:
        budget = None if self._budget is None else self._budget()
        beat = WorkerBeat(
            worker=self._worker,
            version=VERSION,
            state=self._state,
            started_at=self._started,
            seconds=self._seconds,
            slots=self._pool.slots,
            busy=self._pool.busy,
            under_way=len(self._under_way),
            files=self._under_way.oldest(),
            budget_bytes=budget and budget.whole,
            budget_used_bytes=budget and budget.used,
        )
        try:
            await self._bus.publish(new_event(EVENT_SOURCE, beat, _unrecorded()))
        except (Unavailable, Undelivered) as error:
            self._unheard += 1
            # The first one may be too early, and the last one too late, where all starts and ends together.
            if self._unheard == 2:
                log.warning("nobody is told what this worker does: %s", error)
        else:
            self._unheard = 0


def _unrecorded() -> str:
    """A `traceparent` that says not to record: a trace every few seconds would tell nothing."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"
