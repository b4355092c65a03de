"""A new object on its way into a folder. All blocking: it runs in worker threads."""

from __future__ import annotations

import errno
import io
import os
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from libs.common.encryption import Sealer, SegmentReader, read_segment
from libs.common.encryption.keyring import Keyring
from libs.common.errors import StorageError
from libs.common.storage.contract import Describe, require_key
from libs.common.storage.folder import Folder


class Draft:
    """Nothing lies on disk until more than one segment is there, or until `commit`. One call at a time."""

    def __init__(self, folder: Folder, key: str, keyring: Keyring, *, durable: bool) -> None:
        """Raises ObjectNotFound for anything but an object key: none leads out of the folder."""
        require_key(key)
        self._folder = folder
        self._key = key
        self._durable = durable
        self._file: tuple[int, str] | None = None
        self._usable = True
        self.sealer = Sealer(key, keyring)

    @property
    def on_disk(self) -> bool:
        """Whether there is a temporary file to discard."""
        return self._file is not None

    def require_usable(self) -> None:
        """Raise StorageError after `commit`, and after a failed write: bytes may be missing in between."""
        if not self._usable:
            raise StorageError("This object is committed already, or writing it has failed.")

    def flush(self) -> None:
        """Write the segments that are full."""
        self.require_usable()
        self._usable = False
        for segment in self.sealer.segments():
            self._write(segment)
        self._usable = True

    def commit(self, trailer: Mapping[str, Any] | Describe) -> None:
        """Seal, write, fsync if durable, and publish."""
        if self.sealer.full:
            self.flush()
        self.require_usable()
        if callable(trailer):
            trailer = trailer()
        self._usable = False
        if self.sealer.renew_header() and self._file is not None:
            # Nobody sees it yet: a crash on the way leaves nothing to be read.
            written = os.pwrite(self._file[0], self.sealer.header, 0)
            if written != len(self.sealer.header):
                raise OSError(errno.EIO, "short write of a header")
        descriptor, temporary = self._write(*self.sealer.finish(trailer))
        if self._durable:
            os.fsync(descriptor)
        self._folder.publish(temporary, self._key, durable=self._durable)
        self._file = None
        os.close(descriptor)

    def discard(self) -> None:
        """Remove the temporary file, if there is one."""
        self._usable = False
        if self._file is not None:
            (descriptor, temporary), self._file = self._file, None
            os.close(descriptor)
            Path(temporary).unlink(missing_ok=True)

    def plaintext(self) -> BinaryIO:
        """Open what was written so far: in memory under one segment, else decrypted from the file."""
        tail = self.sealer.tail()
        if self._file is None:
            return io.BytesIO(tail)
        # A descriptor of its own: the draft may end, and its number be reused, before the reader is closed.
        descriptor = os.dup(self._file[0])
        sealed, size, cipher = self.sealer.sealed_segments, self.sealer.size, self.sealer.cipher

        def load(index: int) -> bytes:
            return tail if index == sealed else read_segment(descriptor, cipher, index, size, last=False)

        return cast(BinaryIO, SegmentReader(size, load, lambda: os.close(descriptor)))

    def _write(self, *pieces: bytes) -> tuple[int, str]:
        """All at once: each call lets go of the interpreter, and waits for it again."""
        if self._file is None:
            self._file = self._folder.create_temporary(self._key)
            pieces = (self.sealer.header, *pieces)
        write_all(self._file[0], *pieces)
        return self._file


def write_all(descriptor: int, *pieces: bytes) -> None:
    """`writev` that never writes less."""
    views = deque(memoryview(piece) for piece in pieces if piece)
    while views:
        written = os.writev(descriptor, views)
        while views and written >= len(views[0]):
            written -= len(views.popleft())
        if written:
            views[0] = views[0][written:]
