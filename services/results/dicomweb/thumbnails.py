"""WADO-RS: the thumbnail that was made when a file was measured (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from aiohttp import hdrs, web

from libs.common.errors import InvalidRequest, ObjectNotFound
from libs.dicom.render.sizes import LARGEST, pick
from libs.dicom.web.rendering import viewport_of
from services.results.dicomweb import store
from services.results.dicomweb.address import find_target, note_opened, nothing
from services.results.dicomweb.answers import HEADERS, accepted, not_acceptable
from services.results.keys import READS
from services.results.read.downloads import read_thumbnail
from services.results.read.ranges import etag_matches

JPEG = "image/jpeg"


async def retrieve_study_thumbnail(request: web.Request) -> web.StreamResponse:
    """Of the middle one of a study's instances that have any."""
    return await _retrieve(request)


async def retrieve_series_thumbnail(request: web.Request) -> web.StreamResponse:
    """Of the middle one of a series' instances that have any."""
    return await _retrieve(request)


async def retrieve_instance_thumbnail(request: web.Request) -> web.StreamResponse:
    """Of the middle frame of an instance."""
    return await _retrieve(request)


async def _retrieve(request: web.Request) -> web.StreamResponse:
    if not any(one.takes(JPEG) for one in accepted(request)):
        raise not_acceptable(f"Thumbnails are {JPEG}.")
    try:
        viewport = viewport_of(request.query)
    except ValueError as error:
        raise InvalidRequest(str(error)) from None
    side = LARGEST if viewport is None else max(viewport.width, viewport.height)
    target = await find_target(request)
    row = await request.app[READS](partial(store.cover, target=target))
    if row is None:
        raise nothing()
    file_id = UUID(bytes=row["file_id"].bytes)
    await note_opened(request, target, file_id)
    if not row["thumbnail"]:
        raise ObjectNotFound("There is no thumbnail of it, or not yet.")
    body, digest = await read_thumbnail(request, file_id)
    etag = f'"{digest}-{side}"'
    headers = {**HEADERS, hdrs.ETAG: etag}
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=pick(body, side), content_type=JPEG, headers=headers)
