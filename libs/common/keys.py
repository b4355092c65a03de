"""Typed keys of what several services put into their application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web

from libs.common.arrivals import Arrivals
from libs.common.bus.contract import Bus
from libs.common.bus.dead_letters import DeadLetters
from libs.common.security.api_keys import KeyExchange
from libs.common.security.tokens import TokenVerifier
from libs.common.storage.metrics import StorageMetrics
from libs.common.telemetry.tracing import Telemetry

ReadinessCheck = Callable[[], Awaitable[None]]

BUS = web.AppKey("bus", Bus)
TELEMETRY = web.AppKey("telemetry", Telemetry)
VERIFIER = web.AppKey("verifier", TokenVerifier)
KEY_EXCHANGE = web.AppKey("key_exchange", KeyExchange)
STORAGE_METRICS = web.AppKey("storage_metrics", StorageMetrics)
DEAD_LETTERS = web.AppKey("dead_letters", list[DeadLetters])
"""Every place of this process where what was given up is kept; in one process that of each service."""
READINESS = web.AppKey("readiness", dict[str, ReadinessCheck])
FAILING = web.AppKey("failing", dict[str, str])
"""What the last look found of READINESS not to be ready, and why."""
DRAINING = web.AppKey("draining", asyncio.Event)
"""Set at the start of shutdown: long answers (server-sent events) end themselves."""


@dataclass
class Running:
    """How many requests are being answered now."""

    _count: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        """A request begins."""
        self._count += 1
        self._idle.clear()

    def end(self) -> None:
        """A request ends."""
        self._count -= 1
        if self._count == 0:
            self._idle.set()

    async def ended(self) -> None:
        """Wait until none is being answered."""
        if self._count:
            await self._idle.wait()


RUNNING = web.AppKey("running", Running)
ARRIVALS = web.AppKey("arrivals", Arrivals)
"""Files on their way in; what is measured in the same process goes behind them."""
FATAL = web.AppKey("fatal", asyncio.Future[str])
"""Resolved by the first background task that dies; the process then stops."""
