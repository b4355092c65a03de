"""A new object on its way into GridFS."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

from libs.common.encryption import Sealer, SegmentReader
from libs.common.errors import StorageError
from libs.common.ids import ObjectKey
from libs.common.storage.blocking import finished_task
from libs.common.storage.bucket import Bucket
from libs.common.storage.contract import Describe
from libs.common.storage.layout import CHUNKS_PER_SEGMENT, INLINE_TRAILER_BYTES, Revision, RevisionId
from libs.common.storage.threads import Threads, in_thread

ALIVE_SECONDS = 3600.0
"""How often an upload under way says so; well under the age at which a sweep takes it."""


class GridFSWriter:
    """MongoDB hears nothing until more than one segment is there, or until `commit`. One call at a time."""

    def __init__(
        self, bucket: Bucket, key: ObjectKey, sealer: Sealer, threads: Threads | None, *, durable: bool
    ) -> None:
        """`sealer` is fresh."""
        self._bucket = bucket
        self._key = key
        self._sealer = sealer
        self._threads = threads
        self._durable = durable
        self._revision: RevisionId | None = None
        self._usable = True
        self._chunks = 0
        self._chunk_bytes = 0
        self._told_alive = 0.0

    @property
    def begun(self) -> bool:
        """Whether there may be something to discard."""
        return self._revision is not None

    @property
    def size(self) -> int:
        return self._sealer.size

    @property
    def sha256(self) -> str:
        return self._sealer.sha256

    async def write(self, data: bytes) -> None:
        self._require_usable()
        self._sealer.add(data)
        if self._sealer.full:
            await finished_task(self._flush())

    async def commit(self, trailer: Mapping[str, Any] | Describe) -> None:
        self._require_usable()
        await finished_task(self._commit(trailer))

    async def discard(self) -> None:
        """Remove what was sent."""
        self._usable = False
        revision, self._revision = self._revision, None
        if revision is not None:
            await self._bucket.discard(revision)

    def plaintext(self) -> BinaryIO:
        tail, sealed, cipher = self._sealer.tail(), self._sealer.sealed_segments, self._sealer.cipher
        revision = self._revision
        if revision is None:
            return io.BytesIO(tail)

        def load(index: int) -> bytes:
            if index == sealed:
                return tail
            first = index * CHUNKS_PER_SEGMENT
            segment = self._bucket.read_blocking(revision, first, first + CHUNKS_PER_SEGMENT)
            return cipher.open_segment(index, segment, last=False)

        return cast(BinaryIO, SegmentReader(self._sealer.size, load, lambda: None))

    def _require_usable(self) -> None:
        if not self._usable:
            raise StorageError("This object is committed already, or writing it has failed.")

    async def _flush(self) -> None:
        """Send the segments that are full, one at a time."""
        self._usable = False
        segments = self._sealer.segments()
        while sealed := await in_thread(self._threads, lambda: next(segments, b"")):
            await self._send(sealed)
        self._usable = True

    async def _commit(self, trailer: Mapping[str, Any] | Describe) -> None:
        if self._sealer.full:
            await self._flush()

        def finish() -> list[bytes]:
            given = trailer() if callable(trailer) else trailer
            self._usable = False
            return self._sealer.finish(given)

        segment, ending = await in_thread(self._threads, finish)
        inline = len(ending) <= INLINE_TRAILER_BYTES
        revision = await self._send(segment if inline else segment + ending)
        self._sealer.renew_header()
        whole = Revision(revision, self._sealer.header, self._chunk_bytes, ending if inline else b"")
        await self._bucket.publish(self._key, whole, durable=self._durable)
        self._revision = None

    async def _send(self, sealed: bytes) -> RevisionId:
        now = time.monotonic()
        if self._revision is None:
            self._revision = await self._bucket.begin(self._key)
            self._told_alive = now
        elif now - self._told_alive > ALIVE_SECONDS:
            await self._bucket.still_writing(self._revision)
            self._told_alive = now
        self._chunks = await self._bucket.add(self._revision, self._chunks, sealed, durable=self._durable)
        self._chunk_bytes += len(sealed)
        return self._revision
