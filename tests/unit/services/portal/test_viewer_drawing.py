"""The viewer's two ways of drawing in Chromium: the same pixels by WebGL 2 and on a 2D canvas."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.sync_api import Page

from tests.unit.services.portal.test_scripts import page, run
from tests.unit.services.portal.test_viewer_scripts import INFO, window

__all__ = ["page"]
pytestmark = pytest.mark.browser

ROWS, COLUMNS = 48, 64
ARRAYS = {
    "uint8": "Uint8Array",
    "int8": "Int8Array",
    "uint16": "Uint16Array",
    "int16": "Int16Array",
    "float32": "Float32Array",
    "rgb8": "Uint8Array",
}
DRAW = """
    const { createDrawing } = await import('/viewer/drawing.js');
    const { viewOf, sizeOf } = await import('/viewer/geometry.js');
    const octets = (text) => Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    const textOf = (bytes) => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
    const canvasOf = (width, height) => Object.assign(document.createElement('canvas'), { width, height });
    const drawn = async (kind, width, height, state, picture) => {
        const canvas = canvasOf(width, height);
        const drawing = createDrawing(canvas, { kind });
        await drawing.ready;
        if (drawing.kind !== kind) throw new Error(`drawn by ${drawing.kind}`);
        drawing.draw({ ...picture, view: viewOf(state, sizeOf(picture.info), canvas) });
        const pixels = drawing.pixels();
        drawing.dispose();
        // A page may have sixteen contexts.
        canvas.getContext('webgl2')?.getExtension('WEBGL_lose_context').loseContext();
        return pixels;
    };
