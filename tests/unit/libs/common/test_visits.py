"""Visits: how long an entry stands for what follows, and how many are remembered."""

from __future__ import annotations

from libs.common.audit.visits import MOST_VISITS, VISIT_SECONDS, Visits


def test_an_entry_stands_for_half_an_hour_from_when_it_was_made() -> None:
    now = 100.0
    visits = Visits(lambda: now)
    assert not visits.any_of(["a", "b"])
    visits.begin("b")
    assert visits.any_of(["a", "b"])
    now += VISIT_SECONDS - 1
    assert visits.any_of(["b"]), "asking again does not make it longer"
    now += 1
    assert not visits.any_of(["b"])


def test_the_oldest_are_forgotten() -> None:
    visits = Visits(lambda: 0.0)
    for number in range(MOST_VISITS + 1):
        visits.begin(number)
    assert not visits.any_of([0])
    assert visits.any_of([1])
    assert visits.any_of([MOST_VISITS])
