"""From stored values to what they mean: modality transform, padding, window; none may fail a file.

A faulty element counts as absent here: it was reported when the header was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.dicom.measure.measures import Number, Span
from libs.dicom.pixels.attributes import Attributes
from libs.dicom.pixels.image import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA, Image

_PADDING = {
    FLOAT_PIXEL_DATA: ("FloatPixelPaddingValue", "FloatPixelPaddingRangeLimit"),
    DOUBLE_FLOAT_PIXEL_DATA: ("DoubleFloatPixelPaddingValue", "DoubleFloatPixelPaddingRangeLimit"),
}


MODALITY_UNITS = frozenset(["OD", "HU", "US", "MGML", "Z_EFF", "ED", "EDW", "HU_MOD", "PCT"])
"""Defined Terms of Rescale Type and Modality LUT Type (PS3.3 C.11.1.1.2); no other text names a unit."""


FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
"""Of windows (PS3.3 C.11.2.1.3); LINEAR where none, or another, is named."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """A linear modality transform (PS3.3 C.11.1): modality value = slope · stored value + intercept."""

    slope: float
    intercept: float


@dataclass(frozen=True, slots=True)
class Lut:
    """A lookup table: values below `first` map to its first entry, those beyond its end to the last."""

    first: int
    entries: NDArray[np.int64]

    def __call__(self, values: NDArray[Any]) -> NDArray[np.int64]:
        places = np.clip(values.astype(np.int64) - self.first, 0, self.entries.size - 1)
        return self.entries[places]


@dataclass(frozen=True, slots=True)
class Window:
    """A window over modality values (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: str


class FunctionalGroups:
    """Macros of multi-frame objects: those of a frame come before the shared ones (PS3.3 C.7.6.16)."""

    def __init__(self, attributes: Attributes) -> None:
        self._shared = attributes.item("SharedFunctionalGroupsSequence")
        self._per_frame = attributes.items("PerFrameFunctionalGroupsSequence")

    @property
    def vary(self) -> bool:
        """Whether frames may differ."""
        return bool(self._per_frame)

    def macro(self, keyword: str, frame: int) -> Attributes | None:
        """Give the first item of the macro's sequence for a frame."""
        own = self._per_frame[frame] if frame < len(self._per_frame) else None
        found = own.item(keyword) if own is not None else None
        if found is None and self._shared is not None:
            found = self._shared.item(keyword)
        return found


def modality_unit(holder: Attributes, keyword: str) -> str | None:
    """The unit that an element names if it is a defined one."""
    unit = holder.text(keyword)
    return unit if unit in MODALITY_UNITS else None


def rescale(
    attributes: Attributes, groups: FunctionalGroups, frame: int
) -> tuple[Rescale, str | None] | None:
    """Rescale of a frame and its unit, None where there is none."""
    holder = groups.macro("PixelValueTransformationSequence", frame) or attributes
    slope, intercept = holder.number("RescaleSlope"), holder.number("RescaleIntercept")
    if slope is None or intercept is None:
        return None
    if not holder.has("RescaleType") and attributes.text("Modality") == "CT":
        # What CT images are in unless they say otherwise (PS3.3 C.8.2.1.1.2).
        return Rescale(slope, intercept), "HU"
    return Rescale(slope, intercept), modality_unit(holder, "RescaleType")


def lut(
    holder: Attributes | None,
    *,
    signed: bool,
    descriptor: str = "LUTDescriptor",
    data: str = "LUTData",
    entries: NDArray[Any] | None = None,
) -> Lut | None:
    """Read a lookup table (PS3.3 C.11.1.1.1), None if there is no sound one; `entries` replace its data."""
    described = holder.numbers(descriptor) if holder else ()
    if holder is None or len(described) != 3:
        return None
    size, first = int(described[0]) & 0xFFFF or 1 << 16, int(described[1]) & 0xFFFF
    if entries is None:
        raw = holder.raw(data)  # entries of 8 bits may be packed, padded to an even length
        packed = len(raw) == size + size % 2
        entries = np.frombuffer(raw, np.uint8) if packed else np.array(holder.numbers(data))
    if not entries.size or not (entries.min() >= -0x8000 and entries.max() <= 0xFFFF):
        return None
    entries = entries[:size].astype(np.int64) & 0xFFFF
    return Lut(first - 0x10000 if signed and first > 0x7FFF else first, entries)


def window(attributes: Attributes, groups: FunctionalGroups, frame: int) -> Window | None:
    """First window for a frame, None when there is none that makes sense."""
    found = windows(attributes, groups, frame)
    return found[0][0] if found else None


def windows(attributes: Attributes, groups: FunctionalGroups, frame: int) -> list[tuple[Window, str | None]]:
    """The windows for a frame that make sense, each with what it is named."""
    holder = groups.macro("FrameVOILUTSequence", frame) or attributes
    names = holder.texts("WindowCenterWidthExplanation")
    function = holder.text("VOILUTFunction").upper()
    if function not in FUNCTIONS:
        function = "LINEAR"
    least = 1.0 if function == "LINEAR" else 0.0
    return [
        (Window(center, width, function), names[place] if place < len(names) else None)
        for place, (center, width) in enumerate(
            zip(holder.each_number("WindowCenter"), holder.each_number("WindowWidth"), strict=False)
        )
        if center is not None and width is not None and width >= least and width > 0
    ]


def is_inverse(image: Image) -> bool:
    """Whether small values are bright (PS3.3 C.7.6.3.1.2, C.11.6.1.2)."""
    shape = image.attributes.text("PresentationLUTShape").upper()
    return image.photometric == "MONOCHROME1" or shape == "INVERSE"


def padding(image: Image) -> Span | None:
    """The stored values that stand for "no pixel here" (PS3.3 C.7.5.1.1.2), None when none do."""
    integer = ("PixelPaddingValue", "PixelPaddingRangeLimit")
    value_keyword, limit_keyword = _PADDING.get(image.place.tag, integer)
    value, limit = image.attributes.number(value_keyword), image.attributes.number(limit_keyword)
    if value is None:
        return None
    ends = [_as_stored(end, image) for end in (value, value if limit is None else limit)]
    return Span(min(ends), max(ends))


def _as_stored(value: float, image: Image) -> Number:
    """Read an integer of either VR, US or SS, by the sign of the pixels."""
    if image.layout.floating:
        return value
    low = int(value) & 0xFFFF
    return low - 0x10000 if image.layout.signed and low > 0x7FFF else low
