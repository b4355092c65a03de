"""An object's plaintext as a seekable binary file that decrypts only the segments it touches."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libs.common.encryption.container import SEGMENT_BYTES
from libs.common.encryption.header import intact_header
from libs.common.encryption.reader import ContainerFile

_CACHED_SEGMENTS = 2
"""An element that straddles a border is read back and forth; more would only cost memory."""


class SegmentReader(io.RawIOBase):
    """Seekable stream over `size` bytes that `load(index)` brings segment by segment.

    `read` and `readinto` come back short at the end only. Not thread-safe.
    """

    _release: Callable[[], None] | None = None

    def __init__(self, size: int, load: Callable[[int], bytes], release: Callable[[], None]) -> None:
        """`release` is called once, by the first `close`."""
        super().__init__()
        self.size = size
        self._load = load
        self._release = release
        self._position = 0
        self._cache: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; beyond the end is legal and reads nothing."""
        self._check_open()
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}
        if whence not in bases or bases[whence] + offset < 0:
            raise ValueError(f"cannot seek to {offset} with whence {whence}")
        self._position = bases[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`, across segments. Raises ObjectCorrupt."""
        self._check_open()
        target = memoryview(buffer).cast("B")
        done = 0
        while done < len(target) and (piece := self._piece(len(target) - done)):
            target[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def read(self, size: int | None = -1, /) -> bytes:
        """Read up to `size` bytes, all if negative or None; allocates no more than there is."""
        self._check_open()
        left = max(0, self.size - self._position)
        wanted = left if size is None or size < 0 else min(size, left)
        pieces = []
        while wanted and (piece := self._piece(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        return b"".join(pieces)

    def readall(self) -> bytes:
        """Read to the end."""
        return self.read()

    def close(self) -> None:
        """Release what the segments come from."""
        release, self._release = self._release, None
        super().close()
        if release is not None:
            release()

    def _check_open(self) -> None:
        if self.closed:
            raise ValueError("read of a closed object")

    def _piece(self, wanted: int) -> memoryview:
        """Take at most `wanted` bytes from the segment at the position, and move on."""
        if self._position >= self.size:
            return memoryview(b"")
        index, start = divmod(self._position, SEGMENT_BYTES)
        piece = memoryview(self._segment(index))[start : start + wanted]
        self._position += len(piece)
        return piece

    def _segment(self, index: int) -> bytes:
        data = self._cache.pop(index, None)
        if data is None:
            data = self._load(index)
            if len(self._cache) == _CACHED_SEGMENTS:
                del self._cache[next(iter(self._cache))]  # least recently used: hits are put back last
        self._cache[index] = data
        return data


class DecryptingReader(SegmentReader):
    """A stored object's plaintext as a binary file, from its container and this object's data key.

    Needs no keyring: it is made for the isolated child that decodes pixels.
    """

    def __init__(self, file: str | Path | int, data_key: bytes) -> None:
        """Read header and trailer only; `file` is a path, or a descriptor that is this reader's from now on.

        Raises ObjectNotFound, ObjectCorrupt, ObjectUnreadable.
        """
        container = ContainerFile(file, lambda block: (intact_header(block), data_key))
        super().__init__(container.size, container.segment, container.close)
        self._trailer = container.trailer

    def trailer(self) -> dict[str, Any]:
        """What was sealed with the object, `size` and `sha256` included."""
        return self._trailer
