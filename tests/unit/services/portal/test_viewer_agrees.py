"""What the viewer draws of values beside what the services draw: at most one grey level apart at every pixel.

And real files in windows of the clinic beside DCMTK's pictures, kept where SCREENSHOTS names a folder.
"""

from __future__ import annotations

import base64
import json
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page

from tests import dcmtk, wheel
from tests.builders import ct_elements, ct_instance, instance
from tests.encoder import LITTLE, PIXEL_DATA
from tests.unit.libs.dicom.test_render import palette
from tests.unit.services.portal.test_scripts import page, run
from tests.unit.services.portal.test_viewer_drawing import ARRAYS, AS_IS, DRAW
from tests.unit.services.portal.test_viewer_scripts import window
from tests.unit.services.portal.viewer_support import Served, served

__all__ = ["page"]
pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
KINDS = ("webgl2", "2d")
CORPUS = os.environ.get("CORPUS_DIR")
SIDE = (40, 56)


def drawn(
    page: Page, frame: Served, shown: dict[str, Any] | None, *, invert: bool = False
) -> dict[str, NDArray[np.uint8]]:
    """RGB by each way of drawing, at the frame's own size; `shown` None: what it is shown with at first."""
    info, text = frame.info, base64.b64encode(frame.values).decode()
    picture = json.dumps({"info": info, "window": shown, "invert": invert})
    found = run(
        page,
        f"""{DRAW} const picture = {picture};
        const {{ defaultWindow }} = await import('/viewer/levels.js');
        const values = new {ARRAYS[info["values"]]}(octets('{text}').buffer);
        picture.window ??= defaultWindow(picture.info, values);
        const size = [picture.info.columns, picture.info.rows];
        const each = [];
        for (const kind of {json.dumps(KINDS)}) {{
            each.push(textOf(await drawn(kind, ...size, {json.dumps(AS_IS)}, {{ ...picture, values }})));
        }}
        return each;""",
    )
    return {
        kind: np.frombuffer(base64.b64decode(text), np.uint8).reshape(info["rows"], info["columns"], 4)[
            ..., :3
        ]
        for kind, text in zip(KINDS, found, strict=True)
    }


