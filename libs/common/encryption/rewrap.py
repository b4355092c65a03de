"""Wrapping an object's data key anew, in place, after the keyring's current key changed."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from libs.common.encryption.container import HEADER_BYTES, HEADER_COPY_BYTES
from libs.common.encryption.header import parse_copies, unlock, wrapped_anew
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ObjectNotFound


def rewrap(path: Path, keyring: Keyring) -> bool:
    """Put both header copies of a container under the current key; the segments are not touched.

    A crash at any point leaves the object readable with the old and new key in the ring, and a second call
    finishes the work. False if there was nothing to do. Raises ObjectNotFound, ObjectCorrupt, Unavailable.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ObjectNotFound("There is no such object.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)  # two at once could tear both copies
        steps = plan(os.pread(descriptor, HEADER_BYTES, 0), keyring)
        for offset, copy in steps:
            if os.pwrite(descriptor, copy, offset) != len(copy):
                raise OSError(errno.EIO, "short write of a header copy", str(path))
            os.fsync(descriptor)  # before the other copy is touched
    finally:
        os.close(descriptor)
    return bool(steps)


def plan(block: bytes, keyring: Keyring) -> list[tuple[int, bytes]]:
    """Writes (offset, copy), in order, that bring the header in `block` under the current key.

    The copy that can be read is written last: until the other one is safe, it is all there is.
    """
    header, data_key = unlock(block, keyring)
    keyring = keyring.now()
    copies = parse_copies(block)
    if all(copy is not None and copy.key_reference == keyring.current for copy in copies):
        return []
    fresh = wrapped_anew(header, data_key, keyring).pack()
    first, second = (1, 0) if copies[0] == header else (0, 1)
    return [(first * HEADER_COPY_BYTES, fresh), (second * HEADER_COPY_BYTES, fresh)]
