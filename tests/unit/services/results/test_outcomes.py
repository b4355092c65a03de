"""The one rule: whatever the order, the duplicates and the grouping, the same result stands."""

from __future__ import annotations

import random
from collections.abc import Iterable
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.events import Event
from services.results.write.facts import Facts, Outcome
from services.results.write.outcomes import (
    ERASED,
    SUPERSEDED,
    Held,
    StateChange,
    fold,
    merge,
    precedence,
    settle,
)
from services.results.write.reports import report_of
from tests.unit.services.results.events import failed, processed, received, trailer

FILE = UUID("0198c5f0-0000-7000-8000-000000000001")
OTHER = UUID("0198c5f0-0000-7000-8000-000000000002")
OURS, THEIRS = "ab" * 32, "cd" * 32
"""Digests: of the file as `received` has it, and of other bytes."""


def facts(event: Event) -> Facts:
    return report_of(event, trailer() if event.type.startswith("dicom.file.received") else None).facts


RECEIVED = facts(received(FILE))
UNREAD = report_of(received(FILE), None).facts
FAILED = facts(failed(FILE))
PROCESSED = [facts(processed(FILE, version=version)) for version in range(4)]
replaced = report_of(received(OTHER, supersedes=FILE), trailer()).replaced
assert replaced is not None
REPLACED = replaced

outcomes = st.one_of(
    st.builds(
        lambda reason: facts(failed(FILE, reason=reason)), st.sampled_from(["worker-lost", "decode-failed"])
    ),
    st.builds(
        lambda version, mean: facts(processed(FILE, version=version, mean=mean)),
        st.integers(0, 3),
        st.floats(0, 1000),
    ),
)
events = st.just(RECEIVED) | st.just(REPLACED) | outcomes
histories = st.lists(events, min_size=1, max_size=12)


def outcome(of: Facts) -> Outcome:
    (told,) = of.outcomes
    return told


def held_after(change: StateChange) -> Held:
    """What the row says then, as the store writes it."""
    held, header = change.held, change.header
    if change.outcome is not None:
        rank, thumbnail = precedence(change.outcome), change.outcome.thumbnail_key is not None
    elif held is None or change.withdrawn:
        rank, thumbnail = 0, False
    else:
        rank, thumbnail = held.precedence, held.thumbnail
    return Held(
        file_id=change.file_id,
        owner_id=change.owner_id,
        collection=change.collection,
        state=change.state,
        precedence=rank,
        whole=(header is not None and header.whole) or (held is not None and held.whole),
        received_at=change.received_at,
        sha256=change.sha256,
        study_instance_uid=change.study_instance_uid,
        series_instance_uid=change.series_instance_uid,
        thumbnail=thumbnail,
        counted=change.state,
        filed=None if change.study_instance_uid is None else change.state,
        moves=change.moves,
        request=change.request,
    )


def row_after(history: Iterable[Facts], held: Held | None = None) -> Held:
    """Apply one by one."""
    for known in history:
        change = settle(held, known)
        held = held if change is None else held_after(change)
    assert held is not None
    return held


def test_each_sentence_of_the_rule() -> None:
    one, two = outcome(PROCESSED[1]), outcome(PROCESSED[2])

    def written(*history: Facts) -> Outcome | None:
        *before, last = history
        change = settle(row_after(before) if before else None, last)
        assert change is not None
        return change.outcome

    assert written(FAILED) is outcome(FAILED)
    assert written(PROCESSED[1]) is one
    assert written(PROCESSED[1], facts(processed(FILE))) is None
    assert written(FAILED, PROCESSED[1]) is one
    assert written(PROCESSED[1], FAILED) is None
    assert written(PROCESSED[1], PROCESSED[2]) is two
    assert written(PROCESSED[2], PROCESSED[1]) is None
    assert written(FAILED, facts(failed(FILE))) is None
    assert written(PROCESSED[1], RECEIVED) is None


def test_nothing_ranks_above_an_erasure_or_a_replacement() -> None:
    assert precedence(outcome(facts(processed(FILE, version=2**31 - 1)))) < SUPERSEDED < ERASED


