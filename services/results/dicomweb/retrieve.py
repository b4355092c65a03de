"""WADO-RS: instances of a study, a series, or one of them, as they were sent or transcoded (PS3.18 10.4)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from functools import partial
from uuid import UUID

import asyncpg
from aiohttp import hdrs, web

from libs.common.errors import InvalidContent, NotAcceptable
from libs.common.http.authenticate import OWNER
from libs.common.http.json import NO_STORE
from libs.dicom.web.instances import DICOM, InstanceForm, instance_form
from services.results.dicomweb import store
from services.results.dicomweb.address import find_target, note_opened, nothing
from services.results.dicomweb.answers import HEADERS, RelatedSender, accepted, decoding_for, not_acceptable
from services.results.dicomweb.bodies import InstanceBody, choose_syntax
from services.results.dicomweb.store import Addressed
from services.results.keys import DOWNLOADS, METRICS, READS, STORAGE
from services.results.read.downloads import body_sender, send_in_ranges
from services.results.read.ranges import content_disposition, etag_matches
from services.results.studies.archive import ZipStream, safe_name
from services.results.studies.download import ArchiveSender

log = logging.getLogger(__name__)

PAGE = 200
"""Instances that are looked up at once; whether they may be seen is asked anew each time."""
_CAN = (
    'Ask for multipart/related; type="application/dicom"; transfer-syntax=*, for application/zip, or for '
    "application/dicom where the address names one instance."
)


async def retrieve_study(request: web.Request) -> web.StreamResponse:
    """The instances of a study."""
    return await _retrieve(request)


async def retrieve_series(request: web.Request) -> web.StreamResponse:
    """The instances of a series."""
    return await _retrieve(request)


async def retrieve_instance(request: web.Request) -> web.StreamResponse:
    """One instance."""
    return await _retrieve(request)


async def _retrieve(request: web.Request) -> web.StreamResponse:
    with request.app[DOWNLOADS].hold(request[OWNER]):
        target = await find_target(request)
        form = instance_form(accepted(request), one=target.instance is not None)
        if form is None:
            raise not_acceptable(_CAN)
        first = await page_of(request, target, None)
        if not first:
            raise nothing()
        await note_opened(request, target, None if target.instance is None else first[0]["file_id"])
        if form.kind == "zip":
            return await _send_zip(request, target, first)
        if form.kind == "single":
            return await _send_single(request, form, first[0])
        return await _send_parts(request, target, form, first)


async def page_of(request: web.Request, target: Addressed, after: UUID | None) -> list[asyncpg.Record]:
    """The next PAGE of the instances of a target that the caller sees."""
    return await request.app[READS](partial(store.page, target=target, after=after, limit=PAGE))


async def instances(
    request: web.Request, target: Addressed, page: Sequence[asyncpg.Record]
) -> AsyncIterator[asyncpg.Record]:
    """All instances, of which `page` are the first."""
    while True:
        for row in page:
            yield row
        if len(page) < PAGE:
            return
        page = await page_of(request, target, page[-1]["file_id"])


async def _send_parts(
    request: web.Request, target: Addressed, form: InstanceForm, page: Sequence[asyncpg.Record]
) -> web.StreamResponse:
    await _require_possible(request, target, form, page)
    sender = RelatedSender(request, DICOM, {})
    async for row in instances(request, target, page):
        async with await InstanceBody.open(decoding_for(request), _file_id(row), form) as body:
            try:
                await body.begin()
            except (InvalidContent, NotAcceptable) as error:
                # One that is damaged is no reason to withhold the others.
                if target.instance is not None:
                    raise
                log.warning("file %s is given as it is stored: %s", _file_id(row), error.detail)
                request.app[METRICS].stored_instead.inc()
                body.give_stored()
            await sender.begin(body.content_type)
            async for chunk in body.chunks():
                await sender.write(chunk)
    return await sender.end()


async def _require_possible(
    request: web.Request, target: Addressed, form: InstanceForm, page: Sequence[asyncpg.Record]
) -> None:
    """Raise NotAcceptable before the answer begins where one of the instances cannot be given as asked."""
    syntaxes = {row["transfer_syntax_uid"] for row in page}
    if len(page) == PAGE:
        measured = await request.app[READS](partial(store.measure, target=target))
        syntaxes = set(measured["syntaxes"])
    for stored in filter(None, syntaxes):
        choose_syntax(form, stored)


async def _send_single(request: web.Request, form: InstanceForm, row: asyncpg.Record) -> web.StreamResponse:
    async with await InstanceBody.open(decoding_for(request), _file_id(row), form) as body:
        headers = {
            **HEADERS,
            hdrs.CONTENT_TYPE: body.content_type,
            hdrs.CONTENT_DISPOSITION: content_disposition(safe_name(f"{row['sop_instance_uid']}.dcm")),
        }
        if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), body.etag):
            return web.Response(status=304, headers={**headers, hdrs.ETAG: body.etag})
        await body.begin()
        if body.in_ranges is not None:
            return await send_in_ranges(request, headers, body.etag, body.size, body.in_ranges)
        response = web.StreamResponse(headers={**headers, hdrs.ETAG: body.etag})
        response.content_length = body.size
        await response.prepare(request)
        sender = body_sender(request, response)
        if request.method != hdrs.METH_HEAD:
            async for chunk in body.chunks():
                await sender.write(chunk)
        await sender.end()
        return response


async def _send_zip(
    request: web.Request, target: Addressed, page: Sequence[asyncpg.Record]
) -> web.StreamResponse:
    response = web.StreamResponse(headers={**NO_STORE, hdrs.VARY: hdrs.ACCEPT})
    name = safe_name(f"{target.instance or target.series or target.study}.zip")
    response.headers[hdrs.CONTENT_DISPOSITION] = content_disposition(name)
    response.content_type = "application/zip"
    await response.prepare(request)
    sender = body_sender(request, response)
    if request.method != hdrs.METH_HEAD:
        with closing(ZipStream()) as stream:
            archive = ArchiveSender(request.app[STORAGE], sender, stream)
            async for row in instances(request, target, page):
                await archive.add(row)
            await archive.finish()
    await sender.end()
    return response


def _file_id(row: asyncpg.Record) -> UUID:
    return UUID(bytes=row["file_id"].bytes)
