"""Cursors: what was given out comes back, everything else is a 400."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.errors import InvalidRequest
from services.results.cursors import (
    FeedCursor,
    Position,
    decode_page,
    decode_position,
    encode_page,
    encode_position,
)

positions = st.builds(Position, st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))


@given(st.uuids())
def test_a_page_cursor_comes_back(file_id: UUID) -> None:
    assert decode_page(encode_page(file_id)) == file_id


timelines = st.integers(1, 2**63 - 1)


@given(positions, timelines)
def test_a_position_comes_back(position: Position, timeline: int) -> None:
    assert decode_position(encode_position(position, timeline)) == FeedCursor(position, timeline)


def test_a_cursor_of_the_release_before_is_still_read() -> None:
    assert decode_position("YwAAAAAAAAMJAAAAAAAAAAU") == FeedCursor(Position(777, 5), None)


@given(positions, timelines, st.uuids())
def test_one_kind_is_never_taken_for_the_other(position: Position, timeline: int, file_id: UUID) -> None:
    with pytest.raises(InvalidRequest):
        decode_page(encode_position(position, timeline))
    with pytest.raises(InvalidRequest):
        decode_position(encode_page(file_id))


@given(st.one_of(st.text(max_size=40), st.text("ABCabc019-_=", max_size=30)))
def test_anything_else_is_refused(text: str) -> None:
    for decode in (decode_page, decode_position):
        with pytest.raises(InvalidRequest):
            decode(text)


def test_a_changed_form_of_a_cursor_is_refused() -> None:
    cursor = encode_position(Position(5, 6), 7)
    for changed in (cursor + "=", cursor + "\n", cursor[:-1], " " + cursor, "\udcff" + cursor):
        with pytest.raises(InvalidRequest):
            decode_position(changed)


def test_no_place_lies_before_every_change_of_a_transaction() -> None:
    with pytest.raises(InvalidRequest):
        decode_position(encode_position(Position(5, -1), 7))
