"""What people read of objects that are no pictures: the PDF in one, a structured report as text."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import NamedTuple

from aiohttp import hdrs, web

from libs.common.errors import NotFound
from libs.dicom.parse.dicomjson import integer
from libs.dicom.render.report import REPORT_CLASSES, report_text
from services.results.pixels.source import FrameSource
from services.results.read.downloads import send_in_ranges

PDF, TEXT = "application/pdf", "text/plain"
_DOCUMENT, _DOCUMENT_LENGTH = "00420011", "00420015"


def is_report(sop_class_uid: str | None) -> bool:
    """Whether it is a structured report."""
    return (sop_class_uid or "").startswith(REPORT_CLASSES)


class PdfDocument(NamedTuple):
    """The document in an instance of PDF_CLASS."""

    length: int
    chunks: Callable[[int, int], AsyncIterator[bytes]]
    """Gives bytes from one up to, not with, another."""


def pdf_of(source: FrameSource) -> PdfDocument:
    """Raises NotFound where there is none."""
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
    return PdfDocument(length, partial(_within, inline) if inline else partial(source.value, uri))


async def _within(whole: bytes, start: int, stop: int) -> AsyncIterator[bytes]:
    yield whole[start:stop]


async def send_pdf(
    request: web.Request, source: FrameSource, headers: Mapping[str, str]
) -> web.StreamResponse:
    """The document in an instance, also in ranges. Raises NotFound where there is none."""
    document = pdf_of(source)
    etag = f'"{source.reader.trailer["sha256"]}-pdf"'
    told = {**headers, hdrs.CONTENT_TYPE: PDF}
    return await send_in_ranges(request, told, etag, document.length, document.chunks)


def send_report(source: FrameSource, headers: Mapping[str, str]) -> web.Response:
    """A structured report as text."""
    text = report_text(source.sealed.data_set)
    return web.Response(text=text, content_type=TEXT, charset="utf-8", headers=headers)
