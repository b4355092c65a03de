"""Bringing a backup back: `python -m services restore BACKUP`."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import asyncpg

from libs.common.audit.shell import typed
from libs.common.encryption.keyring import Keyring, keep_copy
from libs.common.errors import ConfigurationError, ObjectCorrupt
from libs.common.ids import ObjectKey
from libs.common.resources import open_storage
from libs.common.settings.loading import load_settings
from libs.common.storage import FileStorage, Storage
from services.operator.backup import audit, database, dump, dump_files, manifest, objects
from services.operator.backup.dump import Read
from services.operator.backup.manifest import Manifest
from services.operator.embedded_access import administrator_url
from services.operator.migrations import bring_up_to_date, create_database
from services.operator.preflight import Server, explaining_failures, prepare_data_dir
from services.operator.reconcile.command import LOOKED
from services.operator.recording import recorded
from services.operator.settings import OperatorSettings

SETTING = "DATABASE_ADMIN_URL or DATABASE_URL"


def run(arguments: Sequence[str]) -> int:
    """Bring a backup back. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="restore",
        description="Check a backup, then restore database and objects into an empty system that is stopped, "
        "and queue again what was not measured yet.",
    )
    parser.add_argument("backup", type=Path, help="a folder that `backup` has made")
    parser.add_argument("--keyring", type=Path, help="the keyring of the backup, if not KEYRING_FILE")
    parser.add_argument(
        "--identity",
        type=Path,
        help="the secret key of the backup, if not BACKUP_IDENTITY_FILE; - reads it from standard input",
    )
    parser.add_argument(
        "--auth-keyring", type=Path, help="auth's own keyring of that time, if not AUTH_KEYRING_FILE"
    )
    parser.add_argument(
        "--replace", action="store_true", help="even where there are files or accounts: they are lost"
    )
    given = parser.parse_args(arguments)
    settings = load_settings(OperatorSettings)
    found = manifest.read(given.backup)
    if settings.migration_url is None:
        prepare_data_dir(settings.data_dir)
    with administrator_url(settings) as url:
        act = typed("operator", "restore")
        act.details["backup"] = given.backup.name
        # Noted in the log that it brings back; the one before is lost.
        return recorded(url, act, lambda: _restore(settings, url, found, given), LOOKED)


def _restore(settings: OperatorSettings, url: str, found: Manifest, given: argparse.Namespace) -> int:
    began = time.monotonic()
    keys = [key for key, _ in manifest.listed(given.backup, found)]
    if given.keyring is None and not settings.keyring_path.exists():
        raise ConfigurationError("Name the keyring of the backup: --keyring FILE.")
    keyring = Keyring.load(given.keyring or settings.keyring_path)
    # Before anything is touched: who made it, and that the dump is whole.
    manifest.require_authentic(given.backup, found, keyring)
    read = dump_files.reading(given.backup, found, keyring, given.identity or settings.backup_identity_file)
    asyncio.run(dump_files.prove(given.backup, found, read))
    own = _own_keyring(settings.keyring_path, given.keyring)
    audit.bring_keyring(settings, given.auth_keyring)
    with explaining_failures(Server.of(url), SETTING):
        size = asyncio.run(_bring_back(settings, url, found, keys, keyring, own, read, given))
        audit.put_heads_aside(settings)
        asyncio.run(audit.prove_restored(url, settings, given.backup))
    sys.stdout.write(
        f"{found.files} files and {len(keys)} objects of {size / 2**20:.1f} MiB restored as of "
        f"{found.created_at:%Y-%m-%d %H:%M:%S} UTC, in {time.monotonic() - began:.1f} s\n"
    )
    # What was not measured when the backup was made, or after it, is queued again.
    from services.operator.reconcile import command as reconciliation

    return reconciliation.run(reconciliation.parse(["--repair", "--older-than", "0s"]), settings, url)


def _own_keyring(own: Path, given: Path | None) -> Keyring:
    """The keyring of the restored system: its own, or a copy of the backup's. Raises ConfigurationError."""
    if given is not None and not own.exists():
        try:
            keep_copy(given.read_bytes(), own)
        except OSError as error:
            raise ConfigurationError(f"The keyring {own} cannot be written ({error.strerror}).") from error
    return Keyring.load(own)


async def _bring_back(
    settings: OperatorSettings,
    url: str,
    found: Manifest,
    keys: Sequence[ObjectKey],
    keyring: Keyring,
    own: Keyring,
    read: Read,
    given: argparse.Namespace,
) -> int:
    target = open_storage(settings, own)
    try:
        await target.ready()
        await _require_room(url, target, replace=given.replace)
        # Every object is proved on its way; the database is touched when the last one was.
        size = await _copy_objects(given, keyring, keys, target)
        await database.make_room(url)
        await dump.restore(url, read, database.CLEARING)
        await bring_up_to_date(url, settings.role_passwords)
    finally:
        await target.close()
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await database.expire_cursors(connection)
        if await database.files(connection) != found.files:
            raise ConfigurationError("The restored database has another number of files than the backup.")
    finally:
        await connection.close()
    return size


async def _copy_objects(
    given: argparse.Namespace, keyring: Keyring, keys: Sequence[ObjectKey], target: Storage
) -> int:
    """All of them, or none where the store was empty before. Raises ConfigurationError, Unavailable."""
    source = FileStorage(given.backup / manifest.OBJECTS, keyring)
    try:
        return await objects.copy_out(source, keys, target)
    except BaseException as error:
        if not given.replace:
            for key in keys:
                await target.delete(key)
        if isinstance(error, ObjectCorrupt):
            raise ConfigurationError(
                f"{given.backup} is damaged, nothing was restored: {error.detail or error.title}"
            ) from error
        raise


async def _require_room(url: str, storage: Storage, *, replace: bool) -> None:
    """Raise ConfigurationError while services run, or where something would be lost."""
    await create_database(url)
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await database.require_idle(connection)
        if replace:
            return
        if await database.holds_data(connection):
            raise ConfigurationError(
                "There are files or accounts in this database: restore into an empty one, or add --replace "
                "to lose them."
            )
    finally:
        await connection.close()
    async with aclosing(storage.keys()) as keys:
        async for _ in keys:
            raise ConfigurationError(
                "There are objects in this store: restore into an empty one, or add --replace to keep them "
                "beside those of the backup."
            )
