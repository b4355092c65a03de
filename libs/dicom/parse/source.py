"""Reading bytes in order through a small window, from a seekable stream or from its inflated tail.

Nothing here allocates by a length that the file states: callers take small pieces and skip the rest.
"""

from __future__ import annotations

import zlib
from typing import BinaryIO, Protocol

from libs.dicom.faults import DicomFault
from libs.dicom.parse.limits import Budget

LARGEST_WINDOW = 64 << 10
_SMALLEST_WINDOW = 4 << 10
_FIRST_WINDOW = 16 << 10
_INFLATE_STEP = 256 << 10


class ByteFeed(Protocol):
    """Where a Source gets its bytes."""

    size: int | None
    """All bytes there are; None when only the end will tell."""

    def read(self, count: int) -> bytes:
        """Give up to `count` next bytes; none at the end."""

    def skip(self, count: int) -> int:
        """Pass over up to `count` bytes and tell how many; fewer at the end."""


class FileFeed:
    """Bytes of a blocking, seekable stream; skipping is seeking."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.size: int | None = size
        self._stream = stream
        self._total = size
        self._at = 0
        stream.seek(0)

    def read(self, count: int) -> bytes:
        data = self._stream.read(min(count, self._total - self._at))
        self._at += len(data)
        return data

    def skip(self, count: int) -> int:
        passed = min(count, self._total - self._at)
        self._at += passed
        self._stream.seek(self._at)
        return passed


class InflatedFeed:
    """Bytes of a raw deflate stream (PS3.5 A.5), inflated in steps: constant memory, capped time."""

    def __init__(self, stream: BinaryIO, start: int, size: int, budget: Budget) -> None:
        self.size: int | None = None
        self._packed = FileFeed(stream, size)
        self._packed.skip(start)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._budget = budget

    def read(self, count: int) -> bytes:
        self._budget.time()
        while not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._packed.read(LARGEST_WINDOW)
            try:
                data = self._inflater.decompress(packed, count)
            except zlib.error as error:
                raise DicomFault(
                    "invalid-deflate",
                    "The data set is said to be deflated but cannot be inflated: the file is damaged. "
                    "Send it again from its source.",
                ) from error
            if data:
                return data
            if not packed:
                raise truncated("its deflated data set")
        return b""

    def skip(self, count: int) -> int:
        passed = 0
        while passed < count:
            data = self.read(min(count - passed, _INFLATE_STEP))
            if not data:
                break
            passed += len(data)
        return passed


class Source:
    """A window over a feed that grows while reading on and shrinks after a jump.

    After a jump the next bytes are likely a mere item header among pixel bytes, which nobody needs to read.
    """

    __slots__ = ("_at", "_feed", "_next", "_window", "position")

    def __init__(self, feed: ByteFeed, position: int = 0) -> None:
        """`position`: offset of the feed's first byte in the file."""
        self.position = position
        """Offset of the next byte; not to be set."""
        self._feed = feed
        self._window = b""
        self._at = 0
        self._next = _FIRST_WINDOW

    @property
    def remaining(self) -> int | None:
        """Bytes left, None when only the end will tell."""
        return None if self._feed.size is None else self._feed.size - self.position

    def peek(self, count: int) -> bytes:
        """Look at the next `count` bytes without passing them; fewer at the end."""
        start = self._at
        if start + count > len(self._window):
            self._fill(count)
            start = 0
        return self._window[start : start + count]

    def take(self, count: int) -> bytes:
        """Give the next `count` bytes, which must be few; raises the fault `truncated` at the end."""
        start = self._at
        stop = start + count
        if stop > len(self._window):
            self._fill(count)
            start, stop = 0, count
            if stop > len(self._window):
                raise truncated("its header")
        self._at = stop
        self.position += count
        return self._window[start:stop]

    def skip(self, count: int) -> None:
        """Pass over `count` bytes without reading them; raises the fault `truncated` at the end."""
        beyond = self._at + count - len(self._window)
        if beyond <= 0:
            self._at += count
            self.position += count
            return
        passed = self._feed.skip(beyond)
        self.position += count - beyond + passed
        self._window = b""
        self._at = 0
        self._next = _SMALLEST_WINDOW
        if passed < beyond:
            raise truncated("a value")

    def _fill(self, count: int) -> None:
        """Drop what was passed and read until `count` bytes are there or the feed ends."""
        pieces = [self._window[self._at :]]
        held = len(pieces[0])
        wanted = max(count, self._next)
        while held < count:
            piece = self._feed.read(wanted - held)
            if not piece:
                break
            pieces.append(piece)
            held += len(piece)
        self._window = b"".join(pieces)
        self._at = 0
        self._next = min(self._next * 2, LARGEST_WINDOW)


def truncated(where: str) -> DicomFault:
    """Build the fault for a file that ends too early, inside `where`."""
    return DicomFault(
        "truncated",
        f"The file ends in the middle of {where}: it was cut off on its way. Send it again, whole.",
    )
