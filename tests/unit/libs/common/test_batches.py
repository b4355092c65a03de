"""Micro-batches: grouping, waiting for the commit, failing alone, losing nothing."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from libs.common.batches import Batcher
from libs.common.errors import Reject, Unavailable
from tests.waiting import PATIENCE


@dataclass(frozen=True)
class Item:
    name: int
    weight: int = 1


@dataclass
class Commits:
    """Notes the batches; poison and outages on demand."""

    poison: set[int] = field(default_factory=set)
    error: Exception | None = None
    open: asyncio.Event = field(default_factory=asyncio.Event)
    batches: list[list[int]] = field(default_factory=list)
    started: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    async def __call__(self, items: Sequence[Item]) -> None:
        self.started += 1
        await self.open.wait()
        if self.error is not None:
            raise self.error
        names = [item.name for item in items]
        if self.poison.intersection(names):
            raise Reject("poison")
        self.batches.append(names)


@contextlib.asynccontextmanager
async def running(batcher: Batcher[Item]) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(batcher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_what_arrives_together_is_committed_together() -> None:
    commits = Commits()
    batcher = Batcher(commits, size=4)
    async with running(batcher):
        await asyncio.gather(*(batcher.submit(Item(n)) for n in range(8)))
    assert commits.batches == [[0, 1, 2, 3], [4, 5, 6, 7]]


async def test_a_single_item_waits_no_longer_than_it_must() -> None:
    commits = Commits()
    batcher = Batcher(commits, size=64)
    async with running(batcher):
        async with asyncio.timeout(PATIENCE):
            await batcher.submit(Item(1))
            await batcher.submit(Item(2))
    assert commits.batches == [[1], [2]]


async def test_steady_traffic_gathers_for_longer_than_a_single_item_waits() -> None:
    commits = Commits()
    batcher = Batcher(commits, size=2, spacing=60, interval=60)
    async with running(batcher):
        await batcher.submit(Item(1))
        second = asyncio.create_task(batcher.submit(Item(2)))
        for _ in range(20):
            await asyncio.sleep(0)  # all that a batcher without an interval needs to commit it
        assert commits.batches == [[1]]
        await batcher.submit(Item(3))
        await second
    assert commits.batches == [[1], [2, 3]]


async def test_submit_returns_only_after_the_commit() -> None:
    commits = Commits()
    commits.open.clear()
    batcher = Batcher(commits)
    async with running(batcher):
        submitted = asyncio.create_task(batcher.submit(Item(1)))
        while not commits.started:
            await asyncio.sleep(0)
        assert not submitted.done()
        commits.open.set()
        await submitted
    assert commits.batches == [[1]]


async def test_heavy_items_make_small_batches() -> None:
    commits = Commits()
    batcher = Batcher(commits, size=64, weight=10)
    async with running(batcher):
        weights = (6, 6, 100, 1, 2)
        await asyncio.gather(*(batcher.submit(Item(n, weight)) for n, weight in enumerate(weights)))
    assert commits.batches == [[0], [1], [2], [3, 4]]


async def test_only_the_poisonous_item_fails() -> None:
    commits = Commits(poison={2})
    batcher = Batcher(commits, size=4)
    async with running(batcher):
        ended = await asyncio.gather(*(batcher.submit(Item(n)) for n in range(4)), return_exceptions=True)
    assert [type(end) for end in ended] == [type(None), type(None), Reject, type(None)]
    assert commits.batches == [[0], [1], [3]]


async def test_an_outage_is_told_to_all_and_is_not_tried_one_by_one() -> None:
    commits = Commits(error=Unavailable("no database"))
    batcher = Batcher(commits, size=4)
    async with running(batcher):
        ended = await asyncio.gather(*(batcher.submit(Item(n)) for n in range(4)), return_exceptions=True)
        assert all(isinstance(end, Unavailable) for end in ended)
        assert commits.started == 1
        commits.error = None
        await asyncio.gather(*(batcher.submit(Item(n)) for n in range(4)))
    assert commits.batches == [[0, 1, 2, 3]]


async def test_who_was_cancelled_while_waiting_is_left_out() -> None:
    commits = Commits()
    commits.open.clear()
    batcher = Batcher(commits, size=2)
    async with running(batcher):
        first = asyncio.create_task(batcher.submit(Item(1)))
        while not commits.started:
            await asyncio.sleep(0)
        gone, stays = (asyncio.create_task(batcher.submit(Item(n))) for n in (2, 3))
        await asyncio.sleep(0)
        gone.cancel()
        commits.open.set()
        await asyncio.gather(first, stays)
    assert commits.batches == [[1], [3]]


async def test_the_end_answers_everybody() -> None:
    commits = Commits()
    commits.open.clear()
    batcher = Batcher(commits, size=1)
    async with running(batcher):
        waiting = [asyncio.create_task(batcher.submit(Item(n))) for n in range(3)]
        while not commits.started:
            await asyncio.sleep(0)
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(end, Unavailable) for end in ended)
    with pytest.raises(Unavailable):
        await batcher.submit(Item(4))
