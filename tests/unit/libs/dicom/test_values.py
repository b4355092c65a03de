"""Values of frames as viewers calculate with them, against pydicom's and built ones."""

from __future__ import annotations

import io
import subprocess
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.pixels import apply_color_lut, apply_modality_lut, pixel_array

from libs.dicom.faults import DicomFault
from libs.dicom.pixels.image import Image as ImageObject
from libs.dicom.render.frame import Rendering, draw_frame
from libs.dicom.render.transform import Window
from libs.dicom.render.values import are_cells, frame_values, from_cells, value_type, values_size
from libs.dicom.transcode.part10 import open_object
from tests import wheel
from tests.builders import ct_elements, ct_instance, instance
from tests.dcmtk import program
from tests.encoder import LITTLE, PIXEL_DATA
from tests.unit.libs.dicom.pixel_support import sealed
from tests.unit.libs.dicom.test_corpus import CORPUS, corpus_rows
from tests.unit.libs.dicom.test_render import GREEN, GREY, RED, palette, steps

MOST = 1 << 28


def opened(data: bytes) -> tuple[Any, ImageObject]:
    found = open_object(io.BytesIO(data), sealed(data), 1 << 30)
    assert found.image is not None
    return found.stream, found.image


def values(data: bytes, frame: int = 0) -> NDArray[Any]:
    stream, image = opened(data)
    kind = value_type(image)
    assert kind is not None
    raw = frame_values(stream, image, frame, MOST)
    assert len(raw) == values_size(image, kind)
    if are_cells(image):
        size = len(raw)
        start = image.place.offset + frame * size
        assert from_cells(data[start : start + size], image) == raw, "what needs no decoding is the same"
    if kind == "rgb8":
        return np.frombuffer(raw, np.uint8).reshape(image.rows, image.columns, 3)
    return np.frombuffer(raw, np.dtype(kind).newbyteorder("<")).reshape(image.rows, image.columns)


def drawn(data: bytes, frame: int = 0, **rendering: Any) -> NDArray[np.int64]:
    stream, image = opened(data)
    return np.asarray(draw_frame(stream, image, frame, Rendering(**rendering), MOST)).astype(np.int64)


