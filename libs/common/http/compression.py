"""JSON answers are compressed by the service that makes them, whatever stands before it."""

from __future__ import annotations

import re

from aiohttp import hdrs, web

from libs.common.http.problems import RequestHandler

LEAST_BYTES = 1024
"""Below, an answer fits a packet or two."""
_TYPES = ("application/json", "application/problem+json", "application/dicom+json")
_GZIP = re.compile(r"(?:^|,)\s*gzip\s*(?:;\s*q\s*=\s*(?P<q>[0-9.]+)\s*)?(?=,|$)", re.IGNORECASE)


@web.middleware
async def compress_json(request: web.Request, handler: RequestHandler) -> web.StreamResponse:
    """Compress what is read, as far as the caller takes it.

    Answers that hold tokens come to POST or with cookies: the length of what is compressed would tell of them
    to whoever may put text of their own beside (BREACH).
    """
    response = await handler(request)
    if request.method != hdrs.METH_GET or response.prepared or response.content_type not in _TYPES:
        return response
    vary = response.headers.get(hdrs.VARY)
    response.headers[hdrs.VARY] = ", ".join(filter(None, (vary, hdrs.ACCEPT_ENCODING)))
    if not isinstance(response, web.Response) or not isinstance(response.body, bytes):
        return response
    if len(response.body) < LEAST_BYTES or response.cookies or hdrs.CONTENT_ENCODING in response.headers:
        return response
    if takes_gzip(request.headers.get(hdrs.ACCEPT_ENCODING, "")):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def takes_gzip(accepted: str) -> bool:
    """Whether an Accept-Encoding header names gzip, with a weight that is not zero (RFC 9110 12.5.3)."""
    found = _GZIP.search(accepted)
    return found is not None and (found["q"] is None or found["q"].strip("0.") != "")
