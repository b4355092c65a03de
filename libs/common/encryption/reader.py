"""A container in a file: opening reads header and trailer only, then segments one by one."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from libs.common.encryption.container import (
    HEADER_BYTES,
    TAG_BYTES,
    TRAILER_LENGTH_BYTES,
    DataCipher,
    segment_count,
    segment_range,
    trailer_length,
)
from libs.common.encryption.header import ContainerHeader
from libs.common.errors import ObjectCorrupt, ObjectNotFound, ObjectUnreadable

TAIL_BYTES = 32 << 10
"""First guess at trailer and length, so that most trailers cost one read."""
_DAMAGED = {errno.EIO, errno.EUCLEAN, errno.EBADMSG}
"""What disks and file systems answer where they cannot give back what was written."""


class ContainerFile:
    """An opened container: the trailer is authenticated, the length checked, no segment read yet."""

    _descriptor = -1

    def __init__(
        self,
        file: str | Path | int,
        unlock: Callable[[bytes], tuple[ContainerHeader, bytes]],
        read: Callable[[int, int, int], bytes] | None = None,
    ) -> None:
        """`file` is a path, or an open descriptor that is its own from now on.

        `unlock` turns the header block into header and data key. `read` is how header and trailer are read:
        descriptor, length, offset; unset: `pread`.

        Raises ObjectNotFound, ObjectCorrupt and what these two raise; other errors of the disk pass through.
        """
        read = read or pread
        try:
            self._descriptor = file if isinstance(file, int) else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ObjectNotFound("There is no such object.") from error
        try:
            header, data_key = unlock(read(self._descriptor, HEADER_BYTES, 0))
            self._cipher = header.cipher(data_key)
            self.trailer = self._read_trailer(read)
        except BaseException:
            self.close()
            raise
        self.size: int = self.trailer["size"]

    def segment(self, index: int) -> bytes:
        """Read and decrypt one segment. Raises ObjectCorrupt, IndexError beyond the last."""
        count = segment_count(self.size)
        if not 0 <= index < count:
            raise IndexError(f"segment {index} of {count}")
        return read_segment(self._descriptor, self._cipher, index, self.size, last=index == count - 1)

    def __del__(self) -> None:
        self.close()  # whoever waited for the opening may have been cancelled

    def close(self) -> None:
        """Close the file; more than once is harmless."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _read_trailer(self, read: Callable[[int, int, int], bytes]) -> dict[str, Any]:
        total = os.fstat(self._descriptor).st_size
        start = max(HEADER_BYTES, total - TAIL_BYTES)
        tail = read_exactly(self._descriptor, max(0, total - start), start, read)
        begin = trailer_start(tail, total)
        if begin < start:
            tail = read_exactly(self._descriptor, total - begin, begin, read)
        return self._cipher.open_trailer(tail[begin - total : -TRAILER_LENGTH_BYTES], total)


def trailer_start(tail: bytes, total: int) -> int:
    """Where the sealed trailer begins in a container of `total` bytes that ends with `tail`.

    Raises ObjectCorrupt where no container of this length could have it.
    """
    if total < HEADER_BYTES + TAG_BYTES + TAG_BYTES + TRAILER_LENGTH_BYTES:
        raise ObjectCorrupt("The object was cut: it is shorter than an empty one.")
    start = total - TRAILER_LENGTH_BYTES - trailer_length(tail)
    if start < HEADER_BYTES + TAG_BYTES:
        raise ObjectCorrupt("The object was cut: its trailer would reach into its header.")
    return start


def read_segment(descriptor: int, cipher: DataCipher, index: int, size: int, *, last: bool) -> bytes:
    """Read and decrypt segment `index` of an object of `size` bytes from an open file."""
    offset, length = segment_range(index, size)
    return cipher.open_segment(index, read_exactly(descriptor, length, offset), last=last)


def read_exactly(
    descriptor: int, length: int, offset: int, read: Callable[[int, int, int], bytes] | None = None
) -> bytes:
    """`pread` that never returns less. Raises ObjectCorrupt where the file ends early."""
    read = read or pread
    data = read(descriptor, length, offset)
    while len(data) < length:
        more = read(descriptor, length - len(data), offset + len(data))
        if not more:
            raise ObjectCorrupt("The object was cut while it was read.")
        data += more
    return data


def pread(descriptor: int, length: int, offset: int) -> bytes:
    """`os.pread`. Raises ObjectUnreadable where the disk is damaged; other errors pass through."""
    try:
        return os.pread(descriptor, length, offset)
    except OSError as error:
        if error.errno in _DAMAGED:
            raise ObjectUnreadable(
                f"The disk cannot read the object ({error.strerror}): check it, or send the file again."
            ) from error
        raise
