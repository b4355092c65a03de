"""HTTP of workers: who works, on what, and who has gone silent."""

from __future__ import annotations

import orjson
from aiohttp import web

from libs.common.http.json import json_response
from libs.common.http.openapi import Operation
from services.results.keys import DATABASE
from services.results.workers import store
from services.results.workers.models import WorkerList


async def list_workers(request: web.Request) -> web.Response:
    """Every worker heard of within the hour."""
    async with request.app[DATABASE].connection() as connection:
        rows = await store.list_workers(connection)
    workers = [{**row, "files": orjson.loads(row["files"])} for row in rows]
    return json_response(WorkerList.model_validate({"workers": workers}))


OPERATIONS = (
    Operation(
        "GET",
        "/processing/workers",
        list_workers,
        "Who works, and on what",
        audited="refusals",
        tag="processing",
        response=WorkerList,
        permission="view_worker",
    ),
)