"""
AS_IS = {"fit": False, "zoom": 1}


def info_of(kind: str, **more: Any) -> dict[str, Any]:
    return {**INFO, "rows": ROWS, "columns": COLUMNS, "values": kind, **more}


def values_of(kind: str) -> NDArray[Any]:
    """Values over the whole range of a type, no two neighbours alike."""
    random = np.random.default_rng(len(kind))
    if kind == "float32":
        return random.normal(0, 500, (ROWS, COLUMNS)).astype(np.float32)
    if kind == "rgb8":
        return random.integers(0, 256, (ROWS, COLUMNS, 3), dtype=np.uint8)
    span = np.iinfo(kind)
    return random.integers(span.min, span.max + 1, (ROWS, COLUMNS)).astype(kind)


def drawn(
    page: Page,
    kind: str,
    values: NDArray[Any],
    info: dict[str, Any],
    shown: dict[str, Any] | None,
    *,
    invert: bool = False,
    size: tuple[int, int] = (COLUMNS, ROWS),
    state: dict[str, Any] = AS_IS,
) -> NDArray[np.uint8]:
    """RGB of the canvas."""
    text = base64.b64encode(values.tobytes()).decode()
    picture = json.dumps({"info": info, "window": shown, "invert": invert})
    found = run(
        page,
        f"""{DRAW} const values = new {ARRAYS[info["values"]]}(octets('{text}').buffer);
        return textOf(await drawn('{kind}', {size[0]}, {size[1]}, {json.dumps(state)},
            {{ ...{picture}, values }}));""",
    )
    pixels = np.frombuffer(base64.b64decode(found), np.uint8).reshape(size[1], size[0], 4)
    assert (pixels[..., 3] == 255).all()
    return pixels[..., :3]


def levels(page: Page, values: NDArray[Any], info: dict[str, Any], shown: dict[str, Any]) -> NDArray[Any]:
    """By `transfer` of levels.js."""
    found = run(
        page,
        f"""const {{ transfer }} = await import('/viewer/levels.js');
        const values = {json.dumps(values.ravel().tolist())};
        return values.map(transfer({json.dumps(info)}, {json.dumps(shown)}));""",
    )
    return np.array(found).reshape(values.shape)


LUT = {"first": -50, "bits": 8, "entries": list(range(0, 600, 2))}
CASES = [
    ("uint8", window(128, 200), {}),
    ("int8", window(0.5, 100, "LINEAR_EXACT"), {"presentation_inverse": True, "slope": -1.5}),
    ("uint16", window(30000, 40000), {"padding": [0, 20000]}),
    ("int16", window(40, 9000, "SIGMOID"), {"slope": 0.25, "intercept": -24, "padding": [-32768, -30000]}),
    ("int16", {"kind": "lut"}, {"slope": 1 / 128, "voi_lut": LUT, "presentation_inverse": True}),
    ("float32", window(-20, 1400), {"slope": 2}),
]


@pytest.mark.parametrize("kind", ["webgl2", "2d"])
@pytest.mark.parametrize(("values", "shown", "more"), CASES)
def test_at_its_own_size_every_pixel_has_its_level(
    page: Page, kind: str, values: str, shown: dict[str, Any], more: dict[str, Any]
) -> None:
    stored, info = values_of(values), info_of(values, **more)
    if values == "float32":
        stored[3, 4] = np.nan
    pixels = drawn(page, kind, stored, info, shown)
    known = np.nan_to_num(stored)
    expected = levels(page, known, info, shown)
    expected[np.isnan(stored)] = 0
    assert np.abs(pixels - expected[..., None]).max() <= (0 if kind == "2d" else 1)
    assert np.unique(pixels).size > 50
    turned = drawn(page, kind, stored, info, shown, invert=True)
    assert (turned == 255 - pixels).all()


STATES = [
    {"fit": False, "zoom": 3, "rotate": 90},
    {"fit": False, "zoom": 2.7, "flipH": True, "pan": [7.3, -4.2]},
    {"fit": True, "zoom": 0.4, "rotate": 180},
    {"fit": True, "zoom": 0.13, "rotate": 270, "flipV": True},
    {"fit": True, "zoom": 1},
]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("values", ["int16", "rgb8"])
def test_both_ways_agree_at_every_size_and_turn(page: Page, values: str, state: dict[str, Any]) -> None:
    more = {"padding": [-32768, -20000], "spacing": [1.5, 1], "spacing_kind": "pixel"}
    stored, info = values_of(values), info_of(values, **more)
    shown = None if values == "rgb8" else window(0, 30000)
    gl, flat = (
        drawn(page, kind, stored, info, shown, size=(90, 77), state=state) for kind in ("webgl2", "2d")
    )
    apart = np.abs(gl.astype(int) - flat)
    assert apart.max() <= 1, (apart > 1).sum()
    assert (gl.max(axis=2) > 0).mean() > 0.01


@pytest.mark.parametrize("kind", ["webgl2", "2d"])
def test_values_lie_between_those_of_the_four_nearest_pixels(page: Page, kind: str) -> None:
    stored = values_of("uint8")
    info = info_of("uint8", padding=[0, 5])
    stored[10, 10] = 3
    pixels = drawn(
        page,
        kind,
        stored,
        info,
        window(127.5, 255, "LINEAR_EXACT"),
        size=(COLUMNS * 3, ROWS * 3),
        state={"fit": False, "zoom": 3},
    )[..., 0]
    assert (pixels[1::3, 1::3] == np.where(stored <= 5, 0, stored)).all()
    assert (pixels[30:33, 30:33] == 0).all()  # padding keeps its place, and mixes with nothing
    one, other = stored[20, 20].astype(float), stored[20, 21].astype(float)
    between = pixels[61, 61:65]
    assert np.abs(between - [one, one + (other - one) / 3, other - (other - one) / 3, other]).max() <= 1


def test_a_preview_is_shown_until_the_values_are_there(page: Page) -> None:
    found = run(
        page,
        f"""{DRAW}
        const paint = canvasOf(32, 24).getContext('2d');
        paint.fillStyle = 'rgb(200, 100, 50)';
        paint.fillRect(0, 0, 16, 24);
        const preview = await createImageBitmap(paint.canvas);
        const info = {json.dumps(info_of("uint8"))};
        return Promise.all(['webgl2', '2d'].map((kind) => Promise.all([false, true].map(async (invert) => {{
            const pixels = await drawn(kind, 64, 48, {json.dumps(AS_IS)}, {{ info, preview, invert }});
            return [10 * 64 + 10, 40 * 64 + 60].map((at) => [...pixels.slice(at * 4, at * 4 + 4)]);
        }}))));""",
    )
    expected = [[[200, 100, 50, 255], [0, 0, 0, 255]], [[55, 155, 205, 255], [255, 255, 255, 255]]]
    assert found == [expected, expected]


def test_a_lost_context_comes_back_with_its_picture(page: Page) -> None:
    found = run(
        page,
        f"""{DRAW}
        const canvas = canvasOf(64, 48);
        const drawing = createDrawing(canvas, {{ kind: 'webgl2' }});
        await drawing.ready;
        const info = {json.dumps(info_of("uint8"))};
        const values = new Uint8Array(64 * 48).fill(80);
        const view = viewOf({json.dumps(AS_IS)}, sizeOf(info), canvas);
        drawing.draw({{ info, values, view, window: {json.dumps(window(127.5, 255, "LINEAR_EXACT"))} }});
        const before = drawing.pixels()[0];
        const extension = canvas.getContext('webgl2').getExtension('WEBGL_lose_context');
        const told = (name) =>
            new Promise((resolve) => canvas.addEventListener(name, resolve, {{ once: true }}));
        const lost = told('webglcontextlost');
        extension.loseContext();
        await lost;
        drawing.redraw(); // nothing to draw on, and no fault
        const restored = told('webglcontextrestored');
        setTimeout(() => extension.restoreContext());
        await restored;
        return [before, drawing.pixels()[0]];""",
    )
    assert found == [80, 80]


def test_nothing_is_drawn_where_nothing_has_come(page: Page) -> None:
    found = run(
        page,
        f"""{DRAW} const info = {json.dumps(info_of("uint8"))};
        return Promise.all(['webgl2', '2d'].map(async (kind) => {{
            const pixels = await drawn(kind, 8, 8, {{}}, {{ info, window: null }});
            return Math.max(...pixels.filter((_, at) => at % 4 < 3));
        }}));""",
    )
    assert found == [0, 0]


def test_software_that_plays_a_graphics_processor_is_not_asked(page: Page) -> None:
    found = run(
        page,
        f"""{DRAW}
        const gl = document.createElement('canvas').getContext('webgl2');
        const names = gl.getExtension('WEBGL_debug_renderer_info');
        const drawing = createDrawing(canvasOf(8, 8));
        await drawing.ready;
        return [gl.getParameter(names.UNMASKED_RENDERER_WEBGL), drawing.kind];""",
    )
    assert "SwiftShader" in found[0]
    assert found[1] == "2d"


def test_pictures_appear_once_what_draws_is_loaded(page: Page) -> None:
    found = run(
        page,
        f"""{DRAW}
        const canvas = canvasOf(64, 48);
        const drawing = createDrawing(canvas);
        const info = {json.dumps(info_of("uint8"))};
        const view = viewOf({json.dumps(AS_IS)}, sizeOf(info), canvas);
        const values = new Uint8Array(64 * 48).fill(80);
        drawing.draw({{ info, values, view, window: {json.dumps(window(127.5, 255, "LINEAR_EXACT"))} }});
        await drawing.ready;
        return canvas.getContext('2d').getImageData(0, 0, 1, 1).data[0];""",
    )
    assert found == 80
