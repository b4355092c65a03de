"""Copying objects: as ciphertext into a backup, and through decryption, which proves them, out of it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from libs.common.errors import ObjectNotFound
from libs.common.ids import ObjectKey
from libs.common.storage import Storage
from libs.common.storage.contract import StoredObject
from libs.common.storage.folder import Folder, shard_of
from services.operator.backup.manifest import LISTING, OBJECTS

_OWN_TRAILER = frozenset({"size", "sha256"})
"""What the writer adds by itself."""


@dataclass(slots=True)
class Copied:
    """How much there is, and the listing's digest."""

    objects: int = 0
    object_bytes: int = 0
    listing_sha256: str = ""


async def copy_into(storage: Storage, backup: Path, previous: Path | None) -> Copied:
    """Copy every object; what `previous` holds unchanged is linked. Raises Unavailable, OSError."""
    folder = Folder(backup / OBJECTS)
    folder.prepare()
    copied, digest = Copied(), hashlib.sha256()
    with (backup / LISTING).open("xb") as listing:
        async for stored in storage.keys():
            try:
                size = await _bring(storage, stored, folder, previous)
            except ObjectNotFound:
                # Deleted between the listing and the copy.
                continue
            line = f"{stored.key}\t{size}\n".encode()
            listing.write(line)
            digest.update(line)
            copied.objects += 1
            copied.object_bytes += size
    copied.listing_sha256 = digest.hexdigest()
    # One flush for all of them; the manifest comes after it.
    await asyncio.to_thread(os.sync)
    return copied


async def _bring(storage: Storage, stored: StoredObject, folder: Folder, previous: Path | None) -> int:
    """Link or copy one object; its size. Raises ObjectNotFound, Unavailable, OSError."""
    if previous is None or not await asyncio.to_thread(_link, stored, folder, previous):
        async with storage.child_access(stored.key) as access:
            await asyncio.to_thread(_take, Path(access.path), stored, folder)
    return folder.path(stored.key).stat().st_size


def _link(stored: StoredObject, folder: Folder, previous: Path) -> bool:
    """Link to the same version of the object in an older backup; False if it has none."""
    older = previous / OBJECTS / shard_of(stored.key) / stored.key
    try:
        told = older.stat()
    except FileNotFoundError:
        return False
    if told.st_size != stored.size_bytes or told.st_mtime != stored.modified_at.timestamp():
        return False
    target = folder.path(stored.key)
    target.parent.mkdir(mode=0o700, exist_ok=True)
    try:
        os.link(older, target)
    except OSError:
        # Another file system, or one without links.
        return False
    return True


def _take(source: Path, stored: StoredObject, folder: Folder) -> None:
    """Raises ObjectNotFound when it was deleted meanwhile, and OSError."""
    try:
        reading = source.open("rb")
    except FileNotFoundError as error:
        raise ObjectNotFound("There is no such object any more.") from error
    with reading:
        descriptor, temporary = folder.create_temporary(stored.key)
        with os.fdopen(descriptor, "wb") as writing:
            shutil.copyfileobj(reading, writing, 1 << 20)
    moment = stored.modified_at.timestamp()
    os.utime(temporary, (moment, moment))
    folder.publish(temporary, stored.key, durable=False)


async def copy_out(source: Storage, keys: Iterable[ObjectKey], target: Storage) -> int:
    """Write every object anew, under the target's current key; answers the plaintext bytes.

    Every segment is authenticated on the way. Raises ObjectCorrupt, Unavailable.
    """
    size = 0
    for key in keys:
        reader = await source.open(key)
        try:
            async with target.writer(key) as writer:
                async for chunk in reader.chunks():
                    await writer.write(chunk)
                trailer = {name: value for name, value in reader.trailer.items() if name not in _OWN_TRAILER}
                await writer.commit(trailer)
            size += reader.size
        finally:
            await reader.close()
    return size
