"""The audit log in backups: its keys beside the other keyring, its head beside the dump, and its proof."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring, keep_copy
from libs.common.errors import ConfigurationError
from services.auth.audit import store
from services.auth.audit.anchor import earlier, head_line, noted_heads
from services.auth.audit.chain import signers_of
from services.auth.audit.proof import prove
from services.operator.settings import OperatorSettings

HEAD = "audit-head.jsonl"
"""In a backup's folder: the last signed root of its log, as AUDIT_ANCHOR_FILE holds them."""


async def note_head(connection: Connection, backup: Path) -> None:
    """Write the head that the connection's snapshot sees; none where there is no log yet. Raises OSError."""
    if await connection.fetchval("SELECT to_regclass('auth.audit_batch')") is None:
        return
    head = await store.head(connection)
    if head is not None:
        (backup / HEAD).write_bytes(head_line(head))


def bring_keyring(settings: OperatorSettings, given: Path | None) -> None:
    """Let the restored system have auth's keyring: its own, or a copy of what is given.

    Raises ConfigurationError.
    """
    own = settings.auth_keyring_path
    if given is not None and not own.exists():
        try:
            keep_copy(given.read_bytes(), own)
        except OSError as error:
            raise ConfigurationError(f"The keyring {own} cannot be written ({error.strerror}).") from error
    if own.exists():
        Keyring.load(own)


def put_heads_aside(settings: OperatorSettings) -> None:
    """Heads of what came after the backup are of a log that is no more: kept, but not asked any longer.

    Raises ConfigurationError.
    """
    path = settings.audit_anchor_file
    if path is None:
        return
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    for file in (path, earlier(path)):
        if not file.exists():
            continue
        aside = file.with_name(f"{file.name}.before-restore-{moment}")
        try:
            file.rename(aside)
        except OSError as error:
            raise ConfigurationError(f"{file} cannot be renamed ({error.strerror}).") from error
        sys.stdout.write(f"Heads of the audit log that was replaced are kept in {aside}\n")


async def prove_restored(url: str, settings: OperatorSettings, backup: Path) -> None:
    """See that the restored log is whole, and say so. Raises asyncpg's errors."""
    if not settings.auth_keyring_path.exists():
        sys.stdout.write("The audit log was not proved: auth's keyring is not here (--auth-keyring FILE).\n")
        return
    _, keys = signers_of(Keyring.load(settings.auth_keyring_path))
    connection = await asyncpg.connect(url, timeout=10)
    try:
        found = await prove(connection, keys, noted_heads(backup / HEAD))
    finally:
        await connection.close()
    if found.broken is None:
        sys.stdout.write(f"The audit log is whole: {found.entries} entries, up to number {found.last_seq}.\n")
    else:
        sys.stdout.write(f"The audit log is broken ({found.broken.kind}): {found.broken.detail}.\n")
