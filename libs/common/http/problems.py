"""Errors as RFC 9457 problem documents: the middleware at the edge of every HTTP service."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import orjson
from aiohttp import web
from pydantic import ValidationError

from libs.common.errors import DicomSystemError, InvalidRequest, TooManyRequests, Unavailable
from libs.common.http.prefixes import is_dicomweb
from libs.common.keys import TELEMETRY
from libs.common.telemetry.tracing import current_trace_id

log = logging.getLogger(__name__)
RequestHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PREPARED = web.RequestKey("prepared", bool)
CLIENT_GONE = 499
"""Not registered, but what gateways log for a caller that hung up."""
BASIC_CHALLENGE = 'Basic realm="DICOMweb: an API key as password", charset="UTF-8"'
"""RFC 7617 2; the user name may be anything."""
REFUSALS = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses that are about who asks or how often: many of them are an attack, or a broken client."""
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed", 413: "too-large", 415: "unsupported-type"}


def problem(
    status: int, code: str, title: str, detail: str, members: dict[str, Any] | None = None
) -> web.Response:
    """Build an `application/problem+json` answer; `members` are extension members (RFC 9457 3.2).

    Inside a span, `trace_id` says where the log and the trace tell more.
    """
    body = {"type": "about:blank", "title": title, "status": status, "code": code, "detail": detail}
    if (trace_id := current_trace_id()) is not None:
        body["trace_id"] = trace_id
    return web.Response(
        body=orjson.dumps({**(members or {}), **body}),
        status=status,
        content_type="application/problem+json",
    )


def problem_of(error: DicomSystemError) -> web.Response:
    """The problem document of one of our own errors."""
    answer = problem(error.status, error.code, error.title, error.detail, error.members)
    if error.status == HTTPStatus.UNAUTHORIZED:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, Unavailable):
        answer.headers["Retry-After"] = "2"
    if isinstance(error, TooManyRequests) and "retry_after" in error.members:
        answer.headers["Retry-After"] = str(error.members["retry_after"])
    return answer


def invalid_request(error: ValidationError) -> InvalidRequest:
    """Name each wrong field of a pydantic error, without echoing its value."""
    wrong = [
        {"field": ".".join(map(str, e["loc"])) or "body", "message": e["msg"]}
        for e in error.errors(include_url=False, include_input=False, include_context=False)
    ]
    return InvalidRequest("; ".join(f"{w['field']}: {w['message']}" for w in wrong), errors=wrong)


def _of_http(error: web.HTTPException, request: web.Request) -> web.Response:
    answer = problem(
        error.status,
        _HTTP_CODES.get(error.status, f"http-{error.status}"),
        HTTPStatus(error.status).phrase,
        {
            404: f"Nothing is served at {request.path[:200]}.",
            405: f"{request.method[:20]} is not possible here; see the Allow header.",
        }.get(error.status, error.text or error.reason),
    )
    if "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


async def note_prepared(request: web.Request, response: web.StreamResponse) -> None:
    """Remember that headers are out: an error after that can only cut the connection."""
    request[PREPARED] = True


def takes_basic(request: web.Request) -> bool:
    """Whether to offer HTTP Basic: many DICOMweb clients know nothing else.

    Not to the portal's own scripts: a browser would ask its user for a name and password over the page.
    """
    return is_dicomweb(request.path) and request.headers.get("Sec-Fetch-Site") != "same-origin"


@web.middleware
async def problems(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Turn every error into a problem document; unknown ones are logged and say nothing of their cause."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _of_http(error, request)
    except DicomSystemError as error:
        if error.status in REFUSALS:
            request.app[TELEMETRY].metrics.http_refusals.labels(error.code).inc()
        if request.get(PREPARED):
            raise
        if error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            log.warning("%s: %s", error.code, error.detail, exc_info=error)
        answer = problem_of(error)
        if error.status == HTTPStatus.UNAUTHORIZED and takes_basic(request):
            answer.headers.add("WWW-Authenticate", BASIC_CHALLENGE)
        return answer
    except ConnectionResetError:
        # The caller has gone: nobody reads this answer, and nothing failed here.
        return problem(CLIENT_GONE, "client-gone", "Client gone", "The connection was closed by the client.")
    except Exception:
        if request.get(PREPARED):
            raise
        log.exception("unexpected error")
        return problem(
            500,
            "internal-error",
            "Internal error",
            "The service failed on this request; nothing it did not confirm has been kept.",
        )
