"""The bodies an upload may have, as streams of bytes with their limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiohttp import StreamReader, content_disposition_filename, parse_content_disposition, web
from aiohttp.http_exceptions import HttpProcessingError

from libs.common.errors import InvalidRequest, RequestTimeout, TooLarge, TooSlow, UnsupportedType
from libs.common.http.media_type import media_type
from libs.common.http.quotas import Holding
from services.ingest.multipart import BodyEnds, BodyEvent, MultipartFeed, PartBegins, boundary_of
from services.ingest.pace import SendingPace
from services.ingest.settings import IngestSettings

# How a broken boundary, part header, transfer encoding or compression is reported.
_BROKEN = (ValueError, RuntimeError, HttpProcessingError, web.RequestPayloadError)
FIELD = "file"
# What nearly every client sends; all else, escapes and other character sets, is left to the library.
_PLAIN = re.compile(
    r'form-data; name="(?P<field>[\w.-]+)"(?:; filename="(?P<file>(?!/)[\w .()+,=@/-]*)")?', re.ASCII
)
RAW, FORM = "application/dicom", "multipart/form-data"
MEDIA_TYPES = (FORM, RAW)


@dataclass(frozen=True)
class Part:
    """One file of an upload. `chunks` must be read to its end, or `skip` called, before the next part."""

    file_name: str | None
    chunks: AsyncIterator[bytes]
    others_follow: bool = False

    async def skip(self) -> None:
        """Read what is left of it, where others may follow."""
        if self.others_follow:
            async for _ in self.chunks:
                continue


class UploadBody:
    """Reads the parts of a request; keeps MAX_REQUEST_BYTES, the owner's bytes and how slow it may be."""

    def __init__(self, request: web.Request, settings: IngestSettings, held: Holding) -> None:
        """`held` is what the owner's bytes under way have of this one: its Content-Length.

        Raises TooLarge at once when that exceeds MAX_REQUEST_BYTES already.
        """
        self._request = request
        self._held = held
        self._max_bytes = settings.max_request_bytes
        self._idle_timeout = settings.upload_idle_timeout
        self._pace = SendingPace(settings.transfer_min_rate, settings.transfer_slow_seconds)
        self._bytes = 0
        if (request.content_length or 0) > self._max_bytes:
            raise self._too_large()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The request is larger than {self._max_bytes} bytes; send fewer files at once.")

    async def parts(self) -> AsyncIterator[Part]:
        """Each file in order. Raises UnsupportedType or, for a broken body, InvalidRequest."""
        kind = media_type(self._request)
        if kind == RAW:
            yield Part(self._request.query.get("file_name"), self._raw())
        elif kind == FORM:
            async for part in self._multipart():
                yield part
        else:
            raise UnsupportedType(
                f"Send multipart/form-data with fields named {FIELD!r}, or one file as application/dicom; "
                f"this was {kind}."
            )

    async def _raw(self) -> AsyncIterator[bytes]:
        while chunk := await self._arrived():
            yield chunk

    async def _multipart(self) -> AsyncIterator[Part]:
        with _broken():
            feed = MultipartFeed(boundary_of(self._request.headers.get("Content-Type", "")))
        while not isinstance(event := await self._event(feed), BodyEnds):
            if not isinstance(event, PartBegins):
                continue  # the end of a part
            if event.headers.get("content-type", "").lower().startswith("multipart/"):
                raise InvalidRequest("A multipart body inside the multipart body is not read.")
            field, file_name = named(event.headers.get("content-disposition", ""))
            part = Part(file_name, self._part(feed), others_follow=True)
            if field == FIELD:
                yield part
            else:
                await part.skip()

    async def _part(self, feed: MultipartFeed) -> AsyncIterator[bytes]:
        while isinstance(event := await self._event(feed), bytes):
            yield event

    async def _event(self, feed: MultipartFeed) -> BodyEvent:
        while (event := feed.take()) is None:
            chunk = await self._arrived()
            with _broken():
                if chunk:
                    feed.feed(chunk)
                else:
                    feed.close()
        return event

    async def _arrived(self) -> bytes:
        """What has arrived since, at least a byte; nothing at the end."""
        if self._bytes > self._max_bytes:
            # Also where the part that went over the limit was refused on its own.
            raise self._too_large()
        content = self._request.content
        with _broken():
            if chunk := content.read_nowait():
                self._pace.came(len(chunk))
            else:
                chunk = await self._wait(content)
        self._bytes += len(chunk)
        if self._bytes > self._max_bytes:
            raise self._too_large()
        if self._bytes > self._held.amount:
            # What comes in chunks has no length beforehand, and what is compressed a smaller one.
            self._held.grow(self._bytes - self._held.amount)
        return chunk

    async def _wait(self, content: StreamReader) -> bytes:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            async with asyncio.timeout(self._idle_timeout):
                chunk = await content.readany()
        except TimeoutError as error:
            raise RequestTimeout(
                f"No byte arrived for {self._idle_timeout:g} s; send the file again."
            ) from error
        self._pace.came(len(chunk), clock() - began)
        if self._pace.too_slow and not content.at_eof():
            raise TooSlow("The body comes more slowly than this server waits for; send fewer files at once.")
        return chunk


def named(disposition: str) -> tuple[str | None, str | None]:
    """Field and file name, as a Content-Disposition header gives them (RFC 7578 4.2)."""
    if (plain := _PLAIN.fullmatch(disposition)) is not None:
        return plain["field"], plain["file"]
    _, parameters = parse_content_disposition(disposition)
    field = content_disposition_filename(parameters, "name")
    return field, content_disposition_filename(parameters, "filename")


@contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise InvalidRequest("The body is broken: send it again.") from error
