"""Files that the kernel has in memory: opened and read without a thread, since nothing waits for a disk."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

_OPENAT2 = 437  # the same on every architecture
_AT_FDCWD = -100
_RESOLVE_CACHED = 0x20
_TMPFS = 0x01021994
_STATFS_BYTES = 256
"""More than any architecture's `struct statfs`, which begins with the kind (statfs(2))."""
_HOW = struct.pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, _RESOLVE_CACHED)


class NotCached(Exception):
    """The kernel would have to ask a disk."""


class CachedFiles:
    """Where the kernel or a container's profile knows no such calls, nothing is ever in memory."""

    def __init__(self) -> None:
        """Look up the C library's `syscall` and `fstatfs`."""
        library = ctypes.CDLL(None, use_errno=True)
        self._call, self._fstatfs = library.syscall, library.fstatfs
        self._in_memory: dict[int, bool] = {}  # by device

    def open(self, path: str) -> int:
        """A descriptor for reading; -1 unless the path can be walked in memory alone (openat2(2))."""
        length = ctypes.c_long(len(_HOW))
        return int(
            self._call(ctypes.c_long(_OPENAT2), ctypes.c_long(_AT_FDCWD), os.fsencode(path), _HOW, length)
        )

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """So many bytes of a file. Raises NotCached unless all of them are there, in memory (preadv2(2))."""
        buffer = bytearray(length)
        try:
            read = self._read(descriptor, buffer, offset)
        except OSError as error:
            raise NotCached from error
        if read < length:
            raise NotCached
        return bytes(buffer)

    def _read(self, descriptor: int, buffer: bytearray, offset: int) -> int:
        try:
            return os.preadv(descriptor, [buffer], offset, os.RWF_NOWAIT)
        except OSError as error:
            # tmpfs does not know the flag, and has no disk to wait for.
            if error.errno != errno.EOPNOTSUPP or not self._is_memory(descriptor):
                raise
            return os.preadv(descriptor, [buffer], offset)

    def _is_memory(self, descriptor: int) -> bool:
        device = os.fstat(descriptor).st_dev
        known = self._in_memory.get(device)
        if known is None:
            told = ctypes.create_string_buffer(_STATFS_BYTES)
            known = self._fstatfs(descriptor, told) == 0 and ctypes.c_long.from_buffer(told).value == _TMPFS
            self._in_memory[device] = known
        return known
