"""What a backup folder says of itself.

<folder>/<time>/manifest.json     written last: without it a backup is incomplete
<folder>/<time>/objects.tsv       key and ciphertext bytes of every object
<folder>/<time>/objects/…         the encrypted objects, as the `file:` store keeps them
<folder>/<time>/database/…        the dump, encrypted as one object by the same keyring
<folder>/<time>/audit-head.jsonl  the last signed root of the audit log
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.common.errors import ConfigurationError
from libs.common.ids import ObjectKey
from libs.common.storage.contract import is_key
from libs.common.storage.folder import shard_of

FORMAT = 1
MANIFEST = "manifest.json"
OBJECTS = "objects"
DATABASE = "database"
LISTING = "objects.tsv"
INCOMPLETE = ".incomplete"
"""How the name of a backup ends that is still growing, or never will."""
_TIME = "%Y%m%dT%H%M%SZ"


class Manifest(BaseModel):
    """One finished backup."""

    model_config = ConfigDict(frozen=True)

    format: int
    created_at: datetime
    dump: str
    """Object key of the database's dump."""
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
    if manifest.format != FORMAT:
        raise ConfigurationError(
            f"{backup} has format {manifest.format}, this release knows {FORMAT}: restore it with the "
            "release that made it."
        )
    return manifest


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
