"""A backup whose disk fails says so, and leaves nothing half; what goes meanwhile is no fault."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError
from libs.common.ids import ObjectKey, file_key, new_file_id
from libs.common.storage import ChildAccess, FileStorage
from services.operator import age
from services.operator.backup import dump_files, making, manifest
from services.operator.backup.objects import copy_into
from tests.fixtures_postgres import run_apart

KEYRING = Keyring("first", {"first": b"1" * 32})


class Vanishing(FileStorage):
    """Whatever is opened is deleted at once, as ingest does with what it has already."""

    @asynccontextmanager
    async def child_access(self, key: ObjectKey) -> AsyncIterator[ChildAccess]:
        async with super().child_access(key) as access:
            await self.delete(key)
            yield access


@pytest.fixture
def system(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a system with one object; the environment names it."""
    folder = tmp_path / "data"
    keyring = Keyring.create(folder / "keyring.json")
    run_apart(FileStorage(folder / "dicom_file", keyring).put(file_key(new_file_id()), b"data", {}))
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setenv("DATABASE_ADMIN_URL", database_url)
    return folder


async def test_an_object_deleted_on_the_way_is_left_out(tmp_path: Path) -> None:
    storage = Vanishing(tmp_path / "source", KEYRING)
    await storage.put(file_key(new_file_id()), b"data", {})
    (tmp_path / "backup").mkdir()
    assert (await copy_into(storage, tmp_path / "backup", None)).objects == 0


@pytest.mark.parametrize("what", ["objects", "dump", "sealed dump"])
def test_a_full_disk_is_named_and_nothing_is_left(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if what == "objects":
        monkeypatch.setattr(shutil, "copyfileobj", full)
    elif what == "dump":
        monkeypatch.setattr(os, "pwrite", full)
        monkeypatch.setattr(os, "write", full)
        monkeypatch.setattr(os, "writev", full)
    else:
        monkeypatch.setenv("BACKUP_RECIPIENTS", age.create_identity(tmp_path / "identity.txt"))
        monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        ConfigurationError, match=rf"written.* {tmp_path}/backups/|{tmp_path}/backups/.*written"
    ):
        making.run([str(tmp_path / "backups")])
    assert list((tmp_path / "backups").iterdir()) == []


def test_half_a_copy_of_the_keyring_is_replaced(system: Path, tmp_path: Path) -> None:
    arguments = [str(tmp_path / "backups"), "--keyring-folder", str(tmp_path / "keys")]
    assert making.run(arguments) == 0
    (copy,) = (tmp_path / "keys").glob("keyring-*.json")
    copy.write_bytes(b"")
    (first,) = (tmp_path / "backups").iterdir()
    first.rename(tmp_path / "backups" / "20000101T000000Z")
    assert making.run(arguments) == 0
    assert copy.read_bytes() == (system / "keyring.json").read_bytes()


def test_the_folder_of_the_keyring_is_refused_before_anything_is_copied(system: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="outside of the backups"):
        making.run([str(tmp_path / "b"), "--keyring-folder", str(tmp_path / "b" / "keys")])
    assert not (tmp_path / "b").exists()


def test_a_killed_backup_counts_for_none(tmp_path: Path) -> None:
    for name in ("20000101T000000Z", "20000102T000000Z.incomplete"):
        (tmp_path / name).mkdir()
        (tmp_path / name / manifest.MANIFEST).write_text("{}")
    assert [found.name for found in manifest.finished(tmp_path)] == ["20000101T000000Z"]


def test_the_backups_own_key_is_made_once_beside_the_keyrings(
    system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(tmp_path / "backups"), "--keyring-folder", str(tmp_path / "keys")]
    assert making.run(arguments) == 0
    identity = tmp_path / "keys" / dump_files.IDENTITY
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    said = capsys.readouterr().err
    assert f"Made the backups' own key: {identity}" in said
    assert "AGE-SECRET-KEY" not in said
    (first,) = (tmp_path / "backups").iterdir()
    first.rename(tmp_path / "backups" / "20000101T000000Z")
    public = tuple(age.AgeIdentities(identity).public)
    # For further backups the public half is enough.
    identity.rename(tmp_path / "elsewhere")
    assert making.run(arguments) == 0
    assert not identity.exists()
    assert "Made the backups" not in capsys.readouterr().err
    for backup in manifest.finished(tmp_path / "backups"):
        assert manifest.read(backup).recipients == public
        assert not (backup / manifest.DATABASE).exists()


def test_without_a_key_of_its_own_the_keyring_encrypts_and_that_is_said(
    system: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert making.run([str(tmp_path / "backups")]) == 0
    assert "Its dump has no key of its own" in capsys.readouterr().out
    (backup,) = (tmp_path / "backups").iterdir()
    found = manifest.read(backup)
    assert (found.recipients, found.dump_sha256) == ((), None)
    keyring = Keyring.load(system / "keyring.json")
    run_apart(dump_files.prove(backup, found, dump_files.reading(backup, found, keyring, None)))
    (stored,) = (backup / manifest.DATABASE).glob("??/*")
    content = bytearray(stored.read_bytes())
    content[len(content) // 2] ^= 1
    stored.write_bytes(content)
    with pytest.raises(ConfigurationError, match="is damaged"):
        run_apart(dump_files.prove(backup, found, dump_files.reading(backup, found, keyring, None)))


def test_whoever_has_the_public_key_only_cannot_put_another_backup_in_its_place(
    system: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_RECIPIENTS", age.create_identity(tmp_path / "identity.txt"))
    assert making.run([str(tmp_path / "backups")]) == 0
    (backup,) = (tmp_path / "backups").iterdir()
    keyring = Keyring.load(system / "keyring.json")
    manifest.require_authentic(backup, manifest.read(backup), keyring)
    path = backup / manifest.MANIFEST
    forged = manifest.read(backup).model_copy(update={"dump_sha256": "0" * 64})
    path.write_text(forged.model_dump_json(indent=2) + "\n")
    with pytest.raises(ConfigurationError, match="was changed"):
        manifest.require_authentic(backup, forged, keyring)
    manifest.write(backup, forged, KEYRING)
    with pytest.raises(ConfigurationError, match="is not in the keyring"):
        manifest.require_authentic(backup, forged, keyring)
    (backup / manifest.CODE).unlink()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        manifest.require_authentic(backup, forged, keyring)
