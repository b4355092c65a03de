"""The `file:` implementation: one encrypted container per file in a folder."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, ParamSpec, TypeVar

from libs.common.encryption import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    TAIL_BYTES,
    ContainerFile,
    named_keys,
    pread,
    rewrap,
    segments_of,
    unlock_object,
)
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ObjectNotFound
from libs.common.ids import ObjectKey
from libs.common.storage.blocking import unavailable
from libs.common.storage.cached import CachedFiles, NotCached
from libs.common.storage.contract import (
    STALE_AFTER,
    Capacity,
    ChildAccess,
    Describe,
    ObjectReader,
    ObjectWriter,
    StoredObject,
    verified,
)
from libs.common.storage.draft import Draft
from libs.common.storage.folder import Folder
from libs.common.storage.threads import Threads, in_thread

_LISTED_AT_ONCE = 1000

P = ParamSpec("P")
T = TypeVar("T")


class FileStorage:
    """Implements `Storage`; each method is one hop to a worker thread at most."""

    def __init__(self, root: Path, keyring: Keyring, threads: Threads | None = None) -> None:
        """`root` is made at the first `ready` or write; `threads` None: the process's own."""
        self._folder = Folder(root.absolute())
        self._keyring = keyring
        self._cached = CachedFiles()
        self._threads = threads

    def writer(self, key: ObjectKey, *, durable: bool = True) -> AbstractAsyncContextManager[ObjectWriter]:
        return _FileWriter(Draft(self._folder, key, self._keyring, durable=durable), self)

    async def put(
        self, key: ObjectKey, data: bytes, trailer: Mapping[str, Any], *, durable: bool = True
    ) -> None:
        await self.run(self._put, key, data, trailer, durable)

    async def open(self, key: ObjectKey) -> ObjectReader:
        return await self.run(lambda: _FileReader(self._open(key), self))

    async def read_trailer(self, key: ObjectKey) -> dict[str, Any]:
        known = self._trailer_in_memory(key)
        return await self.run(self._read_trailer, key) if known is None else known

    async def verify(self, key: ObjectKey) -> dict[str, Any]:
        return await verified(await self.open(key))

    def child_access(self, key: ObjectKey) -> AbstractAsyncContextManager[ChildAccess]:
        return _Access(key, self)

    async def raw(self, key: ObjectKey) -> Raw:
        """The container, open, and its data key; whoever asked closes it."""
        known = self._raw_in_memory(key)
        return await self.run(self._open_raw, key) if known is None else known

    async def delete(self, key: ObjectKey) -> None:
        await self.run(self._delete, key)

    async def rewrap(self, key: ObjectKey) -> bool:
        return await self.run(lambda: rewrap(self._folder.path(key), self._keyring))

    async def named_keys(self, key: ObjectKey) -> frozenset[str]:
        return await self.run(self._named_keys, key)

    async def exists(self, key: ObjectKey) -> bool:
        return await self.run(self._exists, key)

    async def keys(self) -> AsyncGenerator[StoredObject, None]:
        listing = self._folder.listing()
        try:
            while batch := await self.run(lambda: list(islice(listing, _LISTED_AT_ONCE))):
                for found in batch:
                    yield found
        finally:
            listing.close()

    async def capacity(self) -> Capacity:
        return await self.run(self._folder.capacity)

    async def ready(self) -> None:
        try:
            await in_thread(self._threads, self._folder.probe)
        except OSError as error:
            raise unavailable(error, str(self._folder.root)) from error

    async def sweep(self, older_than: timedelta = STALE_AFTER) -> int:
        return await self.run(self._folder.sweep, older_than)

    async def close(self) -> None:
        return  # nothing stays open between two calls

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run disk work in a thread. The disk's errors become Unavailable, without paths: callers see it."""
        try:
            return await in_thread(self._threads, function, *args, **kwargs)
        except OSError as error:
            raise unavailable(error, "its folder") from error

    def _put(self, key: ObjectKey, data: bytes, trailer: Mapping[str, Any], durable: bool) -> None:
        draft = Draft(self._folder, key, self._keyring, durable=durable)
        try:
            draft.sealer.add(data)
            draft.commit(trailer)
        finally:
            draft.discard()

    def _open(self, key: ObjectKey) -> ContainerFile:
        try:
            return ContainerFile(
                self._folder.location(key), lambda block: unlock_object(key, block, self._keyring)
            )
        except ObjectNotFound:
            self._folder.require()
            raise

    def _read_trailer(self, key: ObjectKey) -> dict[str, Any]:
        container = self._open(key)
        container.close()
        return container.trailer

    def _raw_in_memory(self, key: ObjectKey) -> Raw | None:
        """What was written a moment ago, on this machine, costs no hop to a thread."""
        raw = Raw(self._folder.location(key))
        raw.descriptor = self._cached.open(raw.path)
        if raw.descriptor < 0:
            return None
        try:
            block = self._cached.read(raw.descriptor, HEADER_BYTES, 0)
        except NotCached:
            raw.close()
            return None
        raw.data_key = unlock_object(key, block, self._keyring)[1]
        return raw

    def _trailer_in_memory(self, key: ObjectKey) -> dict[str, Any] | None:
        """As `_raw_in_memory`; a long trailer, which takes time to read, is left to a thread."""
        descriptor = self._cached.open(self._folder.location(key))
        if descriptor < 0:
            return None
        try:
            container = ContainerFile(
                descriptor, lambda block: unlock_object(key, block, self._keyring), self._read_cached
            )
        except NotCached:
            return None
        container.close()
        return container.trailer

    def _read_cached(self, descriptor: int, length: int, offset: int) -> bytes:
        if length > TAIL_BYTES:
            raise NotCached
        return self._cached.read(descriptor, length, offset)

    def _opened(self, key: ObjectKey) -> Raw:
        raw = Raw(self._folder.location(key))
        try:
            raw.open()
        except FileNotFoundError as error:
            self._folder.require()
            raise ObjectNotFound("There is no such object.") from error
        return raw

    def _open_raw(self, key: ObjectKey) -> Raw:
        raw = self._opened(key)
        raw.data_key = unlock_object(key, pread(raw.descriptor, HEADER_BYTES, 0), self._keyring)[1]
        return raw

    def _delete(self, key: ObjectKey) -> None:
        try:
            self._folder.path(key).unlink()
        except FileNotFoundError:
            self._folder.require()
            return
        self._folder.sync_shard(key)

    def _named_keys(self, key: ObjectKey) -> frozenset[str]:
        raw = self._opened(key)
        return named_keys(pread(raw.descriptor, HEADER_BYTES, 0))

    def _exists(self, key: ObjectKey) -> bool:
        if self._folder.path(key).is_file():
            return True
        self._folder.require()
        return False