def expected(name: str, frame: int) -> NDArray[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data_set = pydicom.dcmread(wheel.path_of(name))
        if data_set.PhotometricInterpretation == "PALETTE COLOR":
            colors = apply_color_lut(data_set.pixel_array, data_set)
            return (colors >> 8).astype(np.uint8)
        found: NDArray[Any] = pixel_array(data_set, index=frame)
    return found >> (8 * (found.itemsize - 1)) if found.ndim == 3 else found


@pytest.mark.parametrize(
    ("name", "kind", "frame", "tolerance"),
    [
        ("CT_small.dcm", "int16", 0, 0),
        ("MR_small_bigendian.dcm", "int16", 0, 0),
        ("MR_small_RLE.dcm", "int16", 0, 0),
        ("MR_small_jpeg_ls_lossless.dcm", "int16", 0, 0),
        ("693_J2KI.dcm", "int16", 0, 0),
        ("J2K_pixelrep_mismatch.dcm", "int16", 0, 0),
        ("examples_overlay.dcm", "uint16", 0, 0),
        ("image_dfl.dcm", "uint8", 0, 0),
        ("liver_1frame.dcm", "uint8", 0, 0),
        ("liver_expb_1frame.dcm", "uint8", 0, 0),
        ("rtdose.dcm", "float32", 7, 0),
        ("rtdose_expb.dcm", "float32", 14, 0),
        ("rtdose_rle.dcm", "float32", 3, 0),
        ("examples_palette.dcm", "rgb8", 0, 0),
        ("examples_rgb_color.dcm", "rgb8", 0, 0),
        ("ExplVR_BigEnd.dcm", "rgb8", 0, 0),
        ("SC_rgb_small_odd.dcm", "rgb8", 0, 0),
        ("SC_rgb_small_odd_big_endian.dcm", "rgb8", 0, 0),
        ("SC_rgb_rle_16bit_2frame.dcm", "rgb8", 1, 0),
        ("SC_rgb_rle_32bit_2frame.dcm", "rgb8", 1, 0),
        ("SC_rgb_jpeg_gdcm.dcm", "rgb8", 0, 0),
        ("GDCMJ2K_TextGBR.dcm", "rgb8", 0, 0),
        ("SC_ybr_full_422_uncompressed.dcm", "rgb8", 0, 1),
        ("examples_ybr_color.dcm", "rgb8", 29, 2),
        ("SC_rgb_dcmtk_+eb+cy+n1.dcm", "rgb8", 0, 2),
    ],
)
def test_values_are_those_that_another_reader_gives(
    name: str, kind: str, frame: int, tolerance: float
) -> None:
    data = wheel.path_of(f"test_files/{name}").read_bytes()
    assert value_type(opened(data)[1]) == kind
    found, wanted = values(data, frame), expected(f"test_files/{name}", frame)
    difference = np.abs(found.astype(np.float64) - wanted.astype(np.float32).astype(np.float64))
    assert found.shape == wanted.shape
    assert difference.max() <= tolerance


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize(("stored", "high"), [(12, 11), (12, 15), (10, 13), (16, 15)])
def test_bits_that_are_not_stored_are_no_values(stored: int, high: int, signed: int) -> None:
    cells = np.random.default_rng(stored + high).integers(0, 1 << 16, (8, 8), np.uint16)
    data = ct_instance(8, 8, pixels=cells, BitsStored=stored, HighBit=high, PixelRepresentation=signed)
    wanted = (cells.astype(np.int64) >> (high + 1 - stored)) & ((1 << stored) - 1)
    if signed:
        wanted -= (wanted >> (stored - 1)) << stored
    found = values(data)
    assert found.dtype == (np.int16 if signed else np.uint16)
    assert (found == wanted).all()


def test_a_modality_table_is_applied() -> None:
    item = LITTLE.element(0x00283002, "US", [4, 10, 16]) + LITTLE.element(
        0x00283006, "US", [7, 900, 40, 65535]
    )
    sequence = LITTLE.sequence(0x00283000, [item])
    cells = np.array([[0, 10, 11, 12, 13, 500]], np.uint16)
    elements: dict[str, Any] = {
        **ct_elements(1, 6, 16, None, 0),
        "RescaleSlope": None,
        "RescaleIntercept": None,
    }
    data = instance(elements, sequence + LITTLE.element(PIXEL_DATA, "OW", cells.tobytes()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wanted = apply_modality_lut(cells, pydicom.dcmread(io.BytesIO(data)))
    found = values(data)
    assert found.dtype == np.uint16
    assert found.tolist() == wanted.tolist() == [[7, 7, 900, 40, 65535, 65535]]


def test_a_modality_table_without_entries_is_refused() -> None:
    item = LITTLE.element(0x00283002, "US", [4, 10, 16]) + LITTLE.element(0x00283006, "LO", "none")
    cells = np.zeros((1, 6), np.uint16)
    data = instance(
        {**ct_elements(1, 6, 16, None, 0)},
        LITTLE.sequence(0x00283000, [item]) + LITTLE.element(PIXEL_DATA, "OW", cells.tobytes()),
    )
    with pytest.raises(DicomFault, match="pixel-data-invalid"):
        values(data)


def test_palettes_and_planes_become_colors() -> None:
    tables = [list(channel) for channel in zip(RED, GREEN, GREY, strict=True)]
    elements: dict[str, Any] = {
        **ct_elements(32, 48, 8, None, 0),
        "PhotometricInterpretation": "PALETTE COLOR",
    }
    tail = palette("segments", tables) + LITTLE.element(PIXEL_DATA, "OB", steps([0, 6, 7], "u1").tobytes())
    assert values(instance(elements, tail))[16, 8::16].tolist() == [list(RED), list(GREEN), list(GREY)]
    planes = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    data = ct_instance(
        5, 3, 8, pixels=planes.tobytes(), SamplesPerPixel=3, PhotometricInterpretation="RGB",
        PlanarConfiguration=1, BitsStored=8, HighBit=7,
    )  # fmt: skip
    assert (values(data) == np.moveaxis(planes, 0, -1)).all()


def test_other_numbers_of_samples_have_no_values() -> None:
    data = ct_instance(4, 4, 8, pixels=bytes(64), SamplesPerPixel=4, PhotometricInterpretation="CMYK")
    stream, image = opened(data)
    assert value_type(image) is None
    with pytest.raises(DicomFault):
        frame_values(stream, image, 0, MOST)


PLAIN: dict[str, Any] = {
    "WindowCenter": None,
    "WindowWidth": None,
    "RescaleSlope": "1",
    "RescaleIntercept": "0",
}


def bars(data: bytes, **rendering: Any) -> list[int]:
    return [int(level) for level in drawn(data, **rendering)[16, 8::16]]


def test_padding_is_black_and_no_part_of_what_most_values_are() -> None:
    cells = steps([63536, 0, 100, 200])
    data = ct_instance(
        32, 64, pixels=cells, PixelRepresentation=1, BitsStored=16, HighBit=15, PixelPaddingValue=63536,
        PhotometricInterpretation="MONOCHROME1", **PLAIN,
    )  # fmt: skip
    assert bars(data) == pytest.approx([0, 255, 127, 0], abs=1)
    assert bars(data, invert=True) == pytest.approx([255, 0, 127, 255], abs=1)
    assert bars(data, view=Window(100, 200, "LINEAR_EXACT")) == pytest.approx([0, 255, 127, 0], abs=1)


def test_an_inverse_presentation_is_inverted_once() -> None:
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        data = ct_instance(
            32, 48, pixels=steps([0, 100, 200]), PhotometricInterpretation=photometric,
            PresentationLUTShape="INVERSE", **PLAIN,
        )  # fmt: skip
        assert bars(data) == pytest.approx([255, 127, 0], abs=1)


def test_the_lookup_table_is_drawn_where_it_is_asked_for() -> None:
    item = LITTLE.element(0x00283002, "US", [4, 10, 8]) + LITTLE.element(0x00283006, "US", [0, 255, 64, 128])
    elements = {**ct_elements(32, 48, 16, None, 0), **PLAIN, "WindowCenter": "11", "WindowWidth": "3"}
    pixels = LITTLE.element(PIXEL_DATA, "OW", steps([10, 11, 12]).tobytes())
    data = instance(elements, LITTLE.sequence(0x00283010, [item]) + pixels)
    assert bars(data) == bars(data, view="lut") == [0, 255, 64]
    assert bars(data, view=Window(11, 2, "LINEAR_EXACT")) == [0, 127, 255]
    with pytest.raises(DicomFault, match="no-voi-lut"):
        drawn(instance(elements, pixels), view="lut")


def of_floats(values: list[float]) -> tuple[bytes, NDArray[np.float32]]:
    """An object of vertical bars of floats, without a window, and its cells."""
    cells = np.repeat(np.array([values], np.float32), 16, axis=1).repeat(32, axis=0)
    elements = {
        name: value
        for name, value in {**ct_elements(32, cells.shape[1], 32, None, 0), **PLAIN}.items()
        if name not in ("BitsStored", "HighBit", "PixelRepresentation")
    }
    return instance(elements, LITTLE.element(0x7FE00008, "OF", cells.tobytes())), cells


def test_infinities_are_as_dark_and_as_bright_as_can_be() -> None:
    data, _ = of_floats([-np.inf, 0, 50, 100, np.inf, np.nan])
    assert bars(data) == pytest.approx([0, 0, 127, 255, 255, 0], abs=1)


def test_not_a_number_is_black() -> None:
    data, cells = of_floats([np.nan, 0, 50, np.inf])
    assert bars(data, view=Window(50, 100, "LINEAR_EXACT")) == [0, 0, 127, 255]
    assert np.array_equal(values(data), cells, equal_nan=True)


def test_colors_are_inverted_too_and_a_smaller_side_is_kept() -> None:
    data = wheel.path_of("test_files/examples_rgb_color.dcm").read_bytes()
    assert (drawn(data, invert=True) == 255 - values(data).astype(int)).all()
    assert drawn(data, side=64).shape == (48, 64, 3)
    assert drawn(data, side=4096).shape == (240, 320, 3)


@pytest.mark.parametrize("row", corpus_rows(), ids=lambda row: row["path"])
def test_values_of_the_corpus_are_those_of_dcmtk(row: dict[str, str]) -> None:
    data = (Path(CORPUS or "") / row["path"]).read_bytes()
    _, image = opened(data)
    if value_type(image) in (None, "rgb8"):
        pytest.skip("its values are colours, which the reference leaves as they are stored")
    found = np.concatenate([values(data, frame).reshape(-1) for frame in range(image.frames)])
    exact = found.astype(np.float64)
    # Doubles have become floats.
    facts = [pytest.approx(float(row[name]), rel=1e-6) for name in ("n", "min", "max", "mean")]
    assert [found.size, exact.min(), exact.max(), exact.mean()] == facts


WINDOWED = (
    "CT_small.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_RLE.dcm",
    "examples_overlay.dcm",
    "dicomdirtests/77654033/CR1/6154",
    "JPGExtended.dcm",
)


@pytest.mark.peers
@pytest.mark.parametrize("name", WINDOWED)
@pytest.mark.parametrize("view", [(40, 400), (300.5, 1200), (900, 1), (1000, 2)])
def test_windows_are_those_of_dcmtk(name: str, view: tuple[float, float], tmp_path: Path) -> None:
    path, plain = wheel.path_of(f"test_files/{name}"), tmp_path / "plain.dcm"
    for decoder in ("dcmdrle", "dcmdjpls", "dcmdjpeg"):
        subprocess.run([program(decoder), path, plain], check=False, capture_output=True)
        if plain.exists():
            break
    shown = tmp_path / "shown.pgm"
    subprocess.run([program("dcm2pnm"), "+Ww", *map(str, view), "-O", "+opb", plain, shown], check=True)
    with Image.open(shown) as picture:
        expected_levels = np.asarray(picture).astype(int)
    found = drawn(path.read_bytes(), view=Window(*view, "LINEAR"))
    assert np.abs(found - expected_levels).max() <= 1


def test_without_a_window_modality_values_are_stretched() -> None:
    cells = steps([0, 100, 200, 400])
    falling = ct_instance(32, 64, pixels=cells, **{**PLAIN, "RescaleSlope": "-2", "RescaleIntercept": "7"})
    assert bars(falling) == pytest.approx([255, 191, 127, 0], abs=1)
