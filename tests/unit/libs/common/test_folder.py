"""The store's folder while others work in it: shards that appear, files that go."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from libs.common.ids import ObjectKey, file_key, new_file_id, thumbnail_key
from libs.common.storage.contract import Capacity
from libs.common.storage.folder import Folder


def put(folder: Folder, key: ObjectKey) -> Path:
    descriptor, temporary = folder.create_temporary(key)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"object")
    folder.publish(temporary, key, durable=False)
    return folder.path(key)


def test_a_shard_that_another_makes_at_the_same_moment_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    rename = os.rename

    def overtaken(path: str, target: str) -> None:
        monkeypatch.setattr(os, "rename", rename)
        Path(target).parent.mkdir()
        raise FileNotFoundError("it was not there a moment ago")

    monkeypatch.setattr(os, "rename", overtaken)
    assert put(folder, file_key(new_file_id())).read_bytes() == b"object"


def test_what_goes_before_it_is_listed_is_not_listed(tmp_path: Path) -> None:
    folder, file_id = Folder(tmp_path), new_file_id()
    keys = [file_key(file_id), thumbnail_key(file_id)]
    for key in keys:
        put(folder, key)
    listing = folder.listing()
    first = next(listing)
    (other,) = set(keys) - {first.key}
    folder.path(other).unlink()
    assert list(listing) == []


def test_leftovers_that_another_sweep_takes_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Folder(tmp_path)
    left = [Path(folder.create_temporary(file_key(new_file_id()))[1]) for _ in range(3)]
    unlink = Path.unlink

    def overtaken(path: Path) -> None:
        unlink(path)
        raise FileNotFoundError("the other sweep was faster")

    monkeypatch.setattr(Path, "unlink", overtaken)
    assert folder.sweep(timedelta(seconds=-5)) == 0
    assert not any(path.exists() for path in left)


def test_the_administrators_reserve_is_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = os.statvfs_result((4096, 4096, 1000, 200, 150, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda _: told)
    assert Folder(tmp_path).capacity() == Capacity(150 * 4096, 1000 * 4096)
