"""The document or the report in an object, for people to read it."""

from __future__ import annotations

from aiohttp import hdrs, web

from libs.common.errors import ObjectNotFound
from libs.dicom.render.report import PDF_CLASS
from services.results.dicomweb.answers import HEADERS, decoding_for
from services.results.dicomweb.documents import is_report, send_pdf, send_report
from services.results.pixels.source import FrameSource
from services.results.read.downloads import find_object
from services.results.read.visibility import parse_file_id

# Whatever a document holds, it acts on nothing here.
_HEADERS = {
    **HEADERS,
    "Content-Security-Policy": "sandbox",
    hdrs.CONTENT_DISPOSITION: "inline",
}


async def view_document(request: web.Request) -> web.StreamResponse:
    """The PDF in an object, or a structured report as text."""
    file_id = parse_file_id(request.match_info["file_id"])
    row = await find_object(request, file_id)
    document, report = row["sop_class_uid"] == PDF_CLASS, is_report(row["sop_class_uid"])
    if not document and not report:
        raise ObjectNotFound("This object is neither a PDF document nor a structured report.")
    async with await FrameSource.open(decoding_for(request), file_id) as source:
        if report:
            return send_report(source, _HEADERS)
        return await send_pdf(request, source, _HEADERS)
