"""One suite for every object store: what `libs.common.storage.contract` promises."""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pymongo
import pytest

from libs.common.encryption import HEADER_BYTES, SEALED_SEGMENT_BYTES, SEGMENT_BYTES, DecryptingReader
from libs.common.encryption.followed import LOOK_SECONDS, FollowedKeyring
from libs.common.encryption.keyring import Keyring, keep_copy
from libs.common.encryption.keyring_content import KeyringContent
from libs.common.errors import ObjectCorrupt, ObjectNotFound, StorageError, TooLarge, Unavailable
from libs.common.ids import ObjectKey, file_key, new_file_id, thumbnail_key
from libs.common.storage import ChildAccess, FileStorage, ObjectWriter, Storage
from libs.common.storage.bucket import Bucket
from libs.common.storage.gridfs import GridFSStorage
from libs.common.storage.layout import CHUNK_BYTES
from tests.waiting import eventually

THOROUGH = bool(os.environ.get("TEST_MONGODB_URL"))
"""The stand-in for MongoDB takes 40 ms of CPU per command: with it, GridFS gets a choice of the cases."""
SIZES = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, 2 * SEGMENT_BYTES + 5]
MARKER = b"PATIENT^SECRET^1234567890"


def cases(names: str, every: list[Any], chosen: list[Any]) -> pytest.MarkDecorator:
    """Parametrise a test by store and `names`."""
    found = [("file", every), ("gridfs", every if THOROUGH else chosen)]
    rows = [(store, *(one if "," in names else [one])) for store, values in found for one in values]
    return pytest.mark.parametrize(("harness", *names.split(",")), rows, indirect=["harness"])


@dataclass
class Harness:
    """A store and what a test may do behind its back."""

    storage: Storage
    at_rest: Callable[[], list[bytes]]  # every stored byte, unfinished objects included
    alter: Callable[[ObjectKey, Callable[[bytes], bytes]], None]
    move: Callable[[ObjectKey, ObjectKey], None]
    with_keyring: Callable[[Keyring], Storage]


def file_harness(root: Path) -> Harness:
    def path(key: ObjectKey) -> Path:
        return next(root.glob(f"??/{key}"))

    def alter(key: ObjectKey, change: Callable[[bytes], bytes]) -> None:
        path(key).write_bytes(change(path(key).read_bytes()))

    def move(source: ObjectKey, target: ObjectKey) -> None:
        path(target).write_bytes(path(source).read_bytes())

    return Harness(
        storage=FileStorage(root, KEYRING),
        at_rest=lambda: [p.read_bytes() for p in root.rglob("*") if p.is_file()],
        alter=alter,
        move=move,
        with_keyring=lambda keyring: FileStorage(root, keyring),
    )


