"""Where a file lies: the last of its moves says so, whatever order events come in, also before the file."""

from __future__ import annotations

import random
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import FileMoved, parse_event
from services.results.write.facts import Facts
from services.results.write.outcomes import fold, settle
from services.results.write.reports import report_of
from tests.unit.services.results.events import failed, moved, processed, received, trailer
from tests.unit.services.results.test_outcomes import FAILED, FILE, OTHER, RECEIVED, facts, row_after

PLACES = ("user:7", "user:8", "group:3")


def move(to: str, moves: int) -> Facts:
    return facts(moved(FILE, to, moves))


@st.composite
def lives(draw: st.DrawFn) -> tuple[str, int, list[Facts]]:
    """What may be told of one file, in the order in which it happened: where it lies at last, by which move.

    It is measured while it is moved, announced again by whoever cures it, and perhaps replaced at last; each
    event names the collection of its moment.
    """
    place, moves, told = "user:7", 0, [RECEIVED]
    for step in draw(st.lists(st.sampled_from(["move", "outcome", "again"]), max_size=8)):
        if step == "move":
            place, moves = draw(st.sampled_from([other for other in PLACES if other != place])), moves + 1
            told.append(move(place, moves))
        elif step == "again":
            again = report_of(received(FILE, collection=place, moves=moves), trailer())
            told.append(again.facts)
        else:
            late = draw(st.sampled_from(["user:7", place]))
            told.append(facts(draw(st.sampled_from([failed, processed]))(FILE, collection=late)))
    if draw(st.booleans()):
        heir = received(OTHER, collection=place, supersedes=FILE, supersedes_moves=moves)
        replaced = report_of(heir, trailer()).replaced
        assert replaced is not None
        told.append(replaced)
    return place, moves, told


@given(lives(), st.randoms(use_true_random=False), st.integers(0, 20), st.integers(0, 20))
def test_every_order_and_grouping_ends_where_the_last_move_led(
    life: tuple[str, int, list[Facts]], chance: random.Random, one: int, other: int
) -> None:
    place, moves, told = life
    expected = row_after(told)
    assert (expected.collection, expected.moves) == (place, moves)
    shuffled = [*told, *chance.sample(told, k=len(told) // 2)]
    chance.shuffle(shuffled)
    low, high = sorted((one, other))
    groups = [group for group in (shuffled[:low], shuffled[low:high], shuffled[high:]) if group]
    row = row_after(known for group in groups for known in fold(group))
    assert row[:5] == expected[:5]
    assert row.moves == moves
    for known in told:
        change = settle(row, known)
        assert change is not None
        assert not change.effective


def test_there_and_back_again_is_not_undone_by_the_way_there() -> None:
    for history in permutations([RECEIVED, move("group:3", 1), move("user:7", 2)]):
        assert row_after(history)[2:3] == ("user:7",), history


def test_who_knows_of_no_move_changes_no_place() -> None:
    """An outcome of before the move, and a `received` of before."""
    for late in (RECEIVED, FAILED):
        change = settle(row_after([move("group:3", 1)]), late)
        assert change is not None
        assert (change.collection, change.moves, change.relocated) == ("group:3", 1, False)


def test_a_move_is_told_of_where_something_left() -> None:
    row = row_after([RECEIVED])
    change = settle(row, move("group:3", 1))
    assert change is not None
    assert (change.relocated, change.announced, change.state) == (True, True, "received")
    # Known already that it came back: only the number is new.
    change = settle(row, move("user:7", 2))
    assert change is not None
    assert (change.relocated, change.announced, change.effective) == (False, False, True)


def test_a_move_that_the_release_before_has_undone_is_done_again() -> None:
    undone = row_after([RECEIVED, move("group:3", 1)])._replace(collection="user:7")
    change = settle(undone, move("group:3", 1))
    assert change is not None
    assert (change.collection, change.relocated) == ("group:3", True)


def test_a_move_goes_through_the_outbox_whole() -> None:
    event = moved(FILE, "group:3", 4)
    read = parse_event(event.to_json())
    assert isinstance(read.data, FileMoved)
    assert read == event
