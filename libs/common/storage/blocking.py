"""Blocking disk work off the event loop, and the disk's errors in words."""

from __future__ import annotations

import asyncio
import contextlib
import errno
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from functools import partial
from typing import Any, ParamSpec, TypeVar

from libs.common.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_MISSING = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}


async def in_thread(
    executor: Executor | None, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """Run in a thread of `executor` (None: the loop's own), and never leave it running behind.

    Cancellation waits for the thread: what it works on, a file descriptor above all, must not be closed and
    reused under it.
    """
    call = partial(function, *args, **kwargs)
    return await finished(asyncio.get_running_loop().run_in_executor(executor, call))


async def finished(future: asyncio.Future[T]) -> T:
    """Wait for it even if cancelled meanwhile: it is not cancelled itself."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        while not future.done():
            with contextlib.suppress(asyncio.CancelledError):  # raised again below, once is enough
                await asyncio.wait({future})
        if not future.cancelled():
            future.exception()  # counts as retrieved: the cancellation is what the caller hears of
        raise


async def finished_task(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even if cancelled meanwhile: it is not cancelled itself."""
    return await finished(asyncio.ensure_future(work))


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
