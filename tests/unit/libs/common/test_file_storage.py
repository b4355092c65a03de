"""What only the `file:` store does: its folder, its durability, and the disk's failures."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import stat
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.common.encryption import SEGMENT_BYTES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import DicomSystemError, ObjectUnreadable, StorageError, Unavailable
from libs.common.ids import ObjectKey, file_key, new_file_id, thumbnail_key
from libs.common.storage import FileStorage
from libs.common.storage.contract import STALE_AFTER

LARGE = bytes(2 * SEGMENT_BYTES + 5)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "objects"


@pytest.fixture
def storage(root: Path) -> FileStorage:
    return FileStorage(root, Keyring("key", {"key": b"k" * 32}))


@pytest.fixture
def key() -> ObjectKey:
    return file_key(new_file_id())


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


async def stream(storage: FileStorage, key: ObjectKey, data: bytes) -> None:
    async with storage.writer(key) as writer:
        for start in range(0, len(data), 100_000):
            await writer.write(data[start : start + 100_000])
        await writer.commit({})


async def test_objects_lie_in_private_shards_named_by_the_random_end_of_the_id(
    storage: FileStorage, root: Path
) -> None:
    file_id = new_file_id()
    await storage.put(file_key(file_id), b"file", {})
    await storage.put(thumbnail_key(file_id), b"thumbnail", {}, durable=False)
    shard = root / str(file_id)[-2:]
    assert sorted(files(root)) == [shard / str(file_id), shard / f"{file_id}.thumbnail"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files(root)} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (root, shard, root / ".tmp")} == {0o700}


async def test_a_small_object_touches_the_disk_only_at_commit(storage: FileStorage, root: Path) -> None:
    async with storage.writer(file_key(new_file_id())) as writer:
        await writer.write(bytes(SEGMENT_BYTES))
        assert not root.exists()
        await writer.write(b"!")
        assert len(files(root / ".tmp")) == 1
        await writer.commit({})
    assert files(root / ".tmp") == []


class Syncs:
    """Records, in order, what is fsynced and renamed, by path relative to a folder."""

    def __init__(self, base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.base = base
        self.log: list[str] = []
        real_fsync, real_rename = os.fsync, os.rename

        def fsync(descriptor: int) -> None:
            self.log.append(f"fsync {self._name(Path(f'/proc/self/fd/{descriptor}').readlink())}")
            real_fsync(descriptor)

        def rename(path: str, target: str) -> None:
            real_rename(path, target)
            self.log.append(f"rename {self._name(Path(target))}")

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(os, "rename", rename)

    def _name(self, path: Path) -> str:
        relative = path.relative_to(self.base)
        return ".tmp/*" if relative.parts[:1] == (".tmp",) and len(relative.parts) > 1 else str(relative)


async def test_durable_means_file_before_name_and_every_new_folder(
    storage: FileStorage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.ready()
    syncs = Syncs(root, monkeypatch)
    file_id = new_file_id()
    shard = str(file_id)[-2:]
    await storage.put(thumbnail_key(file_id), b"x", {}, durable=False)
    assert syncs.log == [f"rename {shard}/{file_id}.thumbnail"]

    syncs.log.clear()
    await storage.put(file_key(file_id), b"x", {})
    assert syncs.log == ["fsync .tmp/*", f"rename {shard}/{file_id}", f"fsync {shard}", "fsync ."]

    syncs.log.clear()
    await storage.put(file_key(file_id), b"y", {})
    assert syncs.log == ["fsync .tmp/*", f"rename {shard}/{file_id}", f"fsync {shard}"]

    syncs.log.clear()
    await storage.delete(file_key(file_id))
    assert syncs.log == [f"fsync {shard}"]


async def test_the_first_write_makes_the_store_durable_itself(
    storage: FileStorage, root: Path, key: ObjectKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs = Syncs(tmp_path, monkeypatch)
    await storage.put(key, b"x", {})
    assert syncs.log[:3] == ["fsync .", "fsync deep", "fsync deep/objects"]


@pytest.mark.parametrize("data", [b"small", LARGE], ids=["small", "large"])
@pytest.mark.parametrize("call", ["open", "writev", "fsync", "rename"])
@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (errno.ENOSPC, "is full: free some space"),
        (errno.EDQUOT, "is full: free some space"),
        (errno.EACCES, "let this process's user write"),
        (errno.EROFS, "let this process's user write"),
        (errno.EIO, "check the disk"),
    ],
)
async def test_a_failing_disk_is_unavailable_and_leaves_nothing(
    storage: FileStorage,
    root: Path,
    key: ObjectKey,
    monkeypatch: pytest.MonkeyPatch,
    data: bytes,
    call: str,
    code: int,
    sentence: str,
) -> None:
    await storage.ready()

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code), "/secret/path")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        with pytest.raises(Unavailable, match=sentence) as caught:
            await stream(storage, key, data)
    assert "/secret" not in caught.value.detail
    assert files(root) == []
    await stream(storage, key, data)
    assert await storage.exists(key)


async def test_after_a_failed_write_the_writer_refuses_to_go_on(
    storage: FileStorage, root: Path, key: ObjectKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with storage.writer(key) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "writev", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
            with pytest.raises(Unavailable):
                await writer.write(LARGE)
        with pytest.raises(StorageError):
            await writer.write(b"more")
        with pytest.raises(StorageError):
            await writer.commit({})
    assert files(root) == []


def test_a_limit_of_the_kernel_in_the_middle_of_a_write(tmp_path: Path) -> None:
    """A real failure after half of the bytes: the process may not make files above 1 MiB."""
    script = """
