"""HTTP of links for who has no account: open one, see where it leads, close it."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from libs.common.errors import (
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    TooLarge,
    TooManyRequests,
    UnsupportedType,
)
from libs.common.http.authenticate import Guest, check_origin, over_https
from libs.common.http.client import address_of
from libs.common.http.json import json_response, read_body
from libs.common.http.openapi import Operation
from libs.common.security.cookies import LINK_COOKIE, cookie_name
from services.results.keys import LINKS
from services.results.links.models import OpenLink, OpenRequest


async def open_link(request: web.Request) -> web.Response:
    """Exchange a token, and the password if there is one, for a cookie that no script can read."""
    # Otherwise a foreign page could put its own link in place of the one that its reader has open.
    check_origin(request)
    body, links = await read_body(request, OpenRequest), request.app[LINKS]
    password = None if body.password is None else body.password.get_secret_value()
    opened = await links.open(body.token.get_secret_value(), password, address_of(request))
    response = json_response(await _shown(request, opened.session))
    secure = over_https(request)
    response.set_cookie(
        cookie_name(LINK_COOKIE, secure=secure),
        opened.session,
        path="/",
        max_age=max(1, int((opened.expires_at - datetime.now(UTC)).total_seconds())),
        secure=secure,
        httponly=True,
        samesite="Strict",
    )
    return response


async def get_open_link(request: web.Request) -> web.Response:
    """What the link leads to that this browser has opened."""
    return json_response(await _shown(request, _presented(request)))


async def close_link(request: web.Request) -> web.Response:
    """Close the link in this browser."""
    check_origin(request)
    presented = _presented(request)
    if presented is not None:
        await request.app[LINKS].close(presented)
    secure = over_https(request)
    response = web.Response(status=204, headers={"Cache-Control": "no-store"})
    response.del_cookie(
        cookie_name(LINK_COOKIE, secure=secure), path="/", secure=secure, httponly=True, samesite="Strict"
    )
    return response


async def guest_of(request: web.Request) -> Guest:
    """Who comes by a link. Raises NotAuthenticated."""
    return await request.app[LINKS].guest(_presented(request))


def _presented(request: web.Request) -> str | None:
    return request.cookies.get(cookie_name(LINK_COOKIE, secure=over_https(request)))


async def _shown(request: web.Request, session: str | None) -> OpenLink:
    return OpenLink.model_validate(dict(await request.app[LINKS].session(session)))


OPERATIONS = (
    Operation(
        "POST",
        "/links/session",
        open_link,
        "Open a link",
        tag="links",
        body=OpenRequest,
        response=OpenLink,
        problems=(
            NotAuthenticated,
            PermissionDenied,
            NotFound,
            TooLarge,
            UnsupportedType,
            TooManyRequests,
        ),
        public=True,
    ),
    Operation(
        "GET",
        "/links/session",
        get_open_link,
        "What the link leads to that this browser has opened",
        audited="refusals",
        tag="links",
        response=OpenLink,
        problems=(NotAuthenticated,),
        public=True,
    ),
    Operation(
        "DELETE",
        "/links/session",
        close_link,
        "Close the link in this browser",
        tag="links",
        status=204,
        problems=(PermissionDenied,),
        public=True,
    ),
)
