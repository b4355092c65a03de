"""The container: round trips, random access, and that nothing altered ever comes back."""

from __future__ import annotations

import hashlib
import io
import os
import random
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.encryption import (
    HEADER_BYTES,
    SEGMENT_BYTES,
    ContainerFile,
    DecryptingReader,
    Sealer,
    SegmentReader,
    rewrap,
    unlock,
)
from libs.common.encryption.container import MAX_TRAILER_BYTES, SEALED_SEGMENT_BYTES
from libs.common.encryption.header import parse_copies
from libs.common.encryption.keyring import Keyring
from libs.common.encryption.rewrap import plan
from libs.common.errors import ObjectCorrupt, ObjectNotFound, TooLarge, Unavailable

BORDER_SIZES = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES]
TRAILER = {"file_name": "IM0001.dcm", "dicom": {"00100010": {"vr": "PN"}}}
RING = Keyring("old", {"old": b"o" * 32})
NEW_RING = Keyring("new", {"old": b"o" * 32, "new": b"n" * 32})
ONLY_NEW = Keyring("new", {"new": b"n" * 32})
SUPPRESSED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]

SEGMENT_SLICES = [
    slice(HEADER_BYTES + i * SEALED_SEGMENT_BYTES, HEADER_BYTES + (i + 1) * SEALED_SEGMENT_BYTES)
    for i in range(3)
]


class Sealed(NamedTuple):
    """A container, what is in it, and the key that opens it."""

    container: bytes
    plaintext: bytes
    data_key: bytes


def seal(plaintext: bytes, object_id: str = "object", chunk: int = 200_000) -> Sealed:
    sealer = Sealer(object_id, RING)
    body = b""
    for start in range(0, len(plaintext), chunk):
        sealer.add(plaintext[start : start + chunk])
        body += b"".join(sealer.segments())
    container = sealer.header + body + b"".join(sealer.finish(TRAILER))
    return Sealed(container, plaintext, unlock(container[:HEADER_BYTES], RING)[1])


