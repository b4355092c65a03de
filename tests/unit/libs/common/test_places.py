"""Turns: never more at once than may be, most for whoever is known, and none is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from libs.common.errors import Unavailable
from libs.common.security.places import Places


class Room:
    """People who take a place and stay until they are told to go."""

    def __init__(self, at_once: int, most: int) -> None:
        self.places = Places(at_once, most)
        self.inside: list[str] = []
        self.leave: dict[str, asyncio.Future[None]] = {}

    async def visit(self, name: str, *, stranger: bool = False) -> None:
        """Take a place."""
        async with self.places.take(stranger=stranger):
            self.inside.append(name)
            self.leave[name] = asyncio.get_running_loop().create_future()
            try:
                await self.leave[name]
            finally:
                self.inside.remove(name)

    async def come(self, name: str, *, stranger: bool = False) -> asyncio.Task[None]:
        """Somebody who has got as far as they may."""
        task = asyncio.create_task(self.visit(name, stranger=stranger))
        await settled()
        return task

    async def go(self, name: str, how: Callable[[asyncio.Future[None]], object]) -> None:
        """Somebody inside ends."""
        how(self.leave[name])
        await settled()


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def well(leave: asyncio.Future[None]) -> None:
    leave.set_result(None)


async def test_strangers_have_every_fourth_turn_and_each_line_its_order() -> None:
    room = Room(1, 20)
    tasks = [await room.come("first", stranger=True)]
    for number in range(1, 5):
        tasks.append(await room.come(f"stranger {number}", stranger=True))
    for number in range(1, 8):
        tasks.append(await room.come(f"known {number}"))
    order = []
    while room.inside:
        (name,) = room.inside
        order.append(name)
        await room.go(name, well)
    assert order == [
        "first",
        *("known 1", "known 2", "known 3", "stranger 1"),
        *("known 4", "known 5", "known 6", "stranger 2"),
        *("known 7", "stranger 3", "stranger 4"),
    ]
    await asyncio.gather(*tasks)


async def test_places_come_back_however_one_leaves() -> None:
    room = Room(2, 4)
    failing, leaving = await room.come("failing"), await room.come("leaving")
    waiting, gone = await room.come("waiting"), await room.come("gone")
    assert room.inside == ["failing", "leaving"]
    with pytest.raises(Unavailable):
        await room.visit("one too many")
    gone.cancel()
    await settled()
    late = await room.come("late")
    await room.go("failing", lambda leave: leave.set_exception(ValueError()))
    assert room.inside == ["leaving", "waiting"]
    leaving.cancel()
    await settled()
    assert room.inside == ["waiting", "late"]
    for name in ("waiting", "late"):
        await room.go(name, well)
    assert room.inside == []
    with pytest.raises(ValueError):
        await failing
    assert (waiting.done(), late.done(), gone.cancelled(), leaving.cancelled()) == (True,) * 4
    tasks = [await room.come(str(n)) for n in range(4)]
    assert room.inside == ["0", "1"]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_turn_that_comes_to_one_who_has_gone_is_the_next_ones() -> None:
    room = Room(1, 8)
    first, gone, after = [await room.come(name) for name in ("first", "gone", "after")]
    # Both at the same moment: the turn has come, and its owner has not seen it yet.
    well(room.leave["first"])
    await asyncio.sleep(0)
    gone.cancel()
    await settled()
    assert room.inside == ["after"]
    after.cancel()
    await asyncio.wait([first, gone, after])
    # And one that had gone before.
    first, gone, after = [await room.come(name) for name in ("first", "gone", "after")]
    gone.cancel()
    well(room.leave["first"])
    await settled()
    assert room.inside == ["after"]
    after.cancel()
    await asyncio.wait([first, gone, after])


async def test_half_is_for_the_known() -> None:
    room = Room(1, 4)
    tasks = [await room.come(f"stranger {n}", stranger=True) for n in range(2)]
    with pytest.raises(Unavailable):
        await room.visit("stranger", stranger=True)
    tasks += [await room.come(f"known {n}") for n in range(2)]
    with pytest.raises(Unavailable):
        await room.visit("known")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    alone = Room(1, 1)
    task = await alone.come("stranger", stranger=True)
    assert alone.inside == ["stranger"]
    task.cancel()
    await asyncio.wait([task])
