"""Who calls, and whether the route is open to them: none is unless it was declared."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Literal, NamedTuple
from uuid import UUID

from aiohttp import web

from libs.common import keys
from libs.common.access import Viewer
from libs.common.errors import NotAuthenticated, PermissionDenied, TokenExpired, TokenInvalid
from libs.common.http.audited import identify
from libs.common.http.client import scheme_of
from libs.common.http.cross_origin import SAFE_METHODS, origin_of
from libs.common.http.problems import RequestHandler
from libs.common.permissions import Permission
from libs.common.security.api_keys import is_key, key_of_basic
from libs.common.security.cookies import ACCESS_COOKIE, cookie_name
from libs.common.security.principal import Principal
from libs.common.security.scopes import opens


class Lease(NamedTuple):
    """How long a caller may be answered: for answers that last."""

    expires_at: datetime
    ended: Callable[[], Awaitable[None]]
    """Returns when it is taken back before."""


class Guest(NamedTuple):
    """Somebody without an account, who has opened a link."""

    viewer: Viewer
    lease: Lease
    link_id: UUID


PRINCIPAL = web.RequestKey("principal", Principal)
OWNER = web.RequestKey("owner", str)
"""Whose a request is where owners are counted: `user:7`, whatever came with it, or `link:<id>`."""
VIEWER = web.RequestKey("viewer", Viewer)
LEASE = web.RequestKey("lease", Lease)
Gate = Literal["anyone", "whoever must change their password", "signed in"] | Permission
"""Whom a route lets in: each of these fewer than the one before; a permission those who have it."""
GATES = web.AppKey("gates", dict[RequestHandler, Gate])
"""By handler. A route whose handler is missing here keeps the application from starting."""
BY_LINK = web.AppKey("by_link", set[RequestHandler])
"""The handlers that answer guests as well. Their gates are permissions."""
GUEST_OF: web.AppKey[Callable[[web.Request], Awaitable[Guest]]] = web.AppKey("guest_of")
"""Who comes by a link; raises NotAuthenticated. Of the service that has handlers for guests."""
BASE_URL = web.AppKey("base_url", str)
VIA, LINK = "via", "link"
"""A request with `?via=link` is answered by the link that its browser has opened, whoever is signed in."""


def principal(request: web.Request) -> Principal:
    """Who calls. Raises NotAuthenticated."""
    found: Principal | None = request.get(PRINCIPAL)
    if found is None:
        raise NotAuthenticated("Sign in, or send `Authorization: Bearer <access token>`.")
    return found


def viewer(request: web.Request) -> Viewer:
    """What the caller may see and do. Raises NotAuthenticated."""
    found: Viewer | None = request.get(VIEWER)
    if found is None:
        raise NotAuthenticated("Sign in, or send `Authorization: Bearer <access token>`.")
    return found


def by_link(request: web.Request) -> bool:
    """Whether this asks for what a link opens, and for nothing else."""
    return LINK in request.query.getall(VIA, ())


def declare(app: web.Application, gate: Gate, *handlers: RequestHandler) -> None:
    """Say whom these handlers' routes let in. Raises ValueError if it was said otherwise before."""
    gates = app[GATES]
    for handler in handlers:
        if gates.setdefault(handler, gate) != gate:
            raise ValueError(f"{handler.__name__} lets in {gates[handler]!r} elsewhere, and {gate!r} here.")


async def require_declared(app: web.Application) -> AsyncIterator[None]:
    """A `cleanup_ctx` that stops the start when a route was added without `declare`. Raises LookupError."""
    for route in app.router.routes():
        if route.handler not in app[GATES]:
            path = "" if route.resource is None else route.resource.canonical
            raise LookupError(f"{route.method} {path} does not say whom it lets in: declare its handler.")
    yield


def check_origin(request: web.Request) -> None:
    """Refuse an unsafe request that a foreign page made with the reader's cookie. Raises PermissionDenied."""
    origin = request.headers.get("Origin")
    if origin is None:
        if request.headers.get("Sec-Fetch-Site", "none") in ("same-origin", "none"):
            return
    else:
        # By another name than PUBLIC_URL's: the address that this very request went to.
        scheme = "https" if over_https(request) else scheme_of(request)
        if origin.lower() in (origin_of(request.app[BASE_URL]), f"{scheme}://{request.host}".lower()):
            return
    raise PermissionDenied(
        "This page may not act for you: the request came from another origin. If it is this system's own, "
        "its administrator sets PUBLIC_URL, or TRUSTED_PROXIES to the proxy in between."
    )


