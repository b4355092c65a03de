"""One frame for the portal's viewer: its values to calculate with, or a picture of it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from hashlib import sha256

from aiohttp import hdrs, web

from libs.common.errors import InvalidContent, InvalidRequest, NotFound, ObjectNotFound
from libs.common.http.authenticate import OWNER
from libs.common.http.compression import takes_gzip
from libs.common.http.json import parse_query
from libs.dicom.render.frame import PICTURE_TYPES, PictureType, Rendering
from libs.dicom.render.levels import View
from libs.dicom.render.values import value_type, values_size
from libs.dicom.web.frames import OCTETS
from libs.dicom.web.media_ranges import MediaRange
from libs.dicom.web.rendering import window_of
from services.results.dicomweb.answers import HEADERS, accepted, decoding_for, not_acceptable, send_single
from services.results.keys import FRAMES, METRICS, OPENED
from services.results.pixels.source import FrameSource
from services.results.read.downloads import find_object
from services.results.read.ranges import etag_matches
from services.results.read.visibility import parse_file_id
from services.results.viewer.looking import look_at_frame
from services.results.viewer.models import FrameQuery
from services.results.viewer.packing import beginning, packed, pays

VALUES_HEADER, SIZE_HEADER = "X-Frame-Values", "X-Frame-Size"
PREVIEW_SIDE = 512
_FORMAT = 1
"""Goes up with every change of what is made of the same file: what browsers keep is stale then."""
_NUMBER = re.compile(r"[1-9][0-9]{0,8}")


async def view_frames(request: web.Request) -> web.StreamResponse:
    """A frame: its values, or a picture."""
    query = parse_query(request, FrameQuery)
    file_id = parse_file_id(request.match_info["file_id"])
    with request.app[FRAMES].hold(request[OWNER]):
        row = await find_object(request, file_id)
        look_at_frame(request, row, file_id)
        if row["state"] == "erased":
            raise ObjectNotFound("This file was erased.")
        form = chosen_form(query, accepted(request))
        if form is None:
            raise not_acceptable(f"Ask for {', '.join((OCTETS, *PICTURE_TYPES))}.")
        rendering = None if form == OCTETS else _rendering(query, form)
        async with request.app[OPENED].use(decoding_for(request), file_id) as source:
            number = _number(request, source)
            _require_decodable(source)
            told = f"{_FORMAT} {number} {form} {None if rendering is None else rendering.to_json()}"
            digest = sha256(f"{source.reader.trailer['sha256']} {told}".encode()).hexdigest()[:32]
            headers = {**HEADERS, hdrs.ETAG: f'W/"{digest}"'}
            if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), f'"{digest}"'):
                request.app[METRICS].viewer_frames.labels("unchanged").inc()
                return web.Response(status=304, headers=headers)
            if rendering is None:
                return await _send_values(request, source, number, headers)
            body = await source.picture(number - 1, rendering)
            request.app[METRICS].viewer_frames.labels("picture").inc()
            return web.Response(body=body, content_type=rendering.media_type, headers=headers)


def chosen_form(query: FrameQuery, ranges: Sequence[MediaRange]) -> PictureType | str | None:
    """The media type that is given; pictures to who takes anything. None: none of them is taken."""
    if query.as_ == "values":
        return OCTETS
    offered: tuple[str, ...] = PICTURE_TYPES if query.as_ == "preview" else (*PICTURE_TYPES, OCTETS)
    return next((one for asked in ranges for one in offered if asked.takes(one)), None)


def _rendering(query: FrameQuery, form: str) -> Rendering:
    media_type: PictureType = "image/png" if form == "image/png" else "image/jpeg"
    try:
        view: View | None = "lut" if query.window == "lut" else window_of(query.window)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    side = query.size or (PREVIEW_SIDE if media_type == "image/jpeg" else None)
    return Rendering(media_type, view=view, side=side, invert=query.invert == "1")


def _number(request: web.Request, source: FrameSource) -> int:
    """The number of the frame, from 1. Raises NotFound."""
    text = request.match_info["number"]
    if _NUMBER.fullmatch(text) is None or int(text) > source.count:
        raise NotFound(f"This object has {source.count} frames, counted from 1: there is no such one.")
    return int(text)


def _require_decodable(source: FrameSource) -> None:
    if not source.is_decodable:
        raise InvalidContent(
            f"Nothing here decodes transfer syntax {source.transfer_syntax}: take the original file.",
            code="unsupported-transfer-syntax",
        )


async def _send_values(
    request: web.Request, source: FrameSource, number: int, headers: dict[str, str]
) -> web.StreamResponse:
    image, pieces = source.image, source.values(number - 1)
    kind = value_type(image)
    # Before the answer begins: what cannot be decoded is refused in words.
    first = await beginning(pieces)
    response = web.StreamResponse(
        headers={
            **headers,
            hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}",
            hdrs.CONTENT_TYPE: OCTETS,
            VALUES_HEADER: str(kind),
            SIZE_HEADER: f"{image.rows},{image.columns}",
        }
    )
    request.app[METRICS].viewer_frames.labels("values").inc()
    gzip = takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, ""))
    if gzip and await asyncio.to_thread(pays, first):
        response.headers[hdrs.CONTENT_ENCODING] = "gzip"
        return await send_single(request, response, b"", packed(first, pieces))
    if kind is not None:
        response.content_length = values_size(image, kind)
    return await send_single(request, response, first, pieces)