import asyncio, resource, sys
from pathlib import Path
from libs.common.errors import Unavailable
from libs.common.ids import file_key, new_file_id
from libs.common.encryption.keyring import Keyring
from libs.common.storage import FileStorage
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.RLIM_INFINITY))
storage = FileStorage(Path(sys.argv[1]), Keyring("key", {"key": bytes(32)}))
try:
    asyncio.run(storage.put(file_key(new_file_id()), bytes(3 << 20), {}))
except Unavailable as error:
    print(error.detail)
"""
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "objects"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("The object store fails (File too large)")
    assert files(tmp_path) == []


@pytest.mark.parametrize("place", ["file", "file/below"])
async def test_an_unusable_root_is_one_sentence_that_names_it(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    storage = FileStorage(tmp_path / place, Keyring("key", {"key": bytes(32)}))
    with pytest.raises(Unavailable, match=f"is not there .*: mount or make {tmp_path / place}"):
        await storage.ready()
    with pytest.raises(Unavailable):
        await storage.put(file_key(new_file_id()), b"", {})


async def test_ready_notices_a_full_disk(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    await storage.ready()
    full = os.statvfs_result((4096, 4096, 1000, 10, 0, 1000, 10, 10, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    with pytest.raises(Unavailable, match="is full"):
        await storage.ready()


async def test_a_vanished_store_is_unavailable_not_empty(
    storage: FileStorage, root: Path, key: ObjectKey
) -> None:

    async def child_access(key: ObjectKey) -> None:
        async with storage.child_access(key):
            return

    async def listed(_: ObjectKey) -> None:
        assert [found async for found in storage.keys()] == []

    async def capacity(_: ObjectKey) -> None:
        await storage.capacity()

    await storage.put(key, b"x", {})
    root.rename(root.with_name("unmounted"))
    attempts = (
        *(storage.open, storage.read_trailer, storage.exists, storage.delete),
        *(child_access, listed, capacity),
    )
    for attempt in attempts:
        with pytest.raises(Unavailable, match="is not there"):
            await attempt(key)
    with pytest.raises(Unavailable, match="is not there"):
        await storage.put(key, b"x", {})
    root.with_name("unmounted").rename(root)
    assert await storage.exists(key)


async def test_sweep_removes_old_leftovers_only(storage: FileStorage, root: Path) -> None:
    assert await storage.sweep() == 0
    await storage.put(file_key(new_file_id()), b"object", {})
    old, young = root / ".tmp" / "old", root / ".tmp" / "young"
    for path, age in ((old, STALE_AFTER + timedelta(minutes=1)), (young, STALE_AFTER - timedelta(minutes=1))):
        path.write_bytes(b"left by a crash")
        then = time.time() - age.total_seconds()
        os.utime(path, (then, then))
    assert await storage.sweep() == 1
    assert not old.exists()
    assert await storage.sweep(timedelta(0)) == 1
    assert len(files(root)) == 1


async def test_only_objects_in_their_place_are_listed(storage: FileStorage, root: Path) -> None:
    file_id = new_file_id()
    await storage.put(file_key(file_id), b"object", {})
    home = root / str(file_id)[-2:]
    (root / ".tmp" / str(file_id)).write_bytes(b"unfinished")
    (home / "lost+found").mkdir()
    (home / "note.txt").write_bytes(b"")
    (home / f"{file_id}.link").symlink_to(home / "note.txt")
    elsewhere = root / ("00" if home.name != "00" else "01")
    elsewhere.mkdir()
    (elsewhere / str(file_id)).write_bytes(b"lies in the wrong shard: cannot be opened either")
    (root / "plain").write_bytes(b"")
    assert [found.key async for found in storage.keys()] == [file_key(file_id)]


async def test_capacity_is_that_of_the_file_system(storage: FileStorage, root: Path) -> None:
    await storage.ready()
    told = os.statvfs(root)
    capacity = await storage.capacity()
    assert capacity.total_bytes == told.f_blocks * told.f_frsize
    assert 0 < capacity.free_bytes <= capacity.total_bytes


async def test_descriptors_are_closed_on_every_way_out(storage: FileStorage, key: ObjectKey) -> None:
    def descriptors() -> int:
        gc.collect()
        return len(list(Path("/proc/self/fd").iterdir()))

    async def every_way() -> None:
        await stream(storage, key, LARGE)
        await storage.read_trailer(key)
        async with storage.child_access(key):
            pass
        async for _ in storage.keys():
            break
        reader = await storage.open(key)
        await reader.read(0, 10)
        await reader.close()
        opening = asyncio.create_task(storage.open(key))
        await asyncio.sleep(0)
        opening.cancel()
        await asyncio.wait({opening})
        async with storage.writer(key) as writer:
            await writer.write(LARGE)
            writer.plaintext().close()
            writer.plaintext()
        for wrong in (ObjectKey("x"), file_key(new_file_id())):
            with pytest.raises(DicomSystemError):
                await storage.open(wrong)

    await every_way()
    before = descriptors()
    for _ in range(5):
        await every_way()
    assert descriptors() <= before


def test_memory_does_not_grow_with_the_object(tmp_path: Path) -> None:
    script = """
