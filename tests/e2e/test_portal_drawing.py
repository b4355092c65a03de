"""From the file to the screen: a series' stack, its frames' values by the viewer's loader, and what is drawn
of them in the portal's own page, beside the services' pictures without loss."""

from __future__ import annotations

import secrets
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.builders import UID_ROOT
from tests.e2e.portal_page import NewReader
from tests.unit.services.portal.test_viewer_agrees import (
    CT,
    CURVE,
    SIGNED,
    SMALL,
    colours,
    floating,
    gray,
    noise,
    with_table,
)

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]

DRAWN = """async ([series, count]) => {
    const base = document.querySelector('script[type=module]').src.split('/rolled/')[0];
    const of = (name) => import(`${base}/${name}.js`);
    const { fetched, request } = await of('app/api');
    const { frameInfos } = await of('viewer/frame-info');
    const { Loader } = await of('viewer/loader');
    const { createDrawing } = await of('viewer/drawing');
    const { viewOf, sizeOf } = await of('viewer/geometry');
    const { defaultWindow } = await of('viewer/levels');
    let stack;
    for (;;) {
        stack = await request(`/api/series/${series}/stack`).catch(() => null);
        if (stack?.instances.filter(({ state }) => state === 'processed').length === count) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const pixelsOf = (bitmap) => {
        const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
        const context = canvas.getContext('2d', { willReadFrequently: true });
        context.drawImage(bitmap, 0, 0);
        return context.getImageData(0, 0, bitmap.width, bitmap.height).data;
    };
    const loader = new Loader();
    const infos = stack.groups.flatMap((group) => frameInfos(stack, group));
    const asked = [null, { kind: 'window', center: 40, width: 400, function: 'LINEAR' },
        { kind: 'window', center: 100.5, width: 900, function: 'SIGMOID' }];
    const found = [];
    for (const info of infos) {
        const values = await loader.need(info);
        const preview = await loader.needPreview(info);
        const differences = {
            key: `${info.photometric} ${info.values}`,
            preview: [preview.width, preview.height],
        };
        for (const kind of ['webgl2', '2d']) {
            const canvas = document.createElement('canvas');
            [canvas.width, canvas.height] = [info.columns, info.rows];
            const drawing = createDrawing(canvas, { kind });
            await drawing.ready;
            const view = viewOf({ fit: false, zoom: 1 }, sizeOf(info), canvas);
            for (const window of asked) {
                const { center, width, function: name } = window ?? {};
                const told = window ? `&window=${center},${width},${name.toLowerCase()}` : '';
                const path = `/api/results/${info.file_id}/frames/${info.frame}?as=preview${told}`;
                const answer = await fetched(path, { headers: { Accept: 'image/png' } });
                const expected = pixelsOf(await createImageBitmap(await answer.blob()));
                drawing.draw({ info, values, window: window ?? defaultWindow(info, values), view });
                const differing = drawing.pixels().map((value, at) => Math.abs(value - expected[at]));
                const apart = Math.max(...differing);
                differences[kind] = Math.max(differences[kind] ?? 0, apart);
            }
            drawing.dispose();
        }
        found.push(differences);
    }
    const held = loader.bytes;
    loader.dispose();
    return { found, held };
}"""


def images(root: str) -> list[bytes]:
    """Of one series."""
    ids: list[dict[str, Any]] = [
        {
            "StudyInstanceUID": f"{root}.1",
            "SeriesInstanceUID": f"{root}.1.1",
            "SOPInstanceUID": f"{root}.1.1.{number}",
            "InstanceNumber": str(number),
        }
        for number in range(1, 9)
    ]
    return [
        gray(SIGNED, **CT, **ids[0]),
        gray(SIGNED, PhotometricInterpretation="MONOCHROME1", **CT, **ids[1]),
        gray(noise("u1"), **ids[2]),
        gray(noise("u2"), BitsStored=12, HighBit=11, **ids[3]),
        with_table(0x00283010, SMALL, CURVE, 100, **ids[4]),
        floating(noise("f4"), **ids[5]),
        colours("RGB", **ids[6]),
        colours("YBR_FULL", **ids[7]),
    ]


def test_what_is_drawn_is_what_the_services_draw(new_reader: NewReader) -> None:
    reader = new_reader("/")
    root = f"{UID_ROOT}.{secrets.randbits(48)}"
    files = images(root)
    for content in files:
        reader.send(content)
    expect(reader.page.locator(".account .menu-button")).to_be_visible()
    drawn: dict[str, Any] = reader.page.evaluate(DRAWN, [f"{root}.1.1", len(files)])
    for each in drawn["found"]:
        print(each)
    assert len(drawn["found"]) == len(files)
    assert max(each[kind] for each in drawn["found"] for kind in ("webgl2", "2d")) <= 1
    assert all(each["preview"] == [56, 40] for each in drawn["found"])
    sizes = [2, 2, 1, 2, 2, 4, 3, 3]
    assert drawn["held"] >= 40 * 56 * (sum(sizes) + 4 * len(files))
    # Reading pixels back is slow, says the browser; nobody but this test does.
    assert [trouble for trouble in reader.troubles if "ReadPixels" not in trouble] == []
