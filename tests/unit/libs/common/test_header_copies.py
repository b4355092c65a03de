"""The two copies of a container's header: either one will do, and two rewraps never work on them at once."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from libs.common.encryption import HEADER_BYTES, ContainerFile, rewrap, unlock, unlock_object
from libs.common.encryption.container import HEADER_COPY_BYTES
from libs.common.encryption.header import ContainerHeader, new_header
from libs.common.errors import ObjectCorrupt, Unavailable
from tests.unit.libs.common.test_encryption import NEW_RING, ONLY_NEW, RING, seal

OTHERS = new_header("other", RING)[0]


def garbled(header: ContainerHeader) -> bytes:
    """A copy whose checksum is wrong."""
    return b"\xff" * HEADER_COPY_BYTES


def forged_id(header: ContainerHeader) -> bytes:
    """A copy with a right checksum for another object."""
    return replace(header, object_id="other").pack()


def forged_key(header: ContainerHeader) -> bytes:
    """A copy with a right checksum and another object's key."""
    return replace(header, wrapped_key=OTHERS.wrapped_key).pack()


def foreign(header: ContainerHeader) -> bytes:
    """A good copy under a key that the ring lacks: a rewrap was cut, the keyring of before is back."""
    data_key = unlock(header.pack(), RING)[1]
    return replace(header, key_reference="new", wrapped_key=ONLY_NEW.wrap(data_key, header.context)).pack()


@pytest.mark.parametrize("bad", [garbled, forged_id, forged_key, foreign])
@pytest.mark.parametrize("first", [True, False], ids=["first", "second"])
def test_the_other_copy_is_taken(
    tmp_path: Path, bad: Callable[[ContainerHeader], bytes], first: bool
) -> None:
    sealed = seal(b"small")
    header, data_key = unlock(sealed.container[:HEADER_BYTES], RING)
    copies = [bad(header), header.pack()] if first else [header.pack(), bad(header)]
    block = b"".join(copies)
    assert unlock(block, RING) == (header, data_key)
    path = tmp_path / "container"
    path.write_bytes(block + sealed.container[HEADER_BYTES:])
    container = ContainerFile(path, lambda read: unlock_object("object", read, RING))
    assert container.segment(0) == b"small"
    container.close()
    # A rewrap mends what it finds.
    assert rewrap(path, NEW_RING) is True
    assert unlock(path.read_bytes()[:HEADER_BYTES], ONLY_NEW)[1] == data_key
    assert path.read_bytes()[:HEADER_COPY_BYTES] == path.read_bytes()[HEADER_COPY_BYTES:HEADER_BYTES]


def test_with_no_good_copy_the_first_ones_fault_is_told() -> None:
    header, _ = unlock(seal(b"small").container[:HEADER_BYTES], RING)
    with pytest.raises(ObjectCorrupt):
        unlock(forged_key(header) + foreign(header), RING)
    with pytest.raises(Unavailable):
        unlock(foreign(header) + forged_key(header), RING)


def test_a_rewrap_holds_the_file_from_its_first_look_to_its_last_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "container"
    path.write_bytes(seal(b"small").container)
    read, write, sync = os.pread, os.pwrite, os.fsync
    seen: list[str] = []

    def held(what: str) -> None:
        seen.append(what)
        with path.open("rb+") as other, pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def looking(descriptor: int, length: int, offset: int) -> bytes:
        held("look")
        return read(descriptor, length, offset)

    def writing(descriptor: int, data: bytes, offset: int) -> int:
        held("write")
        return write(descriptor, data, offset)

    def syncing(descriptor: int) -> None:
        held("sync")
        sync(descriptor)

    monkeypatch.setattr(os, "pread", looking)
    monkeypatch.setattr(os, "pwrite", writing)
    monkeypatch.setattr(os, "fsync", syncing)
    assert rewrap(path, NEW_RING) is True
    assert seen == ["look", "write", "sync", "write", "sync"]
    with path.open("rb+") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
