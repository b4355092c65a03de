"""The stored objects over HTTP: the original file, byte for byte, and its thumbnail."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Mapping
from uuid import UUID

import asyncpg
import orjson
from aiohttp import hdrs, web

from libs.common.errors import ObjectCorrupt, ObjectNotFound, RangeNotSatisfiable, ThumbnailMissing
from libs.common.http.audited import speak_of
from libs.common.http.authenticate import OWNER, viewer
from libs.common.http.json import NO_STORE, json_response, parse_query
from libs.common.http.problems import problem_of
from libs.common.ids import analysis_key, file_key, thumbnail_key
from libs.common.keys import TELEMETRY
from libs.common.storage import ObjectReader
from libs.dicom.render.sizes import pick
from services.results.keys import DATABASE, DOWNLOADS, METRICS, READS, SETTINGS, STORAGE
from services.results.read import store as queries
from services.results.read.models import ThumbnailQuery
from services.results.read.ranges import content_disposition, etag_matches, parse_range
from services.results.read.sending import BodySender
from services.results.read.visibility import parse_file_id, unknown

log = logging.getLogger(__name__)

# Kept by the reader's own browser only, and asked for again each time: rights may end, files may be erased.
CACHE_CONTROL = "private, no-cache"


async def get_file(request: web.Request) -> web.StreamResponse:
    """The uploaded bytes; a single byte range if asked for."""
    file_id = parse_file_id(request.match_info["file_id"])
    row = await find_object(request, file_id)
    name = row["file_name"] or f"{file_id}.dcm"
    with request.app[DOWNLOADS].hold(request[OWNER]):
        reader = await request.app[STORAGE].open(file_key(file_id))
        try:
            return await _send_file(request, reader, name)
        finally:
            await reader.close()


async def head_file(request: web.Request) -> web.StreamResponse:
    """The headers of the uploaded file."""
    return await get_file(request)


async def _send_file(request: web.Request, reader: ObjectReader, file_name: str) -> web.StreamResponse:
    headers = {
        hdrs.CACHE_CONTROL: CACHE_CONTROL,
        hdrs.CONTENT_DISPOSITION: content_disposition(file_name),
        hdrs.CONTENT_TYPE: "application/dicom",
        "X-Content-Type-Options": "nosniff",
    }
    return await send_in_ranges(request, headers, f'"{reader.trailer["sha256"]}"', reader.size, reader.chunks)


async def send_in_ranges(
    request: web.Request,
    headers: Mapping[str, str],
    etag: str,
    size: int,
    chunks: Callable[[int, int], AsyncIterator[bytes]],
) -> web.StreamResponse:
    """A body of `size` bytes, or the single range of it that is asked for (RFC 9110 14).

    `chunks` gives bytes from one up to, not with, another; what it raises at once is refused in words.
    """
    told = {**headers, hdrs.ETAG: etag, hdrs.ACCEPT_RANGES: "bytes"}
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=told)
    try:
        wanted = parse_range(range_header(request, etag), size)
    except RangeNotSatisfiable as error:
        return lies_outside(error, size)
    start, stop = wanted or (0, size)
    response = web.StreamResponse(status=200 if wanted is None else 206, headers=told)
    response.content_length = stop - start
    if wanted is not None:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    pieces = chunks(start, stop)
    first = b"" if request.method == hdrs.METH_HEAD else await anext(pieces, b"")
    await response.prepare(request)
    sender = body_sender(request, response)
    if request.method != hdrs.METH_HEAD:
        await sender.write(first)
        async for chunk in pieces:
            await sender.write(chunk)
    await sender.end()
    return response


def body_sender(request: web.Request, response: web.StreamResponse) -> BodySender:
    """How the body of a prepared answer is sent."""
    return BodySender(request, response, request.app[SETTINGS], request.app[TELEMETRY].metrics.transfers_cut)


def lies_outside(error: RangeNotSatisfiable, size: int) -> web.Response:
    """The refusal of a range, which tells of how many bytes (RFC 9110 15.5.17)."""
    answer = problem_of(error)
    answer.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
    return answer


def range_header(request: web.Request, etag: str) -> str | None:
    """The Range header if it counts: on GET only (RFC 9110 14.2), and of the version that the client has."""
    if request.method != hdrs.METH_GET or request.headers.get(hdrs.IF_RANGE, etag) != etag:
        return None
    return request.headers.get(hdrs.RANGE)


async def get_thumbnail(request: web.Request) -> web.StreamResponse:
    """A small JPEG of the middle frame."""
    side = int(parse_query(request, ThumbnailQuery).size)
    file_id = parse_file_id(request.match_info["file_id"])
    row = await find_object(request, file_id)
    if not row["thumbnail"]:
        raise ObjectNotFound("This result has no thumbnail.")
    body, digest = await read_thumbnail(request, file_id)
    etag = f'"{digest}-{side}"'
    headers = {hdrs.ETAG: etag, hdrs.CACHE_CONTROL: CACHE_CONTROL, "X-Content-Type-Options": "nosniff"}
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=pick(body, side), headers=headers, content_type="image/jpeg")


async def read_thumbnail(request: web.Request, file_id: UUID) -> tuple[bytes, str]:
    """The picture and its digest, always the file's own. Raises ThumbnailMissing, noted for the operator."""
    cause = "corrupt"
    try:
        reader = await request.app[STORAGE].open(thumbnail_key(file_id))
        try:
            # A power cut may leave an empty object: thumbnails are not written durably.
            if body := await reader.read(0, reader.size):
                return body, str(reader.trailer["sha256"])
        finally:
            await reader.close()
    except ObjectNotFound:
        cause = "missing"
    except ObjectCorrupt:
        pass
    request.app[METRICS].unreadable_thumbnails.labels(cause).inc()
    log.warning("the thumbnail of %s is %s: reconcile has it made again", file_id, cause)
    raise ThumbnailMissing("The thumbnail was lost; the file itself may be sound.")


async def get_frame_means(request: web.Request) -> web.StreamResponse:
    """The mean of every frame, in order; those of many frames come from the object store."""
    file_id, caller = parse_file_id(request.match_info["file_id"]), viewer(request)
    row = await request.app[READS](lambda connection: queries.get_frame_means(connection, file_id, caller))
    if row is None:
        raise unknown()
    _speak_of(request, row)
    if not row["stored"]:
        if row["means"] is None:
            raise ObjectNotFound("This result has no means by frame.")
        return json_response({"frame_means": orjson.Fragment(row["means"])})
    reader = await request.app[STORAGE].open(analysis_key(file_id, "statistics"))
    try:
        response = web.StreamResponse(headers=NO_STORE)
        response.content_type, response.content_length = "application/json", reader.size
        await response.prepare(request)
        sender = body_sender(request, response)
        async for chunk in reader.chunks():
            await sender.write(chunk)
        await sender.end()
    finally:
        await reader.close()
    return response


async def find_object(request: web.Request, file_id: UUID) -> asyncpg.Record:
    """What the objects of a result take to be served. Raises NotFound."""
    async with request.app[DATABASE].connection() as connection:
        row = await queries.get_object(connection, file_id, viewer(request))
    if row is None:
        raise unknown()
    _speak_of(request, row)
    return row


def _speak_of(request: web.Request, row: asyncpg.Record) -> None:
    speak_of(request, "file", collection=row["collection"], studies=[row["study_instance_uid"]])
