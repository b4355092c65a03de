"""`python -m services rotate-keys` beside nobody and on copies of keyrings: each step, cut and repeated."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.common.encryption import HEADER_BYTES
from libs.common.encryption.keyring import Keyring, keep_copy
from libs.common.errors import ConfigurationError
from libs.common.ids import ObjectKey, file_key, new_file_id
from libs.common.storage import FileStorage
from services.operator.rotation import keys, objects
from services.operator.rotation.keyring_file import KeyringFile
from tests.fixtures_postgres import run_apart

OBJECTS = 20


class World:
    """The folder of a system with some objects, and its database."""

    def __init__(self, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.path = folder / "keyring.json"
        self.first = Keyring.create(self.path)
        self.names = [file_key(new_file_id()) for _ in range(OBJECTS)]
        storage = FileStorage(folder / "dicom_file", self.first)

        async def fill() -> None:
            for name in self.names:
                await storage.put(name, name.encode(), {})

        run_apart(fill())

    @property
    def ring(self) -> Keyring:
        return Keyring.load(self.path)

    def run(self, *arguments: str) -> int:
        return keys.run(["--settle", "0", *arguments])

    def all_readable(self, ring: Keyring) -> bool:
        storage = FileStorage(self.folder / "dicom_file", ring)

        async def read() -> bool:
            for name in self.names:
                reader = await storage.open(name)
                assert await reader.read(0, 100) == name.encode()
                await reader.close()
            return True

        return run_apart(read())

    def rewrap(self, names: list[ObjectKey], ring: Keyring) -> None:
        storage = FileStorage(self.folder / "dicom_file", ring)

        async def some() -> None:
            for name in names:
                await storage.rewrap(name)

        run_apart(some())

    def noted(self) -> list[dict[str, Any]]:
        """Details of the command's entries, in their order."""

        async def entries() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(self.database_url)
            try:
                rows = await connection.fetch("SELECT entry::text FROM auth.audit_pending ORDER BY id")
                found = [json.loads(row["entry"]) for row in rows]
                return [one["details"] for one in found if one["action"] == "command.rotate-keys"]
            finally:
                await connection.close()

        return run_apart(entries())


