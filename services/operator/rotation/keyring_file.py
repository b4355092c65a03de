"""Changing a keyring's file while the services read it: step by step, never in part."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from libs.common.encryption.keyring import Keyring, keep_copy
from libs.common.encryption.keyring_content import KeyringContent
from libs.common.errors import ConfigurationError

ELSEWHERE = (
    "change it where it comes from, with --file on a copy (docs/operations.md, Rotating keys), and here do "
    "`--step rewrap`"
)


class KeyringFile:
    """One file. What it says is read anew before each step, so that a step repeats nothing."""

    def __init__(self, path: Path, *, in_place: bool = False) -> None:
        """`in_place` keeps the inode: for a file that is mounted into containers by itself."""
        self.path = path
        self._in_place = in_place

    def read(self) -> KeyringContent:
        """What it says now. Raises ConfigurationError."""
        return Keyring.load(self.path).content

    def add(self) -> KeyringContent:
        """Add a key that every reader is to know before it is used; one that was added already will do."""
        content = self.read()
        return content if content.next is not None else self._write(content.with_next(datetime.now(UTC)))

    def switch(self) -> KeyringContent:
        """Let the added key wrap from now on. Raises ConfigurationError where there is none."""
        content = self.read()
        if content.next is None:
            raise ConfigurationError(f"No key of {self.path} waits to be used: add one first (--step add).")
        return self._write(content.switched(datetime.now(UTC)))

    def remove(self, references: Collection[str]) -> KeyringContent:
        """Take former keys out."""
        return self._write(self.read().without(references))

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other rotations of this file out. Raises ConfigurationError while there is one."""
        try:
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ConfigurationError(f"{self.path.parent} cannot be opened ({error.strerror}).") from error
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigurationError("Another rotation of these keys is running: let it end.") from error
            yield
        finally:
            os.close(folder)

    def _write(self, content: KeyringContent) -> KeyringContent:
        try:
            told = self.path.stat()
            if self._in_place:
                self._overwrite(content.encode(), told)
            else:
                keep_copy(content.encode(), self.path.resolve(), like=told)
        except OSError as error:
            raise ConfigurationError(
                f"{self.path} cannot be written here ({error.strerror}): {ELSEWHERE}."
            ) from error
        return content

    def _overwrite(self, content: bytes, told: os.stat_result) -> None:
        """Readers that meet half of it keep the ring that they have, and look again."""
        safe = self.path.with_name(f".{self.path.name}.being-written")
        keep_copy(content, safe)
        self.path.chmod(stat.S_IMODE(told.st_mode) | stat.S_IWUSR)
        try:
            with self.path.open("r+b") as file:
                file.write(content)
                file.truncate()
                file.flush()
                os.fsync(file.fileno())
        finally:
            self.path.chmod(stat.S_IMODE(told.st_mode))
        safe.unlink()
