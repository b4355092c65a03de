"""What counts as the same text in searches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.results.folding import fold


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Müller^José", "muller jose"),
        ("  A^B\\C=D\r\n E ", "a b c d e"),
        ("ÅNGSTRÖM", "angstrom"),
        ("İstanbul", "istanbul"),
        ("℡ ①", "tel 1"),
        ("Yamada^Tarou=山田^太郎", "yamada tarou 山田 太郎"),
        ("\x00\ud800x", "x"),
        ("", ""),
    ],
)
def test_folds(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text())
def test_folding_again_changes_nothing_and_is_text(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert "\x00" not in folded
    folded.encode()


@given(st.text(), st.text())
def test_a_part_is_found_in_the_whole(before: str, after: str) -> None:
    assert "muller" in fold(f"{before} Müller {after}")
