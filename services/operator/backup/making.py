"""Making a backup: `python -m services backup FOLDER`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg

from libs.common.audit.shell import typed
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.resources import open_storage
from libs.common.settings.loading import load_settings
from libs.common.storage import Storage
from services.operator.backup import audit, database, dump, dump_files, manifest, objects
from services.operator.backup.manifest import Manifest
from services.operator.embedded_access import administrator_url
from services.operator.keyring_copies import keep
from services.operator.preflight import Server, explaining_failures
from services.operator.recording import announced
from services.operator.settings import OperatorSettings

SETTING = "DATABASE_ADMIN_URL or DATABASE_URL"


def run(arguments: Sequence[str]) -> int:
    """Make one backup. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="backup",
        description="Dump the database, then copy the objects; safe beside a running system. The dump is "
        "encrypted for a key of its own (BACKUP_RECIPIENTS), the objects are with the keyring: worth nothing "
        "to a thief only as long as these lie elsewhere.",
    )
    parser.add_argument("folder", type=Path, help="each backup becomes a folder of its own in it")
    parser.add_argument(
        "--keyring-folder",
        type=Path,
        help="copy the keyrings here, and without BACKUP_RECIPIENTS make the backups' own key here; keep "
        "this folder apart from the backups",
    )
    parser.add_argument("--keep", type=_positive, metavar="N", help="afterwards remove all but the newest N")
    given = parser.parse_args(arguments)
    _require_apart(given)
    settings = load_settings(OperatorSettings)
    keyring = Keyring.load(settings.keyring_path)
    with _writing(given.keyring_folder or given.folder):
        recipients = dump_files.recipients(settings, given.keyring_folder)
    with administrator_url(settings) as url:
        work = partial(_back_up, settings, url, keyring, recipients, given)
        return announced(url, typed("operator", "backup"), lambda: asyncio.run(work()))


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1 must be kept")
    return number


def _require_apart(given: argparse.Namespace) -> None:
    """Raise ConfigurationError, before hours of copying, where the keyring would lie among the backups."""
    folder: Path | None = given.keyring_folder
    if folder is not None and folder.resolve().is_relative_to(given.folder.resolve()):
        raise ConfigurationError("Name a --keyring-folder outside of the backups: together they open all.")


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Raise ConfigurationError that names what cannot be written: neither PostgreSQL nor the store is."""
    try:
        yield
    except OSError as error:
        raise ConfigurationError(
            f"{folder} cannot be written ({error.strerror}): see to its disk, then try again."
        ) from error


async def _back_up(
    settings: OperatorSettings,
    url: str,
    keyring: Keyring,
    recipients: Sequence[str],
    given: argparse.Namespace,
) -> int:
    began = time.monotonic()
    moment = datetime.now(UTC)
    target = given.folder / manifest.folder_name(moment)
    growing = target.with_name(target.name + manifest.INCOMPLETE)
    with _writing(growing):
        given.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        growing.mkdir(mode=0o700)
    storage = open_storage(settings, keyring)
    try:
        found = await _fill(growing, storage, url, keyring, recipients, moment, given.folder)
    except BaseException:
        shutil.rmtree(growing, ignore_errors=True)
        raise
    finally:
        await storage.close()
    growing.rename(target)
    kept = "" if given.keyring_folder is None else f", keyring {_keep_all(settings, given)}"
    for old in manifest.finished(given.folder)[: -given.keep] if given.keep else ():
        shutil.rmtree(old)
    sys.stdout.write(
        f"{target}: {found.files} files, {found.objects} objects of {found.object_bytes / 2**20:.1f} MiB"
        f"{kept}, in {time.monotonic() - began:.1f} s\n"
    )
    if given.keyring_folder is None:
        sys.stdout.write(
            f"The keyrings are not in it. Without {settings.keyring_path} nothing of it can be read, without "
            f"{settings.auth_keyring_path} its audit log cannot be proved: keep copies in another place.\n"
        )
    if not recipients:
        sys.stdout.write(
            "Its dump has no key of its own: whoever has the keyring reads it. Set BACKUP_RECIPIENTS.\n"
        )
    return 0


async def _fill(
    growing: Path,
    storage: Storage,
    url: str,
    keyring: Keyring,
    recipients: Sequence[str],
    moment: datetime,
    folder: Path,
) -> Manifest:
    facts = await _dump(growing, url, keyring, recipients)
    with _writing(growing):
        older = manifest.finished(folder)
        copied = await objects.copy_into(storage, growing, older[-1] if older else None)
        found = Manifest(
            format=manifest.FORMAT,
            created_at=moment,
            objects=copied.objects,
            object_bytes=copied.object_bytes,
            listing_sha256=copied.listing_sha256,
            key_reference=keyring.current,
            **facts,
        )
        manifest.write(growing, found, keyring)
        os.sync()
    return found


async def _dump(growing: Path, url: str, keyring: Keyring, recipients: Sequence[str]) -> dict[str, Any]:
    """Dump the database; what the manifest says of it comes from the same snapshot."""
    with explaining_failures(Server.of(url), SETTING):
        connection = await asyncpg.connect(url, timeout=10)
        try:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                server = connection.get_server_version().major
                snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
                try:
                    with _writing(growing):
                        async with dump_files.writing(growing, keyring, recipients) as (write, facts):
                            await dump.dump(url, server, snapshot, write)
                except Unavailable as error:
                    raise ConfigurationError(
                        f"The dump cannot be written to {growing}: {error.detail}"
                    ) from error
                with _writing(growing):
                    await audit.note_head(connection, growing)
                return facts | {
                    "migrations": await database.migrations(connection),
                    "files": await database.files(connection),
                    "server_version": await connection.fetchval("SHOW server_version"),
                }
        finally:
            await connection.close()


def _keep_all(settings: OperatorSettings, given: argparse.Namespace) -> str:
    """Copy the keyring of the objects, and auth's own where there is one; the copies' paths."""
    copies = [_keep(settings.keyring_path, "keyring", given)]
    if settings.auth_keyring_path.exists():
        copies.append(_keep(settings.auth_keyring_path, "auth-keyring", given))
    return " and ".join(map(str, copies))


def _keep(keyring: Path, name: str, given: argparse.Namespace) -> Path:
    with _writing(given.keyring_folder):
        return keep(keyring, name, given.keyring_folder)
