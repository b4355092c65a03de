"""Turns, over arbitrary interleavings of arrivals and endings."""

from __future__ import annotations

from collections import Counter, deque
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from libs.common.bus.contract import Delivery
from libs.common.bus.turns import Turns
from tests.bus_support import received

DELIVERY = Delivery(received(), 1)
LANES = ("0", "1", "2", "large", "urgent")
STEPS = st.lists(st.sampled_from(LANES) | st.integers(0, 7), max_size=80)
"""A lane: something arrives there. A number: one of those under way ends."""


class World:
    """What a bus does with an admission, without deliveries."""

    def __init__(self, places: int) -> None:
        self.turns, self.places = Turns(places), places
        self.waiting: Counter[str] = Counter()
        self.running: list[str] = []
        self.begun: list[tuple[str, set[str]]] = []
        """Each lane that began, and who else waited then."""

    def arrive(self, lane: str) -> None:
        self.waiting[lane] += 1
        self.ask()

    def end(self, number: int) -> None:
        if self.running:
            self.turns.ended(self.running.pop(number % len(self.running)), DELIVERY)
            self.ask()

    def ask(self) -> None:
        while (lane := self.turns.choose(dict.fromkeys(self.waiting, DELIVERY))) is not None:
            self.begun.append((lane, set(self.waiting) - {lane}))
            self.waiting[lane] -= 1
            self.waiting = +self.waiting
            self.running.append(lane)
            others = self.begun[-1][1] - {"urgent"}
            if lane == "urgent" and others and self.places > 1:
                assert self.running.count("urgent") <= self.places // 2
        assert len(self.running) <= self.places
        assert len(self.running) == self.places or not self.waiting, "a place is free, and something waits"


@given(st.integers(1, 6), STEPS)
def test_places_are_filled_and_never_more(places: int, steps: list[str | int]) -> None:
    world = World(places)
    for step in steps:
        if isinstance(step, str):
            world.arrive(step)
        else:
            world.end(step)


@given(st.integers(1, 6), STEPS)
def test_no_lane_is_passed_over_for_more_than_a_round(places: int, steps: list[str | int]) -> None:
    """Between two beginnings of one lane every other that waits all the while begins; urgent aside."""
    world = World(places)
    for step in steps:
        if isinstance(step, str):
            world.arrive(step)
        else:
            world.end(step)
    passed: dict[str, Counter[str]] = {}
    for lane, others in world.begun:
        passed.pop(lane, None)
        passed = {other: seen for other, seen in passed.items() if other in others}
        for other in others - {"urgent"}:
            seen = passed.setdefault(other, Counter())
            seen[lane] += lane != "urgent"
            assert max(seen.values()) <= 1
    if places == 1:
        urgent = [lane == "urgent" and others for lane, others in world.begun]
        assert not any(first and second for first, second in pairwise(urgent))


def test_with_one_place_what_is_urgent_has_every_second_turn() -> None:
    world = World(1)
    for lane in ("0", "0", "0", "urgent", "urgent"):
        world.arrive(lane)
    for _ in range(4):
        world.end(0)
    assert [lane for lane, _ in world.begun] == ["0", "urgent", "0", "urgent", "0"]


def test_what_is_urgent_begins_first() -> None:
    world = World(2)
    for lane in ("0", "0", "0", "urgent", "urgent", "urgent"):
        world.arrive(lane)
    world.end(0)
    assert world.running == ["0", "urgent"]
    world.end(1)
    assert world.running == ["0", "urgent"]
    world.end(0)
    assert deque(world.begun, maxlen=1)[0][0] == "0", "half of the places, while another waits"
    world.end(1)
    world.end(0)
    assert world.running == ["urgent"]
