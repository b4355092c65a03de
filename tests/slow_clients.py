"""Real clients that are slow: connections that send a byte now and then, or take nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class SlowClient:
    """One connection, and what came back on it so far."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    answer: bytearray = field(default_factory=bytearray)
    ended: bool = False

    @property
    def status(self) -> int | None:
        """Of the answer; None while there is none."""
        return (
            int(self.answer[9:12]) if self.answer.startswith(b"HTTP/1.1 ") and len(self.answer) > 12 else None
        )

    async def drip(self, every: float = 1.0) -> None:
        """Send a byte now and then, for as long as the other end lets it."""
        while not self.ended:
            self.writer.write(b"0")
            await self.writer.drain()
            await asyncio.sleep(every)

    async def listen(self) -> None:
        """Keep all that comes."""
        try:
            while piece := await self.reader.read(65_536):
                self.answer += piece
        except ConnectionError:
            pass  # cut instead of closed: an end as well
        self.ended = True


@asynccontextmanager
async def slow_client(
    url: str, head: bytes, *, listens: bool = True, drips: float | None = 1.0
) -> AsyncIterator[SlowClient]:
    """Connect, send `head`, then a byte every `drips` seconds (None: nothing more)."""
    address = urlsplit(url)
    # A small buffer: what is not taken stays with the sender.
    reader, writer = await asyncio.open_connection(address.hostname, address.port, limit=4096)
    client = SlowClient(reader, writer)
    writer.write(head)
    await writer.drain()
    tasks = [asyncio.create_task(client.listen())] if listens else []
    if drips is not None:
        tasks.append(asyncio.create_task(client.drip(drips)))
    try:
        yield client
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        writer.transport.abort()


def upload_head(headers: Mapping[str, str], length: int | None) -> bytes:
    """The head of an upload that announces `length` bytes; None: it comes in chunks."""
    told = {
        "Host": "localhost",
        "Content-Type": "application/dicom",
        **headers,
        **({"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}),
    }
    lines = ["POST /api/files HTTP/1.1", *(f"{name}: {value}" for name, value in told.items())]
    return "\r\n".join([*lines, "", ""]).encode()
