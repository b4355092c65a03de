"""`/livez`, `/readyz` and `/metrics`: for whoever runs this, though anybody on the network may ask."""

from __future__ import annotations

import asyncio
import logging
from typing import Literal

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common import keys
from libs.common.errors import Unavailable
from libs.common.http.json import json_response

READINESS_TIMEOUT = 5.0

log = logging.getLogger(__name__)
ReadinessState = Literal["ok", "failed", "in progress"]


async def livez(_: web.Request) -> web.Response:
    """The process runs; no dependency is asked."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Which dependencies answer, and not where they are."""
    found = await look(request.app)
    if request.app[keys.DRAINING].is_set():
        found["shutdown"] = "in progress"
    ready = all(state == "ok" for state in found.values())
    return json_response({"status": "ready" if ready else "waiting", "checks": found}, 200 if ready else 503)


async def look(app: web.Application) -> dict[str, ReadinessState]:
    """Ask every dependency, at once and within a bound.

    Reasons name hosts, folders and settings, so that only the log has them, once each time they change.
    """
    checks, failing = app[keys.READINESS], app[keys.FAILING]

    async def ask(name: str) -> tuple[str, ReadinessState]:
        reason = await _reason(checks[name])
        if reason is None:
            if failing.pop(name, None) is not None:
                log.info("ready again: %s", name)
            return name, "ok"
        if failing.get(name) != reason:
            log.warning("not ready: %s: %s", name, reason)
        failing[name] = reason
        return name, "failed"

    return dict(await asyncio.gather(*map(ask, checks)))


async def _reason(check: keys.ReadinessCheck) -> str | None:
    """Why a dependency cannot be used now; None: it can."""
    try:
        async with asyncio.timeout(READINESS_TIMEOUT):
            await check()
    except Unavailable as error:
        return error.detail or "unavailable"
    except TimeoutError:
        return f"no answer within {READINESS_TIMEOUT:g} s"
    return None


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text exposition."""
    body = generate_latest(request.app[keys.TELEMETRY].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