def gridfs_harness(url: str, stack: ExitStack, spool: Path) -> Harness:
    client = stack.enter_context(pymongo.MongoClient[dict[str, Any]](url))
    files, chunks = (client.get_default_database()[f"objects.{name}"] for name in ("files", "chunks"))
    bucket = Bucket(url, None)

    def body(revision: Any) -> bytes:
        return b"".join(chunk["data"] for chunk in chunks.find({"files_id": revision}).sort("n"))

    def at_rest() -> list[bytes]:
        found = {one["_id"]: one for one in files.find()}
        # A revision that is gone waits for a sweep: nobody has its key any more.
        gone = {key for key, one in found.items() if one["filename"].startswith(".gone/")}
        assert all(set(found[key]["metadata"]) <= {"key", "stale_since", "container_bytes"} for key in gone)
        there = (found.keys() | set(chunks.distinct("files_id"))) - gone
        return [raw(found.get(key, {"_id": key, "metadata": {}})) for key in there]

    def raw(found: dict[str, Any]) -> bytes:
        ends = found["metadata"]
        return bytes(ends.get("header", b"") + body(found["_id"]) + ends.get("trailer", b""))

    def the(key: ObjectKey) -> dict[str, Any]:
        (found,) = files.find({"filename": key})
        return found

    def store(key: ObjectKey, header: bytes, middle: bytes, trailer: bytes) -> None:
        revision = the(key)["_id"]
        chunks.delete_many({"files_id": revision})
        for n, start in enumerate(range(0, len(middle), CHUNK_BYTES)):
            chunks.insert_one({"files_id": revision, "n": n, "data": middle[start : start + CHUNK_BYTES]})
        ends = {"metadata.header": header, "metadata.trailer": trailer, "length": len(middle)}
        files.update_one({"_id": revision}, {"$set": ends})

    def alter(key: ObjectKey, change: Callable[[bytes], bytes]) -> None:
        found = the(key)
        changed, border = change(raw(found)), HEADER_BYTES + found["length"]
        store(key, changed[:HEADER_BYTES], changed[HEADER_BYTES:border], changed[border:])

    def move(source: ObjectKey, target: ObjectKey) -> None:
        found = the(source)
        store(target, found["metadata"]["header"], body(found["_id"]), found["metadata"]["trailer"])

    return Harness(
        storage=GridFSStorage(bucket, KEYRING, spool=spool),
        at_rest=at_rest,
        alter=alter,
        move=move,
        with_keyring=lambda keyring: GridFSStorage(bucket, keyring, spool=spool),
    )


KEYRING = Keyring("first", {"first": b"1" * 32})


