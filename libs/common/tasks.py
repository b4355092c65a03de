"""Supervised background tasks: one that dies is logged and stops the process."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine
from typing import Any

from aiohttp import web

from libs.common.ending import end_task
from libs.common.keys import FATAL

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def supervise(
    app: web.Application, name: str, work: Coroutine[Any, Any, None]
) -> AsyncIterator[asyncio.Task[None]]:
    """Run `work` while the block lasts; cancelled at its end. Its early end stops the process."""
    fatal = app[FATAL]
    leaving = False

    def ended(task: asyncio.Task[None]) -> None:
        if leaving:
            return
        error = None if task.cancelled() else task.exception()
        log.critical("background task %s ended", name, exc_info=error)
        if not fatal.done():
            fatal.set_result(f"{name}: {error or 'ended'}")

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    try:
        yield task
    finally:
        leaving = True
        await end_task(task)
        if not task.cancelled() and (error := task.exception()) is not None and not fatal.done():
            log.error("background task %s failed while stopping", name, exc_info=error)
