"""HTTP of the registration of applications."""

from __future__ import annotations

import re

from aiohttp import web

from libs.common.errors import Conflict, NotFound
from libs.common.http.json import BODY_PROBLEMS, json_response, read_body
from libs.common.http.openapi import Operation
from services.auth.http import read_actor
from services.auth.keys import APPLICATIONS
from services.auth.provider.applications import UNKNOWN
from services.auth.provider.models import (
    ApplicationChange,
    ApplicationCreate,
    ApplicationEntry,
    ApplicationList,
    NewApplication,
)


async def list_applications(request: web.Request) -> web.Response:
    """Every application."""
    return json_response(ApplicationList(applications=await request.app[APPLICATIONS].all()))


async def create_application(request: web.Request) -> web.Response:
    """Register an application; a secret is shown this once."""
    wanted = await read_body(request, ApplicationCreate)
    found = await request.app[APPLICATIONS].create(await read_actor(request), wanted)
    return json_response(found, status=201)


async def get_application(request: web.Request) -> web.Response:
    """One application."""
    return json_response(await request.app[APPLICATIONS].get(_client_id(request)))


async def change_application(request: web.Request) -> web.Response:
    """Change an application."""
    client_id, change = _client_id(request), await read_body(request, ApplicationChange)
    found = await request.app[APPLICATIONS].change(await read_actor(request), client_id, change)
    return json_response(found)


async def renew_application_secret(request: web.Request) -> web.Response:
    """Give an application another secret."""
    found = await request.app[APPLICATIONS].renew_secret(await read_actor(request), _client_id(request))
    return json_response(found)


async def delete_application(request: web.Request) -> web.Response:
    """Delete an application."""
    await request.app[APPLICATIONS].delete(await read_actor(request), _client_id(request))
    return web.Response(status=204)


def _client_id(request: web.Request) -> str:
    text = request.match_info["client_id"]
    if re.fullmatch(r"[a-z0-9-]{1,64}", text) is None:
        raise NotFound(UNKNOWN)
    return text


OPERATIONS = (
    Operation(
        "GET",
        "/applications",
        list_applications,
        "List applications",
        tag="applications",
        response=ApplicationList,
        permission="view_application",
    ),
    Operation(
        "POST",
        "/applications",
        create_application,
        "Register an application",
        tag="applications",
        body=ApplicationCreate,
        response=NewApplication,
        status=201,
        problems=(*BODY_PROBLEMS, Conflict),
        permission="add_application",
    ),
    Operation(
        "GET",
        "/applications/{client_id}",
        get_application,
        "One application",
        tag="applications",
        response=ApplicationEntry,
        problems=(NotFound,),
        permission="view_application",
    ),
    Operation(
        "PATCH",
        "/applications/{client_id}",
        change_application,
        "Change an application",
        tag="applications",
        body=ApplicationChange,
        response=ApplicationEntry,
        problems=(*BODY_PROBLEMS, NotFound),
        permission="change_application",
    ),
    Operation(
        "POST",
        "/applications/{client_id}/secret",
        renew_application_secret,
        "Give an application another secret",
        tag="applications",
        response=NewApplication,
        problems=(NotFound, Conflict),
        permission="change_application",
    ),
    Operation(
        "DELETE",
        "/applications/{client_id}",
        delete_application,
        "Delete an application",
        tag="applications",
        status=204,
        problems=(NotFound,),
        permission="delete_application",
    ),
)
