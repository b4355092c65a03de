"""Palette colour lookup tables, plain or segmented (PS3.3 C.7.6.3.1.5, C.7.9.2)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.dicom.pixels.attributes import Attributes
from libs.dicom.render.transform import lut

_DISCRETE, _LINEAR, _INDIRECT = range(3)


def apply_palette(values: NDArray[Any], attributes: Attributes, *, signed: bool) -> NDArray[np.uint8]:
    """Give RGB of the shape (…, 3) for stored values; raises ValueError when the tables are no use."""
    return np.stack(
        [_channel(values, attributes, name, signed=signed) for name in ("Red", "Green", "Blue")], axis=-1
    )


def _channel(values: NDArray[Any], attributes: Attributes, name: str, *, signed: bool) -> NDArray[np.uint8]:
    descriptor, data = f"{name}PaletteColorLookupTableDescriptor", f"{name}PaletteColorLookupTableData"
    segmented = attributes.numbers("Segmented" + data)
    table = lut(
        attributes,
        signed=signed,
        descriptor=descriptor,
        data=data,
        entries=_expand(segmented) if segmented else None,
    )
    if table is None:
        raise ValueError("a palette lookup table is missing")
    wide = int(table.entries.max()) > 255  # entries of 8 bits may come in 16-bit words
    return (table(values) >> (8 if wide else 0)).astype(np.uint8)


def _expand(segments: tuple[float, ...]) -> NDArray[np.int64]:
    """Expand segmented data of 16-bit words; raises ValueError when they end early."""
    words = [int(word) for word in segments]
    out: list[int] = []
    _run(words, 0, len(words), out, depth=0)
    return np.array(out, np.int64)


def _run(words: list[int], at: int, count: int, out: list[int], depth: int) -> None:
    """Expand `count` segments from `at` on, or as many as there are."""
    while count and at + 1 < len(words) and len(out) <= 1 << 16:
        code, length = words[at], words[at + 1]
        if code == _DISCRETE:
            out += words[at + 2 : at + 2 + length]
            at += 2 + length
        elif code == _LINEAR and out and at + 2 < len(words):
            out += np.linspace(out[-1], words[at + 2], length + 1).round().astype(int).tolist()[1:]
            at += 3
        elif code == _INDIRECT and depth == 0 and at + 3 < len(words):
            # Offset in bytes, low word first, of `length` segments to repeat.
            _run(words, (words[at + 2] | words[at + 3] << 16) // 2, length, out, depth=1)
            at += 4
        else:
            raise ValueError("segmented palette data are damaged")
        count -= 1
