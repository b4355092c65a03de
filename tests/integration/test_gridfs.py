"""What only the `mongodb:` store does: its documents, crashes, and a server that does not answer."""

from __future__ import annotations

import asyncio
import resource
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pymongo
import pytest
from motor.motor_asyncio import AsyncIOMotorCollection
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure, PyMongoError, WTimeoutError

from libs.common.encryption import SEGMENT_BYTES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, ObjectNotFound, SpoolFailed, Unavailable
from libs.common.ids import ObjectKey, file_key, new_file_id, thumbnail_key
from libs.common.storage import StoredObject
from libs.common.storage.bucket import Bucket
from libs.common.storage.contract import STALE_AFTER
from libs.common.storage.gridfs import GridFSStorage
from libs.common.storage.layout import CHUNK_BYTES, CHUNKS_PER_SEGMENT
from libs.common.storage.mongodb import answering, connection_options, unconflicted
from tests.certificates import Certificates
from tests.mongodb_server import ROOT, MongoServer

KEYRING = Keyring("key", {"key": b"k" * 32})
LARGE = bytes(SEGMENT_BYTES + 5)
AT_ONCE = timedelta(0)


@dataclass
class Store:
    """The store of a test, and its collections."""

    url: str
    bucket: Bucket
    storage: GridFSStorage
    files: Any
    chunks: Any


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool"


@pytest.fixture
async def store(mongodb_url: str, spool: Path) -> AsyncIterator[Store]:
    bucket = Bucket(mongodb_url, None)
    with pymongo.MongoClient[Any](mongodb_url) as client:
        database = client.get_default_database()
        storage = GridFSStorage(bucket, KEYRING, spool=spool)
        yield Store(mongodb_url, bucket, storage, database["objects.files"], database["objects.chunks"])
        await storage.close()


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[MongoServer]:
    """A server that the test may kill."""
    server = MongoServer(tmp_path / "mongodb")
    try:
        server.start()
        yield server
    finally:
        server.kill()


@pytest.fixture
def key() -> ObjectKey:
    return file_key(new_file_id())


async def listed(storage: GridFSStorage) -> list[StoredObject]:
    return [found async for found in storage.keys()]


async def test_documents_are_those_of_gridfs(store: Store, key: ObjectKey) -> None:
    async with store.storage.writer(key) as writer:
        await writer.write(LARGE)
        assert [one["filename"][:5] for one in store.files.find()] == [".tmp/"]
        await writer.commit({"dicom": "x" * 300_000})
    (found,) = store.files.find()
    chunks = list(store.chunks.find().sort("n"))
    assert (found["filename"], found["chunkSize"]) == (key, CHUNK_BYTES)
    assert found["length"] == sum(len(chunk["data"]) for chunk in chunks)
    assert {len(chunk["data"]) for chunk in chunks[:-1]} == {CHUNK_BYTES}
    assert [(chunk["files_id"], chunk["n"]) for chunk in chunks] == [(found["_id"], n) for n in range(6)]
    assert "stale_since" not in found["metadata"]
    assert found["metadata"]["trailer"] == b"", "too long for the document"
    assert (await store.storage.read_trailer(key))["dicom"] == "x" * 300_000
    reader = await store.storage.open(key)
    assert await reader.read(SEGMENT_BYTES - 1, 100) == LARGE[SEGMENT_BYTES - 1 :]


