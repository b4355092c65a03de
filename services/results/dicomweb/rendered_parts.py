"""WADO-RS: a study or series as people see it, each instance a part (PS3.18 10.4.1.1.3)."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from typing import NamedTuple
from uuid import UUID

import asyncpg
from aiohttp import hdrs, web

from libs.common.errors import InvalidContent, InvalidRequest, NotFound
from libs.common.http.authenticate import OWNER
from libs.dicom.render.frame import Rendering
from libs.dicom.render.report import PDF_CLASS, report_text
from libs.dicom.web.media_ranges import MediaRange
from libs.dicom.web.rendering import picture_part, takes_part
from services.results.dicomweb.address import addresses_of, find_target, note_opened, nothing
from services.results.dicomweb.answers import RelatedSender, accepted, decoding_for, not_acceptable
from services.results.dicomweb.documents import PDF, TEXT, is_report, pdf_of
from services.results.dicomweb.rendered import wanted_rendering, warning
from services.results.dicomweb.retrieve import instances, page_of
from services.results.keys import DOWNLOADS
from services.results.pixels.source import FrameSource

log = logging.getLogger(__name__)
_CAN = 'Ask for multipart/related, with the type image/jpeg, image/png or "*/*".'


class WantedParts(NamedTuple):
    """What a client takes of a study; `rendering` is None where it takes no pictures."""

    ranges: Sequence[MediaRange]
    rendering: Rendering | None


class ShownInstance(NamedTuple):
    """An instance as people see it; what can fail has not failed."""

    content_type: str
    first: bytes
    rest: AsyncIterator[bytes] | None = None


async def retrieve_rendered_study(request: web.Request) -> web.StreamResponse:
    """The instances of a study as people see them."""
    return await _retrieve(request)


async def retrieve_rendered_series(request: web.Request) -> web.StreamResponse:
    """The instances of a series as people see them."""
    return await _retrieve(request)


async def _retrieve(request: web.Request) -> web.StreamResponse:
    wanted = _wanted(request)
    with request.app[DOWNLOADS].hold(request[OWNER]):
        target = await find_target(request)
        page = await page_of(request, target, None)
        if not page:
            raise nothing()
        await note_opened(request, target)
        parts, urls = None, addresses_of(request)
        async for row in instances(request, target, page):
            async with AsyncExitStack() as held:
                shown = await _shown(request, row, wanted, held)
                if shown is None:
                    continue
                if parts is None:
                    parts = RelatedSender(request, shown.content_type.partition(";")[0], warning(request))
                uids = row["study_instance_uid"], row["series_instance_uid"], row["sop_instance_uid"]
                located: dict[str, str] = {hdrs.CONTENT_LOCATION: f"{urls.instance_url(*uids)}/rendered"}
                await parts.begin(shown.content_type, located)
                await parts.write(shown.first)
                if shown.rest is not None:
                    async for piece in shown.rest:
                        await parts.write(piece)
            if request.method == hdrs.METH_HEAD:
                break
        if parts is None:
            raise not_acceptable("Nothing here can be shown as that.")
        return await parts.end()


def _wanted(request: web.Request) -> WantedParts:
    """Raises NotAcceptable, and InvalidRequest for what cannot be read of the query."""
    ranges = accepted(request)
    media_type = picture_part(ranges)
    if media_type is None and not any(takes_part(ranges, kind) for kind in (PDF, TEXT)):
        raise not_acceptable(_CAN)
    return WantedParts(ranges, None if media_type is None else wanted_rendering(request, media_type))


async def _shown(
    request: web.Request, row: asyncpg.Record, wanted: WantedParts, held: AsyncExitStack
) -> ShownInstance | None:
    """The middle frame of an instance, the PDF in it or its text; None where it is nothing that is taken.

    One that is damaged is no reason to withhold the others. `held` keeps its object open. Raises as Storage.
    """
    sop_class, file_id = row["sop_class_uid"], UUID(bytes=row["file_id"].bytes)
    kind = PDF if sop_class == PDF_CLASS else TEXT if is_report(sop_class) else None
    takes = wanted.rendering is not None if kind is None else takes_part(wanted.ranges, kind)
    if not takes:
        return None
    try:
        source = await held.enter_async_context(await FrameSource.open(decoding_for(request), file_id))
        if kind == TEXT:
            return ShownInstance(f"{TEXT}; charset=utf-8", report_text(source.sealed.data_set).encode())
        if kind == PDF:
            document = pdf_of(source)
            chunks = document.chunks(0, document.length)
            return ShownInstance(PDF, await anext(chunks, b""), chunks)
        if wanted.rendering is None or source.count == 0 or not source.is_decodable:
            return None
        made = await source.picture(source.count // 2, wanted.rendering)
        return ShownInstance(wanted.rendering.media_type, made)
    except (InvalidContent, InvalidRequest, NotFound) as error:
        log.warning("file %s is left out of a rendered study: %s", file_id, error.detail)
        return None
