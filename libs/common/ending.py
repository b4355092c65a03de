"""Ending a task for certain."""

from __future__ import annotations

import asyncio

AGAIN = 1.0
"""Seconds before a task that goes on is cancelled once more."""


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel `task` until it has ended; how it ended is left in it.

    Once is not always enough: a wait with a timeout that ends in the same moment swallows the cancellation
    (`asyncio.wait_for` before Python 3.12, and the copy of it inside asyncpg).
    """
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=AGAIN)
