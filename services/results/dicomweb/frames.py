"""WADO-RS: frames as they are stored, or decoded (PS3.18 10.4.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

from aiohttp import hdrs, web

from libs.common.errors import InvalidRequest, NotFound
from libs.common.http.authenticate import OWNER
from libs.dicom.web.frames import MOST_FRAMES, FrameForm, StoredFrames, frame_form, parse_frames
from services.results.dicomweb.address import find_instance
from services.results.dicomweb.answers import (
    HEADERS,
    RelatedSender,
    accepted,
    decoding_for,
    not_acceptable,
    send_single,
)
from services.results.keys import FRAMES
from services.results.pixels.source import FrameSource
from services.results.read.ranges import etag_matches

_CAN = (
    'Ask for multipart/related; type="application/octet-stream", for the same with transfer-syntax=*, or for '
    "the media type in which the frames are stored."
)


async def retrieve_frames(request: web.Request) -> web.StreamResponse:
    """Frames of an instance, each a part, in the order in which they are named."""
    numbers = numbers_of(request)
    with request.app[FRAMES].hold(request[OWNER]):
        _, row = await find_instance(request)
        async with await FrameSource.open(decoding_for(request), UUID(bytes=row["file_id"].bytes)) as source:
            require_frames(source, numbers)
            stored = StoredFrames(source.transfer_syntax, source.is_native, source.is_decodable)
            form = frame_form(accepted(request), stored, one=len(numbers) == 1)
            if form is None:
                raise not_acceptable(_CAN)
            asked = "-".join(map(str, numbers))
            etag = f'"{source.reader.trailer["sha256"][:32]}-{form.syntax}-{asked}"'
            if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
                return web.Response(status=304, headers={**HEADERS, hdrs.ETAG: etag})
            return await _send(request, source, form, numbers, etag)


def numbers_of(request: web.Request) -> list[int]:
    """The frames that the path names, counted from 1 on. Raises InvalidRequest."""
    numbers = parse_frames(request.match_info["frames"])
    if numbers is None:
        raise InvalidRequest(
            f"Name frames by their numbers from 1 on, separated by commas, {MOST_FRAMES} at most."
        )
    return numbers


def require_frames(source: FrameSource, numbers: list[int]) -> None:
    """Raise NotFound where one of them is not there."""
    if not all(1 <= number <= source.count for number in numbers):
        raise NotFound(f"This instance has {source.count} frames; one that was asked for is not among them.")


async def _send(
    request: web.Request, source: FrameSource, form: FrameForm, numbers: list[int], etag: str
) -> web.StreamResponse:
    # Before the answer begins: what cannot be decoded is refused in words.
    first = _frame(source, form, numbers[0])
    begin = await anext(first, b"")
    if form.single:
        response = web.StreamResponse(
            headers={**HEADERS, hdrs.ETAG: etag, hdrs.CONTENT_TYPE: form.content_type}
        )
        return await send_single(request, response, begin, first)
    parts = RelatedSender(request, form.media_type, {hdrs.ETAG: etag})
    await parts.begin(form.content_type)
    await parts.write(begin)
    async for piece in first:
        await parts.write(piece)
    for number in numbers[1:]:
        await parts.begin(form.content_type)
        async for piece in _frame(source, form, number):
            await parts.write(piece)
    return await parts.end()


def _frame(source: FrameSource, form: FrameForm, number: int) -> AsyncIterator[bytes]:
    return source.codestream(number - 1) if form.stored else source.decoded(number - 1)
