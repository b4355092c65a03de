"""HTTP of one's own account, and of names."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from libs.common.access import Mode, user_collection
from libs.common.errors import (
    Conflict,
    InvalidRequest,
    TooManyRequests,
    Unavailable,
    WrongCredentials,
)
from libs.common.http.authenticate import principal
from libs.common.http.client import address_of
from libs.common.http.json import BODY_PROBLEMS, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.ids import UserId
from services.auth.http import require_person
from services.auth.identity import directory
from services.auth.identity.models import (
    Directory,
    DirectoryQuery,
    Identity,
    MeResponse,
    PasswordChange,
    ProfileChange,
)
from services.auth.keys import DATABASE, OWN_PASSWORD, SESSIONS, THROTTLE, USERS


async def me(request: web.Request) -> web.Response:
    """The caller's own account."""
    return json_response(_me(await _identity(request)))


async def change_me(request: web.Request) -> web.Response:
    """Change one's own profile, language or default collection."""
    require_person(request)
    change = await read_body(request, ProfileChange)
    if change.email is not None and change.email != (await _identity(request)).email:
        if change.current_password is None:
            raise WrongCredentials("Another mail address takes your password (current_password).")
        await request.app[OWN_PASSWORD].require(
            principal(request), address_of(request), change.current_password.get_secret_value()
        )
    await request.app[USERS].change_profile(principal(request).user_id, change)
    return json_response(_me(await _identity(request)))


async def change_password(request: web.Request) -> web.Response:
    """Change one's own password; all other sessions end."""
    require_person(request)
    change, caller = await read_body(request, PasswordChange), principal(request)
    session_id = None if caller.session_id is None else UUID(hex=caller.session_id)
    # Whoever found somebody's screen open must not guess faster than at the sign-in.
    throttle = request.app[THROTTLE]
    attempt = await throttle.begin(caller.username, address_of(request))
    try:
        await request.app[USERS].change_own_password(caller.user_id, session_id, change)
    except (InvalidRequest, Conflict, Unavailable):
        await throttle.abandon(attempt)
        raise
    async with request.app[DATABASE].transaction() as connection:
        await throttle.succeeded(connection, attempt)
    return web.Response(status=204)


async def get_directory(request: web.Request) -> web.Response:
    """People and groups by part of their name, or by id."""
    query = parse_query(request, DirectoryQuery)
    if (query.q is None) == (query.users is None and query.groups is None):
        raise InvalidRequest("Give either q, or users and groups.")
    async with request.app[DATABASE].connection() as connection:
        entries = (
            await directory.names(connection, _ids(query.users), _ids(query.groups))
            if query.q is None
            else await directory.search(connection, query.q, query.limit)
        )
    return json_response(Directory(entries=entries))


async def _identity(request: web.Request) -> Identity:
    return await request.app[SESSIONS].identity(UserId(principal(request).user_id))


def _collections(found: Identity) -> dict[str, Mode]:
    return {user_collection(found.id): "manage", **found.collections}


def _me(found: Identity) -> MeResponse:
    return MeResponse(
        user_id=found.id,
        username=found.username,
        staff=found.staff,
        groups=found.groups,
        permissions=tuple(sorted(found.permissions)),
        collections=_collections(found),
        default_collection=found.default_collection or user_collection(found.id),
        first_name=found.first_name,
        last_name=found.last_name,
        email=found.email,
        language=found.language,
        must_change_password=found.must_change_password,
    )


def _ids(text: str | None) -> list[int]:
    return [] if text is None else [int(part) for part in text.split(",")]


OPERATIONS = (
    Operation(
        "GET",
        "/me",
        me,
        "Who am I",
        audited="refusals",
        tag="account",
        response=MeResponse,
        before_password_change=True,
    ),
    Operation(
        "PATCH",
        "/me",
        change_me,
        "Change one's own profile",
        tag="account",
        body=ProfileChange,
        response=MeResponse,
        problems=(*BODY_PROBLEMS, WrongCredentials, TooManyRequests),
    ),
    Operation(
        "PUT",
        "/me/password",
        change_password,
        "Change one's own password",
        tag="account",
        body=PasswordChange,
        status=204,
        problems=(*BODY_PROBLEMS, WrongCredentials, Conflict, TooManyRequests),
        before_password_change=True,
    ),
    Operation(
        "GET",
        "/directory",
        get_directory,
        "Names of people and groups",
        audited="refusals",
        tag="directory",
        query=DirectoryQuery,
        response=Directory,
    ),
)
