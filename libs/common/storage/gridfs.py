"""The `mongodb:` implementation: encrypted containers in a GridFS bucket; `layout.py` says how they lie.

Sealing and opening run in worker threads; what crosses the network is ciphertext.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from libs.common.encryption import Sealer, named_keys, unlock_object
from libs.common.encryption.keyring import Keyring
from libs.common.encryption.rewrap import plan
from libs.common.errors import ObjectNotFound, SpoolFailed, Unavailable
from libs.common.ids import ObjectKey
from libs.common.storage.blocking import finished_task, unavailable
from libs.common.storage.bucket import Bucket
from libs.common.storage.contract import (
    STALE_AFTER,
    ChildAccess,
    ObjectReader,
    ObjectWriter,
    StoredObject,
    require_key,
    verified,
)
from libs.common.storage.draft import write_all
from libs.common.storage.gridfs_reader import GridFSReader, open_revision
from libs.common.storage.gridfs_writer import GridFSWriter
from libs.common.storage.layout import CHUNKS_PER_SEGMENT, Revision
from libs.common.storage.threads import Threads, in_thread

_OF_THE_OBJECT = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""What may never end for this object, as one larger than the spool: attempts at it count."""


class GridFSStorage:
    """Implements `Storage`. `capacity` is unknown: MongoDB tells nobody but its administrators."""

    def __init__(
        self, bucket: Bucket, keyring: Keyring, threads: Threads | None = None, *, spool: Path
    ) -> None:
        """`threads` None: the process's own; `spool` is made when an object is first spooled."""
        self._bucket = bucket
        self._keyring = keyring
        self._threads = threads
        self._spool_folder = spool

    @asynccontextmanager
    async def writer(self, key: ObjectKey, *, durable: bool = True) -> AsyncIterator[ObjectWriter]:
        require_key(key)
        writer = GridFSWriter(self._bucket, key, Sealer(key, self._keyring), self._threads, durable=durable)
        try:
            yield writer
        finally:
            if writer.begun:
                # What cannot be removed now is a sweep's; to say so must not take the place of what went
                # wrong before, least of all of a cancellation: the task would go on.
                with suppress(Unavailable):
                    await finished_task(writer.discard())

    async def put(
        self, key: ObjectKey, data: bytes, trailer: Mapping[str, Any], *, durable: bool = True
    ) -> None:
        async with self.writer(key, durable=durable) as writer:
            await writer.write(data)
            await writer.commit(trailer)

    async def open(self, key: ObjectKey) -> ObjectReader:
        revision = await self._find(key)
        opened = await open_revision(self._bucket, key, revision, self._keyring, self._threads)
        reader = GridFSReader(self._bucket, revision.id, opened, self._threads)
        await reader.prefetch()
        return reader

    async def read_trailer(self, key: ObjectKey) -> dict[str, Any]:
        revision = await self._find(key)
        return (await open_revision(self._bucket, key, revision, self._keyring, self._threads)).trailer

    async def verify(self, key: ObjectKey) -> dict[str, Any]:
        return await verified(await self.open(key))

    @asynccontextmanager
    async def child_access(self, key: ObjectKey) -> AsyncIterator[ChildAccess]:
        revision = await self._find(key)
        data_key = unlock_object(key, revision.header, self._keyring)[1]
        with ExitStack() as stack:
            try:
                spool = stack.enter_context(self._spool_file())
                await self._spool(revision, spool.fileno())
            except OSError as error:
                if error.errno in _OF_THE_OBJECT:
                    raise SpoolFailed(
                        f"An object of {revision.container_bytes >> 20} MiB could not be written into "
                        f"{self._spool_folder} ({error.strerror}): SPOOL_DIR needs more room."
                    ) from error
                raise unavailable(error, str(self._spool_folder)) from error
            # Without a name of its own nothing is left of it when this process is killed.
            path = f"/proc/{os.getpid()}/fd/{spool.fileno()}"
            reading = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            stack.callback(os.close, reading)
            yield ChildAccess(path, reading, data_key)

    async def delete(self, key: ObjectKey) -> None:
        require_key(key)
        await self._bucket.delete(key)

    async def rewrap(self, key: ObjectKey) -> bool:
        while True:
            revision = await self._find(key)
            unlock_object(key, revision.header, self._keyring)
            header = bytearray(revision.header)
            # In a document both copies change at once.
            for offset, copy in plan(revision.header, self._keyring):
                header[offset : offset + len(copy)] = copy
            if header == revision.header:
                return False
            if await self._bucket.swap_header(revision, bytes(header)):
                return True

    async def named_keys(self, key: ObjectKey) -> frozenset[str]:
        return named_keys((await self._find(key)).header)

    async def exists(self, key: ObjectKey) -> bool:
        require_key(key)
        return await self._bucket.exists(key)

    def keys(self) -> AsyncGenerator[StoredObject, None]:
        return self._bucket.listing()

    async def sweep(self, older_than: timedelta = STALE_AFTER) -> int:
        return await self._bucket.sweep(datetime.now(UTC) - older_than)

    async def capacity(self) -> None:
        return None

    async def ready(self) -> None:
        await self._bucket.ready()

    async def close(self) -> None:
        await self._bucket.close()

    async def _find(self, key: ObjectKey) -> Revision:
        require_key(key)
        revision = await self._bucket.find(key)
        if revision is None:
            raise ObjectNotFound("There is no such object.")
        return revision

    def _spool_file(self) -> IO[bytes]:
        self._spool_folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return tempfile.TemporaryFile(dir=self._spool_folder, buffering=0)

    async def _spool(self, revision: Revision, descriptor: int) -> None:
        """Write the whole container, as it is, into a file that only this process's user may read."""
        await in_thread(self._threads, write_all, descriptor, revision.header)
        for first in range(0, revision.chunks, CHUNKS_PER_SEGMENT):
            stop = min(first + CHUNKS_PER_SEGMENT, revision.chunks)
            sealed = await self._bucket.read(revision.id, first, stop)
            await in_thread(self._threads, write_all, descriptor, sealed)
        await in_thread(self._threads, write_all, descriptor, revision.trailer)