def apart(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> int:
    return int(np.abs(one.astype(int) - other).max())


def noise(kind: str, shape: tuple[int, ...] = SIDE) -> NDArray[Any]:
    """Over the whole range of a type."""
    random = np.random.default_rng(len(kind))
    if kind.startswith("f"):
        return random.normal(0, 500, shape).astype(kind)
    span = np.iinfo(kind)
    return random.integers(span.min, int(span.max) + 1, shape).astype(kind)


def gray(cells: NDArray[Any], **elements: Any) -> bytes:
    """An image of these cells, without window and rescale unless told."""
    bits = cells.itemsize * 8
    plain: dict[str, Any] = {
        "WindowCenter": None,
        "WindowWidth": None,
        "RescaleSlope": None,
        "RescaleIntercept": None,
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(cells.dtype.kind == "i"),
    }
    return ct_instance(cells.shape[0], cells.shape[1], bits, pixels=cells, **{**plain, **elements})


def floating(cells: NDArray[Any], **elements: Any) -> bytes:
    tag, vr = (0x7FE00008, "OF") if cells.itemsize == 4 else (0x7FE00009, "OD")
    header: dict[str, Any] = {
        **ct_elements(cells.shape[0], cells.shape[1], 16, None, 0),
        "RescaleSlope": None,
        "RescaleIntercept": None,
    }
    for keyword in ("BitsStored", "HighBit", "PixelRepresentation"):
        header.pop(keyword)
    header |= {"BitsAllocated": cells.itemsize * 8, **elements}
    return instance(header, LITTLE.element(tag, vr, cells.tobytes()))


def with_table(tag: int, cells: NDArray[Any], entries: list[int], first: int, **elements: Any) -> bytes:
    """With a Modality LUT (0028,3000) or VOI LUT (0028,3010)."""
    bits = cells.itemsize * 8
    item = LITTLE.element(0x00283002, "US", [len(entries), first & 0xFFFF, 16])
    item += LITTLE.element(0x00283006, "OW", np.array(entries, "<u2").tobytes())
    header: dict[str, Any] = {
        **ct_elements(cells.shape[0], cells.shape[1], bits, None, 0),
        "WindowCenter": None,
        "WindowWidth": None,
    }
    header |= {"BitsStored": bits, "HighBit": bits - 1, "PixelRepresentation": int(cells.dtype.kind == "i")}
    header |= {"RescaleSlope": None, "RescaleIntercept": None, **elements}
    return instance(header, LITTLE.sequence(tag, [item]) + LITTLE.element(PIXEL_DATA, "OW", cells.tobytes()))


def colours(photometric: str, *, bits: int = 8, **elements: Any) -> bytes:
    cells = noise("u1" if bits == 8 else "u2", (*SIDE, 3))
    return ct_instance(
        *SIDE,
        bits,
        pixels=cells.tobytes(),
        SamplesPerPixel=3,
        PhotometricInterpretation=photometric,
        PlanarConfiguration=0,
        BitsStored=bits,
        HighBit=bits - 1,
        **elements,
    )


def palettes() -> bytes:
    tables = [[(17 * at + shift) % 256 for at in range(200)] for shift in (0, 80, 160)]
    header: dict[str, Any] = {**ct_elements(*SIDE, 8, None, 0), "PhotometricInterpretation": "PALETTE COLOR"}
    return instance(
        header, palette("bytes", tables) + LITTLE.element(PIXEL_DATA, "OB", noise("u1").tobytes())
    )


CURVE = [round(65535 * (at / 999) ** 2) for at in range(1000)]
SMALL = (noise("u2") % 1200).astype(np.uint16)
SIGNED = ((noise("u2") % 3000).astype(np.int32) - 1024).astype(np.int16)
SIGNED[3:9, 3:9] = -2000
CT = {"RescaleSlope": "1", "RescaleIntercept": "-24", "PixelPaddingValue": 63536}
IMAGES = {
    "8 bits": gray(noise("u1")),
    "falling": gray(SIGNED, **{**CT, "RescaleSlope": "-0.5"}),
    "8 bits signed": gray(noise("i1"), RescaleSlope="2.5", RescaleIntercept="-3"),
    "12 of 16 bits": gray(noise("u2"), BitsStored=12, HighBit=11, RescaleSlope="0.25", RescaleIntercept="0"),
    "16 bits": gray(noise("u2")),
    "16 bits signed": gray(SIGNED, **CT),
    "32 bits": gray(noise("u4") % 70_000),
    "MONOCHROME1": gray(SIGNED, PhotometricInterpretation="MONOCHROME1", **CT),
    "presentation inverse": gray(SIGNED, PresentationLUTShape="INVERSE", **CT),
    "float": floating(noise("f4")),
    "double": floating(noise("f8"), PhotometricInterpretation="MONOCHROME1"),
    "modality table": with_table(0x00283000, SMALL, CURVE, 100),
    "VOI table": with_table(0x00283010, SMALL, CURVE, 100),
    "VOI table after rescale": with_table(
        0x00283010, SIGNED, CURVE, -500, PhotometricInterpretation="MONOCHROME1", **CT
    ),
    "palette": palettes(),
    "RGB": colours("RGB"),
    "RGB of 16 bits": colours("RGB", bits=16),
    "YBR_FULL": colours("YBR_FULL"),
}
WINDOWS = {
    "first": None,
    "linear": window(40, 400),
    "narrow": window(100.5, 1),
    "exact": window(-600.25, 1500.5, "LINEAR_EXACT"),
    "sigmoid": window(50, 350, "SIGMOID"),
    "wide": window(30000, 60000),
}
CASES = [(image, name) for image in IMAGES for name in WINDOWS]
QUICK = {
    ("16 bits signed", "linear"),
    ("MONOCHROME1", "sigmoid"),
    ("VOI table", "first"),
    ("YBR_FULL", "first"),
}


@pytest.mark.parametrize(
    ("image", "name"),
    [pytest.param(*case, marks=() if case in QUICK else pytest.mark.browser_matrix) for case in CASES],
)
def test_the_viewer_draws_as_the_services_do(page: Page, image: str, name: str) -> None:
    frame, shown = served(IMAGES[image]), WINDOWS[name]
    for invert in (False, True):
        expected = frame.picture(shown, invert=invert)
        assert np.unique(expected).size > 1
        for kind, found in drawn(page, frame, shown, invert=invert).items():
            assert apart(found, expected) <= 1, (kind, invert)


PRESETS: dict[str, tuple[float, float]] = {
    "soft tissue": (40, 400),
    "lung": (-600, 1500),
    "liver": (90, 150),
    "bone": (480, 2500),
    "brain": (40, 80),
}
REAL = ["CT_small.dcm", "MR_small_RLE.dcm", "image_dfl.dcm"]
"""Of the pydicom wheel."""
REAL_CORPUS = [
    "cornerstonejs__dicomParser/encapsulated/multi-frame/CT0012.fragmented_no_bot_jpeg_lossless.57.dcm",
    "ImagingDataCommons__highdicom/dx_image.dcm",
    "neurolabusc__dcm_qa_12bit/12bitSigned_0x0F0F.dcm",
    "dcmjs-org__dicomweb-client/sample.dcm",
    "kcenon__pacs_system/examples/integration_tests/test_data/xa_minimal.dcm",
    "pydicom__pydicom/test_files/dicomdirtests/77654033/CR1/6154",
    "dcmjs-org__dcmjs/test/sample-op.dcm",
]


def real_files() -> list[Path]:
    found = [wheel.path_of(f"test_files/{name}") for name in REAL]
    return [*found, *(Path(CORPUS) / name for name in REAL_CORPUS)] if CORPUS else found


def clinical(frame: Served) -> dict[str, tuple[float, float]]:
    """Windows for a file: presets of CT, else the middle, half and a tenth of its values."""
    if frame.info["modality"] == "CT":
        return PRESETS
    kind = np.dtype(frame.info["values"])
    values = np.frombuffer(frame.values, kind) * frame.info["slope"] + frame.info["intercept"]
    low, middle, high = (float(value) for value in np.percentile(values, [1, 50, 99]))
    width = max(high - low, 10)
    return {"all": ((low + high) / 2, width), "half": (middle, width / 2), "tenth": (middle, width / 10)}


def keep(name: str, *pictures: NDArray[np.uint8]) -> None:
    """Side by side: DCMTK, the viewer, and where they differ, made visible."""
    if folder := os.environ.get("SCREENSHOTS"):
        one, other = pictures
        difference = np.clip(np.abs(one.astype(int) - other) * 64, 0, 255).astype(np.uint8)
        Image.fromarray(np.hstack([one, other, difference])).save(Path(folder) / f"{name}.png")


def most_apart(frame: Served, width: float) -> int:
    """DCMTK cuts rescaled values to integers before they meet the window; we do not."""
    whole = float(frame.info["slope"]).is_integer() and float(frame.info["intercept"]).is_integer()
    return 1 if whole else 1 + math.ceil(255 / width)


FUNCTIONS = {"LINEAR": "+Wfl", "SIGMOID": "+Wfs"}


@pytest.mark.browser_matrix
@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("path", real_files(), ids=lambda path: path.name)
def test_windows_look_as_dcmtk_draws_them(page: Page, path: Path, function: str, tmp_path: Path) -> None:
    frame, out = served(path.read_bytes()), tmp_path / "picture.ppm"
    for name, (center, width) in clinical(frame).items():
        told = ["+Ww", str(center), str(width), FUNCTIONS[function]]
        command = [dcmtk.program("dcmj2pnm"), *told, "-O", str(path), str(out)]
        subprocess.run(command, check=True, capture_output=True)
        expected = np.asarray(Image.open(out).convert("RGB"))
        for kind, found in drawn(page, frame, window(center, width, function)).items():
            keep(f"dcmtk-{path.stem}-{name}-{function.lower()}-{kind}", expected, found)
            most, mean = apart(found, expected), np.abs(found.astype(int) - expected).mean()
            print(f"{path.name} {name} {function} {kind}: at most {most}, mean {mean:.3f}")
            assert most <= most_apart(frame, width), (name, kind)
