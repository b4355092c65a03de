"""What every object store does. tests/contract/test_storage.py holds each implementation to it.

Objects are written whole or not at all, replaced atomically, and never lie in plaintext. Any method may raise
Unavailable (the store does not answer, is full or cannot be written); reading also ObjectNotFound and
ObjectCorrupt. A key that no object can have is ObjectNotFound too.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, BinaryIO, Protocol

from libs.common.errors import ObjectNotFound
from libs.common.ids import ObjectKey

STALE_AFTER = timedelta(hours=24)
"""What an unfinished object nobody has written to for so long is: the leftover of a crash."""

_KEY = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:\.[a-z]{1,24}(?:\.[a-z0-9-]{1,40})?)?")

Describe = Callable[[], Mapping[str, Any]]
"""Gives the trailer of an object whose bytes are all written; may read them back with `plaintext`."""


def is_key(name: str) -> bool:
    """Whether an object can have this key. No such key leads out of a folder."""
    return _KEY.fullmatch(name) is not None


def require_key(name: str) -> None:
    """Raise ObjectNotFound for anything but an object key."""
    if not is_key(name):
        raise ObjectNotFound("This is not the key of an object.")


@dataclass(frozen=True, slots=True)
class ChildAccess:
    """What an isolated process needs to read one object, and no other: `DecryptingReader(file, data_key)`."""

    path: str
    descriptor: int
    """The same file, open for reading."""
    data_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One visible object, as a listing shows it; nothing of it is decrypted."""

    key: ObjectKey
    size_bytes: int
    """Length of the container, that is of the ciphertext."""
    modified_at: datetime
    """When this version of the object became visible, was written, or was rewrapped; UTC."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """Room of the store."""

    free_bytes: int
    """What this process may still write."""
    total_bytes: int


class ObjectWriter(Protocol):
    """One new object. One call at a time."""

    @property
    def size(self) -> int:
        """Plaintext bytes written so far."""

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of what was written so far.

        Before `commit` this may hash up to one segment (1 MiB) on the spot: ask in a worker thread. What is
        hashed once is not hashed again.
        """

    async def write(self, data: bytes) -> None:
        """Append; memory use does not grow with the object."""

    def plaintext(self) -> BinaryIO:
        """Open what was written so far, for a worker thread; no copy while it is under one segment."""

    async def commit(self, trailer: Mapping[str, Any] | Describe) -> None:
        """Seal with `trailer` (JSON-serialisable; `size` and `sha256` are added) and make it visible.

        A function is called in the worker thread that seals, which spares its work a hop of its own; what it
        raises passes through, and nothing becomes visible.
        Returns when it is durable, if it was opened so. Raises TooLarge for an absurd trailer.
        """


class ObjectReader(Protocol):
    """One stored object, opened: it stays readable even if it is replaced or deleted meanwhile."""

    @property
    def size(self) -> int:
        """Plaintext bytes."""

    @property
    def trailer(self) -> dict[str, Any]:
        """What was sealed with it, `size` and `sha256` included."""

    async def read(self, offset: int, length: int) -> bytes:
        """Read up to `length` bytes at `offset`, fewer at the end only; decrypts only their segments."""

    def chunks(self, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Bytes `start` to `stop` (exclusive; None: the end), at most one segment (1 MiB) at a time."""

    async def close(self) -> None:
        """Release it; more than once is harmless."""


async def verified(reader: ObjectReader) -> dict[str, Any]:
    """Read an object to its end and close it; returns its trailer."""
    try:
        async for _ in reader.chunks():
            pass
        return reader.trailer
    finally:
        await reader.close()


class Storage(Protocol):
    """An object store; safe for concurrent use."""

    def writer(self, key: ObjectKey, *, durable: bool = True) -> AbstractAsyncContextManager[ObjectWriter]:
        """Begin an object; leaving without `commit` discards it. A power cut may lose one not `durable`."""

    async def put(
        self, key: ObjectKey, data: bytes, trailer: Mapping[str, Any], *, durable: bool = True
    ) -> None:
        """Write a whole small object, replacing an older one."""

    async def open(self, key: ObjectKey) -> ObjectReader:
        """Open for reading."""

    async def read_trailer(self, key: ObjectKey) -> dict[str, Any]:
        """Read the trailer alone: it authenticates, and the object has the length it names."""

    async def verify(self, key: ObjectKey) -> dict[str, Any]:
        """Read the whole object, as a check that every segment authenticates; returns the trailer.

        Memory use does not grow with the object. Raises as reading does; ObjectUnreadable is ObjectCorrupt.
        """

    def child_access(self, key: ObjectKey) -> AbstractAsyncContextManager[ChildAccess]:
        """The ciphertext and this object's data key; path and descriptor are good within the block only."""

    async def delete(self, key: ObjectKey) -> None:
        """Remove for good; an object that is not there is no error."""

    async def rewrap(self, key: ObjectKey) -> bool:
        """Put the object's data key under the keyring's current key, in place; False if it is already.

        A crash at any point leaves it readable with the old and the new key in the ring.
        """

    async def named_keys(self, key: ObjectKey) -> frozenset[str]:
        """References of the keyring's keys that open the object, by its header; nothing is decrypted."""

    async def exists(self, key: ObjectKey) -> bool:
        """Whether there is such an object; it is not read."""

    def keys(self) -> AsyncGenerator[StoredObject, None]:
        """Every visible object, thumbnails included, in no order; memory use does not grow with their number.

        What appears, is replaced or goes meanwhile may be listed or not; anything else is listed once. Close
        it (`contextlib.aclosing`) unless it is read to its end.
        """

    async def sweep(self, older_than: timedelta = STALE_AFTER) -> int:
        """Remove what crashes left unfinished; returns how many. Run it at start and now and then."""

    async def capacity(self) -> Capacity | None:
        """Free and total bytes; None where the store cannot tell."""

    async def ready(self) -> None:
        """Return if objects can be written now. Raises Unavailable saying what to do."""

    async def close(self) -> None:
        """Release connections; the store is of no use afterwards."""
