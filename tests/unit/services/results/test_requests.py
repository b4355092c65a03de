"""What a request to measure a file again makes of failures: the highest number counts, in every order."""

from __future__ import annotations

import random
from itertools import permutations

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import FileRequested, parse_event
from services.results.write.facts import Facts
from services.results.write.outcomes import Held, StateChange, fold, settle
from tests.unit.services.results.events import failed, processed, requested
from tests.unit.services.results.test_outcomes import FILE, RECEIVED, REPLACED, facts, held_after, row_after


def request(number: int) -> Facts:
    return facts(requested(FILE, number))


def failure(number: int, reason: str = "decode-failed") -> Facts:
    return facts(failed(FILE, request=number, reason=reason))


def measured(number: int, version: int = 1) -> Facts:
    return facts(processed(FILE, request=number, version=version))


def change_of(row: Held, new: Facts) -> StateChange:
    change = settle(row, new)
    assert change is not None
    return change


numbers = st.integers(0, 3)
histories = st.lists(
    st.just(RECEIVED)
    | st.just(REPLACED)
    | st.builds(request, st.integers(1, 3))
    | st.builds(failure, numbers)
    | st.builds(measured, numbers, st.integers(0, 2)),
    min_size=1,
    max_size=12,
)


@given(histories)
def test_a_failure_counts_while_nobody_has_asked_again(history: list[Facts]) -> None:
    row = row_after(history)
    latest = max(known.request for known in history)
    outcomes = [told for known in history for told in known.outcomes]
    assert row.request == latest
    if REPLACED in history:
        assert row.state == "superseded"
    elif any(told.state == "processed" for told in outcomes):
        assert row.state == "processed"
    elif any(told.request == latest for told in outcomes):
        assert row.state == "failed"
    else:
        assert row.state == "received"


@given(histories, st.randoms(use_true_random=False), st.integers(0, 12), st.integers(0, 12))
def test_every_order_and_grouping_ends_in_the_same_row(
    history: list[Facts], chance: random.Random, one: int, other: int
) -> None:
    expected = row_after(history)
    shuffled = [*history, *chance.sample(history, k=len(history) // 2)]
    chance.shuffle(shuffled)
    low, high = sorted((one, other))
    groups = [group for group in (shuffled[:low], shuffled[low:high], shuffled[high:]) if group]
    row = row_after(known for group in groups for known in fold(group))
    assert row == expected
    for known in history:
        assert not change_of(row, known).effective


def test_a_retry_is_told_and_the_failure_goes() -> None:
    row = row_after([RECEIVED, failure(0)])
    change = change_of(row, request(1))
    assert (change.state, change.withdrawn, change.announced, change.outcome) == (
        "received",
        True,
        True,
        None,
    )


def test_a_late_copy_of_the_old_failure_changes_nothing_and_the_new_one_counts() -> None:
    row = row_after([RECEIVED, failure(0), request(1)])
    assert not change_of(row, failure(0)).effective
    change = change_of(row, failure(1, "worker-lost"))
    assert change.outcome is not None
    assert (change.state, change.outcome.failure_reason) == ("failed", "worker-lost")
    assert not change_of(held_after(change), failure(0)).effective
    assert not change_of(held_after(change), failure(1)).effective


def test_a_failure_of_which_nobody_heard_the_request_replaces_the_older_one() -> None:
    """As after a restored backup: the number is the failure's own."""
    change = change_of(row_after([RECEIVED, failure(0)]), failure(2, "worker-lost"))
    assert (change.state, change.request, change.withdrawn) == ("failed", 2, True)
    assert change.outcome is not None


def test_a_measurement_counts_whichever_request_it_answers() -> None:
    """The bytes sent again were measured while a retry waits: what comes of that changes nothing any more."""
    for order in permutations([request(1), measured(0), failure(1)]):
        assert row_after([RECEIVED, failure(0), *order]).state == "processed", order


def test_asking_for_a_measured_file_changes_a_number_and_tells_nobody() -> None:
    row = row_after([RECEIVED, measured(0)])
    change = change_of(row, request(1))
    assert (change.state, change.effective, change.announced) == ("processed", True, False)
    again = held_after(change)
    assert not change_of(again, measured(1)).announced
    assert change_of(again, measured(1, version=2)).outcome is not None
    assert not change_of(again, failure(1)).effective


def test_what_a_retry_comes_to_is_not_taken_for_the_time_of_the_upload() -> None:
    assert change_of(row_after([RECEIVED]), failure(0)).first
    assert not change_of(row_after([RECEIVED, failure(0), request(1)]), measured(1)).first


def test_a_superseded_file_stays_so_whatever_its_retry_comes_to() -> None:
    for last in (failure(1), measured(1)):
        assert row_after([RECEIVED, failure(0), request(1), REPLACED, last]).state == "superseded"


def test_a_request_goes_through_the_outbox_whole() -> None:
    event = requested(FILE, 4, priority="low", analyzers=("pixels",), requested_by=9)
    read = parse_event(event.to_json())
    assert isinstance(read.data, FileRequested)
    assert read == event
