"""HTTP of accounts, for administrators."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import Conflict, InvalidRequest, NotFound
from libs.common.http.json import BODY_PROBLEMS, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from services.auth import admin_log
from services.auth.http import decode_name, encode_name, path_id, read_actor
from services.auth.identity.models import (
    AdminLog,
    LogQuery,
    PasswordSet,
    User,
    UserChange,
    UserCreate,
    UserList,
    UserQuery,
)
from services.auth.keys import DATABASE, USERS
from services.auth.users.places import read_place, write_place
from services.auth.users.users import UNKNOWN


async def list_users(request: web.Request) -> web.Response:
    """Accounts, by name unless asked otherwise."""
    query = parse_query(request, UserQuery)
    users = request.app[USERS]
    place = decode_name(query.cursor)
    after = None if place is None else read_place(place, query.sort)
    found = await users.search(query, after, query.limit + 1)
    page, more = found[: query.limit], len(found) > query.limit
    return json_response(
        UserList(
            users=page,
            total=await users.count(query),
            next_cursor=encode_name(write_place(page[-1], query.sort)) if more else None,
        )
    )


async def create_user(request: web.Request) -> web.Response:
    """Make an account."""
    wanted = await read_body(request, UserCreate)
    return json_response(await request.app[USERS].create(await read_actor(request), wanted), status=201)


async def get_user(request: web.Request) -> web.Response:
    """One account."""
    return json_response(await request.app[USERS].get(path_id(request, "user_id", UNKNOWN)))


async def change_user(request: web.Request) -> web.Response:
    """Change an account; a change of access takes effect on every service within half a minute."""
    user_id, change = path_id(request, "user_id", UNKNOWN), await read_body(request, UserChange)
    return json_response(await request.app[USERS].change(await read_actor(request), user_id, change))


async def delete_user(request: web.Request) -> web.Response:
    """Delete an account that never sent anything."""
    await request.app[USERS].delete(await read_actor(request), path_id(request, "user_id", UNKNOWN))
    return web.Response(status=204)


async def set_password(request: web.Request) -> web.Response:
    """Give an account another password; its sessions and API keys end."""
    user_id, given = path_id(request, "user_id", UNKNOWN), await read_body(request, PasswordSet)
    await request.app[USERS].set_password(await read_actor(request), user_id, given)
    return web.Response(status=204)


async def list_admin_log(request: web.Request) -> web.Response:
    """What administrators changed, newest first."""
    query = parse_query(request, LogQuery)
    if query.object is not None and query.model is None:
        raise InvalidRequest("Name the model of the object as well.")
    async with request.app[DATABASE].connection() as connection:
        found = await admin_log.read(connection, query, query.limit + 1)
    page = found[: query.limit]
    more = len(found) > query.limit
    return json_response(AdminLog(entries=page, next_cursor=str(page[-1].id) if more else None))


OPERATIONS = (
    Operation(
        "GET",
        "/users",
        list_users,
        "List accounts",
        tag="users",
        query=UserQuery,
        response=UserList,
        permission="view_user",
    ),
    Operation(
        "POST",
        "/users",
        create_user,
        "Make an account",
        tag="users",
        body=UserCreate,
        response=User,
        status=201,
        problems=(*BODY_PROBLEMS, Conflict),
        permission="add_user",
    ),
    Operation(
        "GET",
        "/users/{user_id}",
        get_user,
        "One account",
        tag="users",
        response=User,
        problems=(NotFound,),
        permission="view_user",
    ),
    Operation(
        "PATCH",
        "/users/{user_id}",
        change_user,
        "Change an account",
        tag="users",
        body=UserChange,
        response=User,
        problems=(*BODY_PROBLEMS, NotFound, Conflict),
        permission="change_user",
    ),
    Operation(
        "DELETE",
        "/users/{user_id}",
        delete_user,
        "Delete an account that never sent anything",
        tag="users",
        status=204,
        problems=(NotFound, Conflict),
        permission="delete_user",
    ),
    Operation(
        "PUT",
        "/users/{user_id}/password",
        set_password,
        "Give an account another password",
        tag="users",
        body=PasswordSet,
        status=204,
        problems=(*BODY_PROBLEMS, NotFound, Conflict),
        permission="change_user",
    ),
    Operation(
        "GET",
        "/admin-log",
        list_admin_log,
        "What administrators changed",
        tag="administration",
        query=LogQuery,
        response=AdminLog,
        permission="view_logentry",
    ),
)
