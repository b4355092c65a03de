"""HTTP of work under control: having files measured again."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import Conflict, NotFound
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response
from libs.common.http.openapi import Operation
from services.results.keys import REQUESTS
from services.results.processing.models import RetriedFile
from services.results.read.visibility import parse_file_id


async def retry_result(request: web.Request) -> web.Response:
    """Have a failed file tried again."""
    file_id = parse_file_id(request.match_info["file_id"])
    asked = await request.app[REQUESTS].retry(file_id, viewer(request))
    return json_response(
        RetriedFile(file_id=asked.file_id, state="received", request=asked.request), status=202
    )


OPERATIONS = (
    Operation(
        "POST",
        "/results/{file_id}/retry",
        retry_result,
        "Have a failed file measured again",
        tag="processing",
        response=RetriedFile,
        status=202,
        problems=(NotFound, Conflict),
        permission="retry_dicomfile",
    ),
)
