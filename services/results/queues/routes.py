"""HTTP of queues: what waits where, and for how long."""

from __future__ import annotations

from aiohttp import web

from libs.common.http.json import json_response
from libs.common.http.openapi import Operation
from services.results.keys import DATABASE
from services.results.queues.looking import QueueLook
from services.results.queues.models import QueueList

QUEUES = web.AppKey("queues", QueueLook)


async def list_queues(request: web.Request) -> web.Response:
    """Every queue, and how long the processors need for what waits."""
    return json_response(await request.app[QUEUES](request.app[DATABASE]))


OPERATIONS = (
    Operation(
        "GET",
        "/processing/queues",
        list_queues,
        "What waits where, and for how long",
        audited="refusals",
        tag="processing",
        response=QueueList,
        permission="view_queue",
    ),
)