def over_https(request: web.Request) -> bool:
    """Whether browsers reach this system over HTTPS, so that cookies bind to it alone."""
    return request.app[BASE_URL].lower().startswith("https://")


async def authenticate_request(request: web.Request) -> Principal | None:
    """Verify the bearer token, API key or cookie; None without any. Raises NotAuthenticated."""
    header = request.headers.get("Authorization")
    if header is not None:
        return await _verify_header(request, header)
    secure = over_https(request)
    cookie, former = request.cookies.get(cookie_name(ACCESS_COOKIE, secure=secure)), None
    if cookie is None and secure:
        cookie = former = request.cookies.get(ACCESS_COOKIE)
    if cookie is None:
        return None
    if request.method not in SAFE_METHODS:
        check_origin(request)
    caller = await request.app[keys.VERIFIER].verify(cookie)
    if former is not None and not (caller.session_id is None and caller.client_id is None):
        # Any host of the domain can plant a cookie of this name. The release before set it itself, and its
        # tokens name neither session nor client; a token of today in it was planted.
        raise TokenInvalid("This cookie was not set by this system; sign in again.")
    return caller


async def _verify_header(request: web.Request, header: str) -> Principal:
    """Verify the access token that a header brings, or that its API key gets. Raises NotAuthenticated."""
    verifier = request.app[keys.VERIFIER]
    scheme, _, value = header.partition(" ")
    value = value.strip()
    key = value if scheme.lower() == "bearer" and is_key(value) else None
    if scheme.lower() == "basic":
        key = key_of_basic(value)
    if key is not None:
        exchange = request.app[keys.KEY_EXCHANGE]
        try:
            return await verifier.verify(await exchange.token(key))
        except TokenExpired:
            # Its owner's access has changed since the token was remembered.
            exchange.forget(key)
            return await verifier.verify(await exchange.token(key))
    if scheme.lower() != "bearer" or not value:
        raise NotAuthenticated(
            "The Authorization header must be `Bearer <access token or API key>`, or Basic with an API key "
            "as password."
        )
    return await verifier.verify(value)


@web.middleware
async def authenticate(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Let in whom the matched route's gate names.

    Raises NotAuthenticated without a valid token, PermissionDenied without the permission.
    """
    match = request.match_info
    if match.http_exception is None and (gate := request.app[GATES][match.handler]) != "anyone":
        if by_link(request):
            return await _answer_guest(request, handler, gate)
        found = await authenticate_request(request)
        if found is None:
            raise NotAuthenticated("Sign in, or send `Authorization: Bearer <access token>`.")
        request[OWNER] = f"user:{found.user_id}"
        identify(request, request[OWNER], _came_with(found))
        if found.must_change_password and gate != "whoever must change their password":
            raise PermissionDenied("Change your password first.", code="password-change-required")
        if found.scope is not None and not opens(found.scope, request.path):
            raise PermissionDenied(
                f"This application was let into no more than {' '.join(sorted(found.scope))}.",
                code="insufficient-scope",
            )
        request[PRINCIPAL] = found
        caller = request[VIEWER] = Viewer.of(found)
        request[LEASE] = Lease(found.expires_at, partial(request.app[keys.VERIFIER].revoked, found))
        if gate not in ("signed in", "whoever must change their password"):
            caller.require(gate)
    return await handler(request)


def _came_with(caller: Principal) -> str | None:
    if caller.client_id is not None:
        return f"client:{caller.client_id}"
    return None if caller.session_id is None else f"session:{caller.session_id}"


async def _answer_guest(request: web.Request, handler: RequestHandler, gate: Gate) -> web.StreamResponse:
    """What the caller's token or cookie opens counts for nothing here: a link's page never shows more."""
    if request.match_info.handler not in request.app[BY_LINK]:
        raise NotAuthenticated("No link opens this: sign in, and ask without `via=link`.")
    if request.method not in SAFE_METHODS:
        check_origin(request)
    guest = await request.app[GUEST_OF](request)
    request[OWNER] = f"link:{guest.link_id}"
    identify(request, request[OWNER], None)
    guest.viewer.require(gate)
    request[VIEWER], request[LEASE] = guest.viewer, guest.lease
    return await handler(request)
