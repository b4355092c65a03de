"""Typed keys of what several services put into their application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web

from libs.common.bus.contract import Bus
from libs.common.telemetry import Telemetry
from libs.common.tokens import TokenVerifier

Check = Callable[[], Awaitable[None]]

BUS = web.AppKey("bus", Bus)
TELEMETRY = web.AppKey("telemetry", Telemetry)
VERIFIER = web.AppKey("verifier", TokenVerifier)
READINESS = web.AppKey("readiness", dict[str, Check])
DRAINING = web.AppKey("draining", asyncio.Event)
"""Set at the start of shutdown: long answers (server-sent events) end themselves."""
FATAL = web.AppKey("fatal", asyncio.Future[str])
"""Resolved by the first background task that dies; the process then stops."""