class Raw:
    """A container that is only opened, for somebody else to read."""

    __slots__ = ("data_key", "descriptor", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.descriptor = -1
        self.data_key = b""

    def open(self) -> None:
        self.descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        descriptor, self.descriptor = self.descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        self.close()  # whoever waited for the opening may have been cancelled


class _Access(AbstractAsyncContextManager[ChildAccess]):
    __slots__ = ("_key", "_raw", "_storage")

    def __init__(self, key: ObjectKey, storage: FileStorage) -> None:
        self._key = key
        self._storage = storage

    async def __aenter__(self) -> ChildAccess:
        raw = self._raw = await self._storage.raw(self._key)
        return ChildAccess(raw.path, raw.descriptor, raw.data_key)

    async def __aexit__(self, *_: object) -> None:
        self._raw.close()


class _FileWriter(AbstractAsyncContextManager[ObjectWriter]):
    def __init__(self, draft: Draft, storage: FileStorage) -> None:
        self._draft = draft
        self._storage = storage

    async def __aenter__(self) -> ObjectWriter:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._draft.on_disk:
            await self._storage.run(self._draft.discard)

    @property
    def size(self) -> int:
        return self._draft.sealer.size

    @property
    def sha256(self) -> str:
        return self._draft.sealer.sha256

    async def write(self, data: bytes) -> None:
        self._draft.require_usable()
        self._draft.sealer.add(data)
        if self._draft.sealer.full:
            await self._storage.run(self._draft.flush)

    def plaintext(self) -> BinaryIO:
        return self._draft.plaintext()

    async def commit(self, trailer: Mapping[str, Any] | Describe) -> None:
        await self._storage.run(self._draft.commit, trailer)


class _FileReader:
    def __init__(self, container: ContainerFile, storage: FileStorage) -> None:
        """Blocking. An object of one segment is decrypted at once, so that reading it costs no more hops."""
        self._container = container
        self._storage = storage
        self._whole: bytes | None = None
        if container.size <= SEGMENT_BYTES:
            try:
                self._whole = container.segment(0)
            finally:
                container.close()

    @property
    def size(self) -> int:
        return self._container.size

    @property
    def trailer(self) -> dict[str, Any]:
        return self._container.trailer

    async def read(self, offset: int, length: int) -> bytes:
        if offset < 0 or length < 0:
            raise ValueError("negative offset or length")
        if self._whole is not None:
            return self._whole[offset : offset + length]
        return await self._storage.run(lambda: b"".join(self._pieces(offset, offset + length)))

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        for index, part in segments_of(start, self.size if stop is None else min(stop, self.size)):
            yield await self.read(index * SEGMENT_BYTES + part.start, part.stop - part.start)

    async def close(self) -> None:
        self._container.close()

    def _pieces(self, start: int, stop: int) -> list[memoryview]:
        stop = min(stop, self.size)
        return [memoryview(self._container.segment(index))[part] for index, part in segments_of(start, stop)]
