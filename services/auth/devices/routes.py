"""HTTP of sessions as people see them, and of lifting the throttle."""

from __future__ import annotations

import re
from uuid import UUID

from aiohttp import web

from libs.common.errors import NotFound
from libs.common.http.authenticate import principal
from libs.common.http.json import json_response, parse_query
from libs.common.http.openapi import Operation
from services.auth.devices.devices import UNKNOWN_SESSION
from services.auth.devices.models import AccountSessionList, AccountSessionQuery, DeviceList, DeviceQuery
from services.auth.http import path_id, read_actor, require_person
from services.auth.keys import DEVICES
from services.auth.users.users import UNKNOWN


async def list_own_sessions(request: web.Request) -> web.Response:
    """Where one is signed in."""
    require_person(request)
    caller = principal(request)
    return await _page(request, caller.user_id, caller.session_id)


async def end_own_session(request: web.Request) -> web.Response:
    """Sign out elsewhere."""
    require_person(request)
    await request.app[DEVICES].end_own(principal(request).user_id, _session_id(request))
    return web.Response(status=204)


async def list_sessions(request: web.Request) -> web.Response:
    """Where anybody is signed in."""
    query, current = parse_query(request, AccountSessionQuery), principal(request).session_id
    found = await request.app[DEVICES].searched(query, query.limit + 1)
    page = [
        session.model_copy(update={"current": session.id.hex == current}) for session in found[: query.limit]
    ]
    more = len(found) > query.limit
    return json_response(AccountSessionList(sessions=page, next_cursor=page[-1].id.hex if more else None))


async def list_user_sessions(request: web.Request) -> web.Response:
    """Where somebody is signed in."""
    return await _page(request, path_id(request, "user_id", UNKNOWN), principal(request).session_id)


async def end_user_sessions(request: web.Request) -> web.Response:
    """Sign somebody out everywhere."""
    user_id = path_id(request, "user_id", UNKNOWN)
    await request.app[DEVICES].end(await read_actor(request), user_id, None)
    return web.Response(status=204)


async def end_user_session(request: web.Request) -> web.Response:
    """Sign somebody out on one device."""
    user_id, session_id = path_id(request, "user_id", UNKNOWN), _session_id(request)
    await request.app[DEVICES].end(await read_actor(request), user_id, session_id)
    return web.Response(status=204)


async def unlock_user(request: web.Request) -> web.Response:
    """Forget the wrong passwords of an account."""
    user_id = path_id(request, "user_id", UNKNOWN)
    await request.app[DEVICES].unlock(await read_actor(request), user_id)
    return web.Response(status=204)


async def _page(request: web.Request, user_id: int, current: str | None) -> web.Response:
    query = parse_query(request, DeviceQuery)
    found = await request.app[DEVICES].listed(user_id, query, query.limit + 1)
    page = [
        session.model_copy(update={"current": session.id.hex == current}) for session in found[: query.limit]
    ]
    more = len(found) > query.limit
    return json_response(DeviceList(sessions=page, next_cursor=page[-1].id.hex if more else None))


def _session_id(request: web.Request) -> UUID:
    text = request.match_info["session_id"]
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", text) is None:
        raise NotFound(UNKNOWN_SESSION)
    return UUID(hex=text)


OPERATIONS = (
    Operation(
        "GET",
        "/me/sessions",
        list_own_sessions,
        "Where one is signed in",
        tag="session",
        query=DeviceQuery,
        response=DeviceList,
        problems=(NotFound,),
    ),
    Operation(
        "DELETE",
        "/me/sessions/{session_id}",
        end_own_session,
        "Sign out on one device",
        tag="session",
        status=204,
        problems=(NotFound,),
    ),
    Operation(
        "GET",
        "/sessions",
        list_sessions,
        "Where anybody is signed in",
        tag="users",
        query=AccountSessionQuery,
        response=AccountSessionList,
        permission="view_session",
    ),
    Operation(
        "GET",
        "/users/{user_id}/sessions",
        list_user_sessions,
        "Where somebody is signed in",
        tag="users",
        query=DeviceQuery,
        response=DeviceList,
        problems=(NotFound,),
        permission="view_session",
    ),
    Operation(
        "DELETE",
        "/users/{user_id}/sessions",
        end_user_sessions,
        "Sign somebody out everywhere",
        tag="users",
        status=204,
        problems=(NotFound,),
        permission="delete_session",
    ),
    Operation(
        "DELETE",
        "/users/{user_id}/sessions/{session_id}",
        end_user_session,
        "Sign somebody out on one device",
        tag="users",
        status=204,
        problems=(NotFound,),
        permission="delete_session",
    ),
    Operation(
        "POST",
        "/users/{user_id}/unlock",
        unlock_user,
        "Lift the throttle of somebody's sign-in",
        tag="users",
        status=204,
        problems=(NotFound,),
        permission="unlock_user",
    ),
)
