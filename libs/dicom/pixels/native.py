"""Native pixel data in slices of a megabyte, so that memory does not grow with the frame (PS3.5 8.1)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from libs.dicom.faults import DicomFault
from libs.dicom.pixels.bytes_at import read_at
from libs.dicom.pixels.image import Image, Words

_SLICE = 1 << 20


class Block(NamedTuple):
    """Some whole rows of one frame.

    `words` has the shape (rows, columns, samples) from `row` on; a colour-by-plane frame comes plane after
    plane with one sample each, and 4:2:2 rows hold one "column" of four samples per pair of pixels.
    """

    frame: int
    plane: int
    row: int
    words: Words
    ybr: bool | None = None
    """Overrules the photometric interpretation of the header when not None."""


def native_blocks(stream: BinaryIO, image: Image, frames: range | None = None) -> Iterator[Block]:
    """Give the cells of uncompressed pixel data in order; raises DicomFault when there are too few bytes."""
    reader = _NativeReader(stream, image)
    planes, columns, samples = _row_shape(image)
    width = columns * samples
    per_slice = max(1, _SLICE * 8 // max(1, width * image.bits_allocated))
    per_slice += -per_slice % 2  # even, so that a row never starts inside a pair of swapped bytes
    for frame in range(image.frames) if frames is None else frames:
        for plane in range(planes):
            first = (frame * planes + plane) * image.rows * width
            for row in range(0, image.rows, per_slice):
                rows = min(per_slice, image.rows - row)
                words = reader.read(first + row * width, rows * width)
                yield Block(frame, plane, row, words.reshape(rows, columns, samples))


def _row_shape(image: Image) -> tuple[int, int, int]:
    """Planes per frame, then columns and samples of a row."""
    if image.subsampled:
        return (1, image.columns // 2, 4) if image.columns % 2 == 0 else (1, image.columns * 2, 1)
    if image.planar:
        return image.samples, image.columns, 1
    return 1, image.columns, image.samples


class _NativeReader:
    """Reads cells by index, in the byte order of this machine."""

    def __init__(self, stream: BinaryIO, image: Image) -> None:
        place = image.place
        self._stream = stream
        self._offset = place.offset
        self._bits = image.bits_allocated
        self._dtype = image.layout.dtype
        self._swap = place.syntax.little != (sys.byteorder == "little")
        # 8-bit cells written as 16-bit words lie pairwise swapped in big endian (PS3.5 8.1.1, annex D).
        self._swap_pairs = not place.syntax.little and image.bits_allocated == 8 and place.vr == "OW"
        needed = (image.frames * image.frame_values * self._bits + 7) // 8
        if place.length is None or place.length < needed:
            raise DicomFault(
                "pixel-data-invalid",
                "The header describes more pixels than the pixel data hold. Check Rows, Columns, "
                "Number of Frames and the transfer syntax.",
            )

    def read(self, first: int, count: int) -> Words:
        if self._bits == 1:
            start = first // 8
            packed = self._bytes(start, (first + count + 7) // 8 - start)
            bits = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
            return bits[first % 8 : first % 8 + count]
        size = self._dtype.itemsize
        if self._swap_pairs:
            lead = first % 2
            pairs = self._bytes(first - lead, lead + count + (lead + count) % 2)
            return np.frombuffer(pairs, np.uint16).byteswap().view(np.uint8)[lead : lead + count]
        words = np.frombuffer(self._bytes(first * size, count * size), self._dtype)
        return words.byteswap() if self._swap and size > 1 else words

    def _bytes(self, start: int, count: int) -> bytes:
        return read_at(self._stream, self._offset + start, count)
