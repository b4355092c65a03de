"""WADO-RS: frames as pictures, documents as PDF, reports as text (PS3.18 10.4.1.1.3, 8.7.4)."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg
from aiohttp import hdrs, web

from libs.common.errors import InvalidContent, InvalidRequest
from libs.dicom.render.frame import PICTURE_TYPES, PictureType, Rendering
from libs.dicom.render.report import PDF_CLASS
from libs.dicom.web.media_ranges import MediaRange
from libs.dicom.web.rendering import IGNORED, picture_type, rendering_of
from services.results.dicomweb.address import find_instance
from services.results.dicomweb.answers import HEADERS, RelatedSender, accepted, decoding_for, not_acceptable
from services.results.dicomweb.documents import PDF, TEXT, is_report, send_pdf, send_report
from services.results.dicomweb.frames import numbers_of, require_frames
from services.results.pixels.source import FrameSource


async def retrieve_rendered_instance(request: web.Request) -> web.StreamResponse:
    """An instance as people see it: the middle frame, the PDF in it, or the text of a report."""
    _, row = await find_instance(request)
    async with await _source(request, row) as source:
        if row["sop_class_uid"] == PDF_CLASS:
            if not any(one.takes(PDF) for one in accepted(request)):
                raise not_acceptable(f"This instance is a document: ask for {PDF}.")
            return await send_pdf(request, source, HEADERS)
        if is_report(row["sop_class_uid"]):
            if not any(one.takes(TEXT) for one in accepted(request)):
                raise not_acceptable(f"This instance is a report: ask for {TEXT}.")
            return send_report(source, HEADERS)
        if source.count == 0:
            raise not_acceptable("This instance has no picture.")
        return await _send_pictures(request, source, [source.count // 2 + 1])


async def retrieve_rendered_frames(request: web.Request) -> web.StreamResponse:
    """Frames as pictures; several of them in parts."""
    numbers = numbers_of(request)
    _, row = await find_instance(request)
    async with await _source(request, row) as source:
        require_frames(source, numbers)
        return await _send_pictures(request, source, numbers)


async def _source(request: web.Request, row: asyncpg.Record) -> FrameSource:
    return await FrameSource.open(decoding_for(request), UUID(bytes=row["file_id"].bytes))


async def _send_pictures(
    request: web.Request, source: FrameSource, numbers: Sequence[int]
) -> web.StreamResponse:
    found = picture_type(accepted(request))
    if found is None or (len(numbers) > 1 and not found[1] and _only_one(accepted(request))):
        raise not_acceptable(
            f"Ask for {' or '.join(PICTURE_TYPES)}; for several frames in multipart/related."
        )
    media_type, in_parts = found
    if not source.is_decodable:
        raise InvalidContent(
            f"Nothing here makes pictures of transfer syntax {source.transfer_syntax}: retrieve the instance "
            "as it is stored, with transfer-syntax=*.",
            code="unsupported-transfer-syntax",
        )
    rendering, headers = wanted_rendering(request, media_type), warning(request)
    first = await source.picture(numbers[0] - 1, rendering)
    if not in_parts and len(numbers) == 1:
        return _whole(request, first, media_type, headers)
    parts = RelatedSender(request, media_type, headers)
    for place, number in enumerate(numbers):
        await parts.begin(media_type)
        await parts.write(first if place == 0 else await source.picture(number - 1, rendering))
    return await parts.end()


def wanted_rendering(request: web.Request, media_type: PictureType) -> Rendering:
    """What the query says of pictures. Raises InvalidRequest."""
    try:
        return rendering_of(request.query, media_type)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None


def warning(request: web.Request) -> dict[str, str]:
    """The header that tells which parameters change nothing."""
    ignored = [name for name in IGNORED if name in request.query]
    return {hdrs.WARNING: f'299 - "Not supported, and ignored: {", ".join(ignored)}"'} if ignored else {}


def _only_one(ranges: Sequence[MediaRange]) -> bool:
    """Whether no multipart is taken."""
    return not any(one.takes("multipart/related") for one in ranges)


def _whole(request: web.Request, body: bytes, media_type: str, headers: dict[str, str]) -> web.Response:
    return web.Response(body=body, content_type=media_type, headers={**HEADERS, **headers})