@pytest.fixture
def world(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_ADMIN_URL", database_url)
    return World(tmp_path / "data", database_url)


def test_everything_at_once(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copies = tmp_path / "copies"
    assert world.run("--remove-old", "--keyring-folder", str(copies)) == 0
    assert list(world.ring.content.keys) == [world.ring.current]
    assert world.ring.current != world.first.current
    assert world.all_readable(world.ring)
    out, progress = capsys.readouterr()
    assert f"{OBJECTS} objects were put under key {world.ring.current}, {OBJECTS} are there." in out
    assert f"Removed, since nothing needs them: {world.first.current}." in out
    assert f"100 %  {OBJECTS} of {OBJECTS} objects" in progress
    # What older backups need.
    kept = [Keyring.load(copy).content.keys for copy in copies.iterdir()]
    assert any(world.first.current in ring for ring in kept)
    assert any(list(ring) == [world.ring.current] for ring in kept)
    begun, ended = world.noted()
    assert begun == {"begun": True}
    assert ended["rewrapped"] == OBJECTS
    assert (ended["current"], ended["removed"]) == (world.ring.current, [world.first.current])


def test_nothing_is_removed_that_an_object_needs(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert world.run("--step", "add") == 0
    assert world.run("--step", "switch") == 0
    assert world.run("--step", "remove", "--forget") == keys.NEEDED
    assert f"{world.first.current} stays: {OBJECTS} objects need it" in capsys.readouterr().out
    assert world.all_readable(world.first)
    assert world.run("--status") == keys.NEEDED
    told = capsys.readouterr().out.splitlines()
    assert told[1].split()[:2] == [world.ring.current, "current"]
    assert told[1].endswith("0 objects")
    assert told[2].endswith(f"{OBJECTS} objects")
    assert world.run("--step", "rewrap") == 0
    assert world.run("--status") == 0
    assert "no object needs it: it can be removed" in capsys.readouterr().out
    copies = tmp_path / "copies"
    assert world.run("--step", "remove", "--keyring-folder", str(copies)) == 0
    kept = [set(Keyring.load(copy).content.keys) for copy in copies.iterdir()]
    assert {world.first.current, world.ring.current} in kept
    assert {world.ring.current} in kept


@pytest.mark.parametrize("cut", ["added", "switched", "half rewrapped", "one copy rewrapped", "rewrapped"])
def test_a_rotation_that_was_cut_goes_on_where_it_was(world: World, cut: str) -> None:
    file = KeyringFile(world.path)
    following = file.add().next
    if cut != "added":
        file.switch()
    if cut == "half rewrapped":
        world.rewrap(world.names[::2], world.ring)
    if cut == "one copy rewrapped":
        (path,) = (world.folder / "dicom_file").glob(f"??/{world.names[0]}")
        half, before = HEADER_BYTES // 2, path.read_bytes()
        world.rewrap(world.names[:1], world.ring)
        path.write_bytes(before[:half] + path.read_bytes()[half:])
    if cut == "rewrapped":
        world.rewrap(world.names, world.ring)
    assert world.run("--remove-old", "--forget") == 0
    assert list(world.ring.content.keys) == [following]
    assert world.all_readable(world.ring)


def test_without_removal_the_next_call_begins_nothing_unless_it_is_told_to(world: World) -> None:
    assert world.run() == 0
    second = world.ring.current
    assert world.run() == 0
    assert world.ring.current == second
    assert world.run("--new-key") == 0
    assert world.ring.current not in (second, world.first.current)
    assert world.ring.content.former == tuple(sorted((second, world.first.current)))


def test_an_object_of_a_key_that_is_gone_is_told_and_stops_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    lost, name = Keyring("lost", {"lost": b"l" * 32}), file_key(new_file_id())
    run_apart(FileStorage(world.folder / "dicom_file", lost).put(name, b"data", {}))
    assert world.run("--remove-old", "--forget") == keys.NEEDED
    assert "1 objects need key lost, which is not in the keyring" in capsys.readouterr().out
    assert list(world.ring.content.keys) == [world.ring.current]
    assert world.all_readable(world.ring)


def test_a_damaged_header_is_told_and_stops_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    name = world.names.pop()
    (path,) = (world.folder / "dicom_file").glob(f"??/{name}")
    path.write_bytes(bytes(HEADER_BYTES) + path.read_bytes()[HEADER_BYTES:])
    assert world.run("--remove-old", "--forget") == 0
    assert f"1 objects have no readable header, whatever the key: restore {name}." in capsys.readouterr().out
    assert world.all_readable(world.ring)


def test_two_rotations_do_not_work_at_once(world: World) -> None:
    with KeyringFile(world.path).alone(), pytest.raises(ConfigurationError, match="Another rotation"):
        world.run()
    assert world.ring.content == world.first.content


def test_the_file_keeps_its_mode_and_in_place_its_inode_too(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "elsewhere" / "keyring.json"
    keep_copy(world.path.read_bytes(), copy)
    copy.chmod(0o440)
    before = copy.stat()
    for step in ("add", "switch"):
        assert keys.run(["--file", str(copy), "--in-place", "--step", step]) == 0
    assert copy.stat().st_ino == before.st_ino
    assert stat.S_IMODE(copy.stat().st_mode) == 0o440
    switched = Keyring.load(copy).content
    assert switched.former == (world.first.current,)
    arguments = ["--file", str(copy), "--step", "remove", "--without-scan", "--forget"]
    assert keys.run(arguments) == 0
    assert stat.S_IMODE(copy.stat().st_mode) == 0o440
    assert copy.stat().st_ino != before.st_ino
    assert list(Keyring.load(copy).content.keys) == [switched.current]
    assert list(copy.parent.iterdir()) == [copy]
    assert world.first.current not in capsys.readouterr().out.splitlines()[-1]
    # The system's own is another file.
    assert world.ring.content == world.first.content


@pytest.mark.parametrize(
    "arguments",
    [
        ["--remove-old"],
        ["--step", "remove"],
        ["--file", "x", "--step", "rewrap"],
        ["--file", "x"],
        ["--file", "x", "--step", "remove", "--forget"],
        ["--in-place"],
        ["--settle", "-1"],
        ["--per-second", "0"],
    ],
)
def test_what_is_asked_for_in_part_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        keys.run(arguments)
    assert ended.value.code == 2


def test_a_keyring_that_cannot_be_written_here_says_what_to_do(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(30, os.strerror(30))

    monkeypatch.setattr("services.operator.rotation.keyring_file.keep_copy", read_only)
    with pytest.raises(ConfigurationError, match="--step rewrap"):
        world.run()


async def test_no_more_are_rewrapped_a_second_than_was_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = FileStorage(tmp_path, Keyring("a", {"a": b"a" * 32}))
    for _ in range(6):
        await storage.put(file_key(new_file_id()), b"data", {})
    moment, pauses = 0.0, []
    sleep = asyncio.sleep

    async def paused(seconds: float) -> None:
        nonlocal moment
        moment += seconds
        pauses.append(round(seconds, 6))
        await sleep(0)

    monkeypatch.setattr(objects, "monotonic", lambda: moment)
    monkeypatch.setattr(asyncio, "sleep", paused)
    found = await objects.rewrap_all(storage, ["a"], lambda _: None, per_second=50)
    assert (found.objects, found.changed) == (6, 0)
    assert pauses == [0.02] * 6


async def test_in_mongodb_as_well(mongodb_url: str, tmp_path: Path) -> None:
    from libs.common.storage.bucket import Bucket
    from libs.common.storage.gridfs import GridFSStorage

    old, new = Keyring("old", {"old": b"o" * 32}), Keyring("new", {"new": b"n" * 32})
    both = Keyring("new", {"old": b"o" * 32, "new": b"n" * 32})

    def store(ring: Keyring) -> GridFSStorage:
        return GridFSStorage(Bucket(mongodb_url, None), ring, spool=tmp_path)

    before, rotating, after = store(old), store(both), store(new)
    try:
        names = [file_key(new_file_id()) for _ in range(3)]
        for name in names:
            await before.put(name, name.encode(), {})
        open_since_before = await before.open(names[0])
        seen: list[int] = []
        assert (await objects.names_of_all(rotating, ["old", "new"], seen.append)).named == {"old": 3}
        assert (await objects.rewrap_all(rotating, ["old", "new"], seen.append)).changed == 3
        assert (await objects.rewrap_all(rotating, ["old", "new"], seen.append)).changed == 0
        assert (await objects.names_of_all(rotating, ["old", "new"], seen.append)).named == {"new": 3}
        assert seen == [1, 2, 3] * 4
        assert await open_since_before.read(0, 100) == names[0].encode()
        for name in names:
            reader = await after.open(name)
            assert await reader.read(2, 5) == name.encode()[2:7]
    finally:
        for opened in (before, rotating, after):
            await opened.close()
