"""The stored objects over HTTP: the original file, byte for byte, and its thumbnail."""

from __future__ import annotations

from aiohttp import hdrs, web

from libs.common.errors import ObjectNotFound, RangeNotSatisfiable
from libs.common.http.authenticate import principal
from libs.common.http.problems import problem_of
from libs.common.ids import ObjectKey, file_key
from libs.common.storage import ObjectReader
from services.results.keys import DATABASE, STORAGE
from services.results.read import store as queries
from services.results.read.ranges import content_disposition, etag_matches, parse_range
from services.results.read.visibility import parse_file_id, unknown, visible_owner

# Kept by the reader's own browser only, and asked for again each time: rights may end, files may be erased.
CACHE_CONTROL = "private, no-cache"


async def get_file(request: web.Request) -> web.StreamResponse:
    """The uploaded bytes; a single byte range if asked for."""
    file_id = parse_file_id(request.match_info["file_id"])
    async with request.app[DATABASE].connection() as connection:
        row = await queries.get_object(connection, file_id, visible_owner(principal(request)))
    if row is None:
        raise unknown()
    reader = await request.app[STORAGE].open(file_key(file_id))
    try:
        return await _send_file(request, reader, row["file_name"] or f"{file_id}.dcm")
    finally:
        await reader.close()


async def head_file(request: web.Request) -> web.StreamResponse:
    """The headers of the uploaded file."""
    return await get_file(request)


async def _send_file(request: web.Request, reader: ObjectReader, file_name: str) -> web.StreamResponse:
    etag = f'"{reader.trailer["sha256"]}"'
    headers = {
        hdrs.ETAG: etag,
        hdrs.CACHE_CONTROL: CACHE_CONTROL,
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.CONTENT_DISPOSITION: content_disposition(file_name),
        "X-Content-Type-Options": "nosniff",
    }
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    try:
        wanted = parse_range(_range_header(request, etag), reader.size)
    except RangeNotSatisfiable as error:
        answer = problem_of(error)
        answer.headers[hdrs.CONTENT_RANGE] = f"bytes */{reader.size}"
        return answer
    start, stop = wanted or (0, reader.size)
    response = web.StreamResponse(status=200 if wanted is None else 206, headers=headers)
    response.content_type = "application/dicom"
    response.content_length = stop - start
    if wanted is not None:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{reader.size}"
    await response.prepare(request)
    if request.method != hdrs.METH_HEAD:
        async for chunk in reader.chunks(start, stop):
            await response.write(chunk)
    await response.write_eof()
    return response


def _range_header(request: web.Request, etag: str) -> str | None:
    """The Range header if it counts: on GET only (RFC 9110 14.2), and of the version that the client has."""
    if request.method != hdrs.METH_GET or request.headers.get(hdrs.IF_RANGE, etag) != etag:
        return None
    return request.headers.get(hdrs.RANGE)


async def get_thumbnail(request: web.Request) -> web.StreamResponse:
    """A small JPEG of the middle frame."""
    file_id = parse_file_id(request.match_info["file_id"])
    async with request.app[DATABASE].connection() as connection:
        row = await queries.get_object(connection, file_id, visible_owner(principal(request)))
    if row is None:
        raise unknown()
    if row["thumbnail_key"] is None:
        raise ObjectNotFound("This result has no thumbnail.")
    reader = await request.app[STORAGE].open(ObjectKey(row["thumbnail_key"]))
    try:
        etag = f'"{reader.trailer["sha256"]}"'
        headers = {
            hdrs.ETAG: etag,
            hdrs.CACHE_CONTROL: CACHE_CONTROL,
            "X-Content-Type-Options": "nosniff",
        }
        if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
            return web.Response(status=304, headers=headers)
        body = await reader.read(0, reader.size)
    finally:
        await reader.close()
    return web.Response(body=body, headers=headers, content_type="image/jpeg")
