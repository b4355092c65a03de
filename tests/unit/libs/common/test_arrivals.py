"""Whether files arrive: while many pieces come or files are accepted, until a moment after the latest."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from libs.common.arrivals import Arrivals


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def busy_part(clock: Clock, pause: float) -> float:
    """Of the moments after a hundred pieces of a sender, how many find it going on."""
    arrivals, found = Arrivals(), 0
    assert not arrivals.going_on
    for number in range(200):
        arrivals.note()
        clock.now += pause
        found += number >= 100 and arrivals.going_on
    return found / 100


@pytest.mark.parametrize(("pause", "part"), [(0.001, 1.0), (0.005, 1.0), (0.014, 0.0), (0.1, 0.0)])
def test_a_slow_sender_holds_nobody_up(clock: Clock, pause: float, part: float) -> None:
    assert busy_part(clock, pause) == part


def test_it_is_over_a_moment_after_the_latest_piece(clock: Clock) -> None:
    arrivals = Arrivals()
    for _ in range(1000):
        arrivals.note()
        clock.now += 0.001
    assert arrivals.going_on
    clock.now += 0.05
    assert arrivals.going_on
    clock.now += 0.1
    assert not arrivals.going_on


def test_files_that_are_accepted_together_count_for_as_long_as_it_takes(clock: Clock) -> None:
    """Their senders wait for the same commit: until then no piece can come."""
    arrivals = Arrivals()
    with ExitStack() as accepted:
        for _ in range(8):
            accepted.enter_context(arrivals)
        for _ in range(20):
            clock.now += 1
            assert arrivals.going_on
        for _ in range(8):
            arrivals.note()
    clock.now += 0.02
    assert arrivals.going_on  # they are answered, and those that follow are on their way
    clock.now += 0.05
    assert not arrivals.going_on


@pytest.mark.parametrize("pause", [0.03, 0.1])
def test_small_files_of_a_slow_sender_hold_nobody_up(clock: Clock, pause: float) -> None:
    """One after the other, each of one piece."""
    arrivals, found = Arrivals(), 0
    for _ in range(100):
        arrivals.note()
        with arrivals:
            clock.now += 0.01
            found += arrivals.going_on
        arrivals.note()
        clock.now += pause
        found += arrivals.going_on
    assert found == 0
