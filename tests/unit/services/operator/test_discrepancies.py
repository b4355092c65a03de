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
    accepted=st.sampled_from([None, "accepted", "superseded", "erased"]),
    failure_noted=st.booleans(),
    replaced=st.booleans(),
    result=st.sampled_from([None, "received", "processed", "failed", "superseded", "erased"]),
    header_known=st.booleans(),
    thumbnail_key=st.sampled_from([None, thumbnail_key(FILE)]),
    restorable=st.booleans(),
    aged=st.booleans(),
)
OBJECTS = st.builds(
    Objects,
    file=st.sampled_from(["there", "missing", "corrupt"]),
    thumbnail=st.sampled_from([None, "there", "missing", "corrupt"]),
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
        assert known.result == "failed" or objects.thumbnail in (None, "there")
        assert (known.result == "failed") == known.failure_noted


@given(KNOWN, OBJECTS, st.booleans())
def test_a_row_without_its_object_is_a_loss_at_any_age(
    known: Known, objects: Objects, under_way: bool
) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    erased = "erased" in (known.accepted, known.result)
    unknown = known.accepted is None and known.result is None
    superseded = "superseded" in (known.accepted, known.result)
    needed = not (erased or unknown or superseded)
    assert (exit_code(found) == LOSS) == (objects.file != "there" and needed)


@given(KNOWN, OBJECTS, st.booleans())
def test_what_is_under_way_or_young_is_never_queued_again(
    known: Known, objects: Objects, under_way: bool
) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    if under_way or not known.aged:
        at_rest_only = ("queue", "queue-heir", "note-failure", "forget-failure")
        assert not any(RULES[kind].remedy in at_rest_only for kind in found)
    assert sum(RULES[kind].remedy.startswith("queue") for kind in found) <= 1
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


@given(KNOWN, OBJECTS, st.booleans())
def test_both_sides_agree_on_what_is_superseded(known: Known, objects: Objects, under_way: bool) -> None:
    found = discrepancies(known, objects, under_way=under_way)
    if "erased" in (known.accepted, known.result):
        return
    if known.accepted == "superseded":
        settled = known.aged and not under_way
        expected: tuple[Kind, ...] = ("result-not-superseded",)
        assert found == (expected if settled and known.result != "superseded" else ())
        assert repairable(expected[0], known, objects) == known.replaced
    if (known.accepted, known.result) == ("accepted", "superseded"):
        assert found == ("supersession-not-noted",)


@given(st.lists(st.sampled_from(sorted(RULES))))
def test_the_exit_code_is_that_of_the_worst(found: list[Kind]) -> None:
    expected = CONSISTENT if not found else LOSS if LOST.intersection(found) else MENDABLE
    assert exit_code(found) == expected
