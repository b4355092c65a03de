"""HTTP of the ingest service: uploads, and what was sent."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

from aiohttp import web

from libs.common.errors import (
    Conflict,
    DicomSystemError,
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
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import OWNER, viewer
from libs.common.http.json import json_response, parse_json, parse_query
from libs.common.http.media_type import media_type
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from libs.common.http.problems import problem
from libs.common.keys import TELEMETRY
from libs.common.telemetry.tracing import current_trace_id
from services.ingest import store
from services.ingest.bodies.arriving import Part
from services.ingest.bodies.form import MEDIA_TYPES, UploadBody
from services.ingest.intake import Intake, Sender
from services.ingest.keys import DATABASE, INTAKE, MOVING, SETTINGS, UPLOAD_BYTES, UPLOADS
from services.ingest.models import (
    FileList,
    FileListQuery,
    FileMove,
    Problem,
    StoredFile,
    UploadAnswer,
    UploadedFile,
    UploadLimits,
    UploadQuery,
)
from services.ingest.moving import unknown_file
from services.ingest.names import clean_file_name
from services.ingest.noting import note_the_rest
from services.ingest.senders import PRIORITY_HEADER, sender_of

MAX_MOVE_BYTES = 16_384
BINARY = {"type": "string", "format": "binary"}
FORM = {
    "type": "object",
    "required": ["file"],
    "properties": {"file": {"type": "array", "items": BINARY}},
}


async def upload_files(request: web.Request) -> web.Response:
    """Receive one or many files; one entry per file, in order."""
    sender, owner = sender_of(request, parse_query(request, UploadQuery).collection), request[OWNER]
    uploads, of_bytes = request.app[UPLOADS], request.app[UPLOAD_BYTES]
    with uploads.hold(owner), of_bytes.hold(owner, request.content_length or 0) as held:
        return await _receive_all(request, UploadBody(request, request.app[SETTINGS], held), sender)


async def _receive_all(request: web.Request, body: UploadBody, sender: Sender) -> web.Response:
    settings, intake = request.app[SETTINGS], request.app[INTAKE]
    files: list[UploadedFile] = []
    try:
        async for part in body.parts():
            if len(files) >= settings.max_request_files:
                raise TooLarge(f"More than {settings.max_request_files} files in one request.")
            files.append(await _receive(intake, part, sender))
    except RequestError as error:
        # What was accepted before the request went wrong stays accepted: say so.
        error.members.update(_upload_answer(files))
        if isinstance(error, TooSlow):
            request.app[TELEMETRY].metrics.transfers_cut.labels("upload").inc()
        raise
    if not files:
        raise InvalidRequest('The body holds no file: name each form field "file".')
    answer = _answer(files)
    refused = Counter(file.problem.code for file in files if file.problem is not None)
    before = [file.id for file in files if file.duplicate and file.id is not None]
    await note_the_rest(request, before, refused, accepted=len(files) > refused.total())
    return answer


async def _receive(intake: Intake, part: Part, sender: Sender) -> UploadedFile:
    name = clean_file_name(part.file_name)
    try:
        accepted = await intake.receive(part.chunks, part.file_name or "", sender)
    except (RequestTimeout, TooManyRequests):
        raise
    except DicomSystemError as error:
        await part.skip()
        refusal = Problem(code=error.code, title=error.title, status=error.status, detail=error.detail)
        return UploadedFile(id=None, file_name=name, state="rejected", problem=refusal)
    return UploadedFile(
        id=accepted.id,
        file_name=name or accepted.file.file_name,
        state="accepted",
        folder=accepted.file.folder,
        study_instance_uid=accepted.file.study_instance_uid,
        duplicate=True if accepted.duplicate else None,
        queued_again=True if accepted.duplicate and accepted.queued else None,
        supersedes=accepted.supersedes,
    )


def _answer(files: list[UploadedFile]) -> web.Response:
    """202 when anything was accepted; else the first problem that is no conflict, else the conflict."""
    answer = _upload_answer(files)
    problems = [f.problem for f in files if f.problem is not None]
    if len(problems) < len(files):
        return json_response(answer, status=202)
    first = next((p for p in problems if p.status != Conflict.status), problems[0])
    return problem(first.status, first.code, first.title, first.detail, answer)


def _upload_answer(files: list[UploadedFile]) -> dict[str, Any]:
    return UploadAnswer(files=files, trace_id=current_trace_id()).to_json()


async def get_limits(request: web.Request) -> web.Response:
    """What may be sent, before anybody tries."""
    settings = request.app[SETTINGS]
    told = UploadLimits(
        max_file_bytes=settings.max_file_bytes,
        max_request_bytes=settings.max_request_bytes,
        max_request_files=settings.max_request_files,
        max_decoded_bytes=settings.max_decoded_bytes,
        accepted_extensions=sorted(settings.accepted_extensions),
        uploads_at_once=settings.uploads_per_owner,
        bytes_at_once=settings.upload_bytes_per_owner,
        min_bytes_per_second=settings.transfer_min_rate,
        media_types=list(MEDIA_TYPES),
        free_bytes=await request.app[INTAKE].free_bytes(),
    )
    return json_response(told)


async def list_files(request: web.Request) -> web.Response:
    """What the caller may see, newest first unless asked otherwise."""
    query = parse_query(request, FileListQuery)
    async with request.app[DATABASE].connection() as connection:
        found = await store.list_files(connection, viewer(request).visible, query, query.limit + 1)
    files = found[: query.limit]
    more = len(found) > query.limit
    speak_of(request, "file", *(one.id for one in files), studies={one.study_instance_uid for one in files})
    return json_response(FileList(files=files, next_cursor=str(files[-1].id) if more else None))


async def get_file(request: web.Request) -> web.Response:
    """One file; what the caller may not see is as unknown as what is not there."""
    file_id = _file_id(request)
    async with request.app[DATABASE].connection() as connection:
        file = await store.get_file(connection, file_id, viewer(request).visible)
    if file is None:
        raise unknown_file()
    speak_of(request, "file", collection=file.collection, studies=[file.study_instance_uid])
    return json_response(file)


async def move_file(request: web.Request) -> web.Response:
    """Put a file into another collection."""
    file_id = _file_id(request)
    if media_type(request) != "application/json":
        raise UnsupportedType("Send the body as Content-Type: application/json.")
    try:
        wanted = await parse_json(request.clone(client_max_size=MAX_MOVE_BYTES), FileMove)
    except web.HTTPRequestEntityTooLarge as error:
        raise TooLarge(f"The body is longer than {MAX_MOVE_BYTES} bytes.") from error
    return json_response(await request.app[MOVING].move(file_id, wanted.collection, viewer(request)))


def _file_id(request: web.Request) -> UUID:
    file_id = path_uuid(request, "id", unknown_file())
    speak_of(request, "file")
    return file_id


OPERATIONS = (
    Operation(
        "POST",
        "",
        upload_files,
        "Upload one or many DICOM files",
        query=UploadQuery,
        headers=PRIORITY_HEADER,
        body={"multipart/form-data": FORM, "application/dicom": BINARY},
        response=UploadAnswer,
        status=202,
        problems=(
            NotFound,
            RequestTimeout,
            Conflict,
            TooLarge,
            UnsupportedType,
            InvalidContent,
            TooManyRequests,
        ),
        permission="add_dicomfile",
    ),
    Operation(
        "GET",
        "",
        list_files,
        "List the files sent",
        query=FileListQuery,
        response=FileList,
        permission="view_dicomfile",
    ),
    Operation(
        "GET",
        "/limits",
        get_limits,
        "What an upload may be",
        response=UploadLimits,
        permission="add_dicomfile",
        audited="refusals",
    ),
    Operation(
        "GET",
        "/{id}",
        get_file,
        "One file sent",
        response=StoredFile,
        problems=(NotFound,),
        permission="view_dicomfile",
    ),
    Operation(
        "PATCH",
        "/{id}",
        move_file,
        "Move a file into another collection",
        body=FileMove,
        response=StoredFile,
        problems=(NotFound, Conflict, TooLarge, UnsupportedType),
        permission="move_dicomfile",
    ),
)
