"""What a backup folder says of itself.

<folder>/<time>/manifest.json     written last: without it a backup is incomplete
<folder>/<time>/objects.tsv       key and ciphertext bytes of every object
<folder>/<time>/objects/…         the encrypted objects, as the `file:` store keeps them
<folder>/<time>/database.age      the dump, encrypted for the backups' own key
<folder>/<time>/database/…        or, where they have none, the dump as one object by the keyring
<folder>/<time>/audit-head.jsonl  the last signed root of the audit log
<folder>/<time>/manifest.hmac     shows that its writer had the keyring: anybody can encrypt for a public key
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError
from libs.common.ids import ObjectKey
from libs.common.storage.contract import is_key
from libs.common.storage.folder import shard_of

FORMAT = 2
FORMER_FORMAT = 1
"""Of earlier releases: the dump is an object, the manifest bears no code."""
MANIFEST = "manifest.json"
CODE = "manifest.hmac"
OBJECTS = "objects"
DATABASE = "database"
AGE_DUMP = "database.age"
LISTING = "objects.tsv"
INCOMPLETE = ".incomplete"
"""How the name of a backup ends that is still growing, or never will."""
_TIME = "%Y%m%dT%H%M%SZ"
_PURPOSE = "backup manifest"


class Manifest(BaseModel):
    """One finished backup."""

    model_config = ConfigDict(frozen=True)

    format: int
    created_at: datetime
    dump: str
    """Object key of the database's dump, or AGE_DUMP."""
    dump_sha256: str | None = None
    """Of the file AGE_DUMP."""
    recipients: tuple[str, ...] = ()
    """Public keys that it is encrypted for."""
    server_version: str
    migrations: dict[str, int]
    """Last migration by schema."""
    files: int
    """Rows of ingest.upload_dicomfile in the dump's database when it was made."""
    objects: int
    object_bytes: int
    listing_sha256: str
    key_reference: str
    """The keyring's current key."""


def folder_name(moment: datetime) -> str:
    """Name of the backup made at `moment`; names sort by time."""
    return moment.astimezone(UTC).strftime(_TIME)


def finished(folder: Path) -> list[Path]:
    """Complete backups below `folder`, oldest first."""
    return sorted(
        path.parent for path in folder.glob(f"*/{MANIFEST}") if not path.parent.name.endswith(INCOMPLETE)
    )


def read(backup: Path) -> Manifest:
    """The manifest of a complete backup. Raises ConfigurationError."""
    path = backup / MANIFEST
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{backup} is no complete backup: it has no {MANIFEST}. Name one of the folders that `backup` "
            "printed."
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read ({error.strerror}).") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path} is damaged: take another backup.") from error
    if manifest.format not in (FORMER_FORMAT, FORMAT):
        raise ConfigurationError(
            f"{backup} has format {manifest.format}, this release knows {FORMAT}: restore it with the "
            "release that made it."
        )
    return manifest


def write(backup: Path, manifest: Manifest, keyring: Keyring) -> None:
    """Finish a backup, the manifest last. Raises OSError."""
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    code = _code(content, keyring, keyring.current)
    (backup / CODE).write_text(f"{keyring.current} {code}\n")
    (backup / MANIFEST).write_bytes(content)


def require_authentic(backup: Path, manifest: Manifest, keyring: Keyring) -> None:
    """See that whoever wrote the manifest had the keyring. Raises ConfigurationError."""
    if manifest.format == FORMER_FORMAT:
        return
    try:
        reference, _, code = (backup / CODE).read_text().strip().partition(" ")
        content = (backup / MANIFEST).read_bytes()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{backup / CODE} cannot be read: take another backup.") from error
    if reference not in keyring.derived(_PURPOSE):
        raise ConfigurationError(
            f"The backup's key {reference[:80]!r} is not in the keyring: name the keyring of that time, "
            "--keyring FILE."
        )
    if not hmac.compare_digest(code, _code(content, keyring, reference)):
        raise ConfigurationError(f"{backup / MANIFEST} was changed: take another backup.")


def _code(content: bytes, keyring: Keyring, reference: str) -> str:
    return hmac.new(keyring.derived(_PURPOSE)[reference], content, hashlib.sha256).hexdigest()


def listed(backup: Path, manifest: Manifest) -> Iterator[tuple[ObjectKey, int]]:
    """Key and size of every object, once each lies in its place with its size. Raises ConfigurationError."""
    content = (backup / LISTING).read_bytes()
    if hashlib.sha256(content).hexdigest() != manifest.listing_sha256:
        raise ConfigurationError(f"{backup / LISTING} is damaged: take another backup.")
    for line in content.decode().splitlines():
        key, _, size = line.partition("\t")
        path = backup / OBJECTS / shard_of(key) / key
        if not is_key(key) or not path.is_file() or path.stat().st_size != int(size):
            raise ConfigurationError(f"{backup} is damaged: object {key} is missing or has another size.")
        yield ObjectKey(key), int(size)
