"""Container format version 1, pure: where its parts lie and how segments and the trailer are sealed.

Layout: header (two copies, see `header.py`) · segments · sealed trailer · its length (4 bytes, big-endian).
Segments follow the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): AES-256-GCM over 1 MiB of
plaintext each, nonce = 7-byte prefix ‖ 4-byte counter ‖ 1 flag byte. An empty object has one empty segment.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.common.errors import ObjectCorrupt, TooLarge

VERSION = 1
OBJECT_ID_BYTES = 64
NONCE_PREFIX_BYTES = 7
TAG_BYTES = 16

HEADER_COPY_BYTES = 4096
HEADER_BYTES = 2 * HEADER_COPY_BYTES
SEGMENT_BYTES = 1 << 20
SEALED_SEGMENT_BYTES = SEGMENT_BYTES + TAG_BYTES
TRAILER_LENGTH_BYTES = 4
MAX_TRAILER_BYTES = 128 << 20
"""Far above what a 16 MiB DICOM header makes in JSON; bounds what a damaged length field can allocate."""

_NONCE = struct.Struct(f">{NONCE_PREFIX_BYTES}sIB")
_LENGTH = struct.Struct(">I")
_MORE, _LAST, _TRAILER = 0, 1, 2
_TRAILER_COUNTER = 0xFFFF_FFFF

Buffer = bytes | bytearray | memoryview


def segment_count(size: int) -> int:
    """Segments of an object of `size` plaintext bytes; never 0."""
    return max(1, -(-size // SEGMENT_BYTES))


def segments_of(start: int, stop: int) -> Iterator[tuple[int, slice]]:
    """Segments that hold the plaintext bytes `start` to `stop`, and which bytes of each."""
    while start < stop:
        index, begin = divmod(start, SEGMENT_BYTES)
        end = min(SEGMENT_BYTES, begin + stop - start)
        yield index, slice(begin, end)
        start += end - begin


def body_bytes(size: int) -> int:
    """Bytes that all sealed segments of an object of `size` plaintext bytes take."""
    return size + TAG_BYTES * segment_count(size)


def container_bytes(size: int, trailer_length: int) -> int:
    """Length of the whole container; `trailer_length` is that of the sealed trailer."""
    return HEADER_BYTES + body_bytes(size) + trailer_length + TRAILER_LENGTH_BYTES


def segment_range(index: int, size: int) -> tuple[int, int]:
    """Offset and length, in the container, of sealed segment `index` of an object of `size` bytes."""
    plain = min(SEGMENT_BYTES, size - index * SEGMENT_BYTES)
    return HEADER_BYTES + index * SEALED_SEGMENT_BYTES, plain + TAG_BYTES


def trailer_length(tail: bytes) -> int:
    """Read the length of the sealed trailer from the container's last bytes; ObjectCorrupt if absurd."""
    length: int = _LENGTH.unpack(tail[-TRAILER_LENGTH_BYTES:])[0]
    if not TAG_BYTES < length <= MAX_TRAILER_BYTES + TAG_BYTES:
        raise ObjectCorrupt("The length of the trailer is absurd: the object was cut or altered.")
    return length


class DataCipher:
    """Seals and opens the parts of one object under its data key; every part is bound to the object id."""

    def __init__(self, object_id: str, data_key: bytes, nonce_prefix: bytes) -> None:
        """`data_key`: 32 bytes that belong to this object alone; `nonce_prefix`: 7 random bytes."""
        self.object_id = object_id
        self._prefix = nonce_prefix
        self._aead = AESGCM(data_key)
        self._segment_context = bound_id(object_id)
        self._trailer_context = self._segment_context + b"trailer"

    def seal_segment(self, index: int, plaintext: Buffer, *, last: bool) -> bytes:
        """Encrypt one segment; all but the last have SEGMENT_BYTES."""
        return self._aead.encrypt(self._segment_nonce(index, last), plaintext, self._segment_context)

    def open_segment(self, index: int, sealed: Buffer, *, last: bool) -> bytes:
        """Decrypt one segment. Raises ObjectCorrupt unless it is that very segment of that very object."""
        try:
            return self._aead.decrypt(self._segment_nonce(index, last), sealed, self._segment_context)
        except InvalidTag as error:
            raise ObjectCorrupt(
                f"Segment {index} of object {self.object_id} does not authenticate."
            ) from error

    def seal_trailer(self, trailer: Mapping[str, Any]) -> bytes:
        """Encrypt the trailer and append its length. Raises TooLarge beyond MAX_TRAILER_BYTES of JSON."""
        plaintext = orjson.dumps(dict(trailer))
        if len(plaintext) > MAX_TRAILER_BYTES:
            raise TooLarge(f"The object's metadata take more than {MAX_TRAILER_BYTES >> 20} MiB.")
        sealed = self._aead.encrypt(self._trailer_nonce(), plaintext, self._trailer_context)
        return sealed + _LENGTH.pack(len(sealed))

    def open_trailer(self, sealed: Buffer, total: int) -> dict[str, Any]:
        """Decrypt the trailer (without its length) and check it against the container's length `total`.

        Raises ObjectCorrupt if it does not authenticate or if bytes are missing or too many in between.
        """
        try:
            plaintext = self._aead.decrypt(self._trailer_nonce(), sealed, self._trailer_context)
        except InvalidTag as error:
            raise ObjectCorrupt(f"The trailer of object {self.object_id} does not authenticate.") from error
        trailer: dict[str, Any] = orjson.loads(plaintext)
        if container_bytes(trailer["size"], len(sealed)) != total:
            raise ObjectCorrupt(f"Object {self.object_id} has another length than its trailer says.")
        return trailer

    def _segment_nonce(self, index: int, last: bool) -> bytes:
        return _NONCE.pack(self._prefix, index, _LAST if last else _MORE)

    def _trailer_nonce(self) -> bytes:
        return _NONCE.pack(self._prefix, _TRAILER_COUNTER, _TRAILER)


def bound_id(object_id: str) -> bytes:
    """Associated data of an object: its id, zero-padded, then the format version."""
    encoded = object_id.encode("ascii")
    if not 0 < len(encoded) <= OBJECT_ID_BYTES:
        raise ValueError(f"an object id has 1 to {OBJECT_ID_BYTES} ASCII characters")
    return encoded.ljust(OBJECT_ID_BYTES, b"\0") + bytes([VERSION])