@pytest.fixture(params=["file", "gridfs"])
async def harness(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    with ExitStack() as stack:
        if request.param == "file":
            made = file_harness(tmp_path / "objects")
        else:
            made = gridfs_harness(request.getfixturevalue("mongodb_url"), stack, tmp_path / "spool")
        await made.storage.ready()
        yield made
        await made.storage.close()


@pytest.fixture
def storage(harness: Harness) -> Storage:
    return harness.storage


@pytest.fixture
def key() -> ObjectKey:
    return file_key(new_file_id())


def content(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def read_all(storage: Storage, key: ObjectKey) -> bytes:
    reader = await storage.open(key)
    try:
        return b"".join([chunk async for chunk in reader.chunks()])
    finally:
        await reader.close()


def child_access_of(storage: Storage) -> Callable[[ObjectKey], Awaitable[ChildAccess]]:
    """Its `child_access` as a function that only asks."""

    async def ask(key: ObjectKey) -> ChildAccess:
        async with storage.child_access(key) as access:
            return access

    return ask


async def write_in_pieces(storage: Storage, key: ObjectKey, data: bytes, piece: int = 300_000) -> None:
    async with storage.writer(key) as writer:
        for start in range(0, len(data), piece):
            await writer.write(data[start : start + piece])
        await writer.commit({"file_name": "a.dcm"})


@cases(
    "size,durable",
    [(size, durable) for size in SIZES for durable in (True, False)],
    [(0, False), (SEGMENT_BYTES + 5, True)],
)
async def test_written_in_pieces_reads_back_whole(
    storage: Storage, key: ObjectKey, size: int, durable: bool
) -> None:
    data = content(size)
    digest = hashlib.sha256(data).hexdigest()
    async with storage.writer(key, durable=durable) as writer:
        for start in range(0, size, 300_000):
            await writer.write(data[start : start + 300_000])
        assert writer.size == size
        await writer.commit({"file_name": "ä.dcm", "dicom": {"x": [1, None]}})
        assert writer.sha256 == digest

    expected = {"file_name": "ä.dcm", "dicom": {"x": [1, None]}, "size": size, "sha256": digest}
    assert await storage.read_trailer(key) == expected
    reader = await storage.open(key)
    assert (reader.size, reader.trailer) == (size, expected)
    assert b"".join([chunk async for chunk in reader.chunks()]) == data
    assert await reader.read(0, size + 100) == data
    await reader.close()
    await reader.close()


@cases("size", SIZES, [SEGMENT_BYTES + 1])
async def test_put_reads_back_and_replaces(storage: Storage, key: ObjectKey, size: int) -> None:
    await storage.put(key, b"older", {"n": 1}, durable=False)
    await storage.put(key, content(size), {"n": 2})
    assert await read_all(storage, key) == content(size)
    assert (await storage.read_trailer(key))["n"] == 2


DATA = 2 * SEGMENT_BYTES + 5
BORDERS = [0, 1, SEGMENT_BYTES - 1, SEGMENT_BYTES, SEGMENT_BYTES + 1, 2 * SEGMENT_BYTES, DATA]


@cases("borders", [BORDERS], [[0, SEGMENT_BYTES + 1, DATA]])
async def test_ranges_equal_slices(storage: Storage, key: ObjectKey, borders: list[int]) -> None:
    data = content(DATA)
    await storage.put(key, data, {})
    reader = await storage.open(key)
    for start in borders:
        for stop in [*borders, len(data) + 50]:
            pieces = [piece async for piece in reader.chunks(start, stop)]
            assert b"".join(pieces) == data[start:stop]
            assert all(0 < len(piece) <= SEGMENT_BYTES for piece in pieces)
            assert await reader.read(start, max(0, stop - start)) == data[start:stop]
    with pytest.raises(ValueError, match="negative"):
        await reader.read(-1, 5)
    await reader.close()


@cases("segments", [3], [])
async def test_a_range_touches_only_its_segments(harness: Harness, key: ObjectKey, segments: int) -> None:
    data = content(segments * SEGMENT_BYTES)
    await harness.storage.put(key, data, {})
    harness.alter(key, lambda raw: raw[: len(raw) // 2] + b"????" + raw[len(raw) // 2 + 4 :])
    reader = await harness.storage.open(key)
    assert b"".join([c async for c in reader.chunks(5, SEGMENT_BYTES)]) == data[5:SEGMENT_BYTES]
    assert await reader.read(2 * SEGMENT_BYTES, 10) == data[2 * SEGMENT_BYTES :][:10]
    with pytest.raises(ObjectCorrupt):
        await reader.read(SEGMENT_BYTES - 1, 2)
    await reader.close()


@cases("size,piece", [(size, 300_000) for size in SIZES], [(2 * SEGMENT_BYTES + 5, 900_000)])
async def test_plaintext_shows_what_was_written_so_far(
    storage: Storage, key: ObjectKey, size: int, piece: int
) -> None:
    data = content(size)
    async with storage.writer(key) as writer:
        for start in range(0, size, piece):
            await writer.write(data[start : start + piece])
            so_far = data[: start + piece]
            with writer.plaintext() as stream:
                assert await asyncio.to_thread(stream.read) == so_far
                assert stream.seek(-1, 2) == len(so_far) - 1
                assert stream.read(5) == so_far[-1:]
                assert stream.seek(0) == 0
                assert stream.read(132) == so_far[:132]
            assert await asyncio.to_thread(lambda: writer.sha256) == hashlib.sha256(so_far).hexdigest()
        with writer.plaintext() as late:
            await writer.commit({})
            assert late.read() == data
    assert await read_all(storage, key) == data


async def test_leaving_without_commit_discards(harness: Harness, key: ObjectKey) -> None:
    async def fail_half_way(data: bytes) -> None:
        async with harness.storage.writer(key) as writer:
            await writer.write(data)
            raise ZeroDivisionError

    for data in (b"small", content(SEGMENT_BYTES + 5)):
        async with harness.storage.writer(key) as writer:
            await writer.write(data)
            assert not await harness.storage.exists(key)
        with pytest.raises(ZeroDivisionError):
            await fail_half_way(data)
    assert not await harness.storage.exists(key)
    assert harness.at_rest() == []


async def test_a_function_describes_what_was_written_or_nothing_is_kept(
    harness: Harness, key: ObjectKey
) -> None:
    def refuse() -> dict[str, Any]:
        raise ZeroDivisionError

    for data in (b"small", content(SEGMENT_BYTES + 5)):
        async with harness.storage.writer(key) as writer:
            await writer.write(data)
            with pytest.raises(ZeroDivisionError):
                await writer.commit(refuse)
        assert harness.at_rest() == []
        async with harness.storage.writer(key) as writer:
            await writer.write(data)

            def describe(writer: ObjectWriter = writer) -> dict[str, Any]:
                with writer.plaintext() as stream:
                    return {"first": stream.read(1).hex()}

            await writer.commit(describe)
        trailer = await harness.storage.read_trailer(key)
        assert (trailer["first"], trailer["size"]) == (data[:1].hex(), len(data))
        await harness.storage.delete(key)


async def test_an_abandoned_replacement_leaves_the_older_object(storage: Storage, key: ObjectKey) -> None:
    await storage.put(key, b"older", {})
    async with storage.writer(key) as writer:
        await writer.write(content(SEGMENT_BYTES + 5))
    assert await read_all(storage, key) == b"older"


@cases("attempts,step", [(40, 0.0005)], [(3, 0.1)])
async def test_cancellation_at_any_moment_leaves_the_whole_object_or_nothing(
    harness: Harness, attempts: int, step: float
) -> None:
    data = content(SEGMENT_BYTES + 5)
    complete = 0
    for attempt in range(attempts):
        key = file_key(new_file_id())
        task = asyncio.create_task(write_in_pieces(harness.storage, key, data))
        await asyncio.wait({task}, timeout=attempt * step)
        task.cancel()
        await asyncio.wait({task})
        if await harness.storage.exists(key):
            complete += 1
            assert await read_all(harness.storage, key) == data
    assert len(harness.at_rest()) == complete


async def test_a_writer_is_of_no_use_after_commit(storage: Storage, key: ObjectKey) -> None:
    async with storage.writer(key) as writer:
        await writer.write(b"all")
        await writer.commit({})
        with pytest.raises(StorageError):
            await writer.write(b"more")
        with pytest.raises(StorageError):
            await writer.commit({})
    assert await read_all(storage, key) == b"all"


async def test_an_absurd_trailer_stores_nothing(harness: Harness, key: ObjectKey) -> None:
    with pytest.raises(TooLarge):
        await harness.storage.put(key, b"data", {"dicom": "x" * (128 << 20)})
    assert harness.at_rest() == []


async def test_what_is_not_there(storage: Storage, key: ObjectKey) -> None:
    for attempt in (storage.open, storage.read_trailer, child_access_of(storage)):
        with pytest.raises(ObjectNotFound):
            await attempt(key)
    assert not await storage.exists(key)
    await storage.delete(key)


NAMES = ["", "x", "../../etc/passwd", "{}/..", "{}.", "{}.a/b", "{}.A", "{}\n", "/{}"]


@cases("name", NAMES, ["{}.A"])
async def test_what_cannot_be_a_key(storage: Storage, name: str) -> None:
    key = ObjectKey(name.format(UUID(int=5)))
    for attempt in (
        storage.open,
        storage.read_trailer,
        child_access_of(storage),
        storage.delete,
        storage.exists,
    ):
        with pytest.raises(ObjectNotFound):
            await attempt(key)
    with pytest.raises(ObjectNotFound):
        await storage.put(key, b"", {})


async def test_delete_removes_one_object_for_good(harness: Harness) -> None:
    file_id = new_file_id()
    await harness.storage.put(file_key(file_id), b"file", {})
    await harness.storage.put(thumbnail_key(file_id), b"thumbnail", {}, durable=False)
    await harness.storage.delete(file_key(file_id))
    assert not await harness.storage.exists(file_key(file_id))
    assert await read_all(harness.storage, thumbnail_key(file_id)) == b"thumbnail"
    assert len(harness.at_rest()) == 1


async def test_an_open_reader_outlives_replacement_and_deletion(storage: Storage, key: ObjectKey) -> None:
    data = content(SEGMENT_BYTES + 5)
    await storage.put(key, data, {})
    reader = await storage.open(key)
    await storage.put(key, b"newer", {})
    await storage.delete(key)
    assert await reader.read(0, len(data)) == data
    await reader.close()


@cases("writers", [8], [3])
async def test_racing_writers_of_one_key_leave_one_whole_object(
    harness: Harness, key: ObjectKey, writers: int
) -> None:
    versions = [content(SEGMENT_BYTES + n) for n in range(writers)]
    await asyncio.gather(*(write_in_pieces(harness.storage, key, data) for data in versions))
    assert await read_all(harness.storage, key) in versions
    assert len(harness.at_rest()) == 1


async def test_the_child_reads_its_object_without_a_keyring(storage: Storage, key: ObjectKey) -> None:
    data = content(SEGMENT_BYTES + 5)
    await storage.put(key, data, {"n": 1})
    async with storage.child_access(key) as access:
        assert repr(access.data_key) not in repr(access)
        with DecryptingReader(access.path, access.data_key) as reader:
            assert reader.read() == data
            assert reader.trailer()["n"] == 1


async def test_the_child_keeps_reading_what_was_replaced_or_deleted(storage: Storage, key: ObjectKey) -> None:
    data = content(SEGMENT_BYTES + 5)
    await storage.put(key, data, {})
    async with storage.child_access(key) as access:
        with DecryptingReader(access.path, access.data_key) as reader:
            await storage.put(key, b"newer", {})
            await storage.delete(key)
            assert reader.read() == data


async def test_every_object_is_listed_with_the_length_of_its_ciphertext(storage: Storage) -> None:
    assert [found async for found in storage.keys()] == []
    before = datetime.now(UTC) - timedelta(seconds=5)  # the store's clock may tick coarsely
    expected = set()
    for size in (5, SEGMENT_BYTES + 5):
        file_id = new_file_id()
        await storage.put(file_key(file_id), content(size), {})
        await storage.put(thumbnail_key(file_id), b"thumbnail", {}, durable=False)
        expected |= {file_key(file_id), thumbnail_key(file_id)}
    await storage.put(file_key(file_id), content(size), {"replaced": True})
    async with storage.writer(file_key(new_file_id())) as writer:
        await writer.write(content(SEGMENT_BYTES + 5))
        found = [found async for found in storage.keys()]
    assert len(found) == len(expected)
    assert {one.key for one in found} == expected
    for one in found:
        async with storage.child_access(one.key) as access:
            assert one.size_bytes == Path(access.path).stat().st_size
        assert before < one.modified_at < datetime.now(UTC) + timedelta(seconds=5)
    await storage.delete(found[0].key)
    assert {one.key async for one in storage.keys()} == expected - {found[0].key}


@cases("objects", [20], [])
async def test_a_listing_survives_deletions_on_its_way(storage: Storage, objects: int) -> None:
    for _ in range(objects):
        await storage.put(file_key(new_file_id()), b"x", {}, durable=False)
    async for found in storage.keys():
        await storage.delete(found.key)
    assert [found async for found in storage.keys()] == []


async def test_a_folder_knows_its_room_and_a_database_does_not(storage: Storage, tmp_path: Path) -> None:
    capacity = await storage.capacity()
    if isinstance(storage, GridFSStorage):
        assert capacity is None
    else:
        assert capacity is not None
        assert capacity.total_bytes == shutil.disk_usage(tmp_path).total
        assert 0 < capacity.free_bytes < capacity.total_bytes


CHANGES = [
    lambda raw: raw[:-1],
    lambda raw: raw[:5000],
    lambda raw: b"",
    lambda raw: raw + b"\0",
    lambda raw: raw[:-40] + bytes([raw[-40] ^ 1]) + raw[-39:],
    lambda raw: bytes(8192) + raw[8192:],
]


@cases("change", CHANGES, CHANGES[:1])
async def test_an_altered_object_is_corrupt(
    harness: Harness, key: ObjectKey, change: Callable[[bytes], bytes]
) -> None:
    await harness.storage.put(key, b"data" * 100, {})
    harness.alter(key, change)
    for attempt in (harness.storage.open, harness.storage.read_trailer):
        with pytest.raises(ObjectCorrupt):
            await attempt(key)


@cases("size", [0, 5, SEGMENT_BYTES, 2 * SEGMENT_BYTES + 5], [SEGMENT_BYTES + 5])
async def test_verifying_reads_every_segment(harness: Harness, key: ObjectKey, size: int) -> None:
    await harness.storage.put(key, content(size), {"n": 1})
    assert (await harness.storage.verify(key))["n"] == 1
    for segment in range(max(1, -(-size // SEGMENT_BYTES))):
        place = HEADER_BYTES + segment * SEALED_SEGMENT_BYTES + 3

        def flip(raw: bytes, place: int = place) -> bytes:
            return raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]

        harness.alter(key, flip)
        assert (await harness.storage.read_trailer(key))["n"] == 1
        with pytest.raises(ObjectCorrupt, match=f"Segment {segment}"):
            await harness.storage.verify(key)
        harness.alter(key, flip)
    with pytest.raises(ObjectNotFound):
        await harness.storage.verify(file_key(new_file_id()))


@cases("kept", [0, 100, HEADER_BYTES, -1], [100])
async def test_what_a_power_cut_left_of_an_object_that_was_not_durable_is_corrupt(
    harness: Harness, kept: int
) -> None:
    """Empty, cut, or of its length but with zeros: whoever reads a thumbnail notices."""
    key = thumbnail_key(new_file_id())
    await harness.storage.put(key, b"\xff\xd8 a JPEG", {"media_type": "image/jpeg"}, durable=False)
    harness.alter(key, lambda raw: raw[:kept] if kept >= 0 else bytes(len(raw)))
    for attempt in (harness.storage.open, harness.storage.read_trailer, harness.storage.verify):
        with pytest.raises(ObjectCorrupt):
            await attempt(key)
    await harness.storage.put(key, b"again", {}, durable=False)
    assert await read_all(harness.storage, key) == b"again"


async def test_another_object_in_its_place_is_corrupt(harness: Harness) -> None:
    one, other = file_key(new_file_id()), file_key(new_file_id())
    await harness.storage.put(one, b"one", {})
    await harness.storage.put(other, b"other", {})
    harness.move(one, other)
    for attempt in (harness.storage.open, harness.storage.read_trailer, child_access_of(harness.storage)):
        with pytest.raises(ObjectCorrupt, match="Another object"):
            await attempt(other)


async def test_a_rewrapped_object_needs_its_old_key_no_more(harness: Harness, key: ObjectKey) -> None:
    await harness.storage.put(key, b"data", {})
    assert not await harness.storage.rewrap(key)
    both = harness.with_keyring(Keyring("second", {"first": b"1" * 32, "second": b"2" * 32}))
    (before,), (listed,) = harness.at_rest(), [found async for found in both.keys()]
    # File systems tell times of a few milliseconds apart as one.
    await eventually(lambda: datetime.now(UTC) - listed.modified_at > timedelta(milliseconds=20))
    assert await both.rewrap(key)
    (after,), (relisted,) = harness.at_rest(), [found async for found in both.keys()]
    # Backups copy anew what was modified: the copy they have needs a key that may be gone one day.
    assert relisted.modified_at > listed.modified_at
    assert before[:HEADER_BYTES] != after[:HEADER_BYTES]
    assert before[HEADER_BYTES:] == after[HEADER_BYTES:]
    assert not await both.rewrap(key)
    only_new = harness.with_keyring(Keyring("second", {"second": b"2" * 32}))
    assert await read_all(only_new, key) == b"data"
    with pytest.raises(Unavailable):
        await harness.storage.rewrap(key)
    for name in (file_key(new_file_id()), ObjectKey("x")):
        with pytest.raises(ObjectNotFound):
            await both.rewrap(name)


async def test_an_objects_header_says_which_keys_open_it(harness: Harness, key: ObjectKey) -> None:
    await harness.storage.put(key, b"data", {})
    # Whoever looks needs none of them.
    stranger = harness.with_keyring(Keyring("second", {"second": b"2" * 32}))
    assert await stranger.named_keys(key) == {"first"}
    both = harness.with_keyring(Keyring("second", {"first": b"1" * 32, "second": b"2" * 32}))
    half = HEADER_BYTES // 2
    (before,) = harness.at_rest()
    await both.rewrap(key)
    # A rewrap that was cut: the second copy is new already.
    harness.alter(key, lambda now: before[:half] + now[half:])
    assert await stranger.named_keys(key) == {"first", "second"}
    assert await both.rewrap(key)
    assert await stranger.named_keys(key) == {"second"}
    harness.alter(key, lambda now: bytes(HEADER_BYTES) + now[HEADER_BYTES:])
    with pytest.raises(ObjectCorrupt):
        await stranger.named_keys(key)
    for name in (file_key(new_file_id()), ObjectKey("x")):
        with pytest.raises(ObjectNotFound):
            await stranger.named_keys(name)


@cases("size", [5, 2 * SEGMENT_BYTES + 5], [5, SEGMENT_BYTES + 5])
async def test_an_upload_that_lasts_longer_than_a_rotation_needs_no_former_key(
    harness: Harness, tmp_path: Path, key: ObjectKey, size: int
) -> None:
    added = KeyringContent("first", {"first": b"1" * 32, "second": b"2" * 32}, next="second")
    keep_copy(added.encode(), tmp_path / "followed.json")
    moment = [0.0]
    ring = FollowedKeyring(tmp_path / "followed.json", clock=lambda: moment[0])
    content = random.Random(size).randbytes(size)
    async with harness.with_keyring(ring).writer(key) as writer:
        await writer.write(content)
        keep_copy(added.switched(datetime.now(UTC)).encode(), tmp_path / "followed.json")
        moment[0] = LOOK_SECONDS
        await writer.commit({})
    only_new = harness.with_keyring(Keyring("second", {"second": b"2" * 32}))
    assert await only_new.named_keys(key) == {"second"}
    assert await read_all(only_new, key) == content


async def test_a_key_missing_from_the_keyring_is_no_corruption(harness: Harness, key: ObjectKey) -> None:
    await harness.storage.put(key, b"data", {})
    stranger = harness.with_keyring(Keyring("second", {"second": b"2" * 32}))
    with pytest.raises(Unavailable, match="'first' is not in the keyring"):
        await stranger.open(key)
    both = harness.with_keyring(Keyring("second", {"first": b"1" * 32, "second": b"2" * 32}))
    assert await read_all(both, key) == b"data"


@cases("size,piece", [(2 * SEGMENT_BYTES, 100_000)], [(SEGMENT_BYTES, 600_000)])
async def test_no_plaintext_is_ever_at_rest(harness: Harness, size: int, piece: int) -> None:
    line = MARKER + b"\n"
    large = line * (size // len(line) + 1)

    def leaks() -> int:
        return sum(MARKER in raw for raw in harness.at_rest())

    async with harness.storage.writer(file_key(new_file_id())) as writer:
        for start in range(0, len(large), piece):
            await writer.write(large[start : start + piece])
            assert leaks() == 0
        assert harness.at_rest(), "a large object in flight is expected at rest already"
        with writer.plaintext() as stream:
            stream.read()
            assert leaks() == 0
        await writer.commit({"file_name": MARKER.decode()})
    await harness.storage.put(file_key(new_file_id()), line, {"dicom": MARKER.decode()})
    await harness.storage.put(thumbnail_key(new_file_id()), line * 50, {}, durable=False)
    assert len(harness.at_rest()) == 3
    assert leaks() == 0