@pytest.fixture(scope="module")
def three() -> Sealed:
    """Three segments, the last one short."""
    return seal(random.Random(1).randbytes(2 * SEGMENT_BYTES + 5000))


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file that examples overwrite in turn."""
    return tmp_path_factory.mktemp("containers") / "container"


def read_back(path: Path, container: bytes, data_key: bytes) -> bytes:
    path.write_bytes(container)
    with DecryptingReader(path, data_key) as reader:
        return reader.read()


def flipped(data: bytes, position: int, bit: int = 0) -> bytes:
    altered = bytearray(data)
    altered[position] ^= 1 << bit
    return bytes(altered)


@pytest.mark.parametrize("size", BORDER_SIZES)
@pytest.mark.parametrize("chunk", [65_536, SEGMENT_BYTES, 5 * SEGMENT_BYTES])
def test_round_trip_around_segment_borders(scratch: Path, size: int, chunk: int) -> None:
    plaintext = random.Random(size).randbytes(size)
    sealed = seal(plaintext, chunk=chunk)
    scratch.write_bytes(sealed.container)
    with DecryptingReader(scratch, sealed.data_key) as reader:
        assert reader.trailer() == {
            **TRAILER,
            "size": size,
            "sha256": hashlib.sha256(plaintext).hexdigest(),
        }
        assert reader.read() == plaintext
        assert reader.read() == b""


@settings(deadline=None, max_examples=30, suppress_health_check=SUPPRESSED)
@given(chunks=st.lists(st.integers(0, 700_000), max_size=8), asked=st.sets(st.integers(0, 7)))
def test_hash_and_bytes_do_not_depend_on_how_the_data_arrives(
    scratch: Path, chunks: list[int], asked: set[int]
) -> None:
    rng = random.Random(str(chunks))
    sealer, plaintext, body = Sealer("object", RING), b"", b""
    for index, length in enumerate(chunks):
        data = rng.randbytes(length)
        plaintext += data
        sealer.add(data)
        body += b"".join(sealer.segments())
        if index in asked:
            assert sealer.sha256 == hashlib.sha256(plaintext).hexdigest()
            assert plaintext.endswith(sealer.tail())
    container = sealer.header + body + b"".join(sealer.finish({}))
    data_key = unlock(container[:HEADER_BYTES], RING)[1]
    assert sealer.size == len(plaintext)
    assert sealer.sha256 == hashlib.sha256(plaintext).hexdigest()
    assert read_back(scratch, container, data_key) == plaintext


def test_what_the_caller_does_to_his_buffer_later_does_not_matter(scratch: Path) -> None:
    buffer = bytearray(b"before")
    sealer = Sealer("object", RING)
    sealer.add(buffer)
    buffer[:] = b"after!"
    container = sealer.header + b"".join(sealer.finish({}))
    assert read_back(scratch, container, unlock(container[:HEADER_BYTES], RING)[1]) == b"before"


@settings(deadline=None, max_examples=60, suppress_health_check=SUPPRESSED)
@given(data=st.data())
def test_ranges_equal_slices(three: Sealed, scratch: Path, data: st.DataObject) -> None:
    size = len(three.plaintext)
    borders = st.sampled_from([0, SEGMENT_BYTES, 2 * SEGMENT_BYTES, size])
    near_border = st.builds(lambda b, d: min(max(b + d, 0), size + 10), borders, st.integers(-9, 9))
    positions = st.integers(0, size + 10) | near_border
    scratch.write_bytes(three.container)
    with DecryptingReader(scratch, three.data_key) as reader:
        for _ in range(4):
            start, stop = data.draw(positions), data.draw(positions)
            reader.seek(start)
            expected = three.plaintext[start : max(start, stop)]
            if data.draw(st.booleans()):
                assert reader.read(max(0, stop - start)) == expected
            else:
                buffer = bytearray(max(0, stop - start))
                assert reader.readinto(buffer) == len(expected)
                assert buffer[: len(expected)] == expected
            assert reader.tell() == start + len(expected)


def test_reader_behaves_as_a_binary_file(three: Sealed, scratch: Path) -> None:
    scratch.write_bytes(three.container)
    size = len(three.plaintext)
    reader = DecryptingReader(scratch, three.data_key)
    assert reader.readable()
    assert reader.seekable()
    assert not reader.writable()
    assert reader.seek(-10, io.SEEK_END) == size - 10
    assert reader.read(1 << 40) == three.plaintext[-10:]
    assert reader.seek(5) == 5
    assert reader.seek(5, io.SEEK_CUR) == 10
    assert io.BufferedReader(reader).read(20) == three.plaintext[10:30]
    reader = DecryptingReader(scratch, three.data_key)
    for offset, whence in ((-1, io.SEEK_SET), (-size - 1, io.SEEK_END), (0, 9)):
        with pytest.raises(ValueError, match="cannot seek"):
            reader.seek(offset, whence)
    reader.close()
    reader.close()
    with pytest.raises(ValueError, match="closed"):
        reader.read(1)


def test_only_touched_segments_are_decrypted(three: Sealed, scratch: Path) -> None:
    scratch.write_bytes(flipped(three.container, SEGMENT_SLICES[1].start + 7))
    with DecryptingReader(scratch, three.data_key) as reader:
        assert reader.read(SEGMENT_BYTES) == three.plaintext[:SEGMENT_BYTES]
        reader.seek(2 * SEGMENT_BYTES)
        assert reader.read() == three.plaintext[2 * SEGMENT_BYTES :]
        reader.seek(SEGMENT_BYTES - 1)
        with pytest.raises(ObjectCorrupt, match="Segment 1"):
            reader.read(2)


def test_the_last_two_segments_are_kept_and_no_more() -> None:
    loaded: list[int] = []

    def load(index: int) -> bytes:
        loaded.append(index)
        return bytes(SEGMENT_BYTES)

    with SegmentReader(4 * SEGMENT_BYTES, load, lambda: None) as reader:
        for index in (0, 1, 0, 1, 0, 2, 0, 1):
            reader.seek(index * SEGMENT_BYTES)
            reader.read(1)
    assert loaded == [0, 1, 2, 1]


def test_a_failed_readinto_leaves_no_unauthenticated_byte(three: Sealed, scratch: Path) -> None:
    scratch.write_bytes(flipped(three.container, SEGMENT_SLICES[0].start + SEGMENT_BYTES - 1))
    buffer = bytearray(1000)
    with DecryptingReader(scratch, three.data_key) as reader, pytest.raises(ObjectCorrupt):
        reader.readinto(buffer)
    assert buffer == bytes(1000)


@settings(deadline=None, max_examples=150, suppress_health_check=SUPPRESSED)
@given(data=st.data())
def test_any_flip_behind_the_header_is_detected(three: Sealed, scratch: Path, data: st.DataObject) -> None:
    end = len(three.container)
    trailer_start = SEGMENT_SLICES[1].stop + 5000 + 16
    position = data.draw(
        st.integers(HEADER_BYTES, end - 1)
        | st.integers(trailer_start, end - 1)
        | st.integers(end - 4, end - 1)
    )
    altered = flipped(three.container, position, data.draw(st.integers(0, 7)))
    with pytest.raises(ObjectCorrupt):
        read_back(scratch, altered, three.data_key)


def test_every_flip_in_the_header_is_detected_and_one_damaged_copy_survived() -> None:
    sealed = seal(b"small")
    header = sealed.container[:HEADER_BYTES]
    for position in range(HEADER_BYTES):
        copies = parse_copies(flipped(header, position, position % 8))
        damaged, intact = (0, 1) if position < HEADER_BYTES // 2 else (1, 0)
        assert copies[damaged] is None
        assert copies[intact] is not None


@settings(deadline=None, max_examples=100, suppress_health_check=SUPPRESSED)
@given(first=st.integers(0, 4095), second=st.integers(4096, 8191))
def test_flips_in_both_header_copies_are_fatal(scratch: Path, first: int, second: int) -> None:
    sealed = seal(b"small")
    altered = flipped(flipped(sealed.container, first), second)
    with pytest.raises(ObjectCorrupt):
        unlock(altered[:HEADER_BYTES], RING)
    with pytest.raises(ObjectCorrupt):
        read_back(scratch, altered, sealed.data_key)


def test_a_forged_header_with_a_right_checksum_does_not_authenticate(scratch: Path) -> None:
    sealed = seal(b"small")
    header, _ = parse_copies(sealed.container)
    assert header is not None
    forgeries = [
        type(header)("other", header.nonce_prefix, header.key_reference, header.wrapped_key),
        type(header)(header.object_id, b"1234567", header.key_reference, header.wrapped_key),
    ]
    for forged in forgeries:
        altered = forged.pack() * 2 + sealed.container[HEADER_BYTES:]
        with pytest.raises(ObjectCorrupt):
            unlock(altered[:HEADER_BYTES], RING)
        with pytest.raises(ObjectCorrupt):
            read_back(scratch, altered, sealed.data_key)


def test_swapped_dropped_repeated_and_foreign_segments_are_detected(three: Sealed, scratch: Path) -> None:
    a, b, c = (three.container[part] for part in SEGMENT_SLICES)
    c, tail = c[: 5000 + 16], c[5000 + 16 :]
    head = three.container[:HEADER_BYTES]
    foreign = seal(random.Random(2).randbytes(len(three.plaintext))).container
    same_bytes = seal(three.plaintext).container
    for body in (
        b + a + c,  # swapped
        a + c,  # dropped in the middle
        a + b,  # last one dropped
        b + c,  # first one dropped
        a + a + c,  # repeated
        a + b + b + c,  # inserted
        a + foreign[SEGMENT_SLICES[1]] + c,
        a + same_bytes[SEGMENT_SLICES[1]] + c,
        a + b + foreign[SEGMENT_SLICES[2]][: 5000 + 16],
    ):
        with pytest.raises(ObjectCorrupt):
            read_back(scratch, head + body + tail, three.data_key)
    for altered in (
        head + foreign[HEADER_BYTES:],
        foreign[:HEADER_BYTES] + three.container[HEADER_BYTES:],
        head + a + b + c + foreign[SEGMENT_SLICES[1].stop + 5016 :],
    ):
        with pytest.raises(ObjectCorrupt):
            read_back(scratch, altered, three.data_key)
    assert read_back(scratch, head + a + b + c + tail, three.data_key) == three.plaintext


def test_a_missing_segment_is_noticed_when_opened(three: Sealed, scratch: Path) -> None:
    part = SEGMENT_SLICES[1]
    scratch.write_bytes(three.container[: part.start] + three.container[part.stop :])
    with pytest.raises(ObjectCorrupt, match="another length"):
        DecryptingReader(scratch, three.data_key)


def test_segments_cannot_become_the_last_one(scratch: Path) -> None:
    """A shorter object whose trailer length fits: the last-segment flag is what betrays it."""
    sealer = Sealer("object", RING)
    sealer.add(bytes(2 * SEGMENT_BYTES))
    (first,) = sealer.segments()
    forged_trailer = sealer.cipher.seal_trailer({"size": SEGMENT_BYTES, "sha256": ""})
    data_key = unlock(sealer.header, RING)[1]
    with pytest.raises(ObjectCorrupt, match="Segment 0"):
        read_back(scratch, sealer.header + first + forged_trailer, data_key)


@settings(deadline=None, max_examples=60, suppress_health_check=SUPPRESSED)
@given(data=st.data())
def test_any_cut_or_growth_is_detected_when_opened(three: Sealed, scratch: Path, data: st.DataObject) -> None:
    cut = data.draw(st.integers(0, len(three.container) - 1) | st.integers(0, HEADER_BYTES + 40))
    grown = data.draw(st.binary(min_size=1, max_size=60))
    for altered in (three.container[:cut], three.container + grown):
        scratch.write_bytes(altered)
        with pytest.raises(ObjectCorrupt):
            DecryptingReader(scratch, three.data_key)


def test_wrong_key_missing_file_and_other_formats(scratch: Path) -> None:
    sealed = seal(b"small")
    with pytest.raises(ObjectCorrupt):
        read_back(scratch, sealed.container, bytes(32))
    with pytest.raises(ObjectCorrupt, match="no container"):
        read_back(scratch, b"DICM" * 5000, sealed.data_key)
    with pytest.raises(ObjectNotFound):
        DecryptingReader(scratch.with_name("absent"), sealed.data_key)
    with pytest.raises(Unavailable, match="keyring"):
        unlock(sealed.container[:HEADER_BYTES], ONLY_NEW)


def test_a_trailer_larger_than_one_tail_read(scratch: Path) -> None:
    trailer = {"dicom": "x" * 100_000}
    sealer = Sealer("object", RING)
    sealer.add(b"small")
    scratch.write_bytes(sealer.header + b"".join(sealer.finish(trailer)))
    container = ContainerFile(scratch, lambda block: unlock(block, RING))
    assert container.trailer["dicom"] == trailer["dicom"]
    assert container.segment(0) == b"small"
    with pytest.raises(IndexError):
        container.segment(1)
    container.close()


def test_an_absurd_trailer_is_refused() -> None:
    with pytest.raises(TooLarge, match="128 MiB"):
        Sealer("object", RING).finish({"dicom": "x" * MAX_TRAILER_BYTES})


@pytest.mark.parametrize("object_id", ["", "x" * 65])
def test_object_ids_that_do_not_fit_are_refused(object_id: str) -> None:
    with pytest.raises(ValueError, match="object id"):
        Sealer(object_id, RING)


def test_equal_objects_have_nothing_in_common_on_disk() -> None:
    one, other = seal(b"same bytes" * 1000), seal(b"same bytes" * 1000)
    assert one.data_key != other.data_key
    blocks = {one.container[i : i + 16] for i in range(HEADER_BYTES, len(one.container) - 20, 16)}
    assert not any(
        other.container[i : i + 16] in blocks for i in range(HEADER_BYTES, len(other.container) - 20, 16)
    )


def test_rewrap_frees_an_object_of_its_old_key(three: Sealed, scratch: Path) -> None:
    scratch.write_bytes(three.container)
    assert rewrap(scratch, NEW_RING) is True
    rewrapped = scratch.read_bytes()

    assert rewrapped[HEADER_BYTES:] == three.container[HEADER_BYTES:]
    assert unlock(rewrapped[:HEADER_BYTES], ONLY_NEW)[1] == three.data_key
    with pytest.raises(Unavailable):
        unlock(rewrapped[:HEADER_BYTES], RING)
    assert read_back(scratch, rewrapped, three.data_key) == three.plaintext
    assert rewrap(scratch, NEW_RING) is False
    assert scratch.read_bytes() == rewrapped
    with pytest.raises(ObjectNotFound):
        rewrap(scratch.with_name("absent"), NEW_RING)


def crashes(block: bytes, steps: list[tuple[int, bytes]]) -> list[bytes]:
    """Header blocks that a crash can leave: each step done in part, or its disk block lost to garbage."""
    left = []
    for offset, copy in steps:
        for written in (0, 1, 100, 300, 512, len(copy) - 1):
            left.append(block[:offset] + copy[:written] + block[offset + written :])
        left.append(block[:offset] + os.urandom(len(copy)) + block[offset + len(copy) :])
        block = block[:offset] + copy + block[offset + len(copy) :]
        left.append(block)
    return left


def test_a_crash_at_any_step_of_a_rewrap_and_of_its_repetition_loses_nothing(scratch: Path) -> None:
    sealed = seal(b"small")
    header = sealed.container[:HEADER_BYTES]
    for after_crash in crashes(header, plan(header, NEW_RING)):
        assert unlock(after_crash, NEW_RING)[1] == sealed.data_key
        for after_second in crashes(after_crash, plan(after_crash, NEW_RING)):
            assert unlock(after_second, NEW_RING)[1] == sealed.data_key
        scratch.write_bytes(after_crash + sealed.container[HEADER_BYTES:])
        rewrap(scratch, NEW_RING)
        assert all(copy and copy.key_reference == "new" for copy in parse_copies(scratch.read_bytes()))
        assert read_back(scratch, scratch.read_bytes(), sealed.data_key) == b"small"


def test_rewrap_syncs_one_copy_before_it_touches_the_other(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sealed = seal(b"small")
    scratch.write_bytes(sealed.container)

    def power_cut(_: int) -> None:
        raise OSError("power cut")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", power_cut)
        with pytest.raises(OSError, match="power cut"):
            rewrap(scratch, NEW_RING)
    first, second = parse_copies(scratch.read_bytes())
    assert first is not None
    assert second is not None
    assert (first.key_reference, second.key_reference) == ("old", "new")
