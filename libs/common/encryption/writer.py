"""Sealing a new object: plaintext in, container bytes out; no I/O of its own."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from libs.common.encryption.container import SEGMENT_BYTES, Buffer, DataCipher
from libs.common.encryption.header import new_header, wrapped_anew
from libs.common.encryption.keyring import Keyring


class Sealer:
    """Hashes and encrypts one object. The container is `header`, then every `segments()`, then `finish()`.

    Holds back up to one whole segment, since only `finish` knows which one is the last. Not thread-safe: one
    call at a time, from whichever thread.
    """

    def __init__(self, object_id: str, keyring: Keyring) -> None:
        self._keyring = keyring
        self._header, self._data_key = new_header(object_id, keyring)
        self.cipher: DataCipher = self._header.cipher(self._data_key)
        self.sealed_segments = 0
        self.size = 0
        self._held: deque[memoryview] = deque()
        self._hash = hashlib.sha256()
        self._hashed = 0

    @property
    def header(self) -> bytes:
        """Both copies of the header."""
        return self._header.pack() * 2

    def renew_header(self) -> bool:
        """Put the data key under the key that is current by now, if that has changed since; whether it has.

        An upload may last for hours: what becomes visible after a rotation is to need no former key.
        """
        if self._header.key_reference == self._keyring.now().current:
            return False
        self._header = wrapped_anew(self._header, self._data_key, self._keyring)
        return True

    def add(self, data: Buffer) -> None:
        """Take plaintext; costs nothing yet."""
        if data:
            self._held.append(memoryview(bytes(data)))  # no copy, but of a caller's bytearray
            self.size += len(data)

    @property
    def full(self) -> bool:
        """Whether `segments()` would yield anything."""
        return self._held_bytes > SEGMENT_BYTES

    def segments(self) -> Iterator[bytes]:
        """Seal, one at a time, the segments that cannot be the last."""
        while self.full:
            plaintext = self._take(SEGMENT_BYTES)
            self._hash_up_to(plaintext)
            yield self.cipher.seal_segment(self.sealed_segments, plaintext, last=False)
            self.sealed_segments += 1

    def finish(self, trailer: Mapping[str, Any]) -> list[bytes]:
        """Seal the last segment and the trailer, to which `size` and `sha256` are added."""
        plaintext = self.tail()
        complete = {**trailer, "size": self.size, "sha256": self.sha256}
        sealed_trailer = self.cipher.seal_trailer(complete)
        return [self.cipher.seal_segment(self.sealed_segments, plaintext, last=True), sealed_trailer]

    @property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of everything added so far; hashes what is not hashed yet, once."""
        self._hash_up_to(self.tail())
        return self._hash.hexdigest()

    def tail(self) -> bytes:
        """Everything added that is not in a sealed segment."""
        whole = self._held[0].obj if len(self._held) == 1 else None
        if isinstance(whole, bytes) and len(whole) == len(self._held[0]):
            return whole  # spares a copy of most objects
        tail = b"".join(self._held)
        self._held = deque([memoryview(tail)] if tail else [])
        return tail

    @property
    def _held_bytes(self) -> int:
        return self.size - self.sealed_segments * SEGMENT_BYTES

    def _take(self, count: int) -> bytes | memoryview:
        parts: list[memoryview] = []
        while count:
            part = self._held.popleft()
            if len(part) > count:
                self._held.appendleft(part[count:])
                part = part[:count]
            parts.append(part)
            count -= len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _hash_up_to(self, plaintext: bytes | memoryview) -> None:
        """Hash what is new in `plaintext`, the bytes that follow the sealed segments."""
        start = self.sealed_segments * SEGMENT_BYTES
        end = start + len(plaintext)
        if end > self._hashed:
            self._hash.update(memoryview(plaintext)[self._hashed - start :])
            self._hashed = end
