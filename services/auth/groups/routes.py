"""HTTP of groups and permissions."""

from __future__ import annotations

import re

from aiohttp import web

from libs.common.errors import Conflict, NotFound
from libs.common.http.json import BODY_PROBLEMS, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from services.auth.groups.groups import UNKNOWN, UNKNOWN_PERMISSION
from services.auth.groups.models import (
    Group,
    GroupChange,
    GroupCreate,
    GroupList,
    PermissionList,
    PermissionUse,
)
from services.auth.http import decode_name, encode_name, path_id, read_actor
from services.auth.identity.models import SearchQuery
from services.auth.keys import GROUPS, MEMBERSHIPS
from services.auth.users.users import UNKNOWN as UNKNOWN_USER


async def list_groups(request: web.Request) -> web.Response:
    """Groups by name."""
    query = parse_query(request, SearchQuery)
    groups = request.app[GROUPS]
    found = await groups.search(query.q, decode_name(query.cursor), query.limit + 1)
    page, more = found[: query.limit], len(found) > query.limit
    return json_response(
        GroupList(
            groups=page,
            total=await groups.count(query.q),
            next_cursor=encode_name(page[-1].name) if more else None,
        )
    )


async def create_group(request: web.Request) -> web.Response:
    """Make a group."""
    wanted = await read_body(request, GroupCreate)
    return json_response(await request.app[GROUPS].create(await read_actor(request), wanted), status=201)


async def get_group(request: web.Request) -> web.Response:
    """One group."""
    return json_response(await request.app[GROUPS].get(path_id(request, "group_id", UNKNOWN)))


async def change_group(request: web.Request) -> web.Response:
    """Change a group."""
    group_id, change = path_id(request, "group_id", UNKNOWN), await read_body(request, GroupChange)
    return json_response(await request.app[GROUPS].change(await read_actor(request), group_id, change))


async def delete_group(request: web.Request) -> web.Response:
    """Delete a group whose collection is empty."""
    await request.app[GROUPS].delete(await read_actor(request), path_id(request, "group_id", UNKNOWN))
    return web.Response(status=204)


async def add_member(request: web.Request) -> web.Response:
    """Put an account into a group."""
    return await _change_membership(request, member=True)


async def remove_member(request: web.Request) -> web.Response:
    """Take an account out of a group."""
    return await _change_membership(request, member=False)


async def _change_membership(request: web.Request, *, member: bool) -> web.Response:
    group_id = path_id(request, "group_id", UNKNOWN)
    user_id = path_id(request, "user_id", UNKNOWN_USER)
    await request.app[GROUPS].get(group_id)
    actor = await read_actor(request)
    await request.app[MEMBERSHIPS].change(actor, user_id, group_id, member=member)
    return web.Response(status=204)


async def list_permissions(request: web.Request) -> web.Response:
    """Every permission there is."""
    return json_response(PermissionList(permissions=await request.app[GROUPS].permissions()))


async def get_permission(request: web.Request) -> web.Response:
    """Where a permission is given."""
    codename = request.match_info["codename"]
    if re.fullmatch(r"[a-z_]{1,100}", codename) is None:
        raise NotFound(UNKNOWN_PERMISSION)
    return json_response(await request.app[GROUPS].permission(codename))


OPERATIONS = (
    Operation(
        "GET",
        "/groups",
        list_groups,
        "List groups",
        tag="groups",
        query=SearchQuery,
        response=GroupList,
        permission="view_group",
    ),
    Operation(
        "POST",
        "/groups",
        create_group,
        "Make a group",
        tag="groups",
        body=GroupCreate,
        response=Group,
        status=201,
        problems=(*BODY_PROBLEMS, Conflict),
        permission="add_group",
    ),
    Operation(
        "GET",
        "/groups/{group_id}",
        get_group,
        "One group",
        tag="groups",
        response=Group,
        problems=(NotFound,),
        permission="view_group",
    ),
    Operation(
        "PATCH",
        "/groups/{group_id}",
        change_group,
        "Change a group",
        tag="groups",
        body=GroupChange,
        response=Group,
        problems=(*BODY_PROBLEMS, NotFound, Conflict),
        permission="change_group",
    ),
    Operation(
        "DELETE",
        "/groups/{group_id}",
        delete_group,
        "Delete a group whose collection is empty",
        tag="groups",
        status=204,
        problems=(NotFound, Conflict),
        permission="delete_group",
    ),
    Operation(
        "PUT",
        "/groups/{group_id}/members/{user_id}",
        add_member,
        "Put an account into a group",
        tag="groups",
        status=204,
        problems=(NotFound, Conflict),
        permission="change_user",
    ),
    Operation(
        "DELETE",
        "/groups/{group_id}/members/{user_id}",
        remove_member,
        "Take an account out of a group",
        tag="groups",
        status=204,
        problems=(NotFound,),
        permission="change_user",
    ),
    Operation(
        "GET",
        "/permissions",
        list_permissions,
        "Every permission there is",
        tag="groups",
        response=PermissionList,
        permission="view_permission",
    ),
    Operation(
        "GET",
        "/permissions/{codename}",
        get_permission,
        "Where a permission is given",
        tag="groups",
        response=PermissionUse,
        problems=(NotFound,),
        permission="view_permission",
    ),
)
