"""The viewer's modules that decide levels, places and measurements, beside NumPy and the standard's words."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import page, run

__all__ = ["page"]
pytestmark = pytest.mark.browser

INFO: dict[str, Any] = {
    "rows": 32,
    "columns": 40,
    "values": "int16",
    "slope": 1,
    "intercept": 0,
    "unit": "HU",
    "windows": [],
    "voi_lut": None,
    "presentation_inverse": False,
    "padding": None,
    "range": None,
    "spacing": None,
    "spacing_kind": "none",
    "pixel_aspect": None,
    "regions": [],
    "modality": "CT",
}
LEVELS = "const levels = await import('/viewer/levels.js');"
GEOMETRY = "const geometry = await import('/viewer/geometry.js');"
MEASURING = "const measuring = await import('/viewer/measuring.js');"


def window(center: float, width: float, function: str = "LINEAR") -> dict[str, Any]:
    return {"kind": "window", "center": center, "width": width, "function": function}


def of_the_standard(values: NDArray[Any], center: float, width: float, function: str) -> NDArray[Any]:
    """Levels before rounding down (PS3.3 C.11.2.1.2.1, C.11.2.1.3.1, C.11.2.1.3.2)."""
    if function == "SIGMOID":
        return 255 / (1 + np.exp(-4 * (values - center) / width))
    if function == "LINEAR_EXACT":
        return np.clip(((values - center) / width + 0.5) * 255, 0, 255)
    if width == 1:
        return np.where(values <= center - 0.5, 0.0, 255.0)
    return np.clip(((values - (center - 0.5)) / (width - 1) + 0.5) * 255, 0, 255)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize(
    ("center", "width", "function"),
    [
        (40, 400, "LINEAR"),
        (40, 1, "LINEAR"),
        (2048, 4096, "LINEAR"),
        (40.25, 0.75, "LINEAR_EXACT"),
        (-600, 1500, "LINEAR_EXACT"),
        (50, 350, "SIGMOID"),
    ],
)
def test_windows_are_those_of_the_standard(
    page: Page, center: float, width: float, function: str, inverse: bool
) -> None:
    info = {**INFO, "slope": 0.5, "intercept": -100, "presentation_inverse": inverse}
    found = run(
        page,
        f"""{LEVELS}
        const table = levels.table({json.dumps(info)}, {json.dumps(window(center, width, function))});
        return [...table.filter((_, at) => at % 7 === 0)];""",
    )
    stored = np.arange(0, 65536, 7).astype(np.uint16).view(np.int16)
    levels = of_the_standard(stored * 0.5 - 100, center, width, function)
    assert np.abs((255 - levels if inverse else levels) - np.array(found)).max() < 1 + 1e-9


def test_tables_padding_and_the_readers_inversion(page: Page) -> None:
    lut = {"first": -2, "bits": 8, "entries": [0, 10, 20, 40]}
    info = {**INFO, "values": "int8", "voi_lut": lut, "padding": [3, 5], "presentation_inverse": True}
    found, turned = run(
        page,
        f"""{LEVELS} const info = {json.dumps(info)};
        return [false, true].map((invert) => [...levels.table(info, {{ kind: 'lut' }}, {{ invert }})]);""",
    )
    assert found[-3:] + found[:7] == [255, 255, 191, 127, 0, 0, 0, 0, 0, 0]  # -3 … 6; padding is black
    assert turned == [255 - level for level in found]


def test_a_window_that_fits_holds_most_values(page: Page) -> None:
    values = np.random.default_rng(1).normal(300, 90, 1280).astype(np.int16)
    values[:100] = -2000
    info = {**INFO, "slope": 2, "intercept": 5, "padding": [-2000, -2000]}
    code = f"""{LEVELS} const info = {json.dumps(info)};
        const values = {json.dumps(values.tolist())};
        return [Int16Array, Float32Array].map((type) => [
            levels.auto(type.from(values), info), levels.full(type.from(values), info)]);"""
    low, high = np.percentile(values[100:], [1, 99]) * 2 + 5
    least, most = values[100:].min() * 2 + 5, values[100:].max() * 2 + 5
    for auto, full in run(page, code):
        assert auto["center"] == pytest.approx((low + high) / 2)
        assert auto["width"] == pytest.approx(high - low)
        assert (full["center"], full["width"]) == ((least + most) / 2, most - least)
        assert auto["function"] == full["function"] == "LINEAR_EXACT"


def test_what_an_image_is_shown_with_at_first(page: Page) -> None:
    windows = [{"center": 40, "width": 0.5}, {"center": 1, "width": 2, "function": "sigmoid", "name": "B"}]
    infos = [
        {**INFO, "windows": windows[1:], "voi_lut": {"first": 0, "bits": 8, "entries": [0, 1]}},
        {**INFO, "windows": windows[1:]},
        {**INFO, "windows": windows, "range": [-10, 30]},
        {**INFO, "windows": []},
        {**INFO, "values": "rgb8", "windows": windows[1:]},
    ]
    code = f"{LEVELS} return {json.dumps(infos)}.map((info) => levels.defaultWindow(info));"
    assert run(page, code) == [
        {"kind": "lut"},
        window(1, 2, "SIGMOID"),
        window(10, 40, "LINEAR_EXACT"),
        None,
        None,
    ]


def test_presets_are_of_the_header_and_of_the_modality(page: Page) -> None:
    header = [{"center": 50, "width": 350, "name": "WINDOW1"}, {"center": 500, "width": 1500}]
    info = {**INFO, "windows": header}
    of = """const { presetsOf, presetFor } = await import('/viewer/presets.js');
        const told = (info) => presetsOf(info).map(({ key, name, title, window }) =>
            [key, name, title, window.center, window.width]);"""
    ct = [
        ["1", "soft-tissue", None, 40, 400],
        ["2", "lung", None, -600, 1500],
        ["3", "liver", None, 90, 150],
        ["4", "bone", None, 480, 2500],
        ["5", "brain", None, 40, 80],
    ]
    own = [["0", "header", "WINDOW1", 50, 350], [None, "header", None, 500, 1500]]
    assert run(page, f"{of} return told({json.dumps(info)});") == own + ct
    assert run(page, f"{of} return told({json.dumps({**info, 'modality': 'MR'})});") == own
    assert run(page, f"{of} return presetFor('4', {json.dumps(info)});") == window(480, 2500)
    assert run(page, f"{of} return presetFor('9', {json.dumps(info)});") is None


def test_a_frame_has_what_is_its_own_before_what_all_share(page: Page) -> None:
    stack = {
        "modality": "MR",
        "instances": [
            {"file_id": "a", "slope": 1, "per_frame": None},
            {
                "file_id": "b",
                "slope": 1,
                "unit": "HU",
                "per_frame": [{}, {"slope": 3, "position": [0, 0, 2]}],
            },
        ],
        "groups": [{"frames": [[1, 2], [0, 1]]}],
    }
    code = f"""const {{ frameInfos }} = await import('/viewer/frame-info.js');
        const stack = {json.dumps(stack)}; return frameInfos(stack, stack.groups[0]);"""
    first, second = run(page, code)
    assert first == {
        "file_id": "b",
        "slope": 3,
        "unit": "HU",
        "position": [0, 0, 2],
        "modality": "MR",
        "frame": 2,
        "index": 0,
        "key": "b/2",
    }
    assert (second["key"], second["index"], second["slope"]) == ("a/1", 1, 1)


@pytest.mark.parametrize("flips", [(False, False), (True, False), (False, True), (True, True)])
@pytest.mark.parametrize("rotate", [0, 90, 180, 270, -90])
def test_an_image_lies_where_its_view_says(page: Page, rotate: int, flips: tuple[bool, bool]) -> None:
    state = {"rotate": rotate, "flipH": flips[0], "flipV": flips[1], "fit": True, "zoom": 2, "pan": [3, 4]}
    code = f"""{GEOMETRY}
        const size = {{ columns: 40, rows: 20, aspect: 2 }};
        const view = geometry.viewOf({json.dumps(state)}, size, {{ width: 90, height: 70 }});
        return {{ middle: view.toScreen(20, 10), right: view.toScreen(40, 10), below: view.toScreen(20, 20),
            back: view.toImage(...view.toScreen(7, 9)), scale: view.scale }};"""
    found = run(page, code)
    scale = 70 / 40 * 2  # 40 × 20 pixels, twice as high as wide, make a square
    turn = np.array([[math.cos(a := math.radians(rotate)), -math.sin(a)], [math.sin(a), math.cos(a)]])
    middle = np.array([48, 39])
    assert found["scale"] == pytest.approx(scale)
    assert found["middle"] == pytest.approx(middle)
    assert found["right"] == pytest.approx(middle + turn @ [20 * scale * (-1 if flips[0] else 1), 0])
    assert found["below"] == pytest.approx(middle + turn @ [0, 20 * scale * (-1 if flips[1] else 1)])
    assert found["back"] == pytest.approx([7, 9])


def test_whole_factors_put_pixels_onto_pixels(page: Page) -> None:
    code = f"""{GEOMETRY}
        const state = {{ fit: false, zoom: 1, pan: [0.3, 0.6] }};
        const size = {{ columns: 33, rows: 20, aspect: 1 }};
        return geometry.viewOf(state, size, {{ width: 90, height: 71 }}).matrix;"""
    assert run(page, code) == [1, 0, 0, 1, 29, 26]


def test_pixels_have_the_shape_that_the_header_says(page: Page) -> None:
    infos = [
        {"spacing": [2, 0.5], "pixel_aspect": [9, 1]},
        {"spacing": None, "pixel_aspect": [3, 2]},
        {"spacing": [1.2, 1.2012], "pixel_aspect": None},  # as good as square
        {"spacing": [0, 1], "pixel_aspect": None},
        {"spacing": None, "pixel_aspect": None},
    ]
    found = run(page, f"{GEOMETRY} return {json.dumps(infos)}.map((info) => geometry.sizeOf(info).aspect);")
    assert found == [4, 1.5, 1, 1, 1]


@pytest.mark.parametrize(
    ("orientation", "rotate", "flips", "expected"),
    [
        ([1, 0, 0, 0, 1, 0], 0, {}, "RLAP"),
        ([1, 0, 0, 0, 1, 0], 90, {}, "PARL"),
        ([1, 0, 0, 0, 1, 0], 0, {"h": True}, "LRAP"),
        ([1, 0, 0, 0, 1, 0], 90, {"v": True}, "APRL"),
        ([0, 1, 0, 0, 0, -1], 0, {}, "APHF"),
        ([0.8, 0.6, 0, 0, 0, -1], 180, {}, ["LP", "RA", "F", "H"]),
        ([0.99, 0.1, 0.1, 0, 1, 0], 270, {}, "APLR"),
        (["L", "F"], 0, {}, "RLHF"),
        (["A", "FL"], 90, {"h": True}, ["FL", "HR", "A", "P"]),
        (None, 0, {}, ["", "", "", ""]),
    ],
)
def test_letters_tell_where_the_edges_of_the_screen_lie(
    page: Page, orientation: Any, rotate: int, flips: dict[str, bool], expected: Any
) -> None:
    code = f"{GEOMETRY} return geometry.letters(...{json.dumps([orientation, rotate, flips])});"
    found = run(page, code)
    assert [found[edge] for edge in ("left", "right", "top", "bottom")] == list(expected)


def test_a_frame_has_its_place_along_the_normal(page: Page) -> None:
    infos = [
        {"position": [10, 20, -7.5], "orientation": [1, 0, 0, 0, 1, 0]},
        {"position": [10, 20, -7.5], "orientation": [0, 1, 0, 0, 0, -1]},
        {"position": None, "orientation": [1, 0, 0, 0, 1, 0]},
    ]
    assert run(page, f"{GEOMETRY} return {json.dumps(infos)}.map(geometry.along);") == [-7.5, -10, None]


CM = {"unit_x": "cm", "unit_y": "cm"}
REGIONS = [
    {"x0": 0, "y0": 0, "x1": 19, "y1": 31, "dx": 0.02, "dy": 0.03, **CM},
    {"x0": 20, "y0": 0, "x1": 29, "y1": 31, "dx": 0.05, "dy": -0.05, **CM},
    {"x0": 30, "y0": 0, "x1": 39, "y1": 31, "dx": 0.01, "dy": 0.5, "unit_x": "s", "unit_y": "cm/s"},
]


def test_lengths_and_angles_are_in_what_is_known_best(page: Page) -> None:
    pixel = {**INFO, "spacing": [2, 0.5], "spacing_kind": "pixel", "regions": REGIONS}
    imager = {**pixel, "spacing_kind": "imager", "regions": REGIONS[2:]}
    region = {**INFO, "regions": REGIONS, "pixel_aspect": [2, 1]}
    asked = [
        (pixel, [[0, 0], [6, 2]]),  # 3 mm and 4 mm
        (imager, [[0, 0], [6, 2]]),
        (region, [[1, 1], [16, 1]]),
        (region, [[22, 1], [22, 5]]),
        (region, [[1, 1], [25, 1]]),  # from one into the other
        (region, [[31, 1], [34, 5]]),  # seconds and centimetres a second
    ]
    found = run(
        page,
        f"{MEASURING} return {json.dumps(asked)}.map(([info, points]) => measuring.length(points, info));",
    )
    assert [(round(each["value"], 9), each["unit"], each["kind"]) for each in found] == [
        (5, "mm", "pixel"),
        (5, "mm", "imager"),
        (3, "mm", "region"),
        (2, "mm", "region"),
        (24, "px", "none"),
        (5, "px", "none"),
    ]
    corner = [[8, 0], [0, 0], [0, 3]]
    wide = [[8, 0], [0, 0], [8, 2]]
    angles = run(
        page,
        f"""{MEASURING} const [pixel, region] = {json.dumps([pixel, region])};
        return [[{corner}, pixel], [{wide}, pixel], [[[38, 0], [30, 0], [38, 2]], region]]
            .map(([points, info]) => measuring.angle(points, info).value);""",
    )
    assert angles == pytest.approx([90, 45, math.degrees(math.atan2(4, 8))])


SHAPES = [
    ("rectangle", [[3, 4], [20, 11]]),
    ("rectangle", [[20.5, 11.5], [3.5, 4.5]]),
    ("rectangle", [[-5, -5], [100, 3.2]]),
    ("ellipse", [[0.5, 0.5], [10.5, 10.5]]),  # its line runs through centres: 3, 4, 5
    ("ellipse", [[30, 3.3], [7.7, 29]]),
    ("ellipse", [[-20, -20], [30, 30]]),
    ("ellipse", [[4.1, 4.1], [4.2, 4.2]]),
]


def inside(kind: str, points: list[list[float]]) -> NDArray[np.bool_]:
    """Pixels whose centres lie in the shape."""
    (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(*points, strict=True))
    x, y = np.meshgrid(np.arange(40) + 0.5, np.arange(32) + 0.5)
    if kind == "rectangle":
        found: NDArray[np.bool_] = (x >= x0) & (x < x1) & (y >= y0) & (y < y1)
        return found
    wide, high = x1 - x0, y1 - y0
    inner: NDArray[np.bool_] = ((2 * x - x0 - x1) * high) ** 2 + ((2 * y - y0 - y1) * wide) ** 2 <= (
        wide * high
    ) ** 2
    return inner


@pytest.mark.parametrize(("kind", "points"), SHAPES)
def test_regions_hold_the_pixels_whose_centres_lie_inside(
    page: Page, kind: str, points: list[list[float]]
) -> None:
    values = np.random.default_rng(3).integers(-1000, 3000, (32, 40)).astype(np.int16)
    values[5:9, 5:9] = -2000
    info = {**INFO, "slope": 0.25, "intercept": -10, "padding": [-3000, -1500]}
    info |= {"spacing": [0.5, 0.25], "spacing_kind": "pixel"}
    found = run(
        page,
        f"""{MEASURING} return measuring.region({json.dumps(kind)}, {json.dumps(points)},
            Int16Array.from({json.dumps(values.ravel().tolist())}), {json.dumps(info)});""",
    )
    meant = values[inside(kind, points) & (values >= -1500)] * 0.25 - 10
    (x0, x1), (y0, y1) = (sorted(pair) for pair in zip(*points, strict=True))
    area = (x1 - x0) * (y1 - y0) * 0.125 * (math.pi / 4 if kind == "ellipse" else 1)
    assert found["count"] == meant.size
    assert found["area"] == pytest.approx(area)
    assert (found["area_unit"], found["unit"], found["kind"]) == ("mm²", "HU", "pixel")
    statistics = [found[name] for name in ("mean", "sd", "min", "max")]
    if meant.size:
        assert statistics == pytest.approx([meant.mean(), meant.std(), meant.min(), meant.max()])
    else:
        assert statistics == [None] * 4


def test_a_point_lies_on_a_value_a_colour_or_nothing(page: Page) -> None:
    gray = {**INFO, "rows": 2, "columns": 3, "slope": 2, "intercept": -1, "padding": [6, 9]}
    found = run(
        page,
        f"""{MEASURING} const gray = {json.dumps(gray)}; const values = Int16Array.of(1, 2, 3, 4, 5, 6);
        const colour = {{ ...gray, values: 'rgb8', padding: null }};
        const colours = Uint8Array.from({{ length: 18 }}, (_, at) => at);
        const points = [[1.9, 1.2], [2, 1], [3, 0], [-0.1, 0]];
        return [...points.map((point) => measuring.probe(point, values, gray)),
            measuring.probe([1, 1], colours, colour)];""",
    )
    assert found == [
        {"column": 1, "row": 1, "value": 9, "unit": "HU", "padding": False},
        {"column": 2, "row": 1, "value": 11, "unit": "HU", "padding": True},
        None,
        None,
        {"column": 1, "row": 1, "rgb": [12, 13, 14]},
    ]
