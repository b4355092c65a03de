"""What an image is made of: the Image Pixel module (PS3.3 C.7.6.3), and how a value lies in its cell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from libs.dicom.faults import DicomFault
from libs.dicom.parse.layout import PixelPlace
from libs.dicom.pixels.attributes import Attributes

Words = NDArray[Any]
"""Pixel cells as they stand in the file, in the byte order of this machine: u1, u2, u4, u8, f4 or f8."""

PIXEL_DATA = 0x7FE00010
FLOAT_PIXEL_DATA = 0x7FE00008
DOUBLE_FLOAT_PIXEL_DATA = 0x7FE00009
_FLOAT_BITS = {FLOAT_PIXEL_DATA: 32, DOUBLE_FLOAT_PIXEL_DATA: 64}
_CELL_BITS = (1, 8, 16, 32, 64)
_MOST_VALUES = 1 << 40
"""Of a frame: more than Rows and Columns can say, which have 16 bits."""
_SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")


@dataclass(frozen=True, slots=True)
class Layout:
    """How a value lies in its cell of `cell` bits: `stored` bits, the topmost at `high` (PS3.5 8.1.1)."""

    cell: int
    stored: int
    high: int
    signed: bool
    floating: bool = False

    def values(self, words: Words) -> Words:
        """Give the stored values: other bits dropped, signed ones sign-extended; floats as they are.

        Integers keep the width of their cell, so nothing grows; `words` is not changed.
        """
        if self.floating or (self.stored == self.cell and not self.signed):
            return words
        if self.signed:
            words = words.view(f"i{words.dtype.itemsize}")
        return (words << (self.cell - 1 - self.high)) >> (self.cell - self.stored)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of a cell in the byte order of this machine."""
        return np.dtype(f"{'f' if self.floating else 'u'}{self.cell // 8}")


@dataclass(frozen=True, slots=True)
class Image:
    """An image object: where its pixel data lie and how they read."""

    place: PixelPlace
    rows: int
    columns: int
    frames: int
    samples: int
    planar: bool
    photometric: str
    bits_allocated: int
    layout: Layout
    attributes: Attributes

    @property
    def full_values(self) -> int:
        """Values of a frame without subsampling."""
        return self.rows * self.columns * self.samples

    @property
    def subsampled(self) -> bool:
        """True when native pixel data hold 4:2:2 pixels: Y1 Y2 Cb Cr (PS3.3 C.7.6.3.1.2).

        Some writers expand the chroma and leave the label; the length tells them apart.
        """
        length = self.place.length
        if length is None or self.photometric not in _SUBSAMPLED or self.samples != 3:
            return False
        return length < self.full_values * self.frames * self.bits_allocated // 8

    @property
    def frame_values(self) -> int:
        """Values of a frame as stored."""
        return self.full_values * 2 // 3 if self.subsampled else self.full_values

    @property
    def data_size(self) -> int:
        """Bytes of the decoded pixel data; 1-bit frames take whole bytes each."""
        return self.frames * ((self.frame_values * self.bits_allocated + 7) // 8)


def describe_image(attributes: Attributes, place: PixelPlace) -> Image:
    """Read the Image Pixel module; raises DicomFault `pixel-data-invalid` when it cannot be right."""
    samples = _number(attributes, "SamplesPerPixel", 1)
    allocated = _FLOAT_BITS.get(place.tag) or _number(attributes, "BitsAllocated")
    if allocated not in _CELL_BITS:
        raise _invalid("Bits Allocated must be 1, 8, 16, 32 or 64.")
    image = Image(
        place=place,
        rows=_number(attributes, "Rows"),
        columns=_number(attributes, "Columns"),
        frames=int(attributes.number("NumberOfFrames") or 1) or 1,  # faulty or zero: one, as every reader
        samples=samples,
        planar=samples > 1 and _number(attributes, "PlanarConfiguration", 0) == 1,
        photometric=attributes.text("PhotometricInterpretation").upper() or "MONOCHROME2",
        bits_allocated=allocated,
        layout=_layout(attributes, allocated, floating=place.tag in _FLOAT_BITS),
        attributes=attributes,
    )
    if not 0 < image.full_values < _MOST_VALUES or not 0 < image.frames < _MOST_VALUES or samples > 4:
        raise _invalid(
            "Rows, Columns, Samples per Pixel and Number of Frames must describe at least one pixel."
        )
    return image


def _layout(attributes: Attributes, allocated: int, *, floating: bool) -> Layout:
    if floating:
        return Layout(allocated, allocated, allocated - 1, signed=True, floating=True)
    if allocated == 1:
        return Layout(8, 1, 0, signed=False)  # read as one byte per value
    stored = _number(attributes, "BitsStored", allocated)
    if not 1 <= stored <= allocated:
        raise _invalid("Bits Stored must be at least 1 and not exceed Bits Allocated.")
    high = _number(attributes, "HighBit", stored - 1)
    if not stored - 1 <= high < allocated:
        high = stored - 1  # impossible as stated; every reader takes the low bits then
    return Layout(allocated, stored, high, signed=_number(attributes, "PixelRepresentation", 0) == 1)


def _number(attributes: Attributes, keyword: str, default: int | None = None) -> int:
    value = attributes.number(keyword)
    if value is not None:
        return int(value)
    if default is None:
        raise _invalid(f"The element {keyword} is missing, empty or no number.")
    return default


def _invalid(detail: str) -> DicomFault:
    return DicomFault("pixel-data-invalid", detail)
