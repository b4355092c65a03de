"""Pages of other origins: whose browsers may call with a bearer token (CORS, Fetch Standard 3.2).

Cookies never travel that way: no answer allows credentials, and `check_origin` refuses what brings one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from aiohttp import web

from libs.common.http.problems import RequestHandler

CORS_ORIGINS = web.AppKey("cors_origins", frozenset[str])
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""What changes nothing (RFC 9110 9.2.1)."""
METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
EXPOSED = (
    "Content-Disposition, Content-Location, Content-Range, ETag, Location, Retry-After, Warning, "
    "WWW-Authenticate, Tus-Resumable, Upload-Expires, Upload-Length, Upload-Offset"
)
PREFLIGHT_SECONDS = 600
_PORTS = {"http": 80, "https": 443}
_HEADER_NAMES = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?: *, *[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL as browsers write an origin (RFC 6454 6.2). Raises ValueError."""
    parts = urlsplit(url)
    if parts.hostname is None or parts.scheme.lower() not in _PORTS:
        raise ValueError(f"{url!r} is no origin, e.g. https://viewer.example.org")
    scheme, port = parts.scheme.lower(), parts.port
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{scheme}://{host}" + ("" if port is None or port == _PORTS[scheme] else f":{port}")


def parse_origins(text: str) -> frozenset[str]:
    """Comma-separated origins. Raises ValueError for what is more or less than an origin."""
    found = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        if urlsplit(part).path.strip("/") or "*" in part or "@" in part:
            raise ValueError(f"{part!r} is no origin, e.g. https://viewer.example.org")
        found.add(origin_of(part))
    return frozenset(found)


def allowed_headers(origin: str | None, allowed: frozenset[str]) -> dict[str, str]:
    """What every answer to a page of `origin` says, so that its script may read it."""
    if not allowed:
        return {}
    if origin not in allowed:
        return {"Vary": "Origin"}
    return {"Vary": "Origin", "Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def preflight_headers(asked: Mapping[str, str], allowed: frozenset[str]) -> dict[str, str] | None:
    """What a preflight request is answered with; None for any other request."""
    origin = asked.get("Origin")
    if origin not in allowed or "Access-Control-Request-Method" not in asked:
        return None
    wanted = asked.get("Access-Control-Request-Headers", "")
    return {
        "Access-Control-Allow-Methods": METHODS,
        # Whatever it wants to send: a header opens nothing here without the token.
        "Access-Control-Allow-Headers": wanted if _HEADER_NAMES.fullmatch(wanted) else "Authorization",
        "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
    }


async def allow_origin(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, streams and problems included."""
    for name, value in allowed_headers(request.headers.get("Origin"), request.app[CORS_ORIGINS]).items():
        if name == "Vary" and (present := response.headers.get("Vary")):
            value = f"{present}, {value}"
        response.headers[name] = value


@web.middleware
async def answer_preflight(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """A browser asks before it sends a token or JSON: answered here, before anybody asks who it is."""
    if request.method == "OPTIONS":
        headers = preflight_headers(request.headers, request.app[CORS_ORIGINS])
        if headers is not None:
            return web.Response(status=204, headers=headers)
    return await handler(request)
