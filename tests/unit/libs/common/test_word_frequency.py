"""Which words of a search are looked at in the rows that its other words find."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from libs.common.database.frequency import ENTRIES_A_ROW, like, too_frequent


def test_a_word_that_many_rows_hold_is_left_out_beside_a_rare_one() -> None:
    assert too_frequent({"%perez%": 250_000, "%00077%": 100}) == {"%perez%"}


def test_words_that_are_alike_are_all_looked_for() -> None:
    assert too_frequent({"%perez%": 250_000, "%maria%": 200_000}) == set()
    assert too_frequent({"%perez%": 1_000, "%00077%": 100}) == set()


def test_a_word_costs_its_entries_once_for_each_trigram() -> None:
    rows = {"%00077%": 10, "%abcd%": 10 * ENTRIES_A_ROW // 2}
    assert too_frequent(rows) == set()
    assert too_frequent(rows | {"%abcde%": 10 * ENTRIES_A_ROW // 2}) == {"%abcde%"}


def test_what_has_no_trigram_costs_no_entries() -> None:
    assert too_frequent({"%a%": 1_000_000, "%00077%": 1}) == set()


def test_a_long_word_is_looked_for_where_none_is_rarer() -> None:
    assert too_frequent({"%" + "a" * 500 + "%": 10, "%00077%": 10}) == set()


@given(st.dictionaries(st.text(max_size=600), st.integers(0, 10**9), min_size=1, max_size=8))
def test_the_rarest_is_always_looked_for(rows: dict[str, int]) -> None:
    rarest = [pattern for pattern in rows if rows[pattern] == min(rows.values())]
    assert not too_frequent(rows) & set(rarest)


def test_a_word_that_no_index_is_to_find_stands_in_another_expression() -> None:
    assert like("search", "$3", by_index=True) == "search LIKE $3"
    assert like("search", "$3", by_index=False) == "(search || '') LIKE $3"
