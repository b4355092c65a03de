"""Measures against the plain definitions in exact fractions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from libs.dicom.measure.measures import (
    BINS,
    Distribution,
    FrameTotal,
    Measures,
    Span,
    measure_cells,
    summarize,
)
from libs.dicom.measure.wide import exact_sum, measure_wide
from libs.dicom.pixels.image import Layout

FLOAT32 = Layout(32, 32, 31, signed=True, floating=True)
FLOAT64 = Layout(64, 64, 63, signed=True, floating=True)


@st.composite
def layouts(draw: st.DrawFn, cells: Sequence[int]) -> Layout:
    cell = draw(st.sampled_from(cells))
    stored = draw(st.integers(1, cell))
    return Layout(cell, stored, draw(st.integers(stored - 1, cell - 1)), draw(st.booleans()))


@st.composite
def images(draw: st.DrawFn, cells: Sequence[int]) -> tuple[Layout, list[list[int]]]:
    """A layout and frames of raw cells, of few distinct values or of many."""
    layout = draw(layouts(cells))
    value = st.integers(0, (1 << layout.cell) - 1)
    some = st.lists(value, min_size=1, max_size=4).flatmap(st.sampled_from)
    return layout, draw(st.lists(st.lists(value | some, min_size=1, max_size=40), min_size=1, max_size=4))


def stored(cell: int, layout: Layout) -> int:
    """PS3.5 8.1.1 by the letter: take the bits one by one."""
    bits = [cell >> place & 1 for place in range(layout.high + 1 - layout.stored, layout.high + 1)]
    number = sum(bit << place for place, bit in enumerate(bits))
    return number - (1 << layout.stored) if layout.signed and bits[-1] else number


def check(measures: Measures, frames: Sequence[Sequence[Fraction | int]]) -> None:
    """Hold every measure against its definition."""
    values = sorted(Fraction(value) for frame in frames for value in frame)
    low, high, count = values[0], values[-1], len(values)
    mean = sum(values) / count
    assert measures.count == count
    assert (Fraction(measures.minimum), Fraction(measures.maximum)) == (low, high)
    assert measures.mean == float(mean)
    normalized = sum((v - low) / (high - low) for v in values) / count if high > low else Fraction(0)
    assert measures.normalized_mean == float(normalized)
    span = high - low or Fraction(1)  # squares of distances as such may be too large for a float
    variance = sum(((v - mean) / span) ** 2 for v in values) / count
    assert measures.std == pytest.approx(math.sqrt(variance) * float(span), rel=1e-9, abs=1e-300)
    for percent, found in zip((1, 50, 99), measures.percentiles, strict=True):
        place = Fraction((count - 1) * percent, 100)
        first, second = values[math.floor(place)], values[min(math.floor(place) + 1, count - 1)]
        assert found == float(first + (second - first) * (place - math.floor(place)))
    for frame, expected in zip(measures.frames, frames, strict=True):
        assert Fraction(frame.total) == sum(map(Fraction, expected))
        assert frame.count == len(expected)
    assert sum(measures.histogram) == count
    assert len(measures.histogram) == BINS
    assert 0 <= measures.entropy <= 8


def exact_histogram(values: Sequence[int]) -> list[int]:
    low, span = min(values), max(values) - min(values)
    counts = [0] * BINS
    for value in values:
        counts[min((value - low) * BINS // span, BINS - 1) if span else 0] += 1
    return counts


@given(images([8, 16]))
def test_narrow_measures_equal_their_definitions(image: tuple[Layout, list[list[int]]]) -> None:
    layout, frames = image
    blocks = [(index, np.array(frame, layout.dtype)) for index, frame in enumerate(frames)]
    measures = measure_cells(blocks, layout, len(frames))
    expected = [[stored(cell, layout) for cell in frame] for frame in frames]
    check(measures, expected)
    assert list(measures.histogram) == exact_histogram([v for frame in expected for v in frame])
    assert isinstance(measures.minimum, int)


@settings(max_examples=40)  # each pass of the radix search clears its tables
@given(images([32, 64]))
def test_wide_integer_measures_equal_their_definitions(image: tuple[Layout, list[list[int]]]) -> None:
    layout, frames = image
    blocks = [(index, np.array(frame, layout.dtype)) for index, frame in enumerate(frames)]
    measures = measure_wide(lambda: blocks, layout, len(frames))
    assert measures is not None
    check(measures, [[stored(cell, layout) for cell in frame] for frame in frames])


@settings(max_examples=40)
@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=60))
def test_float32_measures_equal_their_definitions(values: list[float]) -> None:
    cells = np.array(values, np.float32)
    measures = measure_wide(lambda: [(0, cells)], FLOAT32, 1)
    assert measures is not None
    check(measures, [[Fraction(float(cell)) for cell in cells]])


@settings(max_examples=40)
@given(st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=60), st.integers(0, 60))
def test_float64_measures_equal_their_definitions_however_sliced(values: list[float], cut: int) -> None:
    cells = np.array(values)
    measures = measure_wide(lambda: [(0, cells[:cut]), (0, cells[cut:])], FLOAT64, 1)
    assert measures is not None
    check(measures, [[Fraction(value) for value in values]])


@settings(max_examples=40)
@given(st.lists(st.floats(), max_size=30))
def test_nonfinite_values_are_excluded_and_counted(values: list[float]) -> None:
    cells = np.array([math.nan, *values, math.inf, -math.inf])
    sound = [value for value in values if math.isfinite(value)]
    measures = measure_wide(lambda: [(0, cells)], FLOAT64, 1)
    if not sound:
        assert measures is None
        return
    assert measures is not None
    assert (measures.count, measures.nonfinite) == (len(sound), len(values) - len(sound) + 3)
    assert measures.mean == float(sum(map(Fraction, sound)) / len(sound))


def test_extreme_floats_do_not_overflow() -> None:
    biggest = np.finfo(np.float64).max
    cells = np.array([-biggest, biggest, biggest])
    measures = measure_wide(lambda: [(0, cells)], FLOAT64, 1)
    assert measures is not None
    assert measures.mean == pytest.approx(biggest / 3, rel=1e-12)
    assert measures.normalized_mean == pytest.approx(2 / 3, rel=1e-12)
    assert math.isfinite(measures.std)
    assert sum(measures.histogram) == 3


def test_sums_lose_nothing_to_cancellation() -> None:
    assert exact_sum(np.array([1e300, 1.0, -1e300, 2.0**-1074])) == 1 + Fraction(2.0**-1074)
    assert exact_sum(np.array([], np.float32)) == 0
    assert exact_sum(np.full(3, -(2**63), np.int64)) == -3 * 2**63
    assert exact_sum(np.full(3, 2**64 - 1, np.uint64)) == 3 * (2**64 - 1)


@given(
    st.lists(st.integers(-(2**15), 2**15 - 1), min_size=1, max_size=50, unique=True),
    st.integers(1, 2**40),
)
def test_counts_beyond_64_bits_stay_exact(values: list[int], times: int) -> None:
    values.sort()
    counts = np.array([times * (place % 3 + 1) for place in range(len(values))], np.int64)
    total = sum(v * int(c) for v, c in zip(values, counts, strict=True))
    number = int(counts.sum())
    measures = summarize(Distribution(np.array(values), counts), (FrameTotal(total, number),), None)
    mean = Fraction(total, number)
    variance = sum(int(c) * (v - mean) ** 2 for v, c in zip(values, counts, strict=True)) / number
    assert measures.mean == float(mean)
    assert measures.std == pytest.approx(math.sqrt(variance), rel=1e-12)
    assert sum(measures.histogram) == number


@pytest.mark.parametrize(
    ("cells", "layout", "measure"),
    [
        (np.array([1, 5, 6, 7, 60000], np.uint16), Layout(16, 16, 15, False), "narrow"),
        (np.array([1, 5, 6, 7, 60000], np.uint32), Layout(32, 32, 31, False), "wide"),
        (np.array([1, 5, 6, 7, 60000], np.float32), FLOAT32, "wide"),
    ],
)
def test_padding_is_summed_apart(cells: NDArray[Any], layout: Layout, measure: str) -> None:
    span = Span(5, 7)
    found = (
        measure_cells([(0, cells)], layout, 1, span)
        if measure == "narrow"
        else measure_wide(lambda: [(0, cells)], layout, 1, span)
    )
    assert found is not None
    assert (found.padding.total, found.padding.count) == (18, 3)
    assert found.count == 5


def test_a_single_value_has_no_spread() -> None:
    measures = measure_cells([(0, np.full(10, 7, np.uint8))], Layout(8, 8, 7, False), 1)
    assert measures.normalized_mean == 0.0
    assert measures.std == 0.0
    assert measures.entropy == 0.0
    assert measures.percentiles == (7.0, 7.0, 7.0)
    assert measures.histogram[0] == 10


@given(layouts([8, 16, 32, 64]), st.data())
def test_layout_takes_the_stored_bits(layout: Layout, data: st.DataObject) -> None:
    cells = data.draw(st.lists(st.integers(0, (1 << layout.cell) - 1), min_size=1, max_size=20))
    words = np.array(cells, layout.dtype)
    assert layout.values(words).tolist() == [stored(cell, layout) for cell in cells]
    assert words.tolist() == cells
