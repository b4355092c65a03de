"""The container and the keyring at their limits: lengths, versions, short reads and writes, power cuts."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.common.encryption import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    DecryptingReader,
    Sealer,
    SegmentReader,
    intact_header,
    rewrap,
    unlock,
)
from libs.common.encryption.container import HEADER_COPY_BYTES, MAX_TRAILER_BYTES, TAG_BYTES, trailer_length
from libs.common.encryption.header import MAGIC
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, ObjectCorrupt

RING = Keyring("old", {"old": b"o" * 32})
NEW_RING = Keyring("new", {"old": b"o" * 32, "new": b"n" * 32})


def sealed(plaintext: bytes, object_id: str = "object", keyring: Keyring = RING) -> bytes:
    sealer = Sealer(object_id, keyring)
    sealer.add(plaintext)
    body = b"".join(sealer.segments())
    return sealer.header + body + b"".join(sealer.finish({}))


@pytest.mark.parametrize("length", [TAG_BYTES + 1, MAX_TRAILER_BYTES + TAG_BYTES])
def test_a_trailer_may_be_as_long_as_one_that_is_written(length: int) -> None:
    assert trailer_length(b"behind" + length.to_bytes(4, "big")) == length


@pytest.mark.parametrize("length", [0, TAG_BYTES, MAX_TRAILER_BYTES + TAG_BYTES + 1, 0xFFFF_FFFF])
def test_a_damaged_length_allocates_nothing(length: int) -> None:
    with pytest.raises(ObjectCorrupt, match="absurd"):
        trailer_length(length.to_bytes(4, "big"))


def test_the_longest_object_id_is_bound_whole(tmp_path: Path) -> None:
    (tmp_path / "object").write_bytes(container := sealed(b"small", "x" * 64))
    header, data_key = unlock(container[:HEADER_BYTES], RING)
    assert header.object_id == "x" * 64
    with DecryptingReader(tmp_path / "object", data_key) as reader:
        assert reader.read() == b"small"


@pytest.mark.parametrize("foreign", [b"\x89OTHER!\n\x01", MAGIC + b"\x02"], ids=["magic", "version"])
def test_another_format_is_not_read_as_this_one(foreign: bytes) -> None:
    covered = foreign + sealed(b"small")[len(foreign) : HEADER_COPY_BYTES - 4]
    copy = covered + zlib.crc32(covered).to_bytes(4, "big")
    with pytest.raises(ObjectCorrupt, match="no container of version 1"):
        intact_header(copy * 2)


def test_a_new_object_is_wrapped_under_the_current_key_and_says_so() -> None:
    ring = Keyring("b", {"a": b"a" * 32, "b": b"b" * 32, "c": b"c" * 32})
    header, _ = unlock(sealed(b"small", keyring=ring)[:HEADER_BYTES], Keyring("b", {"b": b"b" * 32}))
    assert header.key_reference == "b"


def test_what_the_trailer_claims_does_not_replace_what_was_measured(tmp_path: Path) -> None:
    sealer = Sealer("object", RING)
    sealer.add(b"small")
    (tmp_path / "object").write_bytes(
        sealer.header + b"".join(sealer.finish({"size": 5, "sha256": "another"}))
    )
    with DecryptingReader(tmp_path / "object", unlock(sealer.header, RING)[1]) as reader:
        assert reader.trailer()["sha256"] == sealer.sha256


def test_reads_that_come_back_short_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(SEGMENT_BYTES + 5)
    (tmp_path / "object").write_bytes(container := sealed(data))
    data_key = unlock(container[:HEADER_BYTES], RING)[1]
    real = os.pread

    def at_most(descriptor: int, length: int, offset: int) -> bytes:
        return real(descriptor, min(length, 100_000), offset)

    monkeypatch.setattr(os, "pread", at_most)
    with DecryptingReader(tmp_path / "object", data_key) as reader:
        assert reader.read() == data


def test_a_header_copy_that_is_written_in_part_stops_a_rewrap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "object").write_bytes(container := sealed(b"small"))
    real = os.pwrite
    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", lambda descriptor, data, at: real(descriptor, data[:100], at))
        with pytest.raises(OSError, match="short write"):
            rewrap(tmp_path / "object", NEW_RING)
    left = (tmp_path / "object").read_bytes()
    assert unlock(left[:HEADER_BYTES], RING) == unlock(container[:HEADER_BYTES], RING)


def test_a_reader_is_released_once() -> None:
    released: list[None] = []
    reader = SegmentReader(0, lambda _: b"", lambda: released.append(None))
    reader.close()
    reader.close()
    del reader
    assert len(released) == 1


def test_no_two_wraps_share_a_nonce() -> None:
    wraps = {RING.wrap(b"d" * 32, b"context") for _ in range(10)}
    assert len({wrapped[:12] for wrapped in wraps}) == 10


@pytest.mark.parametrize("content", [b'{"current": "k", "keys": {"k": "c2VjcmV0!"}}', b'{"secret"'])
def test_not_even_the_cause_of_an_error_shows_key_material(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "keyring.json"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError) as caught:
        Keyring.load(path)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written through to the disk, and when the keyring appears."""
    calls: list[str] = []

    def recorded(name: str, real: Callable[..., None], place: Callable[..., Path]) -> None:
        def call(*args: int | Path) -> None:
            real(*args)
            calls.append(f"{name} {'folder' if place(*args) == tmp_path else 'file'}")

        monkeypatch.setattr(os, name, call)

    recorded("fsync", os.fsync, lambda descriptor: Path(f"/proc/self/fd/{descriptor}").readlink())
    recorded("link", os.link, lambda _, target: target)
    return calls


def test_a_new_keyring_is_durable_before_anything_is_encrypted_with_it(
    tmp_path: Path, log: list[str]
) -> None:
    Keyring.create(tmp_path / "keyring.json")
    assert log == ["fsync file", "link file", "fsync folder"]
