"""A keyring that changes in its file changes in the processes that read it."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.common.encryption import ContainerFile, Sealer, followed, named_keys, unlock
from libs.common.encryption.followed import LOOK_SECONDS, FollowedKeyring
from libs.common.encryption.keyring import Keyring, keep_copy
from libs.common.encryption.keyring_content import KeyringContent
from libs.common.errors import ConfigurationError, Unavailable

NOW = datetime(2026, 11, 29, tzinfo=UTC)
OLD = KeyringContent("old", {"old": b"o" * 32})
ADDED = KeyringContent("old", {"old": b"o" * 32, "new": b"n" * 32}, next="new")
SWITCHED = ADDED.switched(NOW)
DATA_KEY = b"d" * 32


class World:
    """A file, the ring that follows it, and its clock."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "keyring.json"
        self.seconds = 0.0
        self.write(OLD)
        self.ring = FollowedKeyring(self.path, clock=lambda: self.seconds)

    def write(self, content: KeyringContent) -> None:
        """As `rotate-keys` does, and as Kubernetes does to what is mounted."""
        keep_copy(content.encode(), self.path)

    def overwrite(self, content: bytes) -> None:
        """In place."""
        self.path.write_bytes(content)
        told = self.path.stat()
        os.utime(self.path, ns=(told.st_atime_ns, told.st_mtime_ns + 1))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_key_that_is_not_known_yet_is_looked_for_at_once(world: World) -> None:
    wrapped = Keyring.of(SWITCHED).wrap(DATA_KEY, b"")
    with pytest.raises(Unavailable):
        world.ring.unwrap("new", wrapped, b"")
    world.write(ADDED)
    assert world.ring.unwrap("new", wrapped, b"") == DATA_KEY


def test_what_wraps_looks_now_and_then(world: World) -> None:
    world.write(SWITCHED)
    world.seconds = LOOK_SECONDS / 2
    assert world.ring.current == "old"
    world.seconds = LOOK_SECONDS
    assert world.ring.current == "new"
    assert Keyring.of(SWITCHED).unwrap("new", world.ring.wrap(DATA_KEY, b""), b"") == DATA_KEY
    assert world.ring.derived("p") == Keyring.of(SWITCHED).derived("p")


def test_a_file_written_in_place_is_noticed_once_it_is_whole(world: World) -> None:
    whole = SWITCHED.encode()
    world.overwrite(whole[: len(whole) // 2])
    world.seconds = LOOK_SECONDS
    assert world.ring.current == "old"
    assert not world.ring.readable
    world.overwrite(whole)
    world.seconds = 2 * LOOK_SECONDS
    assert world.ring.current == "new"
    assert world.ring.readable


def test_half_a_file_is_looked_at_again_though_it_looks_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a file system's times are too coarse for two writes one after the other."""
    monkeypatch.setattr(followed, "_stamp_of", lambda _: (1, 1, 1, 1, 1))
    world.overwrite(SWITCHED.encode()[:50])
    world.seconds = LOOK_SECONDS
    assert world.ring.current == "old"
    world.overwrite(SWITCHED.encode())
    world.seconds = 2 * LOOK_SECONDS
    assert world.ring.current == "new"


def test_a_file_that_goes_leaves_the_ring_as_it_was(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.path.unlink()
    for looks in range(1, 4):
        world.seconds = looks * LOOK_SECONDS
        assert world.ring.current == "old"
    assert len([one for one in caplog.records if "kept as it was" in one.message]) == 1
    world.write(SWITCHED)
    world.seconds = 4 * LOOK_SECONDS
    assert world.ring.current == "new"


def test_a_file_is_not_read_again_while_it_is_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Keyring, "load", lambda _: pytest.fail("read"))
    world.seconds = LOOK_SECONDS
    assert world.ring.current == "old"


def test_neither_file_nor_ring_shows_a_key(world: World) -> None:
    assert "oooo" not in repr(world.ring)
    assert "oooo" not in repr(world.ring.now().content)


def test_without_a_file_there_is_no_ring(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        FollowedKeyring(tmp_path / "keyring.json")


def test_an_object_that_is_finished_after_a_rotation_needs_no_former_key(
    world: World, tmp_path: Path
) -> None:
    sealer = Sealer("0" * 36, world.ring)
    sealer.add(b"data")
    assert sealer.renew_header() is False
    world.write(SWITCHED)
    world.seconds = LOOK_SECONDS
    assert sealer.renew_header() is True
    assert named_keys(sealer.header) == {"new"}
    container = tmp_path / "object"
    container.write_bytes(sealer.header + b"".join(sealer.finish({})))
    only_new = Keyring("new", {"new": b"n" * 32})
    opened = ContainerFile(container, lambda block: unlock(block, only_new))
    assert opened.segment(0) == b"data"
    opened.close()
