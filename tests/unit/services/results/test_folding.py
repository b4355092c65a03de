"""What counts as the same text in searches."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.results.folding import fold, fold_name, fold_name_part


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


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Łukasz^Źdźbło", "lukasz zdzblo"),
        ("Sørensen^Đorđe", "sorensen dorde"),
        ("Yıldız^Iğdır", "yildiz igdir"),
        ("Σοφός^Νίκος", "σοφοσ νικοσ"),
    ],
)
def test_names_are_found_by_who_cannot_type_them(name: str, folded: str) -> None:
    assert fold_name(name) == folded == fold_name(folded)


@given(st.text(alphabet="łŁøÞßıİĐ^ aς", max_size=8))
def test_a_part_of_a_name_is_folded_as_its_whole(text: str) -> None:
    assert fold_name_part(text).strip() == fold_name(text) == fold_name(fold_name(text))
