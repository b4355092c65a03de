"""A stored object in GridFS, opened: header and trailer first, then segments one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from libs.common.encryption import (
    SEGMENT_BYTES,
    TAIL_BYTES,
    TRAILER_LENGTH_BYTES,
    DataCipher,
    segment_count,
    segment_range,
    segments_of,
    trailer_start,
    unlock_object,
)
from libs.common.encryption.keyring import Keyring
from libs.common.ids import ObjectKey
from libs.common.storage.bucket import Bucket
from libs.common.storage.layout import CHUNK_BYTES, CHUNKS_PER_SEGMENT, Revision, RevisionId
from libs.common.storage.threads import Threads, in_thread


@dataclass(frozen=True, slots=True)
class Opened:
    """Trailer, authenticated, and what the segments are decrypted with."""

    cipher: DataCipher
    trailer: dict[str, Any]


async def open_revision(
    bucket: Bucket, key: ObjectKey, revision: Revision, keyring: Keyring, threads: Threads | None
) -> Opened:
    """Authenticate header and trailer. Raises ObjectCorrupt, Unavailable."""
    header, data_key = unlock_object(key, revision.header, keyring)
    tail = revision.trailer or await _end_of_chunks(bucket, revision)
    total = revision.container_bytes
    cipher = header.cipher(data_key)

    def opened() -> Opened:
        sealed = tail[trailer_start(tail, total) - total : -TRAILER_LENGTH_BYTES]
        return Opened(cipher, cipher.open_trailer(sealed, total))

    return await in_thread(threads, opened)


async def _end_of_chunks(bucket: Bucket, revision: Revision) -> bytes:
    """The end of the container, with the whole trailer in it: one that is too long for the document."""
    total = revision.container_bytes
    tail = await _from(bucket, revision, max(0, revision.chunk_bytes - TAIL_BYTES))
    needed = total - trailer_start(tail, total)
    if needed <= len(tail):
        return tail
    return await _from(bucket, revision, max(0, revision.chunk_bytes - needed))


async def _from(bucket: Bucket, revision: Revision, start: int) -> bytes:
    return await bucket.read(revision.id, start // CHUNK_BYTES, revision.chunks)


class GridFSReader:
    """Reads by the revision's own id: whoever replaces or deletes the object takes nothing from it."""

    def __init__(self, bucket: Bucket, revision: RevisionId, opened: Opened, threads: Threads | None) -> None:
        """Nothing is read yet."""
        self._bucket = bucket
        self._revision = revision
        self._cipher = opened.cipher
        self._threads = threads
        self._whole: bytes | None = None
        self.trailer = opened.trailer
        self.size: int = opened.trailer["size"]

    async def prefetch(self) -> None:
        """Decrypt an object of one segment at once: nearly always it is read whole."""
        if self.size <= SEGMENT_BYTES:
            self._whole = await self._segment(0)

    async def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError("negative offset or length")
        if self._whole is not None:
            return self._whole[offset : offset + length]
        pieces = []
        for index, part in segments_of(offset, min(self.size, offset + length)):
            pieces.append(memoryview(await self._segment(index))[part])
        return b"".join(pieces)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        for index, part in segments_of(start, self.size if stop is None else min(stop, self.size)):
            yield await self.read(index * SEGMENT_BYTES + part.start, part.stop - part.start)

    async def close(self) -> None:
        return  # the connection is the store's

    async def _segment(self, index: int) -> bytes:
        """Fetch one segment's own chunks, and decrypt them."""
        last = index == segment_count(self.size) - 1
        length = segment_range(index, self.size)[1]
        first = index * CHUNKS_PER_SEGMENT
        sealed = await self._bucket.read(self._revision, first, first + -(-length // CHUNK_BYTES))
        # Behind the last segment of the chunks a long trailer may lie.
        return await in_thread(
            self._threads, lambda: self._cipher.open_segment(index, memoryview(sealed)[:length], last=last)
        )
