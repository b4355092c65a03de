"""Thumbnails: size, grey levels and colours, read back from the JPEG."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.builders import ct_elements, ct_instance, data_set, instance
from tests.encoder import LITTLE, PIXEL_DATA
from tests.unit.libs.dicom.pixel_support import measured

NO_WINDOW: dict[str, Any] = {"WindowCenter": None, "WindowWidth": None}
PLAIN: dict[str, Any] = {**NO_WINDOW, "RescaleSlope": None, "RescaleIntercept": None}
TOLERANCE = 4  # of JPEG at this quality, in flat areas


def rendered(data: bytes) -> NDArray[np.int64]:
    thumbnail = measured(data).thumbnail
    assert thumbnail is not None
    picture = Image.open(io.BytesIO(thumbnail))
    assert picture.format == "JPEG"
    return np.asarray(picture).astype(np.int64)


def steps(values: list[int], kind: str = "u2") -> NDArray[Any]:
    """Draw vertical bars of 16 pixels, one for each value."""
    return np.repeat(np.array([values], kind), 16, axis=1).repeat(32, axis=0)


def bars(picture: NDArray[np.int64]) -> list[int]:
    """Read the level in the middle of each bar back."""
    return [int(level) for level in picture[16, 8::16]]


def of_bars(values: list[int], kind: str = "u2", **elements: Any) -> list[int]:
    cells = steps(values, kind)
    bits = cells.dtype.itemsize * 8
    full = {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(kind[0] == "i"), **elements}
    return bars(rendered(ct_instance(32, cells.shape[1], bits, pixels=cells, **full)))


@pytest.mark.parametrize(
    ("rows", "columns", "size"),
    [
        (64, 64, (64, 64)),
        (512, 512, (256, 256)),
        (300, 200, (256, 171)),
        (2000, 100, (256, 13)),
        (5, 3, (5, 3)),
        (1, 3000, (1, 256)),
    ],
)
def test_size(rows: int, columns: int, size: tuple[int, int]) -> None:
    assert rendered(ct_instance(rows, columns)).shape == size


def test_linear_window_over_rescaled_values() -> None:
    levels = of_bars(
        [0, 1000, 1032, 1064, 1096, 3000],
        WindowCenter=["40.5", "0"],
        WindowWidth=["129", "1"],
        RescaleIntercept="-1024",
        RescaleSlope="1",
    )
    # 40.5 ± 64: from -24 on, two levels of grey per unit
    assert levels == pytest.approx([0, 0, 64, 127, 191, 255], abs=TOLERANCE)


@pytest.mark.parametrize(
    ("function", "expected"),
    [("LINEAR_EXACT", [0, 0, 64, 128, 255]), ("SIGMOID", [5, 30, 69, 128, 250])],
)
def test_window_functions(function: str, expected: list[int]) -> None:
    levels = of_bars(
        [0, 50, 75, 100, 200], WindowCenter="100", WindowWidth="100", VOILUTFunction=function, **_no_rescale()
    )
    assert levels == pytest.approx(expected, abs=TOLERANCE)


def _no_rescale() -> dict[str, Any]:
    return {"RescaleSlope": None, "RescaleIntercept": None}


@pytest.mark.parametrize("wrong", [{"WindowWidth": "0"}, {"WindowWidth": "wide"}, {"WindowCenter": ""}])
def test_a_window_without_sense_falls_back_to_percentiles(wrong: dict[str, str]) -> None:
    assert of_bars([100, 200, 300], **{**_no_rescale(), **wrong}) == pytest.approx(
        [0, 128, 255], abs=TOLERANCE
    )


def test_percentiles_leave_outliers_out() -> None:
    cells = steps([100, 200, 300])
    cells[0, :3] = 60000
    levels = bars(rendered(ct_instance(32, 48, pixels=cells, BitsStored=16, HighBit=15, **PLAIN)))
    assert levels == pytest.approx([0, 128, 255], abs=TOLERANCE)


def test_monochrome1_is_inverted() -> None:
    assert of_bars([0, 100, 200], PhotometricInterpretation="MONOCHROME1", **PLAIN) == pytest.approx(
        [255, 128, 0], abs=TOLERANCE
    )


@pytest.mark.parametrize("kind", ["u1", "i1", "i2", "u4", "i4"])
def test_every_kind_of_integer(kind: str) -> None:
    low = -100 if kind[0] == "i" else 0
    assert of_bars([low, low + 50, low + 100], kind, **PLAIN) == pytest.approx([0, 128, 255], abs=TOLERANCE)


def test_voi_lookup_table() -> None:
    item = LITTLE.element(0x00283002, "US", [4, 10, 8]) + LITTLE.element(0x00283006, "US", [0, 255, 64, 128])
    sequence = LITTLE.sequence(0x00283010, [item], undefined=True)
    cells = steps([0, 10, 11, 12, 13, 500])
    elements = {**ct_elements(32, 96, 16, None, 0), **PLAIN}
    tail = sequence + LITTLE.element(PIXEL_DATA, "OW", cells.tobytes())
    assert bars(rendered(instance(elements, tail))) == pytest.approx([0, 0, 255, 64, 128, 128], abs=TOLERANCE)


def test_window_of_the_middle_frame() -> None:
    windows = [("50", "101"), ("500", "1001"), ("0", "1")]
    macros = [
        LITTLE.sequence(0x00289132, [data_set({"WindowCenter": center, "WindowWidth": width})])
        for center, width in windows
    ]
    groups = LITTLE.sequence(0x52009230, macros)
    cells = np.stack([steps([0, 500, 1000])] * 3)
    elements = {**ct_elements(32, 48, 16, 3, 0), **PLAIN}
    tail = groups + LITTLE.element(PIXEL_DATA, "OW", cells.tobytes())
    assert bars(rendered(instance(elements, tail))) == pytest.approx([0, 128, 255], abs=TOLERANCE)


def test_the_middle_frame_is_shown() -> None:
    cells = np.stack([steps([0, 0]), steps([0, 200]), steps([200, 0]), steps([0, 0])])
    picture = rendered(ct_instance(32, 32, frames=4, pixels=cells, **PLAIN))
    assert bars(picture) == pytest.approx([255, 0], abs=TOLERANCE)


RED, GREEN, GREY = (254, 0, 0), (0, 255, 1), (120, 120, 120)
RED_YBR, GREEN_YBR, GREY_YBR = (76, 85, 255), (150, 44, 21), (120, 128, 128)


def colors(cells: NDArray[Any], bits: int, photometric: str, **elements: Any) -> list[list[int]]:
    data = ct_instance(
        32,
        48,
        bits,
        pixels=cells.tobytes(),
        SamplesPerPixel=3,
        PhotometricInterpretation=photometric,
        **{"PlanarConfiguration": 0, "BitsStored": bits, "HighBit": bits - 1, **elements},
    )
    return [list(pixel) for pixel in rendered(data)[16, 8::16].tolist()]


def of_colors(*pixels: tuple[int, int, int]) -> NDArray[np.uint8]:
    return np.repeat(np.array([pixels], np.uint8), 16, axis=1).repeat(32, axis=0)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [0, 1])
def test_rgb(bits: int, planar: int) -> None:
    cells = of_colors(RED, GREEN, GREY).astype(f"u{bits // 8}") << (bits - 8)
    if planar:
        cells = np.moveaxis(cells, 2, 0).copy()
    found = colors(cells, bits, "RGB", PlanarConfiguration=planar)
    assert np.array(found) == pytest.approx(np.array([RED, GREEN, GREY]), abs=8)


def test_ybr_becomes_rgb() -> None:
    found = colors(of_colors(RED_YBR, GREEN_YBR, GREY_YBR), 8, "YBR_FULL")
    assert np.array(found) == pytest.approx(np.array([RED, GREEN, GREY]), abs=8)


def test_subsampled_ybr_becomes_rgb() -> None:
    cells = of_colors(RED_YBR, GREEN_YBR, GREY_YBR)
    pairs = np.concatenate([cells[:, ::2, :1], cells[:, 1::2, :1], cells[:, ::2, 1:]], axis=2)
    found = colors(pairs.copy(), 8, "YBR_FULL_422")
    assert np.array(found) == pytest.approx(np.array([RED, GREEN, GREY]), abs=8)


def palette(kind: str, tables: list[list[int]]) -> bytes:
    """Encode red, green and blue tables that start at 5: packed bytes, words, or segments."""
    out = b""
    bits = 8 if kind == "bytes" else 16
    for number in range(3):
        out += LITTLE.element(0x00281101 + number, "US", [3, 5, bits])
    for number, table in enumerate(tables):
        if kind == "bytes":
            out += LITTLE.element(0x00281201 + number, "OW", bytes(table))
        elif kind == "words":
            out += LITTLE.element(0x00281201 + number, "OW", np.array(table, "<u2").__lshift__(8).tobytes())
        else:  # the first entry, then a line over one entry, then the last entry again as a discrete segment
            first, second, third = (entry << 8 for entry in table)
            segments = [0, 1, first, 1, 1, second, 0, 1, third]
            out += LITTLE.element(0x00281221 + number, "OW", np.array(segments, "<u2").tobytes())
    return out


@pytest.mark.parametrize("kind", ["bytes", "words", "segments"])
def test_palette(kind: str) -> None:
    tables = [list(channel) for channel in zip(RED, GREEN, GREY, strict=True)]
    cells = steps([0, 6, 7], "u1")  # below the first entry the first one counts
    elements: dict[str, Any] = {
        **ct_elements(32, 48, 8, None, 0),
        "PhotometricInterpretation": "PALETTE COLOR",
    }
    tail = palette(kind, tables) + LITTLE.element(PIXEL_DATA, "OB", cells.tobytes())
    found = rendered(instance(elements, tail))[16, 8::16]
    assert found == pytest.approx(np.array([RED, GREEN, GREY]), abs=8)


@pytest.mark.parametrize(
    "elements",
    [
        {"PhotometricInterpretation": "PALETTE COLOR"},
        {"SamplesPerPixel": 4, "Rows": 32, "PhotometricInterpretation": "CMYK"},
    ],
)
def test_what_cannot_be_shown_is_measured_all_the_same(elements: dict[str, Any]) -> None:
    analysis = measured(ct_instance(64, 64, **{**elements, "Columns": 32, "Rows": 32}))
    assert analysis.thumbnail is None
    assert analysis.statistics["thumbnail_missing"]
    assert analysis.average_before_normalization is not None
