"""The base of every HTTP service: observation, problem documents, sign-in, health, graceful shutdown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import web

from libs.common import keys
from libs.common.arrivals import Arrivals
from libs.common.http.audited import AUDIT_RULES, AUDIT_TRAILS, audited, note_streamed
from libs.common.http.authenticate import BASE_URL, BY_LINK, GATES, authenticate, declare, require_declared
from libs.common.http.client import TRACED_CALLERS, TRUSTED_PROXIES
from libs.common.http.compression import compress_json
from libs.common.http.cross_origin import CORS_ORIGINS, allow_origin, answer_preflight
from libs.common.http.health import livez, metrics, readyz
from libs.common.http.observe import observe
from libs.common.http.problems import note_prepared, problems
from libs.common.security.tls import add_tls
from libs.common.settings.http import HttpSettings
from libs.common.telemetry.tracing import Telemetry


async def _fatal(app: web.Application) -> AsyncIterator[None]:
    app[keys.FATAL] = asyncio.get_running_loop().create_future()
    yield


async def _telemetry(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(app[keys.TELEMETRY].close)


def create_app(settings: HttpSettings, telemetry: Telemetry) -> web.Application:
    """An application with everything that all services share, and no route of its own but health."""
    app = web.Application(
        middlewares=[observe, compress_json, audited, problems, answer_preflight, authenticate]
    )
    app[keys.TELEMETRY] = telemetry
    app[keys.READINESS], app[keys.FAILING] = {}, {}
    app[keys.DEAD_LETTERS] = []
    app[keys.DRAINING] = asyncio.Event()
    app[keys.RUNNING] = keys.Running()
    app[keys.ARRIVALS] = Arrivals()
    app[BASE_URL] = settings.base_url
    app[TRUSTED_PROXIES] = settings.trusted_proxies
    app[TRACED_CALLERS] = settings.traced_callers
    app[CORS_ORIGINS] = settings.cors_origins
    app[GATES] = {}
    app[BY_LINK] = set()
    app[AUDIT_RULES], app[AUDIT_TRAILS] = {}, {}
    app.on_response_prepare.extend([note_streamed, note_prepared, allow_origin])
    app.cleanup_ctx.extend([require_declared, _telemetry, _fatal])
    add_tls(app, settings)
    declare(app, "anyone", livez, readyz, metrics)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app
