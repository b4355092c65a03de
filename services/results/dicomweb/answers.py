"""What the answers of DICOMweb have in common: what a client takes, and how a body is sent."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType

from aiohttp import hdrs, web

from libs.common.errors import NotAcceptable
from libs.common.http.authenticate import OWNER
from libs.dicom.web.media_ranges import MediaRange, parse_accept
from libs.dicom.web.multipart import RelatedWriter
from services.results.keys import DECODERS, STORAGE
from services.results.pixels.source import DecodingFor
from services.results.read.downloads import CACHE_CONTROL, body_sender
from services.results.read.sending import BodySender

HEADERS: Mapping[str, str] = MappingProxyType(
    {hdrs.CACHE_CONTROL: CACHE_CONTROL, hdrs.VARY: hdrs.ACCEPT, "X-Content-Type-Options": "nosniff"}
)
# A plus sign in a query string means a space.
_PLUS_LOST = re.compile(r"(application/\w+) (json|xml)")


def accepted(request: web.Request) -> list[MediaRange]:
    """What the client takes; `?accept=` goes before the header (PS3.18 8.3.3.1)."""
    given = [_PLUS_LOST.sub(r"\1+\2", value) for value in request.query.getall("accept", [])]
    return parse_accept(given or request.headers.getall(hdrs.ACCEPT, []))


def decoding_for(request: web.Request) -> DecodingFor:
    """What decodes for the caller."""
    return DecodingFor(request.app[STORAGE], request.app[DECODERS], request[OWNER])


def not_acceptable(can: str) -> NotAcceptable:
    """The refusal that says what can be had."""
    return NotAcceptable(f"Nothing that the Accept header takes can be given. {can}")


async def send_single(
    request: web.Request, response: web.StreamResponse, first: bytes, rest: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Send one body that is no multipart; `first` was made before the answer began."""
    await response.prepare(request)
    sender = body_sender(request, response)
    if request.method != hdrs.METH_HEAD:
        await sender.write(first)
        async for piece in rest:
            await sender.write(piece)
    await sender.end()
    return response


class RelatedSender:
    """Sends a `multipart/related` answer, whose headers go out with the first part."""

    def __init__(
        self, request: web.Request, part_type: str, headers: Mapping[str, str], status: int = 200
    ) -> None:
        self._request = request
        self._writer = RelatedWriter(part_type)
        self._response = web.StreamResponse(
            status=status,
            headers={**HEADERS, **headers, hdrs.CONTENT_TYPE: self._writer.content_type},
        )
        self._sender: BodySender | None = None

    async def begin(self, content_type: str, headers: Mapping[str, str] | None = None) -> None:
        """Begin a part."""
        await self.write(self._writer.begin(content_type, headers))

    async def write(self, data: bytes) -> None:
        """Some of what stands in a part. Raises ConnectionResetError."""
        sender = await self._prepared()
        if self._request.method != hdrs.METH_HEAD:
            await sender.write(data)

    async def end(self) -> web.StreamResponse:
        """End the answer."""
        await self.write(self._writer.end())
        await (await self._prepared()).end()
        return self._response

    async def _prepared(self) -> BodySender:
        if self._sender is None:
            await self._response.prepare(self._request)
            self._sender = body_sender(self._request, self._response)
        return self._sender
