"""What an upload may be: a form with files, or one file as it is."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

from aiohttp import content_disposition_filename, parse_content_disposition, web

from libs.common.errors import UnsupportedType
from libs.common.http.media_type import media_type
from libs.common.http.quotas import Holding
from services.ingest.bodies.arriving import ArrivingBody, Part
from services.ingest.settings import IngestSettings

FIELD = "file"
# What nearly every client sends; all else, escapes and other character sets, is left to the library.
_PLAIN = re.compile(
    r'form-data; name="(?P<field>[\w.-]+)"(?:; filename="(?P<file>(?!/)[\w .()+,=@/-]*)")?', re.ASCII
)
RAW, FORM = "application/dicom", "multipart/form-data"
MEDIA_TYPES = (FORM, RAW)


class UploadBody:
    """The files of a request."""

    def __init__(self, request: web.Request, settings: IngestSettings, held: Holding) -> None:
        """As ArrivingBody. Raises TooLarge."""
        self._request = request
        self._body = ArrivingBody(request, settings, held)

    async def parts(self) -> AsyncIterator[Part]:
        """Each file in order. Raises UnsupportedType or, for a broken body, InvalidRequest."""
        kind = media_type(self._request)
        if kind == RAW:
            yield Part(self._body.all(), file_name=self._request.query.get("file_name"))
        elif kind == FORM:
            async for part in self._body.parts():
                field, file_name = named(part.headers.get("content-disposition", ""))
                if field == FIELD:
                    yield replace(part, file_name=file_name)
                else:
                    await part.skip()
        else:
            raise UnsupportedType(
                f"Send multipart/form-data with fields named {FIELD!r}, or one file as application/dicom; "
                f"this was {kind}."
            )


def named(disposition: str) -> tuple[str | None, str | None]:
    """Field and file name, as a Content-Disposition header gives them (RFC 7578 4.2)."""
    if (plain := _PLAIN.fullmatch(disposition)) is not None:
        return plain["field"], plain["file"]
    _, parameters = parse_content_disposition(disposition)
    field = content_disposition_filename(parameters, "name")
    return field, content_disposition_filename(parameters, "filename")
