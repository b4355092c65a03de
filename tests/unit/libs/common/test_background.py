"""The background tasks of a bus."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.bus.background import Background
from tests.waiting import PATIENCE


async def test_a_task_that_missed_its_cancellation_is_cancelled_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the client library lets happen when an answer arrives in the same moment."""
    monkeypatch.setattr("libs.common.ending.AGAIN", 0.01)
    background, missed = Background(), []

    async def deaf() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            missed.append(True)
        await asyncio.Event().wait()

    task = background.start("deaf", deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        await background.cancel()
    assert task.cancelled()
    assert missed == [True]


async def test_the_first_failure_is_told() -> None:
    background = Background()

    async def broken() -> None:
        raise ZeroDivisionError

    background.start("broken", broken())
    with pytest.raises(ZeroDivisionError):
        await background.watch()
