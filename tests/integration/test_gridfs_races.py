"""The `mongodb:` store when things happen at the same moment, or stop in between."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.errors import AutoReconnect

from libs.common.encryption import SEGMENT_BYTES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ObjectCorrupt, ObjectNotFound, Unavailable
from libs.common.ids import ObjectKey, file_key, new_file_id
from libs.common.storage import bucket as bucket_module
from libs.common.storage import gridfs_writer
from libs.common.storage.bucket import Bucket
from libs.common.storage.gridfs import GridFSStorage
from libs.common.storage.mongodb import connection_options

OLD = Keyring("old", {"old": b"o" * 32})
NEW = Keyring("new", {"old": b"o" * 32, "new": b"n" * 32})
LARGE = bytes(SEGMENT_BYTES + 5)
AT_ONCE = timedelta(0)


@dataclass
class Store:
    """The store of a test, and its collections."""

    bucket: Bucket
    storage: GridFSStorage
    files: Any
    chunks: Any


@pytest.fixture
async def store(mongodb_url: str) -> AsyncIterator[Store]:
    bucket = Bucket(mongodb_url, None)
    with pymongo.MongoClient[Any](mongodb_url) as client:
        database = client.get_default_database()
        storage = GridFSStorage(bucket, OLD, spool=Path("unused"))
        yield Store(bucket, storage, database["objects.files"], database["objects.chunks"])
        await storage.close()


@pytest.fixture
def key() -> ObjectKey:
    return file_key(new_file_id())


async def test_a_rewrap_does_not_bring_back_what_is_deleted_meanwhile(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.storage.put(key, b"data", {})
    swap = store.bucket.swap_header

    async def overtaken(*given: Any) -> bool:
        await store.storage.delete(key)
        return await swap(*given)

    monkeypatch.setattr(store.bucket, "swap_header", overtaken)
    with pytest.raises(ObjectNotFound):
        await GridFSStorage(store.bucket, NEW, spool=Path("unused")).rewrap(key)
    assert all("header" not in found["metadata"] for found in store.files.find())


async def test_a_header_in_a_wrong_place_is_not_rewrapped(store: Store, key: ObjectKey) -> None:
    other = file_key(new_file_id())
    await store.storage.put(key, b"one", {})
    await store.storage.put(other, b"other", {})
    header = store.files.find_one({"filename": key})["metadata"]["header"]
    store.files.update_one({"filename": other}, {"$set": {"metadata.header": header}})
    with pytest.raises(ObjectCorrupt, match="Another object"):
        await GridFSStorage(store.bucket, NEW, spool=Path("unused")).rewrap(other)


async def test_writers_that_see_the_same_past_leave_one_object(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.storage.ready()
    revisions, both = store.bucket._revisions, asyncio.Barrier(2)
    waiting = [both.wait, both.wait]

    async def together(of: ObjectKey) -> Any:
        found = await revisions(of)
        if waiting:
            await waiting.pop()()
        return found

    monkeypatch.setattr(store.bucket, "_revisions", together)
    await asyncio.gather(*(store.storage.put(key, data, {}) for data in (b"one", b"other")))
    reader = await store.storage.open(key)
    assert await reader.read(0, 10) in (b"one", b"other")
    assert len(list(store.files.find({"filename": key}))) == 1


async def test_a_cancelled_upload_waits_for_what_is_on_its_way(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    add, begun, gate = store.bucket.add, asyncio.Event(), asyncio.Event()

    async def slow(*given: Any, **named: Any) -> int:
        begun.set()
        await gate.wait()
        return await add(*given, **named)

    async def shielded(*given: Any, **named: Any) -> int:
        """As motor does it: a command that has been sent is not called back."""
        return await asyncio.shield(asyncio.ensure_future(slow(*given, **named)))

    monkeypatch.setattr(store.bucket, "add", shielded)
    upload = asyncio.create_task(store.storage.put(key, LARGE, {}))
    await begun.wait()
    upload.cancel()
    done, _ = await asyncio.wait({upload}, timeout=0.3)
    gate.set()
    assert not done
    await asyncio.wait({upload})
    assert upload.cancelled()
    assert (store.files.count_documents({}), store.chunks.count_documents({})) == (0, 0)


async def test_a_long_upload_says_that_it_is_alive(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gridfs_writer, "ALIVE_SECONDS", -1.0)
    async with store.storage.writer(key) as writer:
        await writer.write(LARGE)
        long_ago = datetime.now(UTC) - timedelta(days=3)
        store.files.update_one({}, {"$set": {"metadata.stale_since": long_ago}})
        await writer.write(LARGE)
        assert await store.storage.sweep() == 0
        await writer.commit({})
    assert await store.storage.exists(key)


async def test_a_removal_that_stops_half_way_is_finished_by_the_next_sweep(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        async def delete_many(self, _: object) -> None:
            raise AutoReconnect("gone")

    await store.storage.put(key, LARGE, {})
    await store.storage.delete(key)
    with monkeypatch.context() as patch:
        patch.setattr(store.bucket, "_chunks", Gone())
        with pytest.raises(Unavailable):
            await store.storage.sweep(AT_ONCE)
    assert store.chunks.count_documents({}) > 0
    await store.storage.sweep(AT_ONCE)
    assert (store.files.count_documents({}), store.chunks.count_documents({})) == (0, 0)


async def test_a_listing_of_several_pages_names_each_object_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucket_module, "_LISTED_AT_ONCE", 2)
    keys = sorted(file_key(new_file_id()) for _ in range(4))
    for key in keys:
        await store.storage.put(key, b"", {}, durable=False)
    assert [found.key async for found in store.storage.keys()] == keys


class Noted:
    """A collection that notes what is written through it."""

    def __init__(self, collection: Any, name: str, log: list[str]) -> None:
        self._collection, self._name, self._log = collection, name, log

    def __getattr__(self, command: str) -> Any:
        if command in ("insert_many", "update_one"):
            self._log.append(f"{command} {self._name}")
        return getattr(self._collection, command)


@pytest.mark.parametrize(("durable", "through"), [(True, ""), (False, "_quick")])
async def test_chunks_and_publication_of_a_durable_object_wait_for_most_servers(
    store: Store, key: ObjectKey, monkeypatch: pytest.MonkeyPatch, durable: bool, through: str
) -> None:
    """The stand-in knows no majority: by the collection, whose write concern another test looks at."""
    log: list[str] = []
    await store.storage.ready()
    async with store.storage.writer(key, durable=durable) as writer:
        for name in ("_chunks", "_quick_chunks", "_files", "_quick_files"):
            monkeypatch.setattr(store.bucket, name, Noted(getattr(store.bucket, name), name, log))
        await writer.write(LARGE)
        await writer.commit({})
    assert log == [f"insert_many {through}_chunks"] * 2 + [f"update_one {through}_files"]


def test_reads_go_to_the_server_that_takes_writes_and_the_urls_patience_stands() -> None:
    options: Callable[[str], dict[str, Any]] = partial(connection_options, ca_file=Path("/ca"))
    assert options("mongodb://host/x")["readPreference"] == "primary"
    assert "connectTimeoutMS" in options("mongodb://host/x?socketTimeoutMS=5")
    assert "connectTimeoutMS" not in options("mongodb://host/x?connectTimeoutMS=5")
