"""Measures of values that fit 16 bits, exact and in one pass: only how often each value occurs is kept.

Values are counted as raw cells and turned into stored values afterwards, so that no pixel is masked,
shifted, sign-extended or normalised one by one. Wider values and floats: `libs.dicom.measure.wide`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.dicom.pixels.image import Layout, Words

METHOD_VERSION = 1
BINS = 256
PERCENTILES = (1, 50, 99)

Number = int | float
Total = int | Fraction
"""An exact sum."""


@dataclass(frozen=True, slots=True)
class Span:
    """A closed range of stored values: those of padding pixels (PS3.3 C.7.5.1.1.2)."""

    low: Number
    high: Number


@dataclass(slots=True)
class FrameTotal:
    """Sum and number of the finite values of one frame."""

    total: Total = 0
    count: int = 0


@dataclass(frozen=True, slots=True)
class Distribution:
    """How often each stored value occurs; `values` ascend and may repeat."""

    values: NDArray[np.int64]
    counts: NDArray[np.int64]

    @property
    def total(self) -> int:
        """Exact sum; fewer than 2**47 values of 16 bits stay within 64 bits."""
        return int(np.dot(self.values, self.counts))


@dataclass(frozen=True, slots=True)
class Measures:
    """What is known of the stored values of an image after reading all of them; sums are exact.

    `percentiles` answer to PERCENTILES, linearly interpolated; `histogram` has BINS equal bins from
    minimum to maximum, the last one closed.
    """

    count: int
    nonfinite: int
    total: Total
    minimum: Number
    maximum: Number
    std: float
    percentiles: tuple[float, ...]
    histogram: tuple[int, ...]
    frames: tuple[FrameTotal, ...]
    padding: FrameTotal
    distribution: Distribution | None = None

    @property
    def mean(self) -> float:
        """The mean, rounded once."""
        return quotient(self.total, self.count)

    @property
    def normalized_mean(self) -> float:
        """The mean of (x − min) / (max − min), rounded once; 0.0 when all values are the same.

        It equals (sum − n·min) / (n·(max − min)), so no second array is needed.
        """
        low, span = exact(self.minimum), exact(self.maximum) - exact(self.minimum)
        return quotient(self.total - self.count * low, self.count * span) if span else 0.0

    @property
    def entropy(self) -> float:
        """The Shannon entropy of the histogram in bits, 0 to 8."""
        shares = np.array([*filter(None, self.histogram)]) / self.count
        return max(0.0, float(-(shares * np.log2(shares)).sum()))


def measure_cells(
    blocks: Iterable[tuple[int, Words]], layout: Layout, frames: int, padding: Span | None = None
) -> Measures:
    """Measure integers of 8- or 16-bit cells.

    `blocks` are (frame index, one-dimensional cells), any number per frame and at least one cell in all.
    """
    counts = np.zeros(0, np.int64)
    totals = [FrameTotal() for _ in range(frames)]
    for frame, words in blocks:
        found = np.bincount(words)
        totals[frame].count += words.size
        if frames > 1:  # a single frame's sum is that of the image
            totals[frame].total += _distribution(found, layout).total
        counts, fewer = (counts, found) if counts.size >= found.size else (found, counts)
        counts[: fewer.size] += fewer
    distribution = _distribution(counts, layout)
    if frames == 1:
        totals[0].total = distribution.total
    return summarize(distribution, tuple(totals), padding)


def _distribution(counts: NDArray[np.int64], layout: Layout) -> Distribution:
    """Turn counts by raw cell into counts by stored value, which repeats where unused bits differ."""
    present = np.flatnonzero(counts > 0)
    values = layout.values(present.astype(layout.dtype)).astype(np.int64)
    order = np.argsort(values, kind="stable")
    return Distribution(values[order], counts[present][order])


def summarize(distribution: Distribution, frames: tuple[FrameTotal, ...], padding: Span | None) -> Measures:
    """Work everything out from how often each value occurs; `frames` are the sums of the same values."""
    values, counts = distribution.values, distribution.counts
    count = sum(frame.count for frame in frames)
    low, high = int(values[0]), int(values[-1])
    above, span = values - low, high - low
    total = sum(frame.total for frame in frames)
    bins = np.minimum(above * BINS // max(span, 1), BINS - 1)
    return Measures(
        count=count,
        nonfinite=0,
        total=total,
        minimum=low,
        maximum=high,
        std=_standard_deviation(above, counts, count),
        percentiles=_percentiles(distribution, count),
        # Counts are far below 2**53, so the float weights of bincount lose nothing.
        histogram=tuple(np.bincount(bins, weights=counts, minlength=BINS).astype(np.int64).tolist()),
        frames=frames,
        padding=_inside(distribution, padding),
        distribution=distribution,
    )


def _standard_deviation(above: NDArray[np.int64], counts: NDArray[np.int64], count: int) -> float:
    """Population standard deviation from distances to the minimum; exact up to the last division and root."""
    first = int(np.dot(above, counts))
    if count * int(above[-1]) ** 2 < 1 << 63:
        second = int(np.dot(above * above, counts))
    else:  # more than 2**31 values over the whole 16-bit range: 64 bits would overflow
        second = sum(a * a * c for a, c in zip(above.tolist(), counts.tolist(), strict=True))
    return math.sqrt((count * second - first * first) / (count * count))


def _percentiles(distribution: Distribution, count: int) -> tuple[float, ...]:
    places = [divmod((count - 1) * percent, 100) for percent in PERCENTILES]
    ranks = [min(rank + step, count - 1) for rank, _ in places for step in (0, 1)]
    found = distribution.values[np.searchsorted(np.cumsum(distribution.counts), ranks, side="right")].tolist()
    return tuple(
        interpolate(low, high, part)
        for low, high, (_, part) in zip(found[::2], found[1::2], places, strict=True)
    )


def interpolate(low: Number, high: Number, part: int) -> float:
    """Go `part` hundredths of the way from `low` to `high`, rounded once."""
    start = exact(low)
    return quotient(start * 100 + (exact(high) - start) * part, 100)


def exact(number: Number) -> Total:
    """Give a finite number as an integer where it is one: arithmetic with fractions is slow."""
    return int(number) if number == int(number) else Fraction(number)


def quotient(dividend: Total, divisor: Total) -> float:
    """Divide, rounding once: Python rounds the quotient of two integers correctly, however long they are."""
    return float(dividend / divisor)


def _inside(distribution: Distribution, span: Span | None) -> FrameTotal:
    if span is None:
        return FrameTotal()
    inside = (distribution.values >= span.low) & (distribution.values <= span.high)
    values, counts = distribution.values[inside], distribution.counts[inside]
    return FrameTotal(Distribution(values, counts).total, int(counts.sum()))


def json_number(value: Any) -> float | None:
    """Give a float that JSON can hold, or None."""
    number = float(value)
    return number if math.isfinite(number) else None
