"""Values of frames compressed on their way, where that pays; CT saves a third, colour often nothing."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator

LEAST_BYTES = 4096
"""Below, nothing is worth it."""
MOST_KEPT = 0.8
"""What a sample must be reduced to."""
_LEVEL = 1
_SAMPLES, _SAMPLE_BYTES = 4, 16 << 10
_FIRST_BYTES = 1 << 20


async def beginning(pieces: AsyncIterator[bytes]) -> bytes:
    """As much of the pieces as tells of the rest."""
    first = b""
    async for piece in pieces:
        first = first + piece if first else piece
        if len(first) >= _FIRST_BYTES:
            break
    return first


def pays(data: bytes) -> bool:
    """Whether samples from all over `data` get so much smaller that all of it should be compressed."""
    if len(data) < LEAST_BYTES:
        return False
    step = max(len(data) // _SAMPLES, 1)
    sample = b"".join(data[at : at + _SAMPLE_BYTES] for at in range(0, len(data), step))
    return len(zlib.compress(sample, _LEVEL)) <= MOST_KEPT * len(sample)


async def packed(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """All of it as gzip; off the event loop."""
    packer = zlib.compressobj(_LEVEL, wbits=zlib.MAX_WBITS | 16)
    if piece := await asyncio.to_thread(packer.compress, first):
        yield piece
    async for data in rest:
        if piece := await asyncio.to_thread(packer.compress, data):
            yield piece
    yield await asyncio.to_thread(packer.flush)
