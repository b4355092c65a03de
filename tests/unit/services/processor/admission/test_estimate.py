"""What a file will take of a decoder, before and after others were seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.processor.admission.estimate import BASE_BYTES, MIB, Estimates, Pixels, pixels_of

JPEG_2000, RLE, NATIVE, DEFLATED = (f"1.2.840.10008.1.2.{tail}" for tail in ("4.90", "5", "1", "1.99"))


@pytest.mark.parametrize(
    ("decoded", "frames", "size", "frame"),
    [
        (1000, 10, 77, 100),
        (1001, 10, 77, 101),
        (1000, None, 77, 1000),
        (1000, 0, 77, 1000),
        (None, None, 77, 77),
    ],
)
def test_a_frame_is_its_part_of_the_pixels(
    decoded: int | None, frames: int | None, size: int, frame: int
) -> None:
    assert pixels_of(RLE, decoded, frames, size) == Pixels(RLE, frame)


@pytest.mark.parametrize("syntax", [NATIVE, DEFLATED])
def test_native_pixels_take_the_same_however_many_they_are(syntax: str) -> None:
    estimates = Estimates()
    found = estimates.of(Pixels(syntax, 2 << 30))
    assert (found.least, found.likely) == (0, BASE_BYTES)
    estimates.learn(Pixels(syntax, 2 << 30), 4 << 30)
    assert estimates.of(Pixels(syntax, 2 << 30)) == found


def test_a_compressed_frame_is_held_whole_and_more() -> None:
    estimates = Estimates()
    rle, jpeg_2000 = (estimates.of(Pixels(syntax, 100 * MIB)) for syntax in (RLE, JPEG_2000))
    assert rle.least == jpeg_2000.least == 100 * MIB
    assert rle.least < rle.likely < jpeg_2000.likely


def test_what_failed_before_gets_twice_as_much() -> None:
    first, second, third = (Estimates().of(Pixels(RLE, 10 * MIB), attempt).likely for attempt in (1, 2, 3))
    assert (second, third) == (2 * first, 4 * first)


def test_a_larger_peak_counts_at_once_and_smaller_ones_little_by_little() -> None:
    estimates, pixels = Estimates(), Pixels(RLE, 100 * MIB)
    estimates.learn(pixels, BASE_BYTES + 900 * MIB)
    assert estimates.factor(RLE) == 9.0
    assert estimates.factor(JPEG_2000) == Estimates().factor(JPEG_2000)
    estimates.learn(pixels, BASE_BYTES + 200 * MIB)
    assert 8.0 < estimates.factor(RLE) < 9.0
    for _ in range(200):
        estimates.learn(pixels, BASE_BYTES + 200 * MIB)
    assert estimates.factor(RLE) == pytest.approx(2.0, abs=0.01)


def test_small_frames_tell_nothing_against_a_factor() -> None:
    """They take less than the base whatever their codec does."""
    estimates = Estimates()
    before = estimates.factor(JPEG_2000)
    for _ in range(100):
        estimates.learn(Pixels(JPEG_2000, MIB // 2), 3 * MIB)
    assert estimates.factor(JPEG_2000) == before
    estimates.learn(Pixels(JPEG_2000, 0), 3 * MIB)
    assert estimates.factor(JPEG_2000) == before


@given(st.lists(st.tuples(st.integers(0, 1 << 33), st.integers(0, 1 << 35)), max_size=20))
def test_no_estimate_lies_below_the_least_that_a_decoder_needs(seen: list[tuple[int, int]]) -> None:
    estimates = Estimates()
    for frame, took in seen:
        estimates.learn(Pixels(RLE, frame), took)
        found = estimates.of(Pixels(RLE, frame))
        assert found.likely >= found.least + BASE_BYTES - 1
        if took > BASE_BYTES and frame:
            # What comes again just as it was is estimated with what it took, give or take what was forgotten.
            assert found.likely >= min(took, found.least) - 1
