"""A request's body as it arrives: within MAX_REQUEST_BYTES, the owner's bytes, and not too slowly."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError

from libs.common.errors import InvalidRequest, RequestTimeout, TooLarge, TooSlow
from libs.common.http.quotas import Holding
from services.ingest.bodies.multipart import BodyEnds, BodyEvent, MultipartFeed, PartBegins, boundary_of
from services.ingest.bodies.pace import SendingPace
from services.ingest.settings import IngestSettings

# How a broken boundary, part header, transfer encoding or compression is reported.
_BROKEN = (ValueError, RuntimeError, HttpProcessingError, web.RequestPayloadError)


@dataclass(frozen=True)
class Part:
    """One file of a body. `chunks` must be read to its end, or `skip` called, before the next part."""

    chunks: AsyncIterator[bytes]
    headers: Mapping[str, str] = field(default_factory=dict)
    """With names in lower case."""
    file_name: str | None = None
    others_follow: bool = False

    async def skip(self) -> None:
        """Read what is left of it, where others may follow."""
        if self.others_follow:
            async for _ in self.chunks:
                continue


class ArrivingBody:
    """Reads a request; its parts, if it has any, one after the other."""

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

    async def all(self) -> AsyncIterator[bytes]:
        """What it holds, piece by piece."""
        while chunk := await self._arrived():
            yield chunk

    async def parts(self) -> AsyncIterator[Part]:
        """Each part of a multipart body in order (RFC 2046 5.1). Raises InvalidRequest for a broken one."""
        with _broken():
            feed = MultipartFeed(boundary_of(self._request.headers.get("Content-Type", "")))
        while not isinstance(event := await self._event(feed), BodyEnds):
            if not isinstance(event, PartBegins):
                continue  # the end of a part
            if event.headers.get("content-type", "").lower().startswith("multipart/"):
                raise InvalidRequest("A multipart body inside the multipart body is not read.")
            yield Part(self._part(feed), event.headers, others_follow=True)

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


@contextmanager
def _broken() -> Iterator[None]:
    try:
        yield
    except _BROKEN as error:
        raise InvalidRequest("The body is broken: send it again.") from error
