"""Files that the kernel has in memory: opened and read without a thread, since nothing waits for a disk."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import ClassVar

_OPENAT2 = 437  # the same on every architecture
_AT_FDCWD = -100
_RESOLVE_CACHED = 0x20
_TMPFS = 0x01021994
_STATFS_BYTES = 256
"""More than any architecture's `struct statfs`, which begins with the kind (statfs(2))."""
_HOW = struct.pack("=QQQ", os.O_RDONLY | os.O_CLOEXEC, 0, _RESOLVE_CACHED)


class NotCached(Exception):
    """The kernel would have to ask a disk."""


class _Vector(ctypes.Structure):
    """`struct iovec` (readv(2))."""

    _fields_: ClassVar = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]


class CachedFiles:
    """Where the kernel or a container's profile knows no such calls, nothing is ever in memory.

    These calls do not wait (but for a tmpfs that was swapped out, and for the first object of a file system
    that is a server's), so none lets go of the interpreter, which another thread would take meanwhile.
    """

    def __init__(self) -> None:
        """Look up the C library's functions. All files that one of these reads lie on one file system."""
        library = ctypes.PyDLL(None, use_errno=True)
        self._call, self._fstatfs = library.syscall, library.fstatfs
        self._preadv2 = getattr(library, "preadv2", None)
        if self._preadv2 is not None:
            self._preadv2.argtypes = (
                ctypes.c_int,
                ctypes.c_void_p,
                ctypes.c_int,
                ctypes.c_longlong,
                ctypes.c_int,
            )
            self._preadv2.restype = ctypes.c_ssize_t
        self._is_memory: bool | None = None
        """Whether the file system has no disk; None: not known yet."""

    def open(self, path: str) -> int:
        """A descriptor for reading; -1 unless the path can be walked in memory alone (openat2(2))."""
        if self._is_memory is False:
            return -1  # nothing of this file system can be read so, and a server may be asked for it
        length = ctypes.c_long(len(_HOW))
        return int(
            self._call(ctypes.c_long(_OPENAT2), ctypes.c_long(_AT_FDCWD), os.fsencode(path), _HOW, length)
        )

    def read(self, descriptor: int, length: int, offset: int) -> bytes:
        """So many bytes of a file. Raises NotCached unless all of them are there, in memory (preadv2(2))."""
        if self._preadv2 is None:
            raise NotCached
        buffer = ctypes.create_string_buffer(length)
        vector = _Vector(ctypes.addressof(buffer), length)
        read = -1
        if self._is_memory is None:
            read = self._preadv2(descriptor, ctypes.byref(vector), 1, offset, os.RWF_NOWAIT)
            # tmpfs does not know the flag, and has no disk to wait for.
            if read < 0 and ctypes.get_errno() == errno.EOPNOTSUPP:
                self._is_memory = self._lies_in_memory(descriptor)
        if self._is_memory:
            read = self._preadv2(descriptor, ctypes.byref(vector), 1, offset, 0)
        if read < length:
            raise NotCached
        return buffer.raw

    def _lies_in_memory(self, descriptor: int) -> bool:
        told = ctypes.create_string_buffer(_STATFS_BYTES)
        return self._fstatfs(descriptor, told) == 0 and ctypes.c_long.from_buffer(told).value == _TMPFS