async def test_every_write_of_an_upload_is_repeated_when_it_met_another(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    met: set[str] = set()

    def conflicting(name: str) -> None:
        once = getattr(AsyncIOMotorCollection, name)

        async def write(collection: Any, *arguments: Any, **options: Any) -> Any:
            place = f"{name} {collection.name}"
            if place not in met:
                met.add(place)
                if name != "insert_many":
                    raise OperationFailure("database is busy", 112)
                await once(collection, arguments[0][:2])
                raise BulkWriteError({"nInserted": 2, "writeErrors": [{"code": 112, "errmsg": "busy"}]})
            return await once(collection, *arguments, **options)

        monkeypatch.setattr(AsyncIOMotorCollection, name, write)

    for name in ("insert_one", "insert_many", "update_one", "delete_one", "delete_many", "create_indexes"):
        conflicting(name)
    async with store.storage.writer(key) as writer:
        await writer.write(LARGE)
        await writer.commit({})
    reader = await store.storage.open(key)
    assert await reader.read(0, len(LARGE)) == LARGE
    await store.storage.delete(key)
    await store.storage.sweep(AT_ONCE)
    assert (store.files.count_documents({}), store.chunks.count_documents({})) == (0, 0)
    assert len(met) == 7, "two kinds of documents have indexes, chunks and files are removed"


async def test_what_cannot_be_discarded_hides_no_cancellation_and_is_swept(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> None:
        raise Unavailable("MongoDB does not answer.")

    async def cancelled() -> None:
        async with store.storage.writer(key) as writer:
            await writer.write(LARGE)
            raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(store.bucket, "discard", away)
        with pytest.raises(asyncio.CancelledError):
            await cancelled()
    assert store.files.count_documents({}) == 1
    assert await store.storage.sweep(AT_ONCE) == 1
    assert store.chunks.count_documents({}) == 0


async def test_a_range_fetches_its_own_chunks_only(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.storage.put(key, LARGE, {})
    fetched = []
    read = store.bucket.read

    async def recorded(revision: Any, first: int, stop: int) -> bytes:
        fetched.append((first, stop))
        return await read(revision, first, stop)

    monkeypatch.setattr(store.bucket, "read", recorded)
    assert (await store.storage.read_trailer(key))["size"] == len(LARGE)
    reader = await store.storage.open(key)
    assert fetched == []
    await reader.read(SEGMENT_BYTES, 5)
    assert fetched == [(CHUNKS_PER_SEGMENT, CHUNKS_PER_SEGMENT + 1)]


async def test_what_is_deleted_cannot_be_decrypted_and_goes_with_a_sweep(store: Store) -> None:
    file_id = new_file_id()
    await store.storage.put(file_key(file_id), b"file", {})
    await store.storage.put(thumbnail_key(file_id), b"older", {})
    await store.storage.put(thumbnail_key(file_id), b"newer", {})
    await store.storage.delete(file_key(file_id))
    gone = list(store.files.find({"filename": {"$ne": thumbnail_key(file_id)}}))
    assert len(gone) == 2
    assert all(one["metadata"].keys().isdisjoint({"header", "trailer"}) for one in gone)
    assert await store.storage.sweep() == 0, "someone may be reading"
    assert await store.storage.sweep(AT_ONCE) == 2
    assert (len(list(store.files.find())), len(list(store.chunks.find()))) == (1, 1)
    assert [found.key for found in await listed(store.storage)] == [thumbnail_key(file_id)]


CRASH = """
import asyncio, os, sys
from libs.common.ids import ObjectKey
from libs.common.encryption.keyring import Keyring
from libs.common.storage.bucket import Bucket
from libs.common.storage.gridfs import GridFSStorage
from pathlib import Path
Bucket.publish = lambda *_, **__: os._exit(9)
storage = GridFSStorage(Bucket(sys.argv[1], None), Keyring("key", {"key": b"k" * 32}), spool=Path("spool"))
asyncio.run(storage.put(ObjectKey(sys.argv[2]), bytes(2 << 20), {}))
"""


async def test_an_upload_killed_before_its_flip_is_invisible_and_swept(store: Store, key: ObjectKey) -> None:
    await store.storage.ready()
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", CRASH, store.url, key], cwd=ROOT, check=False
    )
    assert killed.returncode == 9
    assert len(list(store.chunks.find({}, {"n": 1}))) == 2 * CHUNKS_PER_SEGMENT
    assert not await store.storage.exists(key)
    assert await listed(store.storage) == []
    with pytest.raises(ObjectNotFound):
        await store.storage.open(key)
    assert await store.storage.sweep(STALE_AFTER) == 0, "it may still be under way"
    assert await store.storage.sweep(AT_ONCE) == 1
    assert (list(store.files.find()), list(store.chunks.find())) == ([], [])


async def test_an_upload_that_was_swept_leaves_nothing(store: Store, key: ObjectKey) -> None:
    async with store.storage.writer(key) as writer:
        await writer.write(LARGE)
        assert await store.storage.sweep(AT_ONCE) == 1
        with pytest.raises(Unavailable, match="swept away"):
            await writer.commit({})
    assert (list(store.files.find()), list(store.chunks.find())) == ([], [])


async def test_a_replacement_cut_off_after_its_flip_is_finished_by_a_sweep(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def cut_off(_: ObjectKey) -> None:
        raise Unavailable("the server is gone")

    await store.storage.put(key, b"older", {"n": 1})
    with monkeypatch.context() as patch:
        patch.setattr(store.bucket, "_finish_replacement", cut_off)
        with pytest.raises(Unavailable):
            await store.storage.put(key, b"newer!", {"n": 2})
    # Its outcome was unknown to the writer: what is visible must be whole.
    assert (await store.storage.read_trailer(key))["n"] == 2
    assert len(await listed(store.storage)) == 1
    assert len(list(store.files.find({"filename": key}))) == 2
    assert await store.storage.sweep(AT_ONCE) == 0
    assert len(list(store.files.find({"filename": key}))) == 1
    assert await store.storage.sweep(AT_ONCE) == 1
    assert (await store.storage.read_trailer(key))["n"] == 2


async def test_the_spooled_ciphertext_is_private_and_leaves_nothing_behind(
    store: Store, key: ObjectKey, spool: Path
) -> None:
    """It has no name: whoever is killed leaves none. A process of the same user reads it all the same."""
    await store.storage.put(key, b"data", {})
    async with store.storage.child_access(key) as access:
        assert stat.S_IMODE(Path(access.path).stat().st_mode) == 0o600
        assert stat.S_IMODE(spool.stat().st_mode) == 0o700
        assert list(spool.iterdir()) == []
        read = ["head", "--bytes=9999999", access.path]
        child = await asyncio.create_subprocess_exec(*read, stdout=asyncio.subprocess.PIPE)
        ciphertext, _ = await child.communicate()
        assert len(ciphertext) == Path(access.path).stat().st_size
        inode = Path(access.path).stat().st_ino
    assert not any(
        entry.stat().st_ino == inode for entry in Path("/proc/self/fd").iterdir() if entry.exists()
    )


async def test_an_object_that_the_spool_has_no_room_for_is_a_failure_of_this_object(
    store: Store, key: ObjectKey
) -> None:
    """It counts, so that the file ends; a spool that cannot be written at all is nobody's fault."""
    await store.storage.put(key, LARGE, {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SEGMENT_BYTES // 2, before[1]))
    try:
        with pytest.raises(SpoolFailed, match="SPOOL_DIR needs more room"):
            async with store.storage.child_access(key):
                pytest.fail("spooled")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    async with store.storage.child_access(key):
        pass
    elsewhere = GridFSStorage(store.bucket, KEYRING, spool=Path("/proc/no-such-folder"))
    with pytest.raises(Unavailable, match="/proc/no-such-folder"):
        async with elsewhere.child_access(key):
            pytest.fail("spooled")


async def test_a_server_that_is_gone_is_unavailable(
    own_server: MongoServer, key: ObjectKey, spool: Path
) -> None:
    url = f"{own_server.url('gone')}&serverSelectionTimeoutMS=100&connectTimeoutMS=100"
    storage = GridFSStorage(Bucket(url, None), KEYRING, spool=spool)
    await storage.put(key, LARGE, {})
    reader = await storage.open(key)
    other = file_key(new_file_id())

    async def write() -> None:
        async with storage.writer(other) as writer:
            await writer.write(LARGE)
            own_server.kill()
            await writer.commit({})

    with pytest.raises(Unavailable, match="MongoDB does not answer: check"):
        await write()
    failures = await asyncio.gather(
        reader.read(0, 5),
        storage.open(key),
        storage.put(key, b"", {}),
        storage.delete(key),
        storage.exists(key),
        listed(storage),
        storage.sweep(),
        storage.ready(),
        return_exceptions=True,
    )
    assert {type(failure) for failure in failures} == {Unavailable}
    assert all("MongoDB does not answer: check" in str(failure) for failure in failures)
    await storage.close()


SERVE_TLS = """
import sys, briskdb
with briskdb.open(sys.argv[1], shards=2, documents=True) as database:
    options = {"mongo_tls_cert": sys.argv[2], "mongo_tls_key": sys.argv[3]}
    with database.serve(admin=None, mongo="127.0.0.1:0", **options) as server:
        print(server.mongo_address, flush=True)
        sys.stdin.read()
"""


async def test_the_server_is_verified_with_the_given_authority(tmp_path: Path, key: ObjectKey) -> None:
    own, foreign = Certificates(tmp_path / "own"), Certificates(tmp_path / "foreign")
    leaf = own.issue(tmp_path / "leaf", ["127.0.0.1"])
    paths = map(str, (tmp_path / "data", leaf.certificate, leaf.key))
    command = [sys.executable, "-c", SERVE_TLS, *paths]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = await asyncio.to_thread(process.stdout.readline)
            url = (
                f"mongodb://{address.strip()}/dicom?tls=true&w=1&serverSelectionTimeoutMS=30000&maxPoolSize=2"
            )
            storage = GridFSStorage(Bucket(url, own.ca_file), KEYRING, spool=tmp_path)
            await storage.put(key, b"data", {})
            assert await storage.exists(key)
            await storage.close()
            stranger = Bucket(url.replace("=30000", "=2000"), foreign.ca_file)
            with pytest.raises(Unavailable, match="certificate does not verify: check TLS_CA_FILE"):
                await stranger.ready()
            await stranger.close()
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("mongodb://dicom:secret@host", "No default database"),
        ("mongodb://dicom:secret@host:port/dicom", "Port"),
        ("mongodb://dicom:secret@host/dicom?w=0", "must be acknowledged"),
        ("mongodb://dicom:secret@host/dicom?tls=maybe", "tls"),
        ("mongodb://dicom:the/secret@host/dicom", "percent-encoded"),
        ("mongodb://dicom:the?secret=@host/dicom", "percent-encoded"),
        ("mongodb://dicom:the@secret@host/dicom", "escaped"),
    ],
)
def test_a_wrong_url_is_said_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        Bucket(url, None)
    assert "secret" not in caught.value.detail


async def test_writes_wait_for_the_journals_of_most_servers_unless_the_url_says_otherwise() -> None:
    bucket = Bucket("mongodb://host/dicom?readPreference=secondary", None)
    assert bucket._files.write_concern.document == {"w": "majority", "j": True, "wtimeout": 10_000}
    assert bucket._chunks.write_concern == bucket._files.write_concern
    assert bucket._quick_files.write_concern.document == {"w": 1}
    assert bucket._files.read_preference.mongos_mode == "primary"
    await bucket.close()
    weaker = Bucket("mongodb://host/dicom?w=2&journal=false", None)
    assert weaker._chunks.write_concern.document == {"w": 2, "j": False}
    await weaker.close()


@pytest.mark.parametrize(
    ("url", "given"),
    [
        ("mongodb://host/x?tls=true", True),
        ("mongodb://host/x?SSL=True", True),
        ("mongodb+srv://host/x", True),
        ("mongodb+srv://host/x?tls=false", False),
        ("mongodb://host/x", False),
        ("mongodb://host/x?tls=true&tlsCAFile=/own", False),
    ],
)
def test_the_authority_is_given_where_tls_is(url: str, given: bool) -> None:
    options = connection_options(url, Path("/run/certs/ca.crt"))
    assert (options.get("tlsCAFile") == "/run/certs/ca.crt") is given
    assert "tlsCAFile" not in connection_options(url, None)
    assert "socketTimeoutMS" not in connection_options(
        f"{url}{'&' if '?' in url else '?'}sockettimeoutms=1", None
    )


async def test_a_write_that_met_another_is_repeated_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.storage.mongodb._PAUSES", (0.0, 0.0))

    def failing(*errors: Exception) -> Callable[[], Awaitable[int]]:
        left = list(errors)

        async def write() -> int:
            if left:
                raise left.pop(0)
            return 5

        return write

    conflict = OperationFailure("busy", 112)
    assert await unconflicted(failing()) == 5
    assert await unconflicted(failing(conflict, conflict)) == 5
    for errors in ((conflict,) * 3, (OperationFailure("other", 1),)):
        with pytest.raises(OperationFailure):
            await unconflicted(failing(*errors))


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OperationFailure("no", 13), "refuses access"),
        (OperationFailure("no", 18), "refuses access"),
        (BulkWriteError({"writeErrors": [{"code": 14031}]}), "disk is full"),
        (BulkWriteError({"writeConcernErrors": [{"code": 64}]}), "most of its servers"),
        (WTimeoutError("late", 64), "most of its servers"),
        (
            AutoReconnect("SSL handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"),
            "CA_FILE",
        ),
        (AutoReconnect("10.0.0.1: connection refused"), "does not answer"),
        (OperationFailure("10.0.0.1 says no", 1), r"fails \(OperationFailure\)"),
    ],
)
def test_every_failure_is_one_sentence_without_addresses(error: PyMongoError, sentence: str) -> None:
    with pytest.raises(Unavailable, match=sentence) as caught, answering():
        raise error
    assert "10.0.0.1" not in caught.value.detail
    assert caught.value.detail.count(".") == 1
