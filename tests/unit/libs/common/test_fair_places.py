"""Places of a relay, over arbitrary beginnings and endings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.common.outbox.places import FairPlaces, Withheld

NAMES = st.sampled_from(["user:1", "user:2", None])


@given(st.integers(1, 50), st.booleans(), st.lists(NAMES | st.integers(0, 40), max_size=80))
def test_places_are_never_more_than_there_are(places: int, fair: bool, steps: list[str | int | None]) -> None:
    """As a relay does it: whoever comes first into open places, others into kept ones."""
    counted = FairPlaces(places, fair=fair)
    under_way: list[str | None] = []
    for step in steps:
        if isinstance(step, int):
            if under_way:
                counted.ended(under_way.pop(step % len(under_way)))
        elif counted.open > 0 or (counted.kept > 0 and step is not None and step not in counted.with_much):
            counted.begun(step)
            under_way.append(step)
        assert len(under_way) <= places
        assert counted.open + counted.kept == places - len(under_way)
        assert counted.full == (counted.open == 0)
        if not fair:
            assert (counted.open, counted.kept) == (places - len(under_way), 0)
        for name in ("user:1", "user:2"):
            if name in counted.with_much:
                assert under_way.count(name) >= 1


def test_a_quarter_is_kept_from_whoever_has_much() -> None:
    counted = FairPlaces(100, fair=True)
    for _ in range(75):
        counted.begun("user:1")
    assert (counted.open, counted.kept, counted.with_much) == (0, 25, ["user:1"])
    for _ in range(6):
        counted.begun("user:2")
    assert (counted.open, counted.kept, counted.with_much) == (0, 19, ["user:1", "user:2"])
    for _ in range(70):
        counted.ended("user:1")
    assert (counted.open, counted.kept, counted.with_much) == (64, 25, ["user:2"])


def test_who_found_no_room_is_left_out_for_a_while() -> None:
    withheld = Withheld(5.0)
    withheld.add("user:7", 100.0)
    withheld.add(None, 100.0)
    withheld.add("user:8", 103.0)
    assert withheld.names(104.9) == ["user:7", "user:8"]
    assert withheld.names(105.0) == ["user:8"]
    assert withheld.names(200.0) == []
