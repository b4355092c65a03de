"""HTTP of DICOMweb's own description: which transactions are served (PS3.18 8.9)."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import hdrs, web

from libs.common.http.dicomweb import (
    DICOM_WEB,
    DicomWebQuery,
    asked_collection,
    in_collections,
    web_addresses,
)
from libs.common.http.json import NO_STORE, json_response
from libs.common.http.openapi import Operation
from libs.dicom.web.accept import chosen
from libs.dicom.web.capabilities import capabilities, wadl
from libs.dicom.web.transactions import JSON_TYPE, TRANSACTIONS, WADL_TYPE
from services.results.dicomweb import wado
from services.results.dicomweb.qido import routes as qido_routes

PREFIX = DICOM_WEB


async def describe_dicomweb(request: web.Request) -> web.Response:
    """WADL, which is the standard's own; JSON to who would rather have it."""
    root = web_addresses(request, asked_collection(request)).root
    allow = {"Allow": "GET, HEAD, OPTIONS"}
    if chosen(request.headers.getall("Accept", ()), (WADL_TYPE, JSON_TYPE)) == JSON_TYPE:
        return json_response(capabilities(root, TRANSACTIONS), headers=allow)
    return web.Response(body=wadl(root, TRANSACTIONS), headers={**NO_STORE, **allow}, content_type=WADL_TYPE)


_DESCRIPTIONS = tuple(
    Operation(
        method,
        "",
        describe_dicomweb,
        "What is served below this root",
        query=DicomWebQuery,
        response_type=WADL_TYPE,
        other_types=(JSON_TYPE,),
        operation_id=name,
        audited="refusals",
        head=method == hdrs.METH_GET,
    )
    for method, name in (("OPTIONS", "dicomweb_options"), ("GET", "describe_dicomweb"))
)
OPERATIONS = (
    *in_collections(_DESCRIPTIONS),
    *in_collections(qido_routes.OPERATIONS),
    *in_collections(wado.OPERATIONS),
    *(
        replace(one, path=f"{one.path}/", operation_id=f"{one.operation_id}_of_root")
        for one in in_collections(_DESCRIPTIONS)
    ),
)
