"""Corners of pixel data: icons, frames that share a byte, values in the high bits, colours as coded."""

from __future__ import annotations

import io
from dataclasses import replace

import jpeg_ls
import numpy as np
import pytest
from PIL import Image

from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import analyse
from tests.builders import ct_instance, encapsulated_instance, instance
from tests.encoder import LITTLE, PIXEL_DATA
from tests.unit.libs.dicom.pixel_support import check, jpeg, measured, sealed

ICON_IMAGE_SEQUENCE = 0x00880200
RNG = np.random.default_rng(7)


def test_the_pixels_of_an_icon_are_not_the_objects() -> None:
    icon = LITTLE.element(0x00280010, "US", 2) + LITTLE.element(PIXEL_DATA, "OW", b"icon")
    report = instance({"Modality": "SR"}, LITTLE.sequence(ICON_IMAGE_SEQUENCE, [icon]))
    assert sealed(report).pixels is None
    assert measured(report).statistics["kind"] == "no-pixel-data"


def test_one_bit_frames_share_bytes_in_the_file_and_none_once_decoded() -> None:
    values = RNG.integers(0, 2, (3, 3, 3)).astype(np.uint8)
    packed = np.packbits(values.reshape(-1), bitorder="little").tobytes()
    analysis = measured(ct_instance(3, 3, frames=3, pixels=packed, BitsAllocated=1, BitsStored=1, HighBit=0))
    check(analysis, values)
    assert analysis.data_size == 3 * 2


def test_what_lies_behind_too_few_pixels_is_not_measured() -> None:
    """Though the header was found sound when it was sealed."""
    data = ct_instance(10, 10) + LITTLE.element(0xFFFCFFFC, "OB", b"trailing padding")
    known = sealed(data)
    assert known.pixels is not None
    short = replace(known, pixels=replace(known.pixels, length=198))
    with pytest.raises(DicomFault) as refused:
        analyse(io.BytesIO(data), None, short)
    assert refused.value.code == "pixel-data-invalid"


def test_a_codestream_of_whole_cells_has_its_values_where_the_header_says() -> None:
    values = RNG.integers(0, 1 << 12, (40, 50)).astype("u2")
    cells = values << 4 | RNG.integers(0, 1 << 4, values.shape).astype("u2")
    frame = bytes(jpeg_ls.encode_buffer(cells.tobytes(), 40, 50, 1, 16))
    data = encapsulated_instance(
        [frame],
        transfer_syntax="1.2.840.10008.1.2.4.80",
        Rows=40,
        Columns=50,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=15,
    )
    check(measured(data), values)


def test_luminance_and_chrominance_are_measured_as_they_are_coded() -> None:
    red, frame = Image.new("RGB", (40, 32), (200, 30, 30)), io.BytesIO()
    red.save(frame, "JPEG", quality=95)
    data = encapsulated_instance(
        [frame.getvalue()],
        Rows=32,
        Columns=40,
        SamplesPerPixel=3,
        PlanarConfiguration=0,
        PhotometricInterpretation="YBR_FULL_422",
    )
    coded = float(np.asarray(red.convert("YCbCr")).mean())
    assert measured(data).average_before_normalization == pytest.approx(coded, abs=1)


def test_wide_values_are_read_several_times_and_drawn_once() -> None:
    values = RNG.integers(0, 1 << 32, (40, 80), np.uint64).astype("u4")
    analysis = measured(
        ct_instance(40, 80, pixels=values, BitsAllocated=32, BitsStored=32, HighBit=31, PixelRepresentation=0)
    )
    assert analysis.thumbnail is not None
    assert Image.open(io.BytesIO(analysis.thumbnail)).size == (80, 40)


def test_frames_beyond_the_headers_number_are_not_measured() -> None:
    frames = [jpeg(32, 40)[0] for _ in range(3)]
    analysis = measured(encapsulated_instance(frames, frames=2, Rows=32, Columns=40))
    assert analysis.statistics["count"] == 2 * 32 * 40
    assert len(analysis.frame_means) == 2
