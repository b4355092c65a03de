"""What attempts leave word of, beside the event: bounded, and nothing that others put there breaks it."""

from __future__ import annotations

import pytest

from libs.common.bus.history import MAX_CHARACTERS, MOST, recall, remember


def test_the_latest_attempts_are_remembered_in_order() -> None:
    earlier = None
    for number in range(MOST + 3):
        earlier = remember(earlier, {"attempt": number})
    assert [note["attempt"] for note in recall(earlier)] == list(range(3, MOST + 3))


def test_what_takes_too_much_room_pushes_out_the_oldest() -> None:
    earlier = remember(None, {"text": "a" * (MAX_CHARACTERS // 2)})
    earlier = remember(earlier, {"text": "b" * (MAX_CHARACTERS // 2)})
    assert len(earlier) <= MAX_CHARACTERS
    assert [note["text"][0] for note in recall(earlier)] == ["b"]
    assert recall(remember(earlier, {"text": "c" * MAX_CHARACTERS})) == []


@pytest.mark.parametrize("odd", [None, "", "{", '"text"', "{}", "7", "[" * 5000, "x" * (MAX_CHARACTERS + 1)])
def test_what_others_put_there_counts_as_absent(odd: str | None) -> None:
    assert recall(odd) == []
    assert recall(remember(odd, {"attempt": 1})) == [{"attempt": 1}]


def test_only_attempts_are_taken_from_a_list() -> None:
    assert recall('[1, {"attempt": 1}, null]') == [{"attempt": 1}]
