"""WADO-RS: what BulkDataURIs of headers name: pixel data, and other long values (PS3.18 10.4.1.1.4)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from uuid import UUID

from aiohttp import hdrs, web

from libs.common.errors import NotFound, RangeNotSatisfiable
from libs.common.http.authenticate import OWNER
from libs.dicom.web.frames import OCTETS, FrameForm, StoredFrames, frame_form
from libs.dicom.web.media_ranges import MediaRange, covers
from services.results.dicomweb.address import find_instance
from services.results.dicomweb.answers import (
    HEADERS,
    RelatedSender,
    accepted,
    decoding_for,
    not_acceptable,
)
from services.results.keys import DOWNLOADS
from services.results.pixels.source import FrameSource
from services.results.read.downloads import lies_outside, range_header, send_in_ranges
from services.results.read.ranges import etag_matches, parse_range

_CAN = f'Ask for {OCTETS}, or for multipart/related; type="{OCTETS}".'


async def retrieve_bulkdata(request: web.Request) -> web.StreamResponse:
    """One value of an instance, at any depth; compressed pixel data frame by frame."""
    uri = f"bulkdata/{request.match_info['path']}"
    with request.app[DOWNLOADS].hold(request[OWNER]):
        _, row = await find_instance(request)
        file_id = UUID(bytes=row["file_id"].bytes)
        async with await FrameSource.open(decoding_for(request), file_id) as source:
            place = source.sealed.pixels
            if place is not None and uri == f"bulkdata/{place.tag:08X}":
                if source.is_native:
                    return await _send(request, source, uri, source.native)
                return await _send_frames(request, source)
            if uri not in source.sealed.bulk:
                raise NotFound("This instance has no such bulk data.")
            return await _send(request, source, uri, partial(source.value, uri))


async def _send(
    request: web.Request,
    source: FrameSource,
    uri: str,
    value: Callable[[int, int], AsyncIterator[bytes]],
) -> web.StreamResponse:
    """`value` gives bytes from one up to, not with, another. By itself it comes in ranges as well."""
    in_parts = _in_parts(accepted(request))
    if in_parts is None:
        raise not_acceptable(_CAN)
    etag = f'"{source.reader.trailer["sha256"]}-{uri.rpartition("/")[2]}-{len(uri)}"'
    length = source.sealed.bulk[uri][1]
    if not in_parts:
        return await send_in_ranges(request, {**HEADERS, hdrs.CONTENT_TYPE: OCTETS}, etag, length, value)
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers={**HEADERS, hdrs.ETAG: etag})
    try:
        wanted = parse_range(range_header(request, etag), length)
    except RangeNotSatisfiable as error:
        return lies_outside(error, length)
    start, stop = wanted or (0, length)
    pieces = value(start, stop)
    first = await anext(pieces, b"")
    # The range is one of the value, as dicomweb-client means it. Without ETag nobody joins such answers.
    span: dict[str, str] = (
        {} if wanted is None else {hdrs.CONTENT_RANGE: f"bytes {start}-{stop - 1}/{length}"}
    )
    parts = RelatedSender(request, OCTETS, span or {hdrs.ETAG: etag}, status=206 if span else 200)
    await parts.begin(OCTETS, span)
    await parts.write(first)
    async for chunk in pieces:
        await parts.write(chunk)
    return await parts.end()


def _in_parts(ranges: Sequence[MediaRange]) -> bool | None:
    """Whether the best that is taken is multipart; None: nothing that can be had is taken."""
    for asked in ranges:
        if asked.takes(OCTETS):
            return False
        if asked.takes("multipart/related") and covers(asked.part, OCTETS):
            return True
    return None


async def _send_frames(request: web.Request, source: FrameSource) -> web.StreamResponse:
    stored = StoredFrames(source.transfer_syntax, source.is_native, source.is_decodable)
    form: FrameForm | None = frame_form(accepted(request), stored, one=False)
    if form is None:
        raise not_acceptable("Compressed pixel data come frame by frame, in multipart/related.")
    parts = RelatedSender(request, form.media_type, {})
    for frame in range(await source.codestreams() if form.stored else source.count):
        pieces = source.codestream(frame) if form.stored else source.decoded(frame)
        first = await anext(pieces, b"")  # what cannot be decoded is refused in words
        await parts.begin(form.content_type)
        await parts.write(first)
        async for piece in pieces:
            await parts.write(piece)
    return await parts.end()
