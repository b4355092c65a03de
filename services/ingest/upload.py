"""The bodies an upload may have, as streams of bytes with their limits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from aiohttp import (
    BodyPartReader,
    MultipartReader,
    content_disposition_filename,
    parse_content_disposition,
    web,
)
from aiohttp.http_exceptions import HttpProcessingError

from libs.common.errors import InvalidRequest, RequestTimeout, TooLarge, UnsupportedType
from libs.common.http.media_type import media_type

CHUNK = 256 * 1024
# How aiohttp reports a broken boundary, part header, transfer encoding or compression.
_BROKEN = (ValueError, RuntimeError, AssertionError, HttpProcessingError, web.RequestPayloadError)
FIELD = "file"
RAW, FORM = "application/dicom", "multipart/form-data"
MEDIA_TYPES = (FORM, RAW)
T = TypeVar("T")


@dataclass(frozen=True)
class Part:
    """One file of an upload. `chunks` must be read to its end, or `skip` called, before the next part."""

    file_name: str | None
    chunks: AsyncIterator[bytes]
    body: BodyPartReader | None = None

    async def skip(self) -> None:
        """Read what is left of it."""
        if self.body is not None:
            async for _ in self.chunks:
                continue


class UploadBody:
    """Reads the parts of a request; keeps MAX_REQUEST_BYTES and the idle timeout."""

    def __init__(self, request: web.Request, *, max_bytes: int, idle_timeout: float) -> None:
        """Raises TooLarge at once when Content-Length already exceeds `max_bytes`."""
        self._request = request
        self._max_bytes = max_bytes
        self._idle_timeout = idle_timeout
        self._bytes = 0
        if (request.content_length or 0) > max_bytes:
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
        content = self._request.content
        while chunk := await self._bounded(content.readany):
            yield chunk

    async def _multipart(self) -> AsyncIterator[Part]:
        reader = await self._read(self._request.multipart)
        while (body := await self._read(reader.next)) is not None:
            if isinstance(body, MultipartReader):
                raise InvalidRequest("A multipart body inside the multipart body is not read.")
            # The reader's own `name` and `filename` parse it anew, each.
            _, disposition = parse_content_disposition(body.headers.get("Content-Disposition"))
            if content_disposition_filename(disposition, "name") == FIELD:
                file_name = content_disposition_filename(disposition, "filename")
                yield Part(file_name, self._part(body), body)
            else:
                await Part(None, self._part(body), body).skip()

    async def _part(self, body: BodyPartReader) -> AsyncIterator[bytes]:
        while chunk := await self._bounded(lambda: body.read_chunk(CHUNK)):
            yield chunk

    async def _bounded(self, read: Callable[[], Awaitable[bytes]]) -> bytes:
        chunk = await self._read(read)
        self._bytes += len(chunk)
        if self._bytes > self._max_bytes:
            raise self._too_large()
        return chunk

    async def _read(self, read: Callable[[], Awaitable[T]]) -> T:
        if self._bytes > self._max_bytes:
            # Also where the part that went over the limit was refused on its own.
            raise self._too_large()
        try:
            async with asyncio.timeout(self._idle_timeout):
                return await read()
        except TimeoutError as error:
            raise RequestTimeout(
                f"No byte arrived for {self._idle_timeout:g} s; send the file again."
            ) from error
        except _BROKEN as error:
            raise InvalidRequest("The body is broken: send it again.") from error
