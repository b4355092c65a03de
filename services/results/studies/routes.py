"""HTTP of studies: lists, counts beside filters, and one study with its series."""

from __future__ import annotations

import asyncpg
from aiohttp import web

from libs.common.database.postgres import Connection
from libs.common.errors import InvalidRequest, NotFound, TooManyRequests
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import viewer
from libs.common.http.json import json_response, parse_query
from libs.common.http.openapi import Operation
from services.results.cursors import StudyPlace, decode_study, encode_study
from services.results.keys import DATABASE, READS
from services.results.read.models import Facets
from services.results.read.shared_store import note_use
from services.results.studies import store
from services.results.studies.conditions import FACETS, Order
from services.results.studies.download import get_zip
from services.results.studies.finding import find
from services.results.studies.models import (
    CollectionQuery,
    Study,
    StudyFilter,
    StudyList,
    StudyQuery,
    StudySummary,
    study_values,
)


async def list_studies(request: web.Request) -> web.Response:
    """Studies that the caller may see."""
    caller, query = viewer(request), parse_query(request, StudyQuery)
    after = None if query.cursor is None else decode_study(query.cursor)
    if after is not None and not Order(query.sort).knows(after):
        raise InvalidRequest("This cursor is of another order: start again without it.")
    # One row more than asked for says whether there is a next page.
    asked = store.Listing(query, query.sort, query.limit + 1, after)
    rows = await request.app[READS](lambda connection: store.list_studies(connection, caller, asked))
    page = rows[: query.limit]
    cursor = None
    if len(rows) > query.limit:
        last = page[-1]
        cursor = encode_study(
            StudyPlace(query.sort, last["key"], last["study_instance_uid"], last["collection"])
        )
    speak_of(request, "study", studies=[row["study_instance_uid"] for row in page])
    studies = [StudySummary.model_validate(study_values(dict(row))) for row in page]
    return json_response(StudyList(studies=studies, next_cursor=cursor))


async def count_study_facets(request: web.Request) -> web.Response:
    """What each value of a filter would find."""
    caller, query = viewer(request), parse_query(request, StudyFilter)
    rows, complete = await request.app[READS](
        lambda connection: store.count_facets(connection, caller, query)
    )
    return json_response(Facets.of(rows, FACETS, complete=complete))


async def get_study(request: web.Request) -> web.Response:
    """One study with its series."""
    caller, query = viewer(request), parse_query(request, CollectionQuery)

    async def read(connection: Connection) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
        found = await find(connection, caller, request.match_info["study_uid"], query.collection)
        return found, await store.list_series(connection, caller, found[0])

    found, series = await request.app[READS](read)
    study = found[0]
    await note_use(request.app[DATABASE], caller, study["collection"], study["study_instance_uid"])
    speak_of(
        request,
        "study",
        collection=found[0]["collection"],
        studies=[found[0]["study_instance_uid"]],
    )
    others = [row["collection"] for row in found[1:]]
    values = study_values(dict(found[0])) | {"series": [dict(row) for row in series]}
    return json_response(Study.model_validate(values | {"collections": others}))


OPERATIONS = (
    Operation(
        "GET",
        "/studies",
        list_studies,
        "List studies",
        tag="studies",
        query=StudyQuery,
        response=StudyList,
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/studies/facets",
        count_study_facets,
        "Count studies by the values of each filter, with the other filters as they are",
        audited="refusals",
        tag="studies",
        query=StudyFilter,
        response=Facets,
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/studies/{study_uid}",
        get_study,
        "One study with its series",
        tag="studies",
        query=CollectionQuery,
        response=Study,
        problems=(NotFound,),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/studies/{study_uid}/zip",
        get_zip,
        "Its files as they were sent, in a ZIP archive; `X-Total-Bytes` and `X-Total-Files` tell of how much",
        tag="studies",
        query=CollectionQuery,
        response_type="application/zip",
        problems=(NotFound, TooManyRequests),
        permission="view_dicomfile",
        by_link=True,
    ),
)
