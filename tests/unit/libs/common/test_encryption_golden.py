"""The container as it lies on disks already: a file made once, and the format said in words of its own.

Release after release must read it, and make it anew byte for byte where nothing is drawn at random.
Run as a module this writes the file, which only another version of the format may need.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.common.encryption import HEADER_BYTES, ContainerFile, DataCipher, Sealer, unlock_object
from libs.common.encryption.keyring import Keyring

FILE = Path(__file__).with_name("golden_container.bin")
OBJECT_ID = "01980000-0000-7000-8000-00000000c0de"
KEYS = {"2026-01": bytes(range(32)), "2025-07": b"before" + bytes(26)}
PLAINTEXT = b"DICM and what follows it, " * 7
TRAILER = {"file_name": "IM0001.dcm", "warnings": [], "dicom": {"00100010": {"vr": "PN"}}}
DATA_KEY, PREFIX, WRAP_NONCE = bytes(range(100, 132)), b"prefix7", b"wrap nonce12"
BOUND = OBJECT_ID.encode().ljust(64, b"\0") + b"\x01"
"""Associated data of every segment: object id, version."""


def draws() -> Iterator[bytes]:
    """What a writer draws at random, in order."""
    yield from (DATA_KEY + PREFIX, WRAP_NONCE)


def made() -> bytes:
    """The container as the present writer makes it; os.urandom gives `draws`."""
    sealer = Sealer(OBJECT_ID, Keyring("2026-01", KEYS))
    sealer.add(PLAINTEXT)
    return sealer.header + b"".join(sealer.segments()) + b"".join(sealer.finish(TRAILER))


def fixed(count: int, drawn: Iterator[bytes]) -> bytes:
    value = next(drawn)
    assert len(value) == count
    return value


def test_what_was_written_once_is_read_for_ever(tmp_path: Path) -> None:
    ring = Keyring("2026-01", KEYS)
    container = ContainerFile(FILE, lambda block: unlock_object(OBJECT_ID, block, ring))
    assert container.segment(0) == PLAINTEXT
    assert container.trailer == {
        **TRAILER,
        "size": len(PLAINTEXT),
        "sha256": hashlib.sha256(PLAINTEXT).hexdigest(),
    }
    container.close()
    assert unlock_object(OBJECT_ID, FILE.read_bytes()[:HEADER_BYTES], ring)[1] == DATA_KEY


def test_the_writer_makes_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draws()
    monkeypatch.setattr(os, "urandom", lambda count: fixed(count, drawn))
    assert made() == FILE.read_bytes()
    assert next(drawn, None) is None


def test_the_data_key_is_wrapped_for_this_object_and_prefix() -> None:
    wrapped = FILE.read_bytes()[144:204]
    assert wrapped[:12] == WRAP_NONCE
    opened = AESGCM(KEYS["2026-01"]).decrypt(WRAP_NONCE, wrapped[12:], BOUND + PREFIX)
    assert opened == DATA_KEY


@pytest.mark.parametrize(("last", "flag"), [(False, b"\x00"), (True, b"\x01")])
@pytest.mark.parametrize("index", [0, 1, 0x01020304])
def test_a_segments_nonce_and_associated_data(index: int, last: bool, flag: bytes) -> None:
    nonce = PREFIX + index.to_bytes(4, "big") + flag
    sealed = AESGCM(DATA_KEY).encrypt(nonce, PLAINTEXT, BOUND)
    cipher = DataCipher(OBJECT_ID, DATA_KEY, PREFIX)
    assert cipher.seal_segment(index, PLAINTEXT, last=last) == sealed
    assert cipher.open_segment(index, sealed, last=last) == PLAINTEXT


def test_the_trailers_nonce_and_associated_data() -> None:
    nonce = PREFIX + b"\xff\xff\xff\xff\x02"
    sealed = AESGCM(DATA_KEY).encrypt(nonce, b'{"size":0}', BOUND + b"trailer")
    cipher = DataCipher(OBJECT_ID, DATA_KEY, PREFIX)
    assert cipher.seal_trailer({"size": 0}) == sealed + len(sealed).to_bytes(4, "big")
    # Header, one empty segment's tag, trailer, length.
    assert cipher.open_trailer(sealed, 8192 + 16 + len(sealed) + 4) == {"size": 0}


if __name__ == "__main__":
    with pytest.MonkeyPatch.context() as patch:
        values = draws()
        patch.setattr(os, "urandom", lambda count: fixed(count, values))
        FILE.write_bytes(made())
