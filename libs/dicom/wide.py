"""Measures of 32- and 64-bit integers and of floats, in a few passes and in constant memory.

Sums are exact whatever the magnitudes, so results do not depend on how the image is sliced. Order
statistics come from a radix search, 16 bits a pass: two passes for 32-bit cells, four for 64-bit ones.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import numpy as np

from libs.dicom.image import Layout, Words
from libs.dicom.measure import (
    BINS,
    PERCENTILES,
    FrameTotal,
    Measures,
    Number,
    Span,
    Total,
    interpolate,
)

_DIGIT = 16
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
    tally, search = _Tally(frames, padding), _RadixSearch(layout)
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
        self._squares.append(float(np.dot(place, place)))

    @property
    def std(self) -> float:
        return self._span * math.sqrt(math.fsum(self._squares) / self._count) * 2


class _RadixSearch:
    """Finds the values at given ranks by counting 16 bits of an order-preserving key per pass."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._shift = layout.cell - _DIGIT
        self._tables = {0: np.zeros(1 << _DIGIT, np.int64)}  # by the leading bits found so far
        self._targets: dict[
            int, tuple[int, int]
        ] = {}  # rank -> (leading bits, rank among those that share them)
        self._count = 0

    def count(self, values: Words) -> None:
        keys = self._keys(values)
        digits = (keys >> self._shift).astype(np.uint16)  # keeps the low 16 bits
        whole = self._shift + _DIGIT == self._layout.cell
        leading = None if whole else keys >> (self._shift + _DIGIT)
        for prefix, table in self._tables.items():
            found = np.bincount(digits if leading is None else digits[leading == prefix])
            table[: found.size] += found

    def aim(self, count: int) -> None:
        """Start the search among `count` values once the first pass is over."""
        self._count = count
        for percent in PERCENTILES:
            rank = (count - 1) * percent // 100
            for wanted in (rank, min(rank + 1, count - 1)):
                self._targets[wanted] = (0, wanted)
        self.narrow()

    def narrow(self) -> bool:
        """Fix 16 more bits of every target after a pass; True when all bits are known."""
        for rank, (prefix, rest) in self._targets.items():
            upto = np.cumsum(self._tables[prefix])
            digit = int(np.searchsorted(upto, rest, side="right"))
            before = int(upto[digit - 1]) if digit else 0
            self._targets[rank] = (prefix << _DIGIT | digit, rest - before)
        self._shift -= _DIGIT
        self._tables = {prefix: np.zeros(1 << _DIGIT, np.int64) for prefix, _ in self._targets.values()}
        return self._shift < 0

    def percentiles(self) -> tuple[float, ...]:
        def at(rank: int) -> Number:
            return self._value(self._targets[min(rank, self._count - 1)][0])

        places = [divmod((self._count - 1) * percent, 100) for percent in PERCENTILES]
        return tuple(interpolate(at(rank), at(rank + 1), part) for rank, part in places)

    def _keys(self, values: Words) -> Words:
        """Map values to unsigned integers in the same order (IEEE 754: negative floats upside down)."""
        bits = values.view(f"u{values.dtype.itemsize}")
        sign = bits.dtype.type(1 << (self._layout.cell - 1))
        if self._layout.floating:
            return np.where(bits & sign, ~bits, bits | sign)
        return bits ^ sign if self._layout.signed else bits

    def _value(self, key: int) -> Number:
        """Undo `_keys` for one key."""
        sign = 1 << (self._layout.cell - 1)
        if self._layout.floating:
            bits = key ^ sign if key & sign else key ^ (2 * sign - 1)
            raw = np.array(bits, f"u{self._layout.cell // 8}").view(self._layout.dtype)
            return float(raw)
        return key - sign if self._layout.signed else key