import asyncio, re, sys
from pathlib import Path
from libs.common.encryption import DecryptingReader
from libs.common.ids import file_key, new_file_id
from libs.common.encryption.keyring import Keyring
from libs.common.storage import FileStorage
from libs.common.storage.threads import Threads

def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

async def transfer(storage, mib):
    key = file_key(new_file_id())
    async with storage.writer(key, durable=False) as writer:
        for _ in range(mib * 4):
            await writer.write(bytes(256 << 10))
        with writer.plaintext() as stream:
            assert len(stream.read(132)) == 132
        await writer.commit({})
    reader = await storage.open(key)
    assert sum([len(c) async for c in reader.chunks()]) == mib << 20
    await reader.close()
    async with storage.child_access(key) as access:
        with DecryptingReader(access.path, access.data_key) as stream:
            while stream.read(700_000):
                continue

async def main():
    # One thread: each has an arena of its own in malloc, and how many get work is chance.
    storage = FileStorage(Path(sys.argv[1]), Keyring("key", {"key": bytes(32)}), Threads(1))
    await transfer(storage, 8)
    before = peak()
    await transfer(storage, 128)
    print(peak() - before)

asyncio.run(main())
"""
    ran = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 8 << 20


async def test_a_sector_that_cannot_be_read_is_a_damage_of_this_object(
    storage: FileStorage, root: Path, key: ObjectKey
) -> None:
    """Not of the store: it must not be tried for ever."""
    await storage.put(key, b"x", {})
    (path,) = root.glob(f"??/{key}")
    path.unlink()
    path.symlink_to("/proc/self/mem")  # the kernel answers EIO where nothing is mapped

    async def ask_child_access(key: ObjectKey) -> None:
        async with storage.child_access(key):
            pass

    for attempt in (storage.open, storage.read_trailer, storage.verify, ask_child_access):
        with pytest.raises(ObjectUnreadable, match="Input/output error"):
            await attempt(key)
