"""HTTP of the auth service: parse, call, answer."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from aiohttp import web

from libs.common.errors import (
    InvalidRequest,
    NotAuthenticated,
    PermissionDenied,
    TooLarge,
    TooManyRequests,
    UnsupportedType,
)
from libs.common.http.authenticate import BASE_URL, check_origin, over_https
from libs.common.http.client import address_of
from libs.common.http.json import json_response, read_body
from libs.common.http.openapi import Operation
from libs.common.security.cookies import ACCESS_COOKIE, REFRESH_COOKIE, cookie_name
from libs.common.security.revocations import RevocationDocument
from services.auth.keys import REVOCATION_LIST, SESSIONS, SIGNING_KEY
from services.auth.second_factor.models import ChallengeResponse
from services.auth.sessions.login import Challenge, Grant
from services.auth.sessions.models import Client, KeySetResponse, LoginRequest, RefreshRequest, TokenResponse

PREFIX = "/api/auth"
KEY_SET_MAX_AGE = 300


async def login(request: web.Request) -> web.Response:
    """Exchange a name and a password for tokens or, if asked, cookies; or be asked for a second factor."""
    sessions = request.app[SESSIONS]
    body = await read_body(request, LoginRequest)
    if body.cookie:
        # Otherwise a foreign page could sign its reader in as somebody else.
        check_origin(request)
    begun = await sessions.sign_in(body.username, body.password.get_secret_value(), client_of(request))
    if isinstance(begun, Challenge):
        challenge = ChallengeResponse(
            challenge_token=begun.token, expires_in=begun.expires_in, methods=begun.methods
        )
        return json_response(challenge, status=202)
    return answer_grant(request, begun, cookie=body.cookie)


async def refresh(request: web.Request) -> web.Response:
    """Exchange a refresh token for new tokens; the cookie for new cookies."""
    sessions = request.app[SESSIONS]
    found = await read_refresh_token(request)
    grant = await sessions.refresh(found.token, client_of(request), former=found.former)
    return answer_grant(request, grant, cookie=found.by_cookie)


async def logout(request: web.Request) -> web.Response:
    """End the session and clear the cookies."""
    sessions = request.app[SESSIONS]
    await sessions.sign_out((await read_refresh_token(request)).token)
    response = web.Response(status=204, headers={"Cache-Control": "no-store"})
    drop_session_cookies(request, response)
    return response


async def jwks(request: web.Request) -> web.Response:
    """The keys that verify access tokens."""
    found = await request.app[SIGNING_KEY].key_set()
    return json_response(found, headers={"Cache-Control": f"public, max-age={KEY_SET_MAX_AGE}"})


async def revocations(request: web.Request) -> web.Response:
    """What is refused before its time, for every service that verifies tokens."""
    published = await request.app[REVOCATION_LIST].current()
    headers = {"Cache-Control": "public, max-age=2", "ETag": published.etag}
    if published.etag in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers=headers)
    return web.Response(body=published.body, content_type="application/json", headers=headers)


OPERATIONS = (
    Operation(
        "POST",
        "/login",
        login,
        "Sign in",
        tag="session",
        body=LoginRequest,
        response=TokenResponse,
        also={202: ChallengeResponse},
        problems=(NotAuthenticated, PermissionDenied, TooLarge, UnsupportedType, TooManyRequests),
        public=True,
    ),
    Operation(
        "POST",
        "/refresh",
        refresh,
        "Renew the access token",
        audited="refusals",
        tag="session",
        body=RefreshRequest,
        body_required=False,
        response=TokenResponse,
        problems=(NotAuthenticated, PermissionDenied, TooLarge, UnsupportedType),
        public=True,
    ),
    Operation(
        "POST",
        "/logout",
        logout,
        "Sign out",
        tag="session",
        body=RefreshRequest,
        body_required=False,
        status=204,
        problems=(PermissionDenied, TooLarge, UnsupportedType),
        public=True,
    ),
    Operation(
        "GET",
        "/jwks.json",
        jwks,
        "Public keys of the tokens",
        audited="never",
        tag="keys",
        response=KeySetResponse,
        public=True,
    ),
    Operation(
        "GET",
        "/revocations.json",
        revocations,
        "Sessions and versions of access whose tokens are refused",
        audited="never",
        tag="keys",
        response=RevocationDocument,
        public=True,
    ),
)


def client_of(request: web.Request) -> Client:
    """Where the request comes from; text that a database can keep."""
    agent = request.headers.get("User-Agent", "").encode(errors="replace").decode().replace("\0", "")
    return Client(agent, address_of(request))


@dataclass(frozen=True)
class Presented:
    """A refresh token and how it came. `former`: in the cookie of the release before."""

    token: str
    by_cookie: bool
    former: bool = False


async def read_refresh_token(request: web.Request) -> Presented:
    """The refresh token; a body goes before the cookie. Raises InvalidRequest or PermissionDenied."""
    if request.can_read_body:
        body = await read_body(request, RefreshRequest)
        if body.refresh_token is not None:
            return Presented(body.refresh_token.get_secret_value(), by_cookie=False)
    secure = over_https(request)
    token, former = request.cookies.get(cookie_name(REFRESH_COOKIE, secure=secure)), False
    if not token and secure:
        token, former = request.cookies.get(REFRESH_COOKIE), True
    if not token:
        raise InvalidRequest("Send the refresh_token, or the cookie that holds it.")
    check_origin(request)
    return Presented(token, by_cookie=True, former=former)


def answer_grant(
    request: web.Request, grant: Grant, *, cookie: bool, recovery_codes: list[str] | None = None
) -> web.Response:
    """Tokens in the body, or in cookies which no script can read."""
    answer = (
        TokenResponse(
            token_type="Cookie",  # noqa: S106  a scheme, no secret
            expires_in=grant.expires_in,
            recovery_codes=recovery_codes,
        )
        if cookie
        else TokenResponse(
            access_token=grant.access_token,
            token_type="Bearer",  # noqa: S106
            expires_in=grant.expires_in,
            refresh_token=grant.refresh_token,
            recovery_codes=recovery_codes,
        )
    )
    response = json_response(answer.model_dump(exclude_none=True))
    if cookie:
        set_session_cookies(request, response, grant)
    return response


def _refresh_path(request: web.Request) -> str:
    """Where browsers send the refresh token: below the path that PUBLIC_URL may have."""
    return urlsplit(request.app[BASE_URL]).path.rstrip("/") + PREFIX


def set_session_cookies(request: web.Request, response: web.Response, grant: Grant) -> None:
    """Sign the browser in."""
    secure = over_https(request)
    for name, value, path, seconds in (
        (ACCESS_COOKIE, grant.access_token, "/", grant.expires_in),
        (REFRESH_COOKIE, grant.refresh_token, _refresh_path(request), grant.session_expires_in),
    ):
        response.set_cookie(
            cookie_name(name, secure=secure),
            value,
            path=path,
            max_age=seconds,
            secure=secure,
            httponly=True,
            samesite="Strict",
        )
    if secure:
        _drop_former_cookies(response)


def drop_session_cookies(request: web.Request, response: web.Response) -> None:
    """Sign the browser out."""
    secure = over_https(request)
    for name, path in ((ACCESS_COOKIE, "/"), (REFRESH_COOKIE, _refresh_path(request))):
        response.del_cookie(
            cookie_name(name, secure=secure), path=path, secure=secure, httponly=True, samesite="Strict"
        )
    if secure:
        _drop_former_cookies(response)


def _drop_former_cookies(response: web.Response) -> None:
    """Those that the release before set over HTTPS."""
    for name, path in ((ACCESS_COOKIE, "/"), (REFRESH_COOKIE, PREFIX)):
        response.del_cookie(name, path=path, secure=True, httponly=True, samesite="Strict")
