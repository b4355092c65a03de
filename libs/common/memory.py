"""Memory of processes that move large buffers and make many objects: glibc's malloc, Python's collector."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from pathlib import Path

LOOK_SECONDS = 60.0
GROWN_BYTES = 16 << 20
"""So much more than before is worth the milliseconds for which nobody else gets memory."""
_STATM = Path("/proc/self/statm")
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


async def give_back_memory() -> None:
    """Have malloc return what is free in the middle of its heap, when the process has grown (malloc_trim(3)).

    It returns by itself only what is free at the end, so that holes come together over many thousand files.
    Runs until cancelled; returns at once where the C library or the kernel has no such thing.
    """
    library = ctypes.CDLL(None)  # lets go of the interpreter meanwhile
    if not (hasattr(library, "malloc_trim") and _resident_bytes()):
        return
    least = _resident_bytes()
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = _resident_bytes()
        if now >= least + GROWN_BYTES:
            await asyncio.to_thread(library.malloc_trim, 0)
            least = _resident_bytes()
        else:
            least = min(least, now)


def _resident_bytes() -> int:
    """Of this process (proc(5), statm); 0 where nobody tells."""
    try:
        return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
