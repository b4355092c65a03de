"""The values of a frame as a viewer calculates with them: one number per pixel, or red, green and blue."""

from __future__ import annotations

from typing import BinaryIO, Literal, get_args

import numpy as np

from libs.dicom.faults import DicomFault
from libs.dicom.pixels.attributes import Attributes
from libs.dicom.pixels.image import Image, Layout, Words
from libs.dicom.pixels.reading import PixelSource
from libs.dicom.render.frame import sampled
from libs.dicom.render.levels import color_of, is_gray
from libs.dicom.render.transform import lut
from libs.dicom.transcode.pixels import is_as_it_stands

ValueType = Literal["uint8", "int8", "uint16", "int16", "float32", "rgb8"]
VALUE_TYPES: tuple[ValueType, ...] = get_args(ValueType)
_BYTES: dict[ValueType, int] = {"uint8": 1, "int8": 1, "uint16": 2, "int16": 2, "float32": 4, "rgb8": 3}


def value_type(image: Image) -> ValueType | None:
    """What the values of a frame are, by its header alone; None: there is no picture of such samples.

    Stored values in the cells they have; through a Modality LUT, if there is one, and colour as 8-bit RGB.
    """
    if image.samples not in (1, 3):
        return None
    if not is_gray(image, image.samples):
        return "rgb8"
    layout = image.layout
    if has_modality_table(image.attributes):
        return "uint16"
    if layout.floating or layout.cell > 16:
        return "float32"
    if layout.cell == 8:
        return "int8" if layout.signed else "uint8"
    return "int16" if layout.signed else "uint16"


def values_size(image: Image, kind: ValueType) -> int:
    """Bytes of the values of one frame."""
    return image.rows * image.columns * _BYTES[kind]


def has_modality_table(attributes: Attributes) -> bool:
    """Whether the header names a Modality LUT (PS3.3 C.11.1.1), which may lie outside of the header."""
    item = attributes.item("ModalityLUTSequence")
    return item is not None and len(item.numbers("LUTDescriptor")) == 3 and item.has("LUTData")


def are_cells(image: Image) -> bool:
    """Whether the values are what the bytes of the file hold, but for bits that are not stored."""
    layout, kind = image.layout, value_type(image)
    if not is_as_it_stands(image) or has_modality_table(image.attributes):
        return False
    if kind == "rgb8":
        plain = layout.cell == layout.stored == 8 and not layout.signed
        return plain and image.photometric == "RGB" and not image.planar
    if layout.floating:
        return layout.cell == 32
    return image.bits_allocated in (8, 16)


def from_cells(raw: bytes, image: Image) -> bytes:
    """The values of whole cells of a file, where `are_cells`."""
    layout = image.layout
    if layout.floating or layout.stored == layout.cell:
        return raw
    # Overlays of old live in the bits that are not stored (PS3.5 8.1.2).
    return layout.values(np.frombuffer(raw, f"<u{layout.cell // 8}")).tobytes()


def frame_values(stream: BinaryIO, image: Image, frame: int, max_bytes: int) -> bytes:
    """The values of a frame, row by row, little endian. Raises DicomFault and as codecs."""
    kind = value_type(image)
    if kind is None:
        raise DicomFault("pixel-data-invalid", "There is no picture of so many samples per pixel.")
    sampler = sampled(stream, image, frame, max_bytes)
    cells = sampler.picture()
    if cells.shape != (image.rows, image.columns, image.samples):
        raise DicomFault("pixel-data-invalid", "The pixels of a frame cannot be told apart.")
    layout = PixelSource(stream, image).layout
    if kind == "rgb8":
        return color_of(cells, image, layout, ybr=sampler.ybr).convert("RGB").tobytes()
    return _numbers(cells[..., 0], image, layout, kind).tobytes()


def _numbers(cells: Words, image: Image, layout: Layout, kind: ValueType) -> Words:
    stored = layout.values(cells)
    if has_modality_table(image.attributes):
        table = lut(image.attributes.item("ModalityLUTSequence"), signed=layout.signed)
        if table is None:
            raise DicomFault("pixel-data-invalid", "The Modality LUT of the header cannot be read.")
        stored = table(stored)
    little = np.dtype(kind).newbyteorder("<")
    with np.errstate(over="ignore"):  # a double may lie beyond: infinite then
        return stored.astype(little, copy=False)