@given(histories)
def test_the_state_is_the_best_that_was_ever_reported(history: list[Facts]) -> None:
    row = row_after(history)
    ranks = [precedence(told) for known in history for told in known.outcomes]
    assert row.precedence == max(ranks, default=0)
    expected = "received" if not ranks else "failed" if max(ranks) == 1 else "processed"
    assert row.state == ("superseded" if REPLACED in history else expected)
    assert row.whole == (RECEIVED in history)


@given(histories, st.randoms(use_true_random=False))
def test_any_order_ends_in_the_same_row(history: list[Facts], chance: random.Random) -> None:
    shuffled = list(history)
    chance.shuffle(shuffled)
    assert row_after(shuffled) == row_after(history)


@given(histories, st.lists(st.integers(0, 11), max_size=20))
def test_duplicates_change_nothing(history: list[Facts], again: list[int]) -> None:
    row = row_after(history)
    for index in again:
        change = settle(row, history[index % len(history)])
        assert change is not None
        assert not change.effective


@given(histories, st.integers(0, 12), st.integers(0, 12))
def test_folding_in_groups_is_applying_one_by_one(history: list[Facts], one: int, other: int) -> None:
    low, high = sorted((one, other))
    groups = [group for group in (history[:low], history[low:high], history[high:]) if group]
    assert row_after(known for group in groups for known in fold(group)) == row_after(history)


@given(histories)
def test_folding_keeps_files_apart(history: list[Facts]) -> None:
    mixed = [f for known in history for f in (known._replace(file_id=OTHER), known)]
    other, one = fold(mixed)
    assert (one.file_id, other.file_id) == (FILE, OTHER)
    assert one == other._replace(file_id=FILE)


def test_a_header_that_could_not_be_read_gives_way_to_one_that_could() -> None:
    assert merge(UNREAD, RECEIVED).header is RECEIVED.header
    assert merge(RECEIVED, UNREAD).header is RECEIVED.header
    assert merge(UNREAD, FAILED).header is UNREAD.header
    assert row_after([UNREAD, RECEIVED]).whole
    change = settle(row_after([RECEIVED]), UNREAD)
    assert change is not None
    assert change.header is None


def test_the_first_trace_id_stands_within_a_batch() -> None:
    other = FAILED._replace(trace_id="b" * 32)
    assert merge(RECEIVED, other).trace_id == RECEIVED.trace_id
    assert merge(RECEIVED._replace(trace_id=None), other).trace_id == "b" * 32


@given(st.permutations([RECEIVED, FAILED, facts(processed(FILE, version=9, sha256=THEIRS))]))
def test_what_was_made_from_other_bytes_changes_nothing(history: list[Facts]) -> None:
    """Whichever comes first; who does not say from which bytes, as once, is believed."""
    row = row_after(history)
    assert (row.sha256, row.whole) == (OURS, True)
    assert row.state in ("failed", "received")
    assert row.state == "failed" or history.index(FAILED) < history.index(RECEIVED)
    (together,) = fold(history)
    assert row_after([together]).state == "failed"


def test_an_outcome_of_these_bytes_counts() -> None:
    ours = facts(processed(FILE, sha256=OURS))
    assert row_after([RECEIVED, ours]).state == row_after([ours, RECEIVED]).state == "processed"


def test_a_file_of_another_collection_replaces_nothing() -> None:
    foreign = REPLACED._replace(collection="user:8", superseded_in="user:8")
    assert settle(row_after([RECEIVED]), foreign) is None
    assert row_after([foreign, RECEIVED])[2:4] == ("user:7", "received")
    assert row_after(fold([foreign, RECEIVED]))[2:4] == ("user:7", "received")
    assert row_after(fold([RECEIVED, foreign]))[2:4] == ("user:7", "received")


@pytest.mark.parametrize("late", [RECEIVED, FAILED, PROCESSED[3], REPLACED])
def test_nothing_comes_back_after_an_erasure(late: Facts) -> None:
    assert settle(row_after([RECEIVED])._replace(state="erased"), late) is None
