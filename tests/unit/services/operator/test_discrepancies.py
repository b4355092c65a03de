"""The rule that says what is wrong with a file: it holds for every combination of rows and objects."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from libs.common.ids import thumbnail_key
from services.operator.reconcile.discrepancies import (
    CONSISTENT,
    LOSS,
    MENDABLE,
    RULES,
    Kind,
    Known,
    Objects,
    discrepancies,
    exit_code,
    repairable,
)

FILE = UUID(int=7)
KNOWN = st.builds(
    Known,
    file_id=st.just(FILE),
    accepted=st.sampled_from([None, "accepted", "erased"]),
    failure_noted=st.booleans(),
    result=st.sampled_from([None, "received", "processed", "failed", "erased"]),
    header_known=st.booleans(),
    thumbnail_key=st.sampled_from([None, thumbnail_key(FILE)]),
    restorable=st.booleans(),
    aged=st.booleans(),
)
OBJECTS = st.builds(
    Objects,
    file=st.sampled_from(["there", "missing", "corrupt"]),
    thumbnail=st.sampled_from([None, True, False]),
)
LOST = {kind for kind, rule in RULES.items() if rule.loss}


@given(KNOWN, OBJECTS, st.booleans())
def test_an_accepted_file_is_well_only_in_exactly_one_ended_state(
    known: Known, objects: Objects, under_way: bool
) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    if found or known.accepted != "accepted" or known.result == "erased":
        return
    assert objects.file == "there"
    if known.aged and not under_way:
        assert known.result in ("processed", "failed")
        assert known.header_known
        assert known.result == "failed" or objects.thumbnail is not False
        assert known.result == "processed" or known.failure_noted


@given(KNOWN, OBJECTS, st.booleans())
def test_a_row_without_its_object_is_a_loss_at_any_age(
    known: Known, objects: Objects, under_way: bool
) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    erased = "erased" in (known.accepted, known.result)
    unknown = known.accepted is None and known.result is None
    assert (exit_code(found) == LOSS) == (objects.file != "there" and not erased and not unknown)


@given(KNOWN, OBJECTS, st.booleans())
def test_what_is_under_way_or_young_is_never_queued_again(
    known: Known, objects: Objects, under_way: bool
) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    if under_way or not known.aged:
        assert not any(RULES[kind].remedy in ("queue", "note-failure") for kind in found)
    assert sum(RULES[kind].remedy == "queue" for kind in found) <= 1
    assert len(set(found)) == len(found)


@given(KNOWN, OBJECTS, st.booleans())
def test_erased_files_and_losses_are_not_touched(known: Known, objects: Objects, under_way: bool) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    if "erased" in (known.accepted, known.result):
        assert found == ()
    for kind in found:
        mends = repairable(kind, known, objects)
        assert not (mends and kind in LOST)
        assert not (mends and kind == "result-without-file" and objects.file != "there")


@given(st.lists(st.sampled_from(sorted(RULES))))
def test_the_exit_code_is_that_of_the_worst(found: list[Kind]) -> None:
    expected = CONSISTENT if not found else LOSS if LOST.intersection(found) else MENDABLE
    assert exit_code(found) == expected
