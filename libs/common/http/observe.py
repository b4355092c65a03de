"""Every request leaves one span, one line in the access log and its metrics."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus

from aiohttp import web
from opentelemetry.trace import SpanKind, StatusCode

from libs.common import keys
from libs.common.http.authenticate import PRINCIPAL
from libs.common.http.client import address_of, is_traced
from libs.common.http.prefixes import LINK_PAGES
from libs.common.http.problems import CLIENT_GONE, RequestHandler
from libs.common.telemetry import semconv
from libs.common.telemetry.tracing import context_of, link_to

access_log = logging.getLogger("access")


def _route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "unmatched" if resource is None else resource.canonical


def _told(path: str) -> str:
    """A path as logs and traces keep it: whoever reads them must not get at what a link opens."""
    before, found, _ = path.partition(LINK_PAGES)
    return f"{before}{found}…" if found else path


@web.middleware
async def observe(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """One server span, one access log line and the RED metrics of each request."""
    telemetry = request.app[keys.TELEMETRY]
    metrics = telemetry.metrics
    route, started = _route_of(request), time.perf_counter()
    method = request.method if request.method in semconv.KNOWN_METHODS else semconv.OTHER_METHOD
    status = CLIENT_GONE
    metrics.http_in_flight.inc()
    running = request.app[keys.RUNNING]
    running.begin()
    said = request.headers.get("traceparent")
    continues = said is not None and is_traced(request)
    with telemetry.span(
        f"{method} {route}" if method == request.method else f"HTTP {route}",
        # A stranger who continued a trace would have all of it recorded, or nothing, as they like.
        context=context_of(said if continues else None),
        kind=SpanKind.SERVER,
        attributes={
            semconv.HTTP_REQUEST_METHOD: method,
            semconv.HTTP_ROUTE: route,
            semconv.URL_PATH: _told(request.path),
            semconv.URL_SCHEME: request.scheme,
        },
        links=() if continues else link_to(said),
    ) as span:
        try:
            response = await handler(request)
            status = response.status
            if request.app[keys.DRAINING].is_set():
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
            if access_log.isEnabledFor(logging.INFO):
                _log(request, method, route, status, elapsed)


def _log(request: web.Request, method: str, route: str, status: int, seconds: float) -> None:
    user = request.get(PRINCIPAL)
    access_log.info(
        "%s %s %s",
        method,
        _told(request.rel_url.raw_path),
        status,
        extra={
            "fields": {
                "method": method,
                "route": route,
                "path": _told(request.path),
                "status": status,
                "seconds": round(seconds, 6),
                "user_id": None if user is None else user.user_id,
                "remote": address_of(request),
            }
        },
    )
