"""WADO-RS: the headers of instances, from the database; nothing is decoded (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Sequence
from functools import partial
from hashlib import sha256
from uuid import UUID

import asyncpg
import orjson
from aiohttp import hdrs, web

from libs.common.http.compression import takes_gzip
from libs.common.http.dicomweb import WebAddresses
from libs.dicom.web.media_ranges import MediaRange
from libs.dicom.web.metadata import instance_metadata
from libs.dicom.web.native import native_document
from libs.dicom.web.transactions import DICOM_JSON, DICOM_XML
from services.results.dicomweb import store
from services.results.dicomweb.address import addresses_of, find_target, note_opened, nothing
from services.results.dicomweb.answers import HEADERS, RelatedSender, accepted, not_acceptable
from services.results.dicomweb.store import Addressed
from services.results.keys import READS
from services.results.read.downloads import body_sender
from services.results.read.ranges import etag_matches

_TYPES = (DICOM_JSON, "application/json")
_FORMAT = 1
"""Goes up with every change of what is made of the same headers: what clients keep is stale then."""
_LEVEL = 4
"""Of compression: half the time of the usual 6 for a twentieth more bytes."""


async def retrieve_study_metadata(request: web.Request) -> web.StreamResponse:
    """The headers of a study."""
    return await _retrieve(request)


async def retrieve_series_metadata(request: web.Request) -> web.StreamResponse:
    """The headers of a series."""
    return await _retrieve(request)


async def retrieve_instance_metadata(request: web.Request) -> web.StreamResponse:
    """The header of an instance."""
    return await _retrieve(request)


async def _retrieve(request: web.Request) -> web.StreamResponse:
    media_type = _chosen(accepted(request))
    target, reads = await find_target(request), request.app[READS]
    measured = await reads(partial(store.measure, target=target))
    if not measured["instances"]:
        raise nothing()
    await note_opened(request, target, measured["file_id"] if target.instance is not None else None)
    seen_as = f"{_FORMAT} {addresses_of(request).root} {media_type} {measured['digest']}"
    etag = f'W/"{sha256(seen_as.encode()).hexdigest()[:32]}"'
    headers: dict[str, str] = {hdrs.VARY: f"{hdrs.ACCEPT}, {hdrs.ACCEPT_ENCODING}", hdrs.ETAG: etag}
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag.removeprefix("W/")):
        return web.Response(status=304, headers={**HEADERS, **headers})
    if media_type == DICOM_XML:
        return await _send_xml(request, target, headers)
    return await _send_json(request, target, {**HEADERS, **headers, hdrs.CONTENT_TYPE: media_type})


def _chosen(ranges: Sequence[MediaRange]) -> str:
    """The media type that is taken best. Raises NotAcceptable."""
    for asked in ranges:
        # As clients write it who do not know that XML comes in parts; searches take it as well.
        if asked.type == DICOM_XML or (asked.type == "multipart/related" and asked.part == DICOM_XML):
            return DICOM_XML
        for media_type in _TYPES:
            if asked.takes(media_type):
                return media_type
    raise not_acceptable(f'Ask for {DICOM_JSON}, or for multipart/related; type="{DICOM_XML}".')


async def _rows(request: web.Request, target: Addressed) -> AsyncIterator[list[asyncpg.Record]]:
    """Headers, some at a time; none where nobody wants the body."""
    after: UUID | None = None
    while request.method != hdrs.METH_HEAD:
        rows = await request.app[READS](partial(store.headers, target=target, after=after))
        if rows:
            yield rows
        if not rows or target.instance is not None:
            return
        after = rows[-1]["file_id"]


async def _send_json(request: web.Request, target: Addressed, headers: dict[str, str]) -> web.StreamResponse:
    packer = None
    if takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        headers[hdrs.CONTENT_ENCODING] = "gzip"
        packer = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    response = web.StreamResponse(headers=headers)
    await response.prepare(request)
    sender, urls, before = body_sender(request, response), addresses_of(request), "["
    async for rows in _rows(request, target):
        if piece := await asyncio.to_thread(_piece, rows, urls, before, packer):
            await sender.write(piece)
        before = ","
    if request.method != hdrs.METH_HEAD:
        end = b"]" if before == "," else b"[]"
        await sender.write(end if packer is None else packer.compress(end) + packer.flush())
    await sender.end()
    return response


async def _send_xml(request: web.Request, target: Addressed, headers: dict[str, str]) -> web.StreamResponse:
    """Each instance is a part (PS3.18 8.7.3.2)."""
    parts, urls = RelatedSender(request, DICOM_XML, headers), addresses_of(request)
    async for rows in _rows(request, target):
        for row in rows:
            document = await asyncio.to_thread(_document, row, urls)
            await parts.begin(DICOM_XML)
            await parts.write(document)
    return await parts.end()


def _document(row: asyncpg.Record, urls: WebAddresses) -> bytes:
    return native_document(orjson.loads(_header(row, urls)))


def _header(row: asyncpg.Record, urls: WebAddresses) -> str:
    uids = row["study_instance_uid"], row["series_instance_uid"], row["sop_instance_uid"]
    return instance_metadata(row["raw_data"], urls.instance_url(*uids))


def _piece(
    rows: Sequence[asyncpg.Record], urls: WebAddresses, before: str, packer: zlib._Compress | None
) -> bytes:
    """Some of the array; compressing thousands of headers is nothing for the event loop."""
    data = (before + ",".join(_header(row, urls) for row in rows)).encode()
    return data if packer is None else packer.compress(data)
