"""What a reader types is looked for as rows are folded, and never as a pattern."""

from __future__ import annotations

from uuid import UUID

import pytest

from libs.common.database.patterns import contains
from services.results.read.search import parse_search

FILE_ID = "019b7ff0-ce34-7000-8000-000000000000"


def test_words_are_folded_as_rows_are() -> None:
    assert parse_search("  Müller^JOSÉ  ").words == ("%muller%", "%jose%")


def test_rows_without_folded_text_are_asked_for_what_was_typed() -> None:
    assert parse_search("Peña^Ana 100%").words_as_typed == ("%Peña%", "%Ana%", r"%100\%%")


@pytest.mark.parametrize(
    ("text", "pattern"), [("a_b", r"%a\_b%"), ("50%", r"%50\%%"), ("a\\b", "%a\\\\b%"), ("x", "%x%")]
)
def test_signs_of_patterns_stand_for_themselves(text: str, pattern: str) -> None:
    assert contains(text) == pattern


@pytest.mark.parametrize("text", ["1", "1.2.840.10008", " 2.25.7 ", "1.2.x"])
def test_a_uid_begins_with_a_digit_and_has_no_gap(text: str) -> None:
    assert parse_search(text).uid == text.strip()


@pytest.mark.parametrize("text", ["", "knee", "1.2 3.4", "1" * 65, "1ñ", ".1"])
def test_what_no_uid_begins_with(text: str) -> None:
    assert parse_search(text).uid is None


@pytest.mark.parametrize("text", [FILE_ID, FILE_ID.upper(), f" {FILE_ID} "])
def test_a_file_id(text: str) -> None:
    assert parse_search(text).file_id == UUID(FILE_ID)


@pytest.mark.parametrize("text", ["019b7ff0", "", "knee"])
def test_no_file_id(text: str) -> None:
    assert parse_search(text).file_id is None


@pytest.mark.parametrize("text", ["", "  ", "^^", "\u0301"])
def test_nothing_to_look_for(text: str) -> None:
    assert parse_search(text).words == ()
