"""HTTP of STOW-RS: instances of the network come in (PS3.18 10.5)."""

from __future__ import annotations

import orjson
from aiohttp import web

from libs.common.access import user_collection
from libs.common.errors import (
    InvalidContent,
    InvalidRequest,
    NotFound,
    RequestError,
    RequestTimeout,
    TooLarge,
    TooManyRequests,
    TooSlow,
    UnsupportedType,
)
from libs.common.http.authenticate import OWNER
from libs.common.http.dicomweb import (
    DICOM_WEB,
    DicomWebQuery,
    asked_collection,
    in_collections,
    web_addresses,
)
from libs.common.http.json import NO_STORE, parse_query
from libs.common.http.openapi import Operation
from libs.common.keys import TELEMETRY
from libs.dicom.parse.part10 import is_uid
from libs.dicom.web import native
from libs.dicom.web.accept import chosen
from libs.dicom.web.transactions import DICOM_JSON, DICOM_XML
from services.ingest.bodies.related import INSTANCE, RELATED, RelatedBody
from services.ingest.keys import INTAKE, SETTINGS, UPLOAD_BYTES, UPLOADS
from services.ingest.noting import note_the_rest
from services.ingest.senders import PRIORITY_HEADER, sender_of
from services.ingest.stow.models import StoreResponse
from services.ingest.stow.reception import Reception

PREFIX = DICOM_WEB
BINARY = {"type": "string", "format": "binary"}


async def store_instances(request: web.Request) -> web.Response:
    """Store the instances of a request, of the study that the URL names if it does."""
    asked, owner = asked_collection(request), request[OWNER]
    sender, study_uid = sender_of(request, asked), _study_uid(request)
    parse_query(request, DicomWebQuery)
    # An address without a collection leads to one's own first.
    own = user_collection(sender.owner_id)
    shown = sender.collection if asked is not None or sender.collection != own else None
    reception = Reception(request.app[INTAKE], sender, study_uid, web_addresses(request, shown))
    with (
        request.app[UPLOADS].hold(owner),
        request.app[UPLOAD_BYTES].hold(owner, request.content_length or 0) as held,
    ):
        await _receive_all(request, RelatedBody(request, request.app[SETTINGS], held), reception)
    status, response = reception.answer()
    await note_the_rest(request, reception.before, reception.refused, accepted=reception.any_stored)
    if chosen(request.headers.getall("Accept", ()), (DICOM_JSON, DICOM_XML)) == DICOM_XML:
        body, kind = native.native_document(response), DICOM_XML
    else:
        body, kind = orjson.dumps(response), DICOM_JSON
    return web.Response(body=body, status=status, content_type=kind, headers=NO_STORE)


async def _receive_all(request: web.Request, body: RelatedBody, reception: Reception) -> None:
    most = request.app[SETTINGS].max_store_instances
    try:
        async for part in body.parts():
            if reception.count >= most:
                raise TooLarge(f"More than {most} instances in one request.")
            await reception.take(part)
    except RequestError as error:
        # What was stored before the request went wrong stays stored: say so.
        error.members["stored"] = reception.response()
        if isinstance(error, TooSlow):
            request.app[TELEMETRY].metrics.transfers_cut.labels("upload").inc()
        raise
    if reception.count == 0:
        raise InvalidRequest(f"The body holds no part: send each instance as one of {INSTANCE}.")


def _study_uid(request: web.Request) -> str | None:
    """The study of the URL. Raises InvalidRequest for what is no UID."""
    study_uid = request.match_info.get("study_uid")
    if study_uid is not None and not is_uid(study_uid):
        raise InvalidRequest("The study in the path is no UID: 1 to 64 digits and dots.")
    return study_uid


def _operation(path: str, summary: str, operation_id: str) -> Operation:
    return Operation(
        "POST",
        path,
        store_instances,
        summary,
        query=DicomWebQuery,
        headers=PRIORITY_HEADER,
        body={RELATED: BINARY, INSTANCE: BINARY},
        response=StoreResponse,
        response_type=DICOM_JSON,
        other_types=(DICOM_XML,),
        also={202: StoreResponse},
        refusals={409: StoreResponse},
        problems=(NotFound, InvalidContent, RequestTimeout, TooLarge, UnsupportedType, TooManyRequests),
        permission="add_dicomfile",
        operation_id=operation_id,
    )


OPERATIONS = in_collections(
    (
        _operation("/studies", "Store instances of any studies", "store_instances"),
        _operation("/studies/{study_uid}", "Store instances of one study", "store_instances_of_study"),
    )
)
