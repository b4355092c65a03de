"""Compressed pixel data: codecs, fragments and offset tables."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import jpeg_ls
import numpy as np
import openjpeg
import pytest
from numpy.typing import NDArray
from PIL import Image

from libs.dicom.measure.analysis import AnalysisLimits
from libs.dicom.pixels.reading import open_pixels
from tests.builders import (
    RLE,
    encapsulated_instance,
    instance,
)
from tests.encoder import LITTLE, PIXEL_DATA, deflate
from tests.unit.libs.dicom.lossless_jpeg import lossless_jpeg
from tests.unit.libs.dicom.pixel_support import (
    DEFLATED_FRAME,
    JPEG_2000,
    UNCOMPRESSED,
    check,
    described,
    encoded_frame,
    jpeg,
    measured,
    refused,
    sealed,
)

JPEG_LS = "1.2.840.10008.1.2.4.80"
LOSSLESS = "1.2.840.10008.1.2.4.70"
RNG = np.random.default_rng(11)


@pytest.mark.parametrize("syntax", [JPEG_2000, RLE, DEFLATED_FRAME, UNCOMPRESSED])
@pytest.mark.parametrize("kind", ["u1", "u2", "rgb"])
def test_lossless_frames(syntax: str, kind: str) -> None:
    shape = (3, 40, 70, 3) if kind == "rgb" else (3, 40, 70)
    bits = 16 if kind == "u2" else 8
    values = RNG.integers(0, 1 << bits, shape).astype(f"u{bits // 8}")
    data = encapsulated_instance(
        [encoded_frame(frame, syntax) for frame in values],
        transfer_syntax=syntax,
        frames=3,
        Rows=40,
        Columns=70,
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        SamplesPerPixel=3 if kind == "rgb" else 1,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB" if kind == "rgb" else "MONOCHROME2",
    )
    analysis = measured(data)
    check(analysis, values)
    assert analysis.data_size == values.nbytes
    assert analysis.statistics["frame_means"] == pytest.approx([frame.mean() for frame in values])


def test_a_native_frame_is_as_long_as_the_header_says_but_for_its_padding() -> None:
    values = RNG.integers(0, 256, (2, 5, 7)).astype(np.uint8)
    size: dict[str, Any] = {"transfer_syntax": UNCOMPRESSED, "frames": 2, "Columns": 7}
    frames = [encoded_frame(frame, UNCOMPRESSED) for frame in values]
    check(measured(encapsulated_instance(frames, Rows=5, **size)), values)
    assert refused(encapsulated_instance(frames, Rows=6, **size)) == "decode-failed"


def test_a_codestream_of_another_size_than_the_header_is_refused() -> None:
    frame, _ = jpeg(32, 40)
    assert measured(encapsulated_instance([frame], Rows=32, Columns=40)).statistics["count"] == 1280
    sizes: list[dict[str, Any]] = [
        {"Rows": 64, "Columns": 40},
        {"Rows": 40, "Columns": 32},
        {"Rows": 16, "Columns": 40},
    ]
    for wrong in sizes:
        assert refused(encapsulated_instance([frame], **wrong)) == "pixel-data-invalid"
    color, _ = jpeg(32, 40, color=True)
    assert refused(encapsulated_instance([color], Rows=32, Columns=40)) == "pixel-data-invalid"


def test_a_codestream_with_fewer_bits_than_the_header_keeps_its_values() -> None:
    frame, picture = jpeg(32, 40)
    wide: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    analysis = measured(encapsulated_instance([frame], Rows=32, Columns=40, **wide))
    assert analysis.average_before_normalization == pytest.approx(float(picture.mean()), abs=1)
    assert analysis.data_size == 2 * picture.size


@pytest.mark.parametrize("signed", [0, 1])
def test_jpeg_2000_sign_follows_the_header(signed: int) -> None:
    values = RNG.integers(-2048 if signed else 0, 2048 if signed else 4096, (64, 64))
    coded = (values & 0xFFF).astype(np.uint16)  # the codestream calls them unsigned
    frame = bytes(openjpeg.encode(coded, bits_stored=12))
    data = encapsulated_instance(
        [frame],
        transfer_syntax=JPEG_2000,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=signed,
    )
    check(measured(data), values)


def offset_table(entries: Sequence[int], fragments: Sequence[bytes]) -> bytes:
    """Encapsulate with a basic offset table of these entries."""
    table = struct.pack(f"<{len(entries)}I", *entries)
    items = b"".join(LITTLE.item(part + b"\0" * (len(part) % 2)) for part in (table, *fragments))
    return LITTLE.element(PIXEL_DATA, "OB", b"", length=0xFFFFFFFF) + items + b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize("entries", [[], [0], [0, 5], "right"])
def test_frames_are_found_whatever_the_offset_table_says(entries: list[int] | str) -> None:
    values = RNG.integers(0, 256, (3, 6, 10)).astype(np.uint8)
    frames = [encoded_frame(frame, RLE) for frame in values]
    sizes = [len(frame) + len(frame) % 2 + 8 for frame in frames]
    right = [0, sizes[0], sizes[0] + sizes[1]]
    pixels = offset_table(right if isinstance(entries, str) else entries, frames)
    data = instance(described(6, 10, 3), pixels, transfer_syntax=RLE)
    check(measured(data), values)


def test_frames_are_found_by_the_extended_offset_table() -> None:
    values = RNG.integers(0, 256, (2, 6, 10)).astype(np.uint8)
    frames = [encoded_frame(frame, RLE) for frame in values]
    extended = LITTLE.element(0x7FE00001, "OV", struct.pack("<2Q", 0, len(frames[0]) + 8))
    extended += LITTLE.element(0x7FE00002, "OV", struct.pack("<2Q", *map(len, frames)))
    data = instance(described(6, 10, 2), extended + offset_table([], frames), transfer_syntax=RLE)
    check(measured(data), values)


def test_a_frame_in_several_fragments_is_joined() -> None:
    values = RNG.integers(0, 256, (6, 10)).astype(np.uint8)
    frame = encoded_frame(values, RLE)
    parts = [frame[:20], frame[20:64], frame[64:]]
    check(measured(encapsulated_instance(parts, transfer_syntax=RLE, Rows=6, Columns=10)), values)


def test_the_header_decides_how_many_frames_there_are() -> None:
    values = RNG.integers(0, 256, (3, 6, 10)).astype(np.uint8)
    frames = [encoded_frame(frame, RLE) for frame in values]
    sizes: dict[str, Any] = {"transfer_syntax": RLE, "Rows": 6, "Columns": 10}
    assert refused(encapsulated_instance(frames, frames=3, **sizes), NumberOfFrames=4) in (
        "pixel-data-invalid",
        "decode-failed",
    )
    extra = instance(described(6, 10, 2), offset_table([], frames), transfer_syntax=RLE)
    assert refused(extra) in ("pixel-data-invalid", "decode-failed")


def cells_of(data: bytes) -> list[NDArray[Any]]:
    """The frames as they are decoded, (rows, columns, samples) each."""
    source = open_pixels(io.BytesIO(data), sealed(data), AnalysisLimits())
    assert source is not None
    frames: dict[int, list[NDArray[Any]]] = {}
    for block in source.blocks():
        frames.setdefault(block.frame, []).append(source.layout.values(block.words))
    return [np.concatenate(planes, axis=2) for planes in frames.values()]


def test_deflated_frames_of_one_bit() -> None:
    values = RNG.integers(0, 2, (3, 7, 9)).astype(np.uint8)
    frames = [deflate(np.packbits(frame.reshape(-1), bitorder="little").tobytes()) for frame in values]
    bit: dict[str, Any] = {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0, "Rows": 7, "Columns": 9}
    data = encapsulated_instance(frames, transfer_syntax=DEFLATED_FRAME, frames=3, **bit)
    assert (np.stack(cells_of(data))[..., 0] == values).all()
    analysis = measured(data)
    check(analysis, values)
    assert analysis.data_size == 3 * 8  # 63 values take 8 bytes


@pytest.mark.parametrize("interleave", [0, 1, 2], ids=["plane", "line", "sample"])
def test_jpeg_ls_colour_however_it_is_interleaved(interleave: int) -> None:
    values = RNG.integers(0, 256, (12, 20, 3)).astype(np.uint8)
    laid_out = np.moveaxis(values, 2, 0) if interleave == 0 else values
    frame = jpeg_ls.encode_buffer(laid_out.tobytes(), 12, 20, 3, 8, interleave_mode=interleave)
    color: dict[str, Any] = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "RGB",
        "PlanarConfiguration": 0,
    }
    data = encapsulated_instance([bytes(frame)], transfer_syntax=JPEG_LS, Rows=12, Columns=20, **color)
    assert (cells_of(data)[0] == values).all()


@pytest.mark.parametrize("syntax", [JPEG_2000, "1.2.840.10008.1.2.4.91"], ids=["YBR_RCT", "YBR_ICT"])
def test_the_component_transform_of_jpeg_2000_is_undone_once(syntax: str) -> None:
    values = np.zeros((64, 64, 3), np.uint8)
    values[:, :32], values[:, 32:] = (230, 20, 40), (20, 60, 220)
    lossless = syntax == JPEG_2000
    ratios = None if lossless else [4.0]
    frame = bytes(openjpeg.encode(values, photometric_interpretation=1, compression_ratios=ratios))
    color: dict[str, Any] = {
        "SamplesPerPixel": 3,
        "PhotometricInterpretation": "YBR_RCT" if lossless else "YBR_ICT",
        "PlanarConfiguration": 0,
    }
    data = encapsulated_instance([frame], transfer_syntax=syntax, **color)
    assert np.abs(cells_of(data)[0].astype(int) - values).max() <= (0 if lossless else 6)
    thumbnail = measured(data).thumbnail
    assert thumbnail is not None
    shown = np.asarray(Image.open(io.BytesIO(thumbnail))).astype(int)
    for column in (16, 48):
        assert np.abs(shown[32, column] - values[32, column]).max() < 12


@pytest.mark.parametrize("precision", [9, 12, 16])
@pytest.mark.parametrize("syntax", [JPEG_2000, JPEG_LS, LOSSLESS])
def test_a_codestream_with_more_bits_than_a_cell_is_refused(syntax: str, precision: int) -> None:
    values = RNG.integers(0, 1 << precision, (64, 64)).astype(np.uint16)
    values[0, 0] = (1 << precision) - 1
    frame = grey_frame(values, precision, syntax)
    assert refused(encapsulated_instance([frame], transfer_syntax=syntax)) == "pixel-data-invalid"
    fitting: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": precision, "HighBit": precision - 1}
    check(measured(encapsulated_instance([frame], transfer_syntax=syntax, **fitting)), values)


def grey_frame(values: NDArray[Any], precision: int, syntax: str) -> bytes:
    if syntax == JPEG_2000:
        return bytes(openjpeg.encode(values, bits_stored=precision, photometric_interpretation=2))
    if syntax == JPEG_LS:
        return bytes(jpeg_ls.encode_buffer(values.tobytes(), *values.shape, 1, precision))
    return lossless_jpeg(values, precision)


@pytest.mark.parametrize("precision", [2, 5, 7, 8, 12, 16])
@pytest.mark.parametrize("syntax", [JPEG_2000, JPEG_LS, LOSSLESS, "1.2.840.10008.1.2.4.57"])
@pytest.mark.parametrize("stored", ["as coded", "the whole cell"])
def test_every_precision(syntax: str, precision: int, stored: str) -> None:
    """Below eight bits too, and below the Bits Stored of the header."""
    cell = 8 if precision <= 8 else 16
    values = RNG.integers(0, 1 << precision, (40, 50)).astype(f"u{cell // 8}")
    bits = precision if stored == "as coded" else cell
    data = encapsulated_instance(
        [grey_frame(values, precision, syntax)],
        transfer_syntax=syntax,
        Rows=40,
        Columns=50,
        BitsAllocated=cell,
        BitsStored=bits,
        HighBit=bits - 1,
    )
    assert (cells_of(data)[0][..., 0] == values).all()
    check(measured(data), values)
