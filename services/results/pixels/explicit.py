"""A stored instance in Explicit VR Little Endian, piece by piece: its pixels are never held whole."""

from __future__ import annotations

from collections.abc import AsyncIterator

from services.results.pixels.source import FrameSource


class ExplicitInstance:
    """What is sent of it; the first frame has been decoded, so most of what can fail has not failed."""

    def __init__(self, source: FrameSource, before: bytes, length: int | None, after: bytes) -> None:
        self._source = source
        self._before = before
        self._length = length
        self._after = after

    @classmethod
    async def of(cls, source: FrameSource) -> ExplicitInstance:
        """Have its header written anew. Raises as PixelDecoders."""
        return cls(source, *await source.explicit())

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self._before) + (self._length or 0) + len(self._after)

    async def chunks(self) -> AsyncIterator[bytes]:
        """The whole file. Raises as PixelDecoders, and as Storage."""
        yield self._before
        if self._length is not None:
            source, sent = self._source, 0
            pixels = (
                source.native(0, source.image.place.length or 0) if source.is_native else source.all_decoded()
            )
            async for piece in pixels:
                sent += len(piece)
                yield piece
            yield bytes(self._length - sent)
        yield self._after
