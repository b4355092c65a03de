"""What a measured store shows, and that measuring changes nothing."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from prometheus_client import CollectorRegistry

from libs.common.encryption import SEGMENT_BYTES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ObjectCorrupt, ObjectNotFound, Unavailable
from libs.common.http.application import create_app
from libs.common.ids import ObjectKey, file_key, new_file_id
from libs.common.keys import READINESS, TELEMETRY
from libs.common.resources import add_storage
from libs.common.storage import Capacity, FileStorage
from libs.common.storage.contract import Storage
from libs.common.storage.metered import MeteredStorage
from libs.common.storage.metrics import OPERATIONS, StorageMetrics
from libs.common.telemetry.tracing import Telemetry
from services.processor.settings import ProcessorSettings
from tests.waiting import eventually

LARGE = bytes(2 * SEGMENT_BYTES + 5)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def storage(tmp_path: Path, registry: CollectorRegistry) -> MeteredStorage:
    store = FileStorage(tmp_path / "objects", Keyring("key", {"key": b"k" * 32}))
    return MeteredStorage(store, StorageMetrics(registry))


@pytest.fixture
def key() -> ObjectKey:
    return file_key(new_file_id())


def counts(registry: CollectorRegistry) -> dict[str, float]:
    """Calls by operation."""
    found = {}
    for operation in OPERATIONS:
        value = registry.get_sample_value("storage_operation_seconds_count", {"operation": operation})
        if value:
            found[operation] = value
    return found


def errors(registry: CollectorRegistry, operation: str) -> float | None:
    return registry.get_sample_value("storage_operation_errors_total", {"operation": operation})


async def test_every_operation_is_counted_once(
    storage: MeteredStorage, registry: CollectorRegistry, key: ObjectKey
) -> None:
    await storage.ready()
    assert counts(registry) == {}
    async with storage.writer(key) as writer:
        for start in range(0, len(LARGE), 100_000):
            await writer.write(LARGE[start : start + 100_000])
        assert (writer.size, len(writer.sha256)) == (len(LARGE), 64)
        with writer.plaintext() as stream:
            assert stream.read(5) == LARGE[:5]
        await writer.commit({})
    await storage.put(key, LARGE, {"n": 1})
    reader = await storage.open(key)
    assert (reader.size, reader.trailer["n"]) == (len(LARGE), 1)
    assert b"".join([piece async for piece in reader.chunks()]) == LARGE
    assert [piece async for piece in reader.chunks(len(LARGE))] == []
    assert await reader.read(5, 10) == LARGE[5:15]
    await reader.close()
    assert (await storage.read_trailer(key))["n"] == 1
    async with storage.child_access(key) as access:
        assert Path(access.path).exists()
    assert [found.key async for found in storage.keys()] == [key]
    assert await storage.exists(key)
    assert not await storage.rewrap(key)
    assert await storage.sweep() == 0
    await storage.delete(key)
    assert counts(registry) == {
        "write": 2,  # segments that were sent before the commit
        "commit": 1,
        "put": 1,
        "open": 1,
        "read": 4,
        "read_trailer": 1,
        "child_access": 1,
        "exists": 1,
        "delete": 1,
    }
    assert {errors(registry, operation) for operation in OPERATIONS} == {0}


async def test_only_failures_of_the_store_are_errors(
    storage: MeteredStorage, registry: CollectorRegistry, tmp_path: Path, key: ObjectKey
) -> None:
    def refuse() -> dict[str, str]:
        raise ZeroDivisionError

    await storage.ready()
    async with storage.writer(key) as writer:
        with pytest.raises(ZeroDivisionError):
            await writer.commit(refuse)
    with pytest.raises(ObjectNotFound):
        await storage.open(key)
    assert {errors(registry, operation) for operation in OPERATIONS} == {0}
    await storage.put(key, b"data", {})
    path = next((tmp_path / "objects").glob(f"??/{key}"))
    path.write_bytes(b"other")
    with pytest.raises(ObjectCorrupt):
        await storage.open(key)
    (tmp_path / "objects").rename(tmp_path / "unmounted")
    with pytest.raises(Unavailable):
        await storage.delete(key)
    assert (errors(registry, "open"), errors(registry, "delete")) == (1, 1)


class Room(FileStorage):
    """A store whose room a test sets."""

    room: Capacity | Unavailable | None = None
    asked = 0

    async def capacity(self) -> Capacity:
        self.asked += 1
        if isinstance(self.room, Unavailable):
            raise self.room
        return self.room  # type: ignore[return-value]  # the contract allows None


async def test_room_is_shown_as_soon_as_it_is_known_and_not_a_number_when_it_is_not(
    tmp_path: Path, registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.storage.metrics._ROOM_SECONDS", 0.001)
    storage = Room(tmp_path, Keyring("key", {"key": b"k" * 32}))

    def shown() -> tuple[float | None, float | None]:
        names = ("storage_free_bytes", "storage_size_bytes")
        free, size = (registry.get_sample_value(name) for name in names)
        return free, size

    async with following(StorageMetrics(registry), storage):
        await eventually(lambda: storage.asked > 1)
        assert shown() == (None, None)
        storage.room = Capacity(5, 10)
        await eventually(lambda: shown() == (5, 10))
        storage.room = Unavailable("gone")
        await eventually(lambda: math.isnan(shown()[0] or 0))
        storage.room = Capacity(6, 10)
        await eventually(lambda: shown() == (6, 10))


@asynccontextmanager
async def following(metrics: StorageMetrics, storage: Storage) -> AsyncIterator[None]:
    task = asyncio.create_task(metrics.follow_room(storage))
    yield
    task.cancel()
    await asyncio.wait({task})


async def test_services_of_one_process_share_the_metrics(tmp_path: Path) -> None:
    Keyring.create(tmp_path / "keyring.json")
    settings = ProcessorSettings(data_dir=tmp_path)
    app = create_app(settings, Telemetry("test", settings))
    first, second = (add_storage(app, name, settings) for name in ("ingest", "results"))
    assert {"ingest storage", "results storage"} <= app[READINESS].keys()
    registry = app[TELEMETRY].metrics.registry
    runner = web.AppRunner(app)
    await first.ready()
    await runner.setup()
    try:
        await eventually(lambda: (registry.get_sample_value("storage_free_bytes") or 0) > 0)
        await first.put(file_key(new_file_id()), b"x", {})
        await second.put(file_key(new_file_id()), b"x", {})
        assert counts(registry) == {"put": 2}
        told = os.statvfs(tmp_path)
        assert registry.get_sample_value("storage_size_bytes") == told.f_blocks * told.f_frsize
    finally:
        await runner.cleanup()
