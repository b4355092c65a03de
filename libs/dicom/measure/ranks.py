"""Percentiles of any number of wide values without keeping or sorting them: a radix search in passes."""

from __future__ import annotations

import numpy as np

from libs.dicom.measure.measures import PERCENTILES, Number, interpolate
from libs.dicom.pixels.image import Layout, Words

_DIGIT = 16


class RadixSearch:
    """Finds the values at given ranks by counting 16 bits of an order-preserving key per pass.

    Use: `count` all values, `aim`, then `count` all values again before each `narrow` until it says True.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._shift = layout.cell - _DIGIT
        self._tables = {0: np.zeros(1 << _DIGIT, np.int64)}  # by the leading bits found so far
        self._targets: dict[
            int, tuple[int, int]
        ] = {}  # rank -> (leading bits, rank among those that share them)
        self._count = 0

    def count(self, values: Words) -> None:
        """Count stored values by the digit that this pass looks at."""
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
        """Give the values at PERCENTILES, linearly interpolated."""

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
