"""Memory of processes that move large buffers and make many objects: glibc's malloc, Python's collector."""

from __future__ import annotations

import ctypes
import gc

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_MMAP_BYTES = 32 << 20
_TRIM_BYTES = 64 << 20


def keep_large_buffers() -> None:
    """Serve buffers below 32 MiB from the heap and keep up to 64 MiB of it free (mallopt(3)).

    By default glibc maps and unmaps each buffer of 128 KiB and more, and the kernel zeroes every page again.
    Where the C library has no `mallopt`, nothing changes.
    """
    library = ctypes.CDLL(None)
    if hasattr(library, "mallopt"):
        library.mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)
        library.mallopt(_M_TRIM_THRESHOLD, _TRIM_BYTES)


def spare_the_collector(young_objects: int) -> None:
    """Take what was made by now out of the collector's walks: modules, routes and pools stay anyway.

    From now on it looks at new containers when there are `young_objects` of them.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(young_objects, *gc.get_threshold()[1:])
