"""Frames are cut from a stream however it comes in pieces, and nothing else is accepted."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.isolation.frames import ANSWER, CALL, MOST_PARTS, Frame, Frames, Malformed, frame

parts = st.lists(st.binary(max_size=40), max_size=MOST_PARTS).map(tuple)


@given(st.lists(parts, max_size=5), st.integers(1, 50))
def test_frames_come_back_whole(sent: list[tuple[bytes, ...]], piece: int) -> None:
    stream = b"".join(frame(CALL, one) for one in sent)
    frames = Frames(200)
    found: list[Frame] = []
    for start in range(0, len(stream), piece):
        found += frames.feed(stream[start : start + piece])
    assert found == [Frame(CALL, one) for one in sent]


@pytest.mark.parametrize(
    "stream",
    [
        frame(ANSWER, [b"x" * 201]),
        struct.pack("<IBB", 0xFFFFFFFF, ANSWER, 1),
        struct.pack("<IBB", 10, ANSWER, MOST_PARTS + 1) + bytes(100),
        struct.pack("<IBBII", 10, ANSWER, 2, 10, 1) + bytes(10),
        struct.pack("<IBBII", 10, ANSWER, 2, 3, 4) + bytes(10),
    ],
    ids=["too long", "far too long", "too many parts", "parts beyond the frame", "parts short of it"],
)
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(Malformed):
        list(Frames(200).feed(stream))
