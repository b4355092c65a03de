"""HTTP of the results service: lists and one result; the table of its operations."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from aiohttp import web

from libs.common.database.postgres import Connection
from libs.common.errors import (
    NotFound,
    ObjectNotFound,
    RangeNotSatisfiable,
    ThumbnailMissing,
    TooManyRequests,
)
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response, parse_query
from libs.common.http.openapi import Operation
from services.results.cursors import (
    decode_page,
    encode_page,
)
from services.results.keys import DATABASE, READS
from services.results.read import store as queries
from services.results.read.downloads import get_file, get_frame_means, get_thumbnail, head_file
from services.results.read.models import (
    Facets,
    FrameMeans,
    Neighbours,
    ProcessingLog,
    Result,
    ResultFacts,
    ResultFilter,
    ResultList,
    ResultQuery,
    ResultSummary,
    Summary,
    ThumbnailQuery,
)
from services.results.read.shared_store import note_use
from services.results.read.stack import StackedImage, in_order
from services.results.read.visibility import parse_file_id, unknown


async def list_results(request: web.Request) -> web.Response:
    """Results that the caller may see, by their upload."""
    caller, query = viewer(request), parse_query(request, ResultQuery)
    after = None if query.cursor is None else decode_page(query.cursor)
    # One row more than asked for says whether there is a next page.
    rows = await request.app[READS](
        lambda connection: queries.list_results(connection, caller, query, after, query.limit + 1)
    )
    page = rows[: query.limit]
    more = len(rows) > query.limit
    speak_of(
        request,
        "file",
        *(row["file_id"] for row in page),
        studies={row["study_instance_uid"] for row in page},
    )
    return json_response(
        ResultList(
            results=[ResultSummary.model_validate(ResultSummary.values_of(dict(row))) for row in page],
            next_cursor=encode_page(page[-1]["file_id"]) if more else None,
        ),
    )


async def count_result_facets(request: web.Request) -> web.Response:
    """What each value of a filter would find."""
    caller, query = viewer(request), parse_query(request, ResultFilter)
    rows, complete = await request.app[READS](
        lambda connection: queries.count_facets(connection, caller, query)
    )
    return json_response(Facets.of(rows, queries.FACETS, complete=complete))


async def get_summary(request: web.Request) -> web.Response:
    """How many files are in each state."""
    caller = viewer(request)
    counts = await request.app[READS](lambda connection: queries.count_states(connection, caller))
    return json_response(Summary.of(counts))


async def get_result(request: web.Request) -> web.Response:
    """One whole result."""
    file_id, caller = parse_file_id(request.match_info["file_id"]), viewer(request)
    row = await request.app[READS](lambda connection: queries.get_result(connection, file_id, caller))
    if row is None:
        raise unknown()
    study, series = row["study_instance_uid"], row["series_instance_uid"]
    await note_use(request.app[DATABASE], caller, row["collection"], study, file_id, series)
    speak_of(request, "file", collection=row["collection"], studies=[row["study_instance_uid"]])
    values = ResultFacts.values_of(dict(row))
    body = ResultFacts.model_validate({**values, "owner": {"id": row["owner_id"]}}).model_dump(mode="json")
    # JSON goes from the database to the caller as the text that it is.
    for name in ("warnings", "statistics", "raw_data"):
        body[name] = None if row[name] is None else orjson.Fragment(row[name])
    return json_response(body)


async def get_log(request: web.Request) -> web.Response:
    """Every attempt at one file."""
    file_id = parse_file_id(request.match_info["file_id"])
    async with request.app[DATABASE].connection() as connection:
        rows = await queries.get_attempts(connection, file_id, viewer(request))
    if rows is None:
        raise unknown()
    speak_of(request, "file", studies=[row["study_instance_uid"] for row in rows[:1]])
    return json_response(ProcessingLog.model_validate({"attempts": [dict(row) for row in rows]}))


async def get_neighbours(request: web.Request) -> web.Response:
    """The files before and after one in its series."""
    file_id, caller = parse_file_id(request.match_info["file_id"]), viewer(request)

    async def read(connection: Connection) -> list[asyncpg.Record]:
        if await queries.get_object(connection, file_id, caller) is None:
            raise unknown()
        return await queries.get_stack(connection, file_id, caller)

    rows = await request.app[READS](read)
    # Thousands are put in order: not on the loop.
    found = await asyncio.to_thread(_neighbours, [tuple(row)[:4] for row in rows], file_id)
    return json_response(found)


def _neighbours(rows: list[tuple[Any, ...]], file_id: UUID) -> Neighbours:
    ids = [image.file_id for image in in_order([StackedImage(*row) for row in rows])]
    if file_id not in ids:
        return Neighbours(position=None, count=len(ids), previous=None, next=None)
    at = ids.index(file_id)
    return Neighbours(
        position=at + 1,
        count=len(ids),
        previous=ids[at - 1] if at > 0 else None,
        next=ids[at + 1] if at + 1 < len(ids) else None,
    )


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
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/summary",
        get_summary,
        "Count results by state",
        audited="refusals",
        tag="results",
        response=Summary,
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/facets",
        count_result_facets,
        "Count results by the values of each filter, with the other filters as they are",
        audited="refusals",
        tag="results",
        query=ResultFilter,
        response=Facets,
        permission="view_dicomresult",
        by_link=True,
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
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/{file_id}/log",
        get_log,
        "Every attempt at it: outcome, worker, and what it took",
        tag="results",
        response=ProcessingLog,
        problems=(NotFound,),
        permission="view_dicomresult",
    ),
    Operation(
        "GET",
        "/results/{file_id}/neighbours",
        get_neighbours,
        "The files before and after it in its series",
        audited="refusals",
        tag="results",
        response=Neighbours,
        problems=(NotFound,),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/{file_id}/thumbnail",
        get_thumbnail,
        "Small picture of the middle frame",
        audited="together",
        tag="results",
        query=ThumbnailQuery,
        response_type="image/jpeg",
        problems=(NotFound, ObjectNotFound, ThumbnailMissing),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/{file_id}/frame-means",
        get_frame_means,
        "The mean of every frame",
        tag="results",
        response=FrameMeans,
        problems=(NotFound, ObjectNotFound),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/{file_id}/file",
        get_file,
        "The uploaded file, byte for byte; single byte ranges",
        tag="results",
        response_type="application/dicom",
        problems=(NotFound, ObjectNotFound, RangeNotSatisfiable, TooManyRequests),
        permission="view_dicomfile",
        by_link=True,
    ),
    Operation(
        "HEAD",
        "/results/{file_id}/file",
        head_file,
        "Size, name and digest of the uploaded file",
        tag="results",
        problems=(NotFound, ObjectNotFound, TooManyRequests),
        permission="view_dicomfile",
        by_link=True,
    ),
)
