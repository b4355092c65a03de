"""The base of every HTTP service: observation, problem documents, sign-in, health, graceful shutdown."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import orjson
from aiohttp import web
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, ValidationError

from libs.common import keys, semconv, tokens
from libs.common.errors import InvalidRequest, NotAuthenticated, PermissionDenied, Unavailable
from libs.common.problems import CLIENT_GONE, Handler, invalid_request, note_prepared, problems
from libs.common.settings import CommonSettings
from libs.common.telemetry import Telemetry, context_of
from libs.common.tls import add_tls
from libs.common.tokens import Principal

DRAINING = keys.DRAINING
READINESS = keys.READINESS
PRINCIPAL = web.RequestKey("principal", Principal)
PUBLIC = web.AppKey("public", set[Handler])
"""Handlers that need no sign-in; all others do."""
BASE_URL = web.AppKey("base_url", str)

access_log = logging.getLogger("access")
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
READINESS_TIMEOUT = 5.0
M = TypeVar("M", bound=BaseModel)


def principal(request: web.Request) -> Principal:
    """Who calls. Raises NotAuthenticated."""
    found: Principal | None = request.get(PRINCIPAL)
    if found is None:
        raise NotAuthenticated("Sign in, or send `Authorization: Bearer <access token>`.")
    return found


def check_origin(request: web.Request) -> None:
    """Refuse an unsafe request that a foreign page made with the reader's cookie. Raises PermissionDenied."""
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
            return
    elif origin == _origin_of(request.app[BASE_URL]) or origin.partition("://")[2] == request.host:
        return
    raise PermissionDenied("This page may not act for you: the request came from another origin.")


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def authenticate_request(request: web.Request) -> Principal | None:
    """Verify the bearer token or the portal's cookie; None without either. Raises NotAuthenticated."""
    header = request.headers.get("Authorization")
    if header is not None:
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise NotAuthenticated("The Authorization header must be `Bearer <access token>`.")
        return await request.app[keys.VERIFIER].verify(token.strip())
    cookie = request.cookies.get(tokens.ACCESS_COOKIE)
    if cookie is None:
        return None
    if request.method not in SAFE_METHODS:
        check_origin(request)
    return await request.app[keys.VERIFIER].verify(cookie)


@web.middleware
async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Deny by default: every existing route needs a valid token unless it was declared public."""
    match = request.match_info
    if match.http_exception is None and match.handler not in request.app[PUBLIC]:
        found = await authenticate_request(request)
        if found is None:
            raise NotAuthenticated("Sign in, or send `Authorization: Bearer <access token>`.")
        request[PRINCIPAL] = found
    return await handler(request)


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """One server span, one access log line and the RED metrics of each request."""
    telemetry = request.app[keys.TELEMETRY]
    metrics = telemetry.metrics
    route, started = _route_of(request), time.perf_counter()
    method = request.method if request.method in semconv.KNOWN_METHODS else semconv.OTHER_METHOD
    status = CLIENT_GONE
    metrics.http_in_flight.inc()
    running = request.app[keys.RUNNING]
    running.begin()
    with telemetry.span(
        f"{method} {route}" if method == request.method else f"HTTP {route}",
        context=context_of(request.headers.get("traceparent")),
        kind=SpanKind.SERVER,
        attributes={
            semconv.HTTP_REQUEST_METHOD: method,
            semconv.HTTP_ROUTE: route,
            semconv.URL_PATH: request.path,
            semconv.URL_SCHEME: request.scheme,
        },
    ) as span:
        try:
            response = await handler(request)
            status = response.status
            if request.app[DRAINING].is_set():
                response.force_close()
            return response
        except web.HTTPException as error:
            status = error.status
            raise
        finally:
            elapsed = time.perf_counter() - started
            metrics.http_in_flight.dec()
            running.end()
            metrics.http_requests.labels(method, route, status).inc()
            metrics.http_duration.labels(method, route).observe(elapsed)
            span.set_attribute(semconv.HTTP_RESPONSE_STATUS_CODE, status)
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                span.set_attribute(semconv.ERROR_TYPE, str(status))
                span.set_status(StatusCode.ERROR)
            user = request.get(PRINCIPAL)
            access_log.info(
                "%s %s %s",
                method,
                request.rel_url.raw_path,
                status,
                extra={
                    "fields": {
                        "method": method,
                        "route": route,
                        "path": request.path,
                        "status": status,
                        "seconds": round(elapsed, 6),
                        "user_id": None if user is None else user.user_id,
                        "remote": request.remote,
                    }
                },
            )


async def livez(_: web.Request) -> web.Response:
    """The process runs; no dependency is asked."""
    return web.json_response({"status": "alive"})


async def readyz(request: web.Request) -> web.Response:
    """Ask every dependency, at once and within a bound."""
    checks = request.app[READINESS]

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
    if request.app[DRAINING].is_set():
        found["shutdown"] = "in progress"
    ready = all(state == "ok" for state in found.values())
    return json_response({"status": "ready" if ready else "waiting", "checks": found}, 200 if ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text exposition."""
    body = generate_latest(request.app[keys.TELEMETRY].metrics.registry)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _fatal(app: web.Application) -> AsyncIterator[None]:
    app[keys.FATAL] = asyncio.get_running_loop().create_future()
    yield


async def _telemetry(app: web.Application) -> AsyncIterator[None]:
    yield
    await asyncio.to_thread(app[keys.TELEMETRY].close)


def create_app(settings: CommonSettings, telemetry: Telemetry) -> web.Application:
    """An application with everything that all services share, and no route of its own but health."""
    app = web.Application(middlewares=[observe, problems, authenticate])
    app[keys.TELEMETRY] = telemetry
    app[READINESS] = {}
    app[DRAINING] = asyncio.Event()
    app[keys.RUNNING] = keys.Running()
    app[BASE_URL] = settings.base_url
    health: set[Handler] = {livez, readyz, metrics}
    app[PUBLIC] = health
    app.on_response_prepare.append(note_prepared)
    app.cleanup_ctx.extend([_telemetry, _fatal])
    add_tls(app, settings)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)
    return app


def json_response(
    body: BaseModel | dict[str, Any] | list[Any], status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """Answer with JSON."""
    value = body.model_dump(mode="json") if isinstance(body, BaseModel) else body
    return web.Response(
        body=orjson.dumps(value),
        status=status,
        # Medical facts and tokens: no cache on the way may keep them.
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", **(headers or {})},
        content_type="application/json",
    )


async def parse_json(request: web.Request, model: type[M]) -> M:
    """The JSON body as `model`. Raises InvalidRequest that names each wrong field."""
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise invalid_request(error) from error


def parse_query(request: web.Request, model: type[M]) -> M:
    """The query string as `model`. Raises InvalidRequest that names each wrong or repeated field."""
    query = request.query
    if repeated := sorted({name for name in query if len(query.getall(name)) > 1}):
        raise InvalidRequest(f"Given more than once: {', '.join(repeated)}.")
    try:
        return model.model_validate(dict(query))
    except ValidationError as error:
        raise invalid_request(error) from error
