"""HTTP of the results service: lists and one result; the table of its operations."""

from __future__ import annotations

import orjson
from aiohttp import web

from libs.common.errors import NotFound, ObjectNotFound, RangeNotSatisfiable
from libs.common.http.authenticate import principal
from libs.common.http.json import json_response, parse_query
from libs.common.http.openapi import Operation
from services.results.cursors import (
    decode_page,
    encode_page,
)
from services.results.keys import DATABASE
from services.results.read import store as queries
from services.results.read.downloads import get_file, get_thumbnail, head_file
from services.results.read.models import (
    Result,
    ResultFacts,
    ResultList,
    ResultQuery,
    ResultSummary,
    Summary,
)
from services.results.read.visibility import parse_file_id, unknown, visible_owner

# Header data of patients: no cache between here and the reader keeps it.


async def list_results(request: web.Request) -> web.Response:
    """Results that the caller may see, newest uploads first."""
    owner_id = visible_owner(principal(request))
    query = parse_query(request, ResultQuery)
    before = None if query.cursor is None else decode_page(query.cursor)
    async with request.app[DATABASE].connection() as connection:
        # One row more than asked for says whether there is a next page.
        rows = await queries.list_results(connection, owner_id, query, before, query.limit + 1)
    page = rows[: query.limit]
    more = len(rows) > query.limit
    return json_response(
        ResultList(
            results=[ResultSummary.model_validate(ResultSummary.values_of(dict(row))) for row in page],
            next_cursor=encode_page(page[-1]["file_id"]) if more else None,
        ),
    )


async def get_summary(request: web.Request) -> web.Response:
    """How many files are in each state."""
    owner_id = visible_owner(principal(request))
    async with request.app[DATABASE].connection() as connection:
        counts = await queries.count_states(connection, owner_id)
    return json_response(Summary(**counts, total=sum(counts.values())))


async def get_result(request: web.Request) -> web.Response:
    """One whole result."""
    owner_id = visible_owner(principal(request))
    file_id = parse_file_id(request.match_info["file_id"])
    async with request.app[DATABASE].connection() as connection:
        row = await queries.get_result(connection, file_id, owner_id)
    if row is None:
        raise unknown()
    values = ResultFacts.values_of(dict(row))
    body = ResultFacts.model_validate({**values, "owner": {"id": row["owner_id"]}}).model_dump(mode="json")
    # JSON goes from the database to the caller as the text that it is.
    for name in ("warnings", "statistics", "raw_data"):
        body[name] = None if row[name] is None else orjson.Fragment(row[name])
    return json_response(body)


OPERATIONS = (
    Operation(
        "GET",
        "/results",
        list_results,
        "List results",
        tag="results",
        query=ResultQuery,
        response=ResultList,
        permission="view_dicomresult",
    ),
    Operation(
        "GET",
        "/results/summary",
        get_summary,
        "Count results by state",
        tag="results",
        response=Summary,
        permission="view_dicomresult",
    ),
    Operation(
        "GET",
        "/results/{file_id}",
        get_result,
        "One result",
        tag="results",
        response=Result,
        problems=(NotFound,),
        permission="view_dicomresult",
    ),
    Operation(
        "GET",
        "/results/{file_id}/thumbnail",
        get_thumbnail,
        "Small picture of the middle frame",
        tag="results",
        response_type="image/jpeg",
        problems=(NotFound, ObjectNotFound),
        permission="view_dicomresult",
    ),
    Operation(
        "GET",
        "/results/{file_id}/file",
        get_file,
        "The uploaded file, byte for byte; single byte ranges",
        tag="results",
        response_type="application/dicom",
        problems=(NotFound, ObjectNotFound, RangeNotSatisfiable),
        permission="view_dicomresult",
    ),
    Operation(
        "HEAD",
        "/results/{file_id}/file",
        head_file,
        "Size, name and digest of the uploaded file",
        tag="results",
        problems=(NotFound, ObjectNotFound),
        permission="view_dicomresult",
    ),
)
