"""Server-sent events, read as a browser does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientResponse

from tests.waiting import PATIENCE, eventually


@dataclass
class Message:
    event: str
    id: str | None
    data: Any


class Stream:
    """Reads server-sent events as a browser does."""

    def __init__(self, response: ClientResponse) -> None:
        self.response = response
        self.last_id: str | None = None
        self.comments = 0

    async def next(self, timeout: float = PATIENCE) -> Message | None:
        """The next event that fires; None at the end of the stream."""
        message = Message("message", None, None)
        async with asyncio.timeout(timeout):
            async for raw in self.response.content:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if name == "id":
                    message.id = self.last_id = value
                elif name == "event":
                    message.event = value
                elif name == "data":
                    message.data = json.loads(value)
                elif line.startswith(":"):
                    self.comments += 1
                elif line == "" and message.data is not None:
                    return message
                elif line == "":
                    message = Message("message", None, None)
        return None

    async def listen_until(self, condition: Callable[[], bool]) -> None:
        """Read on until `condition` holds; no event may fire meanwhile."""
        reading = asyncio.create_task(self.next())
        try:
            await eventually(condition)
            assert not reading.done()
        finally:
            reading.cancel()
            await asyncio.wait([reading])

    async def files(self, count: int) -> list[tuple[str, str]]:
        """File and state of the next `count` changes."""
        found = []
        for _ in range(count):
            message = await self.next()
            assert message is not None
            assert message.event == "change"
            found.append((message.data["file_id"], message.data["state"]))
        return found
