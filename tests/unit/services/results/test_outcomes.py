"""The one rule: whatever the order, the duplicates and the grouping, the same result stands."""

from __future__ import annotations

from functools import reduce
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Event
from services.results.write.facts import Facts, report_of
from services.results.write.outcomes import ERASED, decide, fold, merge, precedence, state_of
from tests.unit.services.results.events import failed, processed, received, trailer

FILE = UUID("0198c5f0-0000-7000-8000-000000000001")
OTHER = UUID("0198c5f0-0000-7000-8000-000000000002")


def facts(event: Event) -> Facts:
    return report_of(event, trailer() if event.type.startswith("dicom.file.received") else None).facts


RECEIVED = facts(received(FILE))
FAILED = facts(failed(FILE))
PROCESSED = [facts(processed(FILE, version=version)) for version in range(4)]

events = st.one_of(
    st.just(RECEIVED),
    st.builds(
        lambda reason: facts(failed(FILE, reason=reason)), st.sampled_from(["worker-lost", "decode-failed"])
    ),
    st.builds(
        lambda version, mean: facts(processed(FILE, version=version, mean=mean)),
        st.integers(0, 3),
        st.floats(0, 1000),
    ),
)
histories = st.lists(events, min_size=1, max_size=12)


def apply(history: list[Facts]) -> Facts:
    return reduce(merge, history)


def test_each_sentence_of_the_rule() -> None:
    one, two = PROCESSED[1].outcome, PROCESSED[2].outcome
    first = facts(processed(FILE, mean=1.0)).outcome
    second = facts(processed(FILE, mean=2.0)).outcome
    assert decide(None, FAILED.outcome) is FAILED.outcome
    assert decide(None, one) is one
    assert decide(first, second) is first
    assert decide(FAILED.outcome, one) is one
    assert decide(one, FAILED.outcome) is one
    assert decide(one, two) is two
    assert decide(two, one) is two
    assert decide(FAILED.outcome, facts(failed(FILE)).outcome) is FAILED.outcome
    assert decide(one, None) is one


def test_nothing_ranks_above_an_erasure() -> None:
    assert precedence(facts(processed(FILE, version=1000)).outcome) < ERASED


@given(histories)
def test_the_state_is_the_best_that_was_ever_reported(history: list[Facts]) -> None:
    final = apply(history)
    outcomes = [known.outcome for known in history if known.outcome is not None]
    versions = [o.method_version for o in outcomes if o.state == "processed"]
    if versions:
        assert state_of(final.outcome) == "processed"
        assert final.outcome is not None
        # The newest method's, and of those the first.
        assert final.outcome is next(o for o in outcomes if o.method_version == max(v or 0 for v in versions))
    elif outcomes:
        assert final.outcome is outcomes[0]
    else:
        assert state_of(final.outcome) == "received"
    assert (final.header is not None) == (RECEIVED in history)


@given(histories, st.randoms(use_true_random=False))
def test_any_order_ends_in_the_same_state(history: list[Facts], random: object) -> None:
    shuffled = list(history)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = apply(history), apply(shuffled)
    assert precedence(one.outcome) == precedence(other.outcome)
    assert (one.header is None) == (other.header is None)


@given(histories, st.lists(st.integers(0, 11), max_size=20))
def test_duplicates_change_nothing(history: list[Facts], again: list[int]) -> None:
    final = apply(history)
    duplicates = [history[index % len(history)] for index in again]
    assert apply([final, *duplicates]) == final


@given(histories, st.integers(0, 12), st.integers(0, 12))
def test_folding_in_groups_is_applying_one_by_one(history: list[Facts], one: int, other: int) -> None:
    low, high = sorted((one, other))
    groups = [group for group in (history[:low], history[low:high], history[high:]) if group]
    assert apply([known for group in groups for known in fold(group)]) == apply(history)


@given(histories)
def test_folding_keeps_files_apart(history: list[Facts]) -> None:
    mixed = [f for known in history for f in (known._replace(file_id=OTHER), known)]
    other, one = fold(mixed)
    assert (one.file_id, other.file_id) == (FILE, OTHER)
    assert one == other._replace(file_id=FILE) == apply(history)


def test_a_header_that_could_not_be_read_gives_way_to_one_that_could() -> None:
    unread = report_of(received(FILE), None).facts
    assert merge(unread, RECEIVED).header is RECEIVED.header
    assert merge(RECEIVED, unread).header is RECEIVED.header
    assert merge(unread, FAILED).header is unread.header
