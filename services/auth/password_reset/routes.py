"""HTTP of forgotten passwords."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import Conflict, NotFound, TooManyRequests
from libs.common.http.client import address_of
from libs.common.http.json import BODY_PROBLEMS, json_response, read_body
from libs.common.http.openapi import Operation
from services.auth.http import path_id, read_actor
from services.auth.keys import RESETS
from services.auth.password_reset.models import PasswordForgotten, PasswordLink, PasswordReset
from services.auth.users.users import UNKNOWN


async def ask_for_password_link(request: web.Request) -> web.Response:
    """Have a link for another password sent to an account's mail address, if there is such an account."""
    body = await read_body(request, PasswordForgotten)
    await request.app[RESETS].forgotten(body.username, address_of(request))
    return web.Response(status=202)


async def reset_password(request: web.Request) -> web.Response:
    """Choose another password by a link; the account's sessions and API keys end."""
    body = await read_body(request, PasswordReset)
    await request.app[RESETS].reset(body.token.get_secret_value(), body.password.get_secret_value())
    return web.Response(status=204)


async def make_password_link(request: web.Request) -> web.Response:
    """A one-time link for somebody who has forgotten their password."""
    user_id = path_id(request, "user_id", UNKNOWN)
    return json_response(await request.app[RESETS].make_link(await read_actor(request), user_id))


OPERATIONS = (
    Operation(
        "POST",
        "/password/forgotten",
        ask_for_password_link,
        "Have a link for another password sent",
        tag="password",
        body=PasswordForgotten,
        status=202,
        problems=(*BODY_PROBLEMS, Conflict, TooManyRequests),
        public=True,
    ),
    Operation(
        "POST",
        "/password/reset",
        reset_password,
        "Choose another password by a link",
        tag="password",
        body=PasswordReset,
        status=204,
        problems=(*BODY_PROBLEMS, NotFound),
        public=True,
    ),
    Operation(
        "POST",
        "/users/{user_id}/password-link",
        make_password_link,
        "A one-time link for somebody who has forgotten their password",
        tag="users",
        response=PasswordLink,
        problems=(NotFound, Conflict),
        permission="change_user",
    ),
)
