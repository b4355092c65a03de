"""Work that a cancellation does not interrupt, and the disk's errors in words."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Coroutine
from typing import Any, TypeVar

from libs.common.errors import Unavailable

T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


async def finished_task(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even if cancelled meanwhile: it is not cancelled itself."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):  # raised again below, once is enough
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()  # counts as retrieved: the cancellation is what the caller hears of
        raise


def unavailable(error: OSError, folder: str) -> Unavailable:
    """Say in one sentence what the disk's error means and what to do about it in `folder`."""
    if error.errno in _FULL:
        return Unavailable(f"The object store is full: free some space in {folder}.")
    if error.errno in _FORBIDDEN:
        return Unavailable(
            f"The object store refuses access ({error.strerror}): let this process's user write in {folder}."
        )
    if error.errno in _MISSING:
        return Unavailable(f"The object store is not there ({error.strerror}): mount or make {folder}.")
    return Unavailable(f"The object store fails ({error.strerror or error}): check the disk of {folder}.")
