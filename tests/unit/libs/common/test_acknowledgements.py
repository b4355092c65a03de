"""Batched acknowledgements against a model of the broker's side of a channel."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.rabbitmq import acks
from libs.common.bus.rabbitmq.acks import Acknowledgements, Acknowledger
from tests.waiting import eventually

TAGS = 40


def apply(frames: list[tuple[int, bool]], unsettled: set[int]) -> set[int]:
    """What a broker does: a frame must name a tag it waits for; `multiple` settles all up to it."""
    settled: set[int] = set()
    for tag, multiple in frames:
        assert tag in unsettled, "the broker would close the channel: unknown delivery tag"
        covered = {other for other in unsettled if other <= tag} if multiple else {tag}
        unsettled -= covered
        settled |= covered
    return settled


@given(
    order=st.permutations(range(1, TAGS + 1)),
    never=st.sets(st.integers(1, TAGS), max_size=5),
    batches=st.lists(st.integers(1, 12), min_size=1),
)
def test_exactly_what_was_handled_is_settled_exactly_once(
    order: list[int], never: set[int], batches: list[int]
) -> None:
    pending, unsettled = Acknowledgements(), set(range(1, TAGS + 1))
    todo = [tag for tag in order if tag not in never]
    turn = 0
    while todo:
        size = batches[turn % len(batches)]
        turn += 1
        batch, todo = todo[:size], todo[size:]
        for tag in batch:
            pending.add(tag)
        assert apply(pending.take(), unsettled) == set(batch)
    assert unsettled == never
    assert pending.take() == []


def test_a_run_in_order_takes_one_frame() -> None:
    pending = Acknowledgements()
    for first in (1, 65):
        for tag in range(first, first + 64):
            pending.add(tag)
        assert pending.take() == [(first + 63, True)]


def test_what_lies_beyond_a_gap_is_named_one_by_one() -> None:
    pending = Acknowledgements()
    for tag in (1, 2, 4, 6):
        pending.add(tag)
    frames = pending.take()
    assert frames[0] == (2, True)
    assert sorted(frames[1:]) == [(4, False), (6, False)]
    pending.add(3)
    assert pending.take() == [(3, False)], "4 was acknowledged already"
    pending.add(5)
    pending.add(7)
    assert pending.take() == [(7, True)]


async def test_a_flush_waits_for_the_one_before_it() -> None:
    """A `multiple` frame that overtakes covers a tag that is then named a second time."""
    unsettled = set(range(1, 6))
    written: list[tuple[int, bool]] = []
    ready = asyncio.Event()

    async def send(tag: int, multiple: bool) -> None:
        if tag == 4:
            await ready.wait()
        written.append((tag, multiple))

    acknowledger = Acknowledger(send)
    acknowledger.add(4)
    first = asyncio.create_task(acknowledger.flush())
    await asyncio.sleep(0)
    for tag in (1, 2, 3, 5):
        acknowledger.add(tag)
    second = asyncio.create_task(acknowledger.flush())
    await asyncio.sleep(0)
    ready.set()
    await asyncio.gather(first, second)
    for frame in written:
        apply([frame], unsettled)
    assert unsettled == set()


async def test_what_is_handled_while_frames_are_sent_follows_at_once() -> None:
    written: list[int] = []
    begun, ready = asyncio.Event(), asyncio.Event()

    async def send(tag: int, multiple: bool) -> None:
        begun.set()
        await ready.wait()
        written.append(tag)

    acknowledger = Acknowledger(send)
    running = asyncio.create_task(acknowledger.run())
    acknowledger.add(1)
    await begun.wait()
    acknowledger.add(2)
    ready.set()
    await eventually(lambda: written == [1, 2])
    running.cancel()
    await asyncio.wait({running})


async def test_nothing_is_sent_while_it_is_held_and_all_of_it_after() -> None:
    sent: list[int] = []

    async def send(tag: int, multiple: bool) -> None:
        sent.append(tag)

    acknowledger = Acknowledger(send)
    running = asyncio.create_task(acknowledger.run())
    await acknowledger.hold()
    acknowledger.add(1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert sent == []
    acknowledger.resume()
    await eventually(lambda: sent == [1])
    acknowledger.add(2)
    await eventually(lambda: sent == [1, 2])
    running.cancel()


async def test_what_follows_soon_is_sent_together_unless_it_is_enough(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(acks, "GATHER_SECONDS", 3600.0)
    sent: list[tuple[int, bool]] = []

    async def send(tag: int, multiple: bool) -> None:
        sent.append((tag, multiple))

    acknowledger = Acknowledger(send)
    acknowledger.enough = 3
    running = asyncio.create_task(acknowledger.run())
    acknowledger.add(1)
    await eventually(lambda: sent == [(1, False)])
    for tag in (2, 3):
        acknowledger.add(tag)
        await asyncio.sleep(0.01)
    assert sent == [(1, False)]
    acknowledger.add(4)
    await eventually(lambda: sent == [(1, False), (4, True)])
    running.cancel()
    await asyncio.wait({running})


async def test_few_wait_no_longer_than_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acks, "GATHER_SECONDS", 0.001)
    sent: list[int] = []

    async def send(tag: int, multiple: bool) -> None:
        sent.append(tag)

    acknowledger = Acknowledger(send)
    acknowledger.enough = 100
    running = asyncio.create_task(acknowledger.run())
    for tag in (1, 2, 3):
        acknowledger.add(tag)
        await eventually(lambda: sent[-1:] == [tag])  # noqa: B023  called before the next
    running.cancel()
    await asyncio.wait({running})
