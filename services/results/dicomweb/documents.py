"""What people read of objects that are no pictures: the PDF in one, a structured report as text."""

from __future__ import annotations

import base64
from collections.abc import Mapping

from aiohttp import hdrs, web

from libs.common.errors import NotFound
from libs.dicom.parse.dicomjson import integer
from libs.dicom.render.report import REPORT_CLASSES, report_text
from services.results.pixels.source import FrameSource
from services.results.read.downloads import body_sender
from services.results.read.ranges import etag_matches

PDF, TEXT = "application/pdf", "text/plain"
_DOCUMENT, _DOCUMENT_LENGTH = "00420011", "00420015"


def is_report(sop_class_uid: str | None) -> bool:
    """Whether it is a structured report."""
    return (sop_class_uid or "").startswith(REPORT_CLASSES)


async def send_pdf(
    request: web.Request, source: FrameSource, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The document in an instance of PDF_CLASS. Raises NotFound where there is none."""
    header = source.sealed.data_set
    document = header.get(_DOCUMENT, {})
    # A short one lies in the header itself.
    inline, uri = base64.b64decode(document.get("InlineBinary", "")), document.get("BulkDataURI")
    if not inline and uri not in source.sealed.bulk:
        raise NotFound("The document in this instance is missing.")
    length = len(inline) or source.sealed.bulk[uri][1]
    stated = integer(header, _DOCUMENT_LENGTH)
    if stated is not None and length - 1 <= stated <= length:
        length = stated
    etag = f'"{source.reader.trailer["sha256"]}-pdf"'
    headers = {**headers, hdrs.ETAG: etag}
    if etag_matches(request.headers.get(hdrs.IF_NONE_MATCH), etag):
        return web.Response(status=304, headers=headers)
    if inline:
        return web.Response(body=inline[:length], content_type=PDF, headers=headers)
    response = web.StreamResponse(headers=headers)
    response.content_type, response.content_length = PDF, length
    await response.prepare(request)
    sender, left = body_sender(request, response), length
    if request.method != hdrs.METH_HEAD:
        async for chunk in source.value(uri):
            await sender.write(chunk[:left])
            left -= min(len(chunk), left)
    await sender.end()
    return response


def send_report(source: FrameSource, headers: Mapping[str, str]) -> web.Response:
    """A structured report as text."""
    text = report_text(source.sealed.data_set)
    return web.Response(text=text, content_type=TEXT, charset="utf-8", headers=headers)
