"""What kind of body a request has."""

from __future__ import annotations

from aiohttp import web

UNKNOWN = "application/octet-stream"


def media_type(request: web.Request) -> str:
    """The media type of `Content-Type` without its parameters, in lower case (RFC 9110 8.3.1).

    aiohttp's own `content_type` parses the parameters too, as an e-mail's: a tenth of a small upload's work,
    for a boundary that is another one each time.
    """
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower() or UNKNOWN
