"""Any object store, measured: what services use."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from types import TracebackType
from typing import Any, BinaryIO, TypeVar

from libs.common.encryption import SEGMENT_BYTES
from libs.common.ids import ObjectKey
from libs.common.storage.contract import (
    STALE_AFTER,
    Capacity,
    ChildAccess,
    Describe,
    ObjectReader,
    ObjectWriter,
    Storage,
    StoredObject,
)
from libs.common.storage.metrics import StorageMetrics

T = TypeVar("T")
Raised = tuple[type[BaseException] | None, BaseException | None, TracebackType | None]


class MeteredStorage:
    """Implements `Storage` by another one."""

    def __init__(self, storage: Storage, metrics: StorageMetrics) -> None:
        """`storage` does the work."""
        self._storage = storage
        self._metrics = metrics

    def writer(self, key: ObjectKey, *, durable: bool = True) -> AbstractAsyncContextManager[ObjectWriter]:
        return _Writing(self._storage.writer(key, durable=durable), self._metrics)

    async def put(
        self, key: ObjectKey, data: bytes, trailer: Mapping[str, Any], *, durable: bool = True
    ) -> None:
        with self._metrics.timed("put"):
            await self._storage.put(key, data, trailer, durable=durable)

    async def open(self, key: ObjectKey) -> ObjectReader:
        with self._metrics.timed("open"):
            return _MeteredReader(await self._storage.open(key), self._metrics)

    async def read_trailer(self, key: ObjectKey) -> dict[str, Any]:
        with self._metrics.timed("read_trailer"):
            return await self._storage.read_trailer(key)

    async def verify(self, key: ObjectKey) -> dict[str, Any]:
        return await self._storage.verify(key)

    def child_access(self, key: ObjectKey) -> AbstractAsyncContextManager[ChildAccess]:
        return _Access(self._storage.child_access(key), self._metrics)

    async def delete(self, key: ObjectKey) -> None:
        with self._metrics.timed("delete"):
            await self._storage.delete(key)

    async def rewrap(self, key: ObjectKey) -> bool:
        return await self._storage.rewrap(key)

    async def named_keys(self, key: ObjectKey) -> frozenset[str]:
        return await self._storage.named_keys(key)

    async def exists(self, key: ObjectKey) -> bool:
        with self._metrics.timed("exists"):
            return await self._storage.exists(key)

    def keys(self) -> AsyncGenerator[StoredObject, None]:
        return self._storage.keys()

    async def sweep(self, older_than: timedelta = STALE_AFTER) -> int:
        return await self._storage.sweep(older_than)

    async def capacity(self) -> Capacity | None:
        return await self._storage.capacity()

    async def ready(self) -> None:
        await self._storage.ready()

    async def close(self) -> None:
        await self._storage.close()


class _Entered(AbstractAsyncContextManager[T]):
    """What the other store gives is left as it says."""

    __slots__ = ("_given", "_metrics")

    def __init__(self, given: AbstractAsyncContextManager[T], metrics: StorageMetrics) -> None:
        self._given = given
        self._metrics = metrics

    async def __aexit__(self, *raised: *Raised) -> bool | None:
        return await self._given.__aexit__(*raised)


class _Writing(_Entered[ObjectWriter]):
    __slots__ = ()

    async def __aenter__(self) -> ObjectWriter:
        return _MeteredWriter(await self._given.__aenter__(), self._metrics)


class _Access(_Entered[ChildAccess]):
    __slots__ = ()

    async def __aenter__(self) -> ChildAccess:
        with self._metrics.timed("child_access"):
            return await self._given.__aenter__()


class _MeteredWriter:
    def __init__(self, writer: ObjectWriter, metrics: StorageMetrics) -> None:
        self._writer = writer
        self._metrics = metrics

    @property
    def size(self) -> int:
        return self._writer.size

    @property
    def sha256(self) -> str:
        return self._writer.sha256

    async def write(self, data: bytes) -> None:
        before = self._writer.size
        if max(0, before - 1) // SEGMENT_BYTES == max(0, before + len(data) - 1) // SEGMENT_BYTES:
            await self._writer.write(data)  # only kept in memory: nothing to measure
            return
        with self._metrics.timed("write"):
            await self._writer.write(data)

    def plaintext(self) -> BinaryIO:
        return self._writer.plaintext()

    async def commit(self, trailer: Mapping[str, Any] | Describe) -> None:
        with self._metrics.timed("commit"):
            await self._writer.commit(trailer)


class _MeteredReader:
    def __init__(self, reader: ObjectReader, metrics: StorageMetrics) -> None:
        self._reader = reader
        self._metrics = metrics

    @property
    def size(self) -> int:
        return self._reader.size

    @property
    def trailer(self) -> dict[str, Any]:
        return self._reader.trailer

    async def read(self, offset: int, length: int) -> bytes:
        with self._metrics.timed("read"):
            return await self._reader.read(offset, length)

    async def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        pieces = self._reader.chunks(start, stop)
        left = max(0, min(self.size, self.size if stop is None else stop) - start)
        while left:
            with self._metrics.timed("read"):
                piece = await anext(pieces)
            left -= len(piece)
            yield piece

    async def close(self) -> None:
        await self._reader.close()
