"""The body of a long answer, written to a reader who must take some of it now and then."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from aiohttp import web
from prometheus_client import Counter

from services.results.settings import ResultsSettings


class BodySender:
    """Writes through a prepared response; whoever reads too slowly is cut, and holds nothing any longer."""

    def __init__(
        self, request: web.Request, response: web.StreamResponse, settings: ResultsSettings, cut: Counter
    ) -> None:
        """`cut` counts readers that were cut, by direction."""
        self._request = request
        self._response = response
        self._seconds = settings.transfer_slow_seconds
        self._piece = max(int(settings.transfer_min_rate * settings.transfer_slow_seconds), 1)
        self._cut = cut

    async def write(self, data: bytes) -> None:
        """Send all of `data`. Raises ConnectionResetError where its reader is cut, or has gone."""
        view = memoryview(data)
        for first in range(0, len(data), self._piece):
            await self._within(self._response.write(view[first : first + self._piece]))

    async def end(self) -> None:
        """Send what is left. Raises ConnectionResetError."""
        await self._within(self._response.write_eof())

    async def _within(self, writing: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await writing
        except TimeoutError as error:
            self._cut.labels("download").inc()
            if self._request.transport is not None:
                # A polite end would wait for the reader as well.
                self._request.transport.abort()
            raise ConnectionResetError("The reader takes too little.") from error
