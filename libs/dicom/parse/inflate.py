"""Deflated data as a seekable stream that never holds more than a small window (PS3.5 A.5)."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, BinaryIO

from libs.dicom.faults import DicomFault
from libs.dicom.parse.limits import Budget, HeaderLimits
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.part10 import read_file_meta
from libs.dicom.parse.source import FileFeed, Source

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_STEP = 64 << 10
_WINDOW = 256 << 10


class InflatedData(io.RawIOBase):
    """The inflated bytes of the raw deflate stream at `start`, which is the position of the first of them.

    Reading on is cheap, seeking forward inflates and drops, seeking back starts again. Reading past
    `max_bytes` raises DicomFault `pixel-data-invalid`: deflate packs up to a thousandfold.
    """

    def __init__(self, stream: BinaryIO, start: int, max_bytes: int) -> None:
        super().__init__()
        self._stream = stream
        self._start = start
        self._max_bytes = max_bytes
        self._restart()

    def _restart(self) -> None:
        self._stream.seek(self._start)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        self._at = self._start

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position from `start` on; only from the first byte or from here: the end is not known."""
        if whence not in (io.SEEK_SET, io.SEEK_CUR):
            raise io.UnsupportedOperation("the size of deflated data is not known")
        target = offset + (self._at if whence == io.SEEK_CUR else 0)
        if target < self._at:
            self._restart()
        while self._at < target and self._inflate(min(_WINDOW, target - self._at)):
            continue  # dropped: only the position matters
        return self._at

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        data = self._inflate(len(view))
        view[: len(data)] = data
        return len(data)

    def _inflate(self, count: int) -> bytes:
        """Give up to `count` next bytes, none at the end."""
        while count and not self._inflater.eof:
            packed = self._inflater.unconsumed_tail or self._stream.read(_STEP)
            try:
                data = self._inflater.decompress(packed, count)
            except zlib.error as error:
                raise DicomFault("decode-failed", "The deflated data set is damaged.") from error
            self._at += len(data)
            if self._at - self._start > self._max_bytes:
                raise DicomFault(
                    "pixel-data-invalid", f"The data set inflates to more than {self._max_bytes} bytes."
                )
            if data or not packed:
                return data
        return b""


def inflated(stream: BinaryIO, max_bytes: int) -> BinaryIO:
    """Give the data set of a Part 10 file in Deflated, where the positions are the offsets of its layout.

    It is buffered, so that small steps back cost nothing. Raises DicomFault as InflatedData does.
    """
    size = stream.seek(0, io.SEEK_END)
    source = Source(FileFeed(stream, size))
    read_file_meta(source, size, Budget(HeaderLimits()), Notes())
    return io.BufferedReader(InflatedData(stream, source.position, max_bytes), _WINDOW)


def inflate_frame(packed: bytes, size: int) -> bytes:
    """Inflate one frame of Deflated Image Frame Compression (PS3.5 A.4.13) to exactly `size` bytes."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    data = inflater.decompress(packed, size + 1)
    if len(data) not in (size, size + size % 2):
        raise DicomFault(
            "pixel-data-invalid", "A deflated frame does not hold as many bytes as the header says."
        )
    return data[:size]
