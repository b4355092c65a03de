"""Measures of 32- and 64-bit integers and of floats, in a few passes and in constant memory.

Sums are exact whatever the magnitudes, so results do not depend on how the image is sliced. Order
statistics come from a radix search, 16 bits a pass: two passes for 32-bit cells, four for 64-bit ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np

from libs.dicom.measure.measures import BINS, FrameTotal, Measures, Number, Span, Total
from libs.dicom.measure.ranks import RadixSearch
from libs.dicom.pixels.image import Layout, Words

_HALF = 27  # cuts a 53-bit mantissa in two, so that sums of either part are exact in float64


def measure_wide(
    passes: Callable[[], Iterable[tuple[int, Words]]],
    layout: Layout,
    frames: int,
    padding: Span | None = None,
) -> Measures | None:
    """Measure cells wider than 16 bits; None when no value is finite.

    `passes()` gives the same (frame index, one-dimensional cells) from the start each time it is called;
    pieces of at most some 100 000 cells keep the memory small.
    """
    tally, search = _Tally(frames, padding), RadixSearch(layout)
    for frame, values, bad in _finite(passes(), layout):
        tally.add(frame, values, bad)
        search.count(values)
    if not tally.count:
        return None
    search.aim(tally.count)
    shape = _Shape(tally)
    for _, values, _ in _finite(passes(), layout):
        shape.add(values)
        search.count(values)
    while not search.narrow():
        for _, values, _ in _finite(passes(), layout):
            search.count(values)
    return Measures(
        count=tally.count,
        nonfinite=tally.nonfinite,
        total=tally.total,
        minimum=tally.minimum,
        maximum=tally.maximum,
        std=shape.std,
        percentiles=search.percentiles(),
        histogram=tuple(shape.histogram.tolist()),
        frames=tuple(tally.frames),
        padding=tally.padded,
    )


def _finite(blocks: Iterable[tuple[int, Words]], layout: Layout) -> Iterator[tuple[int, Words, int]]:
    """Give (frame index, finite stored values, how many were not finite)."""
    for frame, words in blocks:
        values = layout.values(words)
        sound = values[np.isfinite(values)] if layout.floating else values
        yield frame, sound, values.size - sound.size


def exact_sum(values: Words) -> Total:
    """Sum integers or finite floats without any rounding; at most 2**25 of them."""
    if values.dtype.kind == "f":
        return _exact_float_sum(values)
    if values.dtype.itemsize < 8:
        return int(values.sum(dtype=np.int64))
    low, high = values & 0xFFFFFFFF, values >> 32
    return int(low.sum(dtype=np.uint64)) + (int(high.sum(dtype=np.int64)) << 32)


def _exact_float_sum(values: Words) -> Fraction:
    """Sum mantissas as integers, one sum per exponent."""
    if not values.size:
        return Fraction(0)
    fraction, exponent = np.frexp(values.astype(np.float64, copy=False))
    mantissa = np.ldexp(fraction, 53).astype(np.int64)
    lowest = int(exponent.min())
    high = np.bincount(exponent - lowest, weights=mantissa >> _HALF)
    low = np.bincount(exponent - lowest, weights=mantissa & ((1 << _HALF) - 1))
    total = sum(
        ((int(high[place]) << _HALF) + int(low[place])) << int(place)
        for place in np.flatnonzero((high != 0) | (low != 0))
    )
    return total * Fraction(2) ** (lowest - 53)


class _Tally:
    """First pass: exact sums, extremes, counts."""

    def __init__(self, frames: int, padding: Span | None) -> None:
        self.frames = [FrameTotal() for _ in range(frames)]
        self.padded = FrameTotal()
        self.nonfinite = 0
        self.minimum: Number = math.inf
        self.maximum: Number = -math.inf
        self._padding = padding

    def add(self, frame: int, values: Words, bad: int) -> None:
        self.nonfinite += bad
        if not values.size:
            return
        self.frames[frame].total += exact_sum(values)
        self.frames[frame].count += values.size
        self.minimum = min(self.minimum, values.min().item())
        self.maximum = max(self.maximum, values.max().item())
        if self._padding is not None:
            inside = values[(values >= self._padding.low) & (values <= self._padding.high)]
            self.padded.total += exact_sum(inside)
            self.padded.count += inside.size

    @property
    def count(self) -> int:
        return sum(frame.count for frame in self.frames)

    @property
    def total(self) -> Total:
        return sum((frame.total for frame in self.frames), start=0)


class _Shape:
    """Second pass: histogram and spread of values brought to 0 … 1, in float64, halved against overflow."""

    def __init__(self, tally: _Tally) -> None:
        self.histogram = np.zeros(BINS, np.int64)
        self._count = tally.count
        self._low = float(tally.minimum) / 2
        self._span = float(tally.maximum) / 2 - self._low
        exact_span = Fraction(tally.maximum) - Fraction(tally.minimum)
        offset = Fraction(tally.total) / tally.count - Fraction(tally.minimum)
        self._mean = float(offset / exact_span) if exact_span else 0.0
        self._squares: list[float] = []

    def add(self, values: Words) -> None:
        place = values.astype(np.float64)
        place *= 0.5
        place -= self._low
        if self._span > 0:
            place /= self._span
        bins = np.clip((place * BINS).astype(np.int64), 0, BINS - 1)
        self.histogram += np.bincount(bins, minlength=BINS)
        place -= self._mean
        # Pairwise, not by BLAS, whose kernels add in an order of each processor's own.
        self._squares.append(float(np.square(place).sum()))

    @property
    def std(self) -> float:
        return self._span * math.sqrt(math.fsum(self._squares) / self._count) * 2
