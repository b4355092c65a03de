"""The background tasks of a bus: none may die unseen."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from libs.common.ending import end_task

log = logging.getLogger(__name__)


class Background:
    """A set of tasks that run until cancelled; `watch` reports the first that fails."""

    def __init__(self) -> None:
        """Must be called inside a running event loop."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run `work` as a task of that name."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def watch(self) -> None:
        """Wait for ever; raise what killed the first task that failed."""
        await asyncio.shield(self._failure)

    async def cancel(self, *tasks: asyncio.Task[None]) -> None:
        """Cancel these tasks, or all, and wait until they have ended: once is not always enough."""
        await asyncio.gather(*map(end_task, set(tasks) or set(self._tasks)))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        log.critical("background task %s failed", task.get_name(), exc_info=error)
        if not self._failure.done():
            self._failure.set_exception(error)
            self._failure.exception()  # logged above; nobody has to watch
