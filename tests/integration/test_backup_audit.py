"""The audit log in a backup: its keys beside the other keyring, its head, and the proof of what came back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from libs.common.database.postgres import Connection, Database
from libs.common.encryption.keyring import Keyring
from libs.common.ids import file_key, new_file_id
from libs.common.storage import FileStorage
from services.auth.audit.anchor import Anchor, noted_heads
from services.auth.audit.chain import signers_of
from services.auth.audit.sealing import LogSealer
from services.operator.backup import audit, making
from services.operator.settings import OperatorSettings
from tests.audit_support import entries, metrics, note, untriggered
from tests.fixtures_postgres import run_apart


@pytest.fixture
async def database(role_url: Callable[[str], str]) -> AsyncIterator[Database]:
    found = Database(role_url("auth"), size=2, timeout=10, application_name="test")
    await found.open()
    yield found
    await found.close()


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database_url: str) -> OperatorSettings:
    """A system with both keyrings, named by the environment as well."""
    folder = tmp_path / "data"
    keyring = Keyring.create(folder / "keyring.json")
    Keyring.create(folder / "auth-keyring.json")
    run_apart(FileStorage(folder / "dicom_file", keyring).put(file_key(new_file_id()), b"data", {}))
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setenv("DATABASE_ADMIN_URL", database_url)
    return OperatorSettings(data_dir=folder, audit_anchor_file=tmp_path / "anchors.jsonl")


@pytest.fixture
async def sealed(sql: Connection, database: Database, settings: OperatorSettings) -> LogSealer:
    """A log of three entries, whose head is noted."""
    signer, _ = signers_of(Keyring.load(settings.auth_keyring_path))
    assert settings.audit_anchor_file is not None
    sealer = LogSealer(database, signer, Anchor(settings.audit_anchor_file), metrics())
    await note(sql, *entries(3))
    assert await sealer.seal() == 3
    return sealer


async def test_a_backup_holds_the_head_and_its_keyrings_go_elsewhere(
    settings: OperatorSettings, sealed: LogSealer, tmp_path: Path
) -> None:
    copies = tmp_path / "copies"
    arguments = [str(tmp_path / "backups"), "--keyring-folder", str(copies)]
    # A command has an event loop of its own.
    assert await asyncio.to_thread(making.run, arguments) == 0
    (backup,) = (tmp_path / "backups").iterdir()
    assert noted_heads(backup / audit.HEAD) == noted_heads(settings.audit_anchor_file) != []
    kept = {one.name.rpartition("-")[0]: one.read_bytes() for one in copies.glob("*.json")}
    assert kept == {
        "keyring": settings.keyring_path.read_bytes(),
        "auth-keyring": settings.auth_keyring_path.read_bytes(),
    }


async def test_what_came_back_is_proved_against_the_head_of_its_backup(
    settings: OperatorSettings,
    sealed: LogSealer,
    sql: Connection,
    database_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await audit.note_head(sql, tmp_path)
    await audit.prove_restored(database_url, settings, tmp_path)
    assert capsys.readouterr().out == "The audit log is whole: 3 entries, up to number 3.\n"
    await untriggered(sql, "DELETE FROM auth.audit_log")
    await untriggered(sql, "DELETE FROM auth.audit_batch")
    await audit.prove_restored(database_url, settings, tmp_path)
    assert "is broken (cut)" in capsys.readouterr().out
    settings.auth_keyring_path.unlink()
    await audit.prove_restored(database_url, settings, tmp_path)
    assert "was not proved" in capsys.readouterr().out


async def test_heads_of_the_log_before_are_kept_and_not_asked_any_longer(
    settings: OperatorSettings, sealed: LogSealer
) -> None:
    path = settings.audit_anchor_file
    assert path is not None
    noted = path.read_bytes()
    audit.put_heads_aside(settings)
    assert noted_heads(path) == []
    (aside,) = path.parent.glob("anchors.jsonl.before-restore-*")
    assert aside.read_bytes() == noted
    audit.put_heads_aside(settings)


def test_the_keyring_of_the_backup_is_taken_where_there_is_none(
    settings: OperatorSettings, tmp_path: Path
) -> None:
    copy = settings.auth_keyring_path.rename(tmp_path / "copy.json")
    audit.bring_keyring(settings, None)
    assert not settings.auth_keyring_path.exists()
    audit.bring_keyring(settings, copy)
    assert settings.auth_keyring_path.read_bytes() == copy.read_bytes()
