"""A task that swallows a cancellation is ended all the same."""

from __future__ import annotations

import asyncio

from libs.common.ending import end_task


async def test_a_swallowed_cancellation_is_repeated() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                swallowed += 1
                if swallowed == 2:
                    raise

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await end_task(task)
    assert task.cancelled()
    assert swallowed == 2


async def test_an_ended_task_is_left_alone() -> None:
    async def quick() -> None:
        return

    task = asyncio.create_task(quick())
    await task
    await end_task(task)
    assert not task.cancelled()
