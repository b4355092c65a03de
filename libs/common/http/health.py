"""`/livez`, `/readyz` and `/metrics`."""

from __future__ import annotations

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from libs.common import keys
from libs.common.errors import Unavailable
from libs.common.http.json import json_response

READINESS_TIMEOUT = 5.0


async def livez(_: web.Request) -> web.Response:
    """The process runs; no dependency is asked."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Ask every dependency, at once and within a bound."""
    checks = request.app[keys.READINESS]

    async def ask(name: str) -> tuple[str, str]:
        try:
            async with asyncio.timeout(READINESS_TIMEOUT):
                await checks[name]()
        except Unavailable as error:
            return name, error.detail or "unavailable"
        except TimeoutError:
            return name, f"no answer within {READINESS_TIMEOUT:g} s"
        return name, "ok"

    found = dict(await asyncio.gather(*map(ask, checks)))
    if request.app[keys.DRAINING].is_set():
        found["shutdown"] = "in progress"
    ready = all(state == "ok" for state in found.values())
    return json_response({"status": "ready" if ready else "waiting", "checks": found}, 200 if ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text exposition."""
    body = generate_latest(request.app[keys.TELEMETRY].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})
