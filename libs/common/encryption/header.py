"""The container's header: two self-sufficient copies, 4 KiB each, on disk blocks of their own.

One copy is always whole, even when a rewrap in place is cut by a crash or a torn block. The checksum tells a
torn copy; tampering is told by authentication (of the wrapped key, of every segment and of the trailer).
"""

from __future__ import annotations

import os
import struct
import zlib
from dataclasses import dataclass, replace

from libs.common.encryption.container import (
    HEADER_BYTES,
    HEADER_COPY_BYTES,
    NONCE_PREFIX_BYTES,
    OBJECT_ID_BYTES,
    VERSION,
    DataCipher,
    bound_id,
)
from libs.common.encryption.keyring import REFERENCE_BYTES, WRAPPED_BYTES, Keyring
from libs.common.encryption.keyring_content import KEY_BYTES
from libs.common.errors import ObjectCorrupt, Unavailable

MAGIC = b"\x89DPSOBJ\n"
_CHECKSUM_BYTES = 4
_FIELDS = struct.Struct(
    f">{len(MAGIC)}sB{NONCE_PREFIX_BYTES}s{OBJECT_ID_BYTES}s{REFERENCE_BYTES}s{WRAPPED_BYTES}s"
)
_PADDING = bytes(HEADER_COPY_BYTES - _CHECKSUM_BYTES - _FIELDS.size)


@dataclass(frozen=True, slots=True)
class ContainerHeader:
    """One copy of the header. Only the key reference and the wrapped key ever change (rewrap)."""

    object_id: str
    nonce_prefix: bytes
    key_reference: str
    wrapped_key: bytes

    def pack(self) -> bytes:
        """Encode as one copy of HEADER_COPY_BYTES."""
        fields = _FIELDS.pack(
            MAGIC,
            VERSION,
            self.nonce_prefix,
            self.object_id.encode("ascii"),
            self.key_reference.encode("ascii"),
            self.wrapped_key,
        )
        covered = fields + _PADDING
        return covered + zlib.crc32(covered).to_bytes(_CHECKSUM_BYTES, "big")

    @property
    def context(self) -> bytes:
        """What the wrapped key is bound to."""
        return bound_id(self.object_id) + self.nonce_prefix

    def cipher(self, data_key: bytes) -> DataCipher:
        """Build the cipher for the object's parts."""
        return DataCipher(self.object_id, data_key, self.nonce_prefix)


def new_header(object_id: str, keyring: Keyring) -> tuple[ContainerHeader, bytes]:
    """Make the header of a new object: header and the fresh data key that it wraps."""
    drawn, keyring = os.urandom(KEY_BYTES + NONCE_PREFIX_BYTES), keyring.now()
    data_key, prefix = drawn[:KEY_BYTES], drawn[KEY_BYTES:]
    wrapped = keyring.wrap(data_key, bound_id(object_id) + prefix)
    return ContainerHeader(object_id, prefix, keyring.current, wrapped), data_key


def wrapped_anew(header: ContainerHeader, data_key: bytes, keyring: Keyring) -> ContainerHeader:
    """The header with its data key under the current key."""
    keyring = keyring.now()
    wrapped = keyring.wrap(data_key, header.context)
    return replace(header, key_reference=keyring.current, wrapped_key=wrapped)


def named_keys(block: bytes) -> frozenset[str]:
    """References of the keys that open the object, by its intact copies; nothing is decrypted.

    Raises ObjectCorrupt.
    """
    return frozenset(copy.key_reference for copy in _intact(block))


def parse_copies(block: bytes) -> tuple[ContainerHeader | None, ContainerHeader | None]:
    """Both copies of the header in `block` (the container's first HEADER_BYTES), None where damaged."""
    return _parse(block[:HEADER_COPY_BYTES]), _parse(block[HEADER_COPY_BYTES:HEADER_BYTES])


def intact_header(block: bytes) -> ContainerHeader:
    """Pick the first undamaged copy. Raises ObjectCorrupt if there is none."""
    return _intact(block)[0]


def unlock(block: bytes, keyring: Keyring) -> tuple[ContainerHeader, bytes]:
    """Pick a copy whose data key can be unwrapped: header and data key.

    Raises ObjectCorrupt if no copy is intact and authentic, Unavailable if the keyring lacks the keys.
    """
    failures: list[ObjectCorrupt | Unavailable] = []
    for header in _intact(block):
        try:
            return header, keyring.unwrap(header.key_reference, header.wrapped_key, header.context)
        except (ObjectCorrupt, Unavailable) as error:
            failures.append(error)
    raise failures[0]


def unlock_object(object_id: str, block: bytes, keyring: Keyring) -> tuple[ContainerHeader, bytes]:
    """The same, and raise ObjectCorrupt unless it is the header of this very object."""
    header, data_key = unlock(block, keyring)
    if header.object_id != object_id:
        raise ObjectCorrupt(f"Another object lies in the place of object {object_id}.")
    return header, data_key


def _intact(block: bytes) -> list[ContainerHeader]:
    copies = [copy for copy in parse_copies(block) if copy is not None]
    if not copies:
        raise ObjectCorrupt("This is no container of version 1, or both copies of its header are damaged.")
    return copies


def _parse(copy: bytes) -> ContainerHeader | None:
    if len(copy) != HEADER_COPY_BYTES:
        return None
    covered, checksum = copy[:-_CHECKSUM_BYTES], copy[-_CHECKSUM_BYTES:]
    if zlib.crc32(covered).to_bytes(_CHECKSUM_BYTES, "big") != checksum:
        return None
    magic, version, prefix, object_id, reference, wrapped = _FIELDS.unpack_from(covered)
    object_id, reference = object_id.rstrip(b"\0"), reference.rstrip(b"\0")
    if magic != MAGIC or version != VERSION or not object_id.isascii() or not reference.isascii():
        return None
    return (
        ContainerHeader(object_id.decode("ascii"), prefix, reference.decode("ascii"), wrapped)
        if object_id
        else None
    )
