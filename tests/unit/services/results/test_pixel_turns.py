"""Owners take turns at what decodes, and nobody's line grows without end."""

from __future__ import annotations

import asyncio

import pytest

from libs.common.errors import TooManyRequests, Unavailable
from services.results.pixels.turns import FairTurns


class Crowd:
    """Callers who hold their place until they are told to go."""

    def __init__(self, turns: FairTurns) -> None:
        self._turns = turns
        self.began: list[str] = []
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._go: dict[str, asyncio.Event] = {}

    async def come(self, *names: str) -> None:
        """Each by the name of its owner and a number: `ana1`."""
        for name in names:
            self._go[name] = asyncio.Event()
            self._tasks[name] = asyncio.create_task(self._hold(name))
            await asyncio.sleep(0)

    async def leave(self, name: str) -> None:
        self._go[name].set()
        await self._tasks[name]
        await asyncio.sleep(0)

    async def cancel(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait([self._tasks[name]])
        await asyncio.sleep(0)

    async def _hold(self, name: str) -> None:
        async with self._turns.turn(name[:3]):
            self.began.append(name)
            await self._go[name].wait()


async def test_owners_take_turns() -> None:
    crowd = Crowd(FairTurns(1, per_owner=8, together=9))
    await crowd.come("ana1", "ana2", "ana3", "ben1", "cat1", "ben2")
    for name in ("ana1", "ana2", "ben1", "cat1", "ana3", "ben2"):
        assert crowd.began[-1] == name
        await crowd.leave(name)
    await crowd.come("ana4")
    assert crowd.began[-1] == "ana4"
    await crowd.leave("ana4")


async def test_places_are_all_used_and_no_more() -> None:
    crowd = Crowd(FairTurns(2, per_owner=8, together=9))
    await crowd.come("ana1", "ana2", "ana3")
    assert crowd.began == ["ana1", "ana2"]
    await crowd.leave("ana2")
    assert crowd.began == ["ana1", "ana2", "ana3"]
    await crowd.leave("ana1")
    await crowd.leave("ana3")


async def test_lines_are_bounded() -> None:
    turns = FairTurns(1, per_owner=2, together=3)
    crowd = Crowd(turns)
    await crowd.come("ana1", "ana2", "ana3")
    with pytest.raises(TooManyRequests) as refused:
        async with turns.turn("ana"):
            pass
    assert (refused.value.code, refused.value.members["retry_after"]) == ("too-many-images", 5)
    await crowd.come("ben1")
    with pytest.raises(Unavailable):
        async with turns.turn("cat"):
            pass
    assert turns.waiting == 3
    for name in ("ana1", "ana2", "ben1", "ana3"):
        await crowd.leave(name)
    assert turns.waiting == 0


async def test_who_gives_up_leaves_the_line_and_loses_no_place() -> None:
    turns = FairTurns(1, per_owner=8, together=9)
    crowd = Crowd(turns)
    await crowd.come("ana1", "ben1", "cat1")
    await crowd.cancel("ben1")
    assert turns.waiting == 1
    await crowd.leave("ana1")
    assert crowd.began == ["ana1", "cat1"]
    await crowd.leave("cat1")


async def test_a_place_is_passed_on_by_who_is_called_off_in_the_moment_of_getting_it() -> None:
    turns = FairTurns(1, per_owner=8, together=9)
    crowd = Crowd(turns)
    async with turns.turn("cat"):
        await crowd.come("ana1", "ben1")
    crowd._tasks["ana1"].cancel()  # it has the place, and has not run since
    await asyncio.wait([crowd._tasks["ana1"]])
    await asyncio.sleep(0)
    assert crowd.began == ["ben1"]
    await crowd.leave("ben1")
