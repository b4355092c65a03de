"""HTTP of the auth service: parse, call, answer."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import (
    InvalidRequest,
    NotAuthenticated,
    PermissionDenied,
    TooLarge,
    UnsupportedType,
)
from libs.common.http.authenticate import check_origin
from libs.common.http.json import json_response
from libs.common.http.openapi import Operation
from libs.common.security.tokens import ACCESS_COOKIE, REFRESH_COOKIE
from services.auth.http import read_body
from services.auth.keys import SESSIONS, SETTINGS, SIGNING_KEY
from services.auth.sessions.login import Grant
from services.auth.sessions.models import KeySetResponse, LoginRequest, RefreshRequest, TokenResponse

PREFIX = "/api/auth"
KEY_SET_MAX_AGE = 300


async def login(request: web.Request) -> web.Response:
    """Exchange a name and a password for tokens or, if asked, cookies."""
    sessions = request.app[SESSIONS]
    body = await read_body(request, LoginRequest)
    if body.cookie:
        # Otherwise a foreign page could sign its reader in as somebody else.
        check_origin(request)
    grant = await sessions.sign_in(body.username, body.password.get_secret_value())
    return _answer(request, grant, cookie=body.cookie)


async def refresh(request: web.Request) -> web.Response:
    """Exchange a refresh token for new tokens; the cookie for new cookies."""
    sessions = request.app[SESSIONS]
    token, by_cookie = await _refresh_token(request)
    return _answer(request, await sessions.refresh(token), cookie=by_cookie)


async def logout(request: web.Request) -> web.Response:
    """End the session and clear the cookies."""
    sessions, settings = request.app[SESSIONS], request.app[SETTINGS]
    token, _ = await _refresh_token(request)
    await sessions.sign_out(token)
    response = web.Response(status=204, headers={"Cache-Control": "no-store"})
    secure = settings.base_url.startswith("https://")
    for name, path in ((ACCESS_COOKIE, "/"), (REFRESH_COOKIE, PREFIX)):
        response.del_cookie(name, path=path, secure=secure, httponly=True, samesite="Strict")
    return response


async def jwks(request: web.Request) -> web.Response:
    """The keys that verify access tokens."""
    signer = await request.app[SIGNING_KEY].signer()
    return json_response(signer.key_set(), headers={"Cache-Control": f"public, max-age={KEY_SET_MAX_AGE}"})


OPERATIONS = (
    Operation(
        "POST",
        "/login",
        login,
        "Sign in",
        tag="session",
        body=LoginRequest,
        response=TokenResponse,
        problems=(NotAuthenticated, PermissionDenied, TooLarge, UnsupportedType),
        public=True,
    ),
    Operation(
        "POST",
        "/refresh",
        refresh,
        "Renew the access token",
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
        tag="keys",
        response=KeySetResponse,
        public=True,
    ),
)


async def _refresh_token(request: web.Request) -> tuple[str, bool]:
    """The refresh token and whether the cookie brought it; a body goes first. Raises InvalidRequest."""
    if request.can_read_body:
        body = await read_body(request, RefreshRequest)
        if body.refresh_token is not None:
            return body.refresh_token.get_secret_value(), False
    token = request.cookies.get(REFRESH_COOKIE)
    if not token:
        raise InvalidRequest("Send the refresh_token, or the cookie that holds it.")
    check_origin(request)
    return token, True


def _answer(request: web.Request, grant: Grant, *, cookie: bool) -> web.Response:
    """Tokens in the body, or in cookies which no script can read."""
    answer = (
        TokenResponse(token_type="Cookie", expires_in=grant.expires_in)  # noqa: S106  a scheme, no secret
        if cookie
        else TokenResponse(
            access_token=grant.access_token,
            token_type="Bearer",  # noqa: S106
            expires_in=grant.expires_in,
            refresh_token=grant.refresh_token,
        )
    )
    response = json_response(answer.model_dump(exclude_none=True))
    if cookie:
        secure = request.app[SETTINGS].base_url.startswith("https://")
        for name, value, path, seconds in (
            (ACCESS_COOKIE, grant.access_token, "/", grant.expires_in),
            (REFRESH_COOKIE, grant.refresh_token, PREFIX, grant.session_expires_in),
        ):
            response.set_cookie(
                name, value, path=path, max_age=seconds, secure=secure, httponly=True, samesite="Strict"
            )
    return response
