"""Where the `file:` store keeps objects, and how one appears there: whole, at once, durable. All blocking.

Paths on the way of every file are texts: a Path is taken apart, and each of its parts kept among the names of
the interpreter for as long as it lives.

<root>/<last two hex digits of the file id>/<key>     objects; a UUIDv7 ends in random bits
<root>/.tmp/<key>.<random>                            objects being written, ciphertext as well
"""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import secrets
import stat
import time
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from libs.common.ids import ObjectKey
from libs.common.storage.contract import Capacity, StoredObject, is_key, require_key

_UUID_LENGTH = 36
_SHARD_DIGITS = 2


class Folder:
    """A sharded tree of files, each published by rename."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = str(root)
        self._temporary = root / ".tmp"
        self._prepared = False
        self._durable_shards: set[str] = set()
        self._process, self._numbers = secrets.token_hex(8), itertools.count()

    def location(self, key: str) -> str:
        """Path of an object. Raises ObjectNotFound for anything but an object key: none leads out of here."""
        require_key(key)
        return f"{self._root}/{shard_of(key)}/{key}"

    def path(self, key: str) -> Path:
        """The same, to be worked with."""
        return Path(self.location(key))

    def require(self) -> None:
        """Raise OSError (ENOENT) if the store itself is gone: an unmounted disk is no missing object."""
        if not self._temporary.is_dir():
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.root))

    def prepare(self) -> None:
        """Make the folders, once: a store that vanishes later is an error, not an empty store."""
        if self._prepared:
            return
        for folder in reversed((self._temporary, *self._temporary.parents)):
            if not folder.is_dir():
                folder.mkdir(mode=0o700, exist_ok=True)
                _sync(str(folder.parent))
        self._prepared = True

    def create_temporary(self, key: str) -> tuple[int, str]:
        """Open a new file for writing and reading back: descriptor and path. `key` is not looked at."""
        self.prepare()
        path = f"{self._temporary}/{key}.{self._process}{next(self._numbers):x}"
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), path

    def publish(self, temporary: str, key: str, *, durable: bool) -> None:
        """Move a finished (and, if durable, fsynced) file to an object's place, replacing what is there."""
        target = self.location(key)
        try:
            os.rename(temporary, target)  # noqa: PTH104  see above
        except FileNotFoundError:
            Path(target).parent.mkdir(mode=0o700, exist_ok=True)
            os.rename(temporary, target)  # noqa: PTH104
        if durable:
            self.sync_shard(key)

    def sync_shard(self, key: str) -> None:
        """Make the names in an object's shard durable, and the shard's own at its first use by this process.

        Whoever made the shard may not have come to that yet, so having found it proves nothing.
        """
        shard = shard_of(key)
        _sync(f"{self._root}/{shard}")
        if shard not in self._durable_shards:
            _sync(self._root)
            self._durable_shards.add(shard)

    def sweep(self, older_than: timedelta) -> int:
        """Remove leftovers from `.tmp`; returns how many."""
        limit = time.time() - older_than.total_seconds()
        removed = 0
        with contextlib.suppress(FileNotFoundError), os.scandir(self._temporary) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # its writer finished, or another sweep took it
                    if entry.stat(follow_symlinks=False).st_mtime < limit:
                        Path(entry.path).unlink()
                        removed += 1
        return removed

    def listing(self) -> Generator[StoredObject, None, None]:
        """Every object, shard by shard, as its folder is read. What does not lie where it belongs is none."""
        self.require()
        with os.scandir(self.root) as shards:
            for shard in shards:
                if shard.name == self._temporary.name or not shard.is_dir(follow_symlinks=False):
                    continue
                with os.scandir(shard.path) as entries:
                    for entry in entries:
                        if is_key(entry.name) and shard.name == shard_of(entry.name):
                            yield from _stored(entry)

    def capacity(self) -> Capacity:
        """Room of the file system, as far as this process's user may use it."""
        told = os.statvfs(self.root)
        return Capacity(told.f_bavail * told.f_frsize, told.f_blocks * told.f_frsize)

    def probe(self) -> None:
        """Raise OSError unless a file can be made and there is room."""
        self.prepare()
        descriptor, path = self.create_temporary("probe")
        os.close(descriptor)
        Path(path).unlink()
        if os.statvfs(self.root).f_bavail == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def shard_of(key: str) -> str:
    """Name of the folder that an object lies in."""
    return key[_UUID_LENGTH - _SHARD_DIGITS : _UUID_LENGTH]


def _stored(entry: os.DirEntry[str]) -> Iterator[StoredObject]:
    with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
        told = entry.stat(follow_symlinks=False)
        if stat.S_ISREG(told.st_mode):
            yield StoredObject(
                ObjectKey(entry.name), told.st_size, datetime.fromtimestamp(told.st_mtime, UTC)
            )


def _sync(folder: str) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
