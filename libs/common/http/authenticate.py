"""Who calls: every route needs a valid token unless it was declared public."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web

from libs.common import keys
from libs.common.errors import NotAuthenticated, PermissionDenied
from libs.common.http.problems import Handler
from libs.common.security import tokens
from libs.common.security.tokens import Principal

PRINCIPAL = web.RequestKey("principal", Principal)
PUBLIC = web.AppKey("public", set[Handler])
"""Handlers that need no sign-in; all others do."""
BASE_URL = web.AppKey("base_url", str)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


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
