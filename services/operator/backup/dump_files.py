"""Where a dump lies in a backup: encrypted for the backups' own key, or as an object by the keyring."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, ObjectCorrupt, ObjectNotFound
from libs.common.ids import ObjectKey, new_uuid
from libs.common.storage import FileStorage
from services.operator import age
from services.operator.backup import manifest
from services.operator.backup.dump import Read, Write
from services.operator.backup.manifest import Manifest
from services.operator.settings import OperatorSettings

IDENTITY = "backup-identity.txt"
"""In the folder of the keyrings' copies: the key pair of a system that was given no other."""
PUBLIC = "backup-recipients.txt"
"""Beside it: its public half, which stays when the other is taken elsewhere."""


def recipients(settings: OperatorSettings, keyring_folder: Path | None) -> list[str]:
    """For whom backups are encrypted: who is named, else a key pair beside the keyrings' copies; or nobody.

    Makes that pair at the first backup, and says so. Raises ConfigurationError, OSError.
    """
    if settings.backup_recipients is not None:
        return age.parse_recipients(settings.backup_recipients)
    if keyring_folder is None:
        return []
    path, shown = keyring_folder / IDENTITY, keyring_folder / PUBLIC
    if shown.exists():
        return age.parse_recipients(shown.read_text())
    # Both, or the next backup finishes what a crash left undone.
    public = age.AgeIdentities(path).public[0] if path.exists() else age.create_identity(path)
    shown.write_text(f"{public}\n")
    # Standard output begins with the backup's folder.
    sys.stderr.write(
        f"Made the backups' own key: {path}\n"
        "  Without this file no backup of the database can be restored. Keep copies of it and of the\n"
        "  keyrings in another place than the backups, and take it off this machine: for further backups\n"
        f"  {shown.name} beside it is enough, or BACKUP_RECIPIENTS={public}\n"
    )
    return [public]


@asynccontextmanager
async def writing(
    backup: Path, keyring: Keyring, wanted: Sequence[str]
) -> AsyncIterator[tuple[Write, dict[str, Any]]]:
    """Write a dump in the block; what the manifest says of it is there after it.

    Raises Unavailable, OSError.
    """
    told: dict[str, Any] = {"recipients": tuple(wanted)}
    if wanted:
        async with age.sealed(backup / manifest.AGE_DUMP, wanted) as sealing:
            yield sealing.write, told
        told |= {"dump": manifest.AGE_DUMP, "dump_sha256": sealing.sha256}
    else:
        key = ObjectKey(f"{new_uuid()}.dump")
        async with FileStorage(backup / manifest.DATABASE, keyring).writer(key) as writer:
            yield writer.write, told
            await writer.commit({"kind": "postgresql-dump"})
        told |= {"dump": key}


def reading(backup: Path, found: Manifest, keyring: Keyring, identity: Path | None) -> Read:
    """How to read the dump. Raises ConfigurationError where its key is not at hand, or a wrong one."""
    if found.dump != manifest.AGE_DUMP:
        return partial(_object, FileStorage(backup / manifest.DATABASE, keyring), ObjectKey(found.dump))
    listed = ", ".join(found.recipients)
    if identity is None:
        raise ConfigurationError(
            f"Name the key that opens the backup: --identity FILE, whose public key is {listed}."
        )
    identities = age.AgeIdentities(identity)
    if not set(identities.public) & set(found.recipients):
        raise ConfigurationError(
            f"{identity} does not open this backup: it is of {', '.join(identities.public)}, the backup for "
            f"{listed}."
        )
    return partial(age.opened, backup / manifest.AGE_DUMP, identities)


async def prove(backup: Path, found: Manifest, read: Read) -> None:
    """Decrypt the whole dump once, before anything is changed. Raises ConfigurationError."""
    if found.dump_sha256 is not None and _sha256(backup / manifest.AGE_DUMP) != found.dump_sha256:
        raise ConfigurationError(f"{backup / manifest.AGE_DUMP} is damaged: take another backup.")
    try:
        async with aclosing(read()) as chunks:
            async for _ in chunks:
                pass
    except (ObjectCorrupt, ObjectNotFound) as error:
        raise ConfigurationError(f"The dump in {backup} is damaged: take another backup.") from error


async def _object(storage: FileStorage, key: ObjectKey) -> AsyncGenerator[bytes, None]:
    reader = await storage.open(key)
    try:
        async for chunk in reader.chunks():
            yield chunk
    finally:
        await reader.close()


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}): take another backup.") from error
