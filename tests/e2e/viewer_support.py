"""Stacks for the viewer's tests, and the viewer as a person uses it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.builders import UID_ROOT, ct_instance
from tests.e2e.portal_page import Portal
from tests.screenshots.phantom import ABDOMEN, SIDE, slice_of

SPACING = 0.8
"""Millimetres of a pixel, both ways."""


def slices(count: int, side: int = SIDE) -> Iterator[NDArray[np.uint16]]:
    """Stored values of a stack; no image is as another."""
    bodies = [slice_of(ABDOMEN, (number + 1) / 9, number) for number in range(min(count, 8))]
    if side != SIDE:
        place = np.arange(side) * SIDE // side
        bodies = [body[place][:, place] for body in bodies]
    for number in range(count):
        yield np.roll(bodies[number * len(bodies) // count], number % 5, axis=1)


def grey_row(page: Page, canvas: str) -> list[int]:
    """A row of a canvas through its middle, as levels of red, every 8 pixels."""
    found: list[int] = page.evaluate(
        """async (selector) => {
            const canvas = document.querySelector(selector);
            await new Promise(requestAnimationFrame);
            const copy = document.createElement('canvas');
            [copy.width, copy.height] = [canvas.width, canvas.height];
            const context = copy.getContext('2d');
            context.drawImage(canvas, 0, 0);
            const { data } = context.getImageData(0, canvas.height >> 1, canvas.width, 1);
            return [...data].filter((_, index) => index % 32 === 0);
        }""",
        canvas,
    )
    return found


class Stacks:
    """Studies of one patient, sent as the reader of a page."""

    def __init__(self, reader: Portal, patient: str = "GARCÍA^MARÍA") -> None:
        self.reader, self.patient = reader, patient
        self.study = f"{UID_ROOT}.{secrets.randbits(48)}"
        self.sent: list[str] = []

    def header(self, series: int, **elements: Any) -> dict[str, Any]:
        """What is the same in all of a series."""
        return {
            "SpecificCharacterSet": "ISO_IR 192",
            "PatientName": self.patient,
            "PatientID": "HC-204518",
            "StudyInstanceUID": self.study,
            "SeriesInstanceUID": f"{self.study}.{series}",
            "SeriesNumber": str(series),
            "StudyDescription": "TC de abdomen",
            "PixelSpacing": [str(SPACING), str(SPACING)],
            **elements,
        }

    def post(self, content: bytes) -> str:
        """Send one file; its id."""
        self.sent.append(self.reader.send(content))
        return self.sent[-1]

    def send(self, count: int, series: int = 1, side: int = SIDE, **elements: Any) -> None:
        """A stack of slices, 3 mm apart."""
        told = self.header(series, **{"SeriesDescription": "Abdomen axial 3 mm", **elements})
        for number, pixels in enumerate(slices(count, side)):
            own = {
                "InstanceNumber": str(number + 1),
                "ImagePositionPatient": ["-128", "-128", str(3 * number)],
                "ContentTime": f"10{number // 60:02}{number % 60:02}",
            }
            uid = f"{self.study}.{series}.{number + 1}"
            self.post(ct_instance(side, side, pixels=pixels, sop_instance_uid=uid, **{**told, **own}))

    def one(
        self, series: int, pixels: NDArray[np.generic] | bytes, rows: int, columns: int, **elements: Any
    ) -> str:
        """A series of one file; its id."""
        told = self.header(series, **elements)
        uid = f"{self.study}.{series}.1"
        bits = pixels.dtype.itemsize * 8 if isinstance(pixels, np.ndarray) else 8
        return self.post(ct_instance(rows, columns, bits, pixels=pixels, sop_instance_uid=uid, **told))

    def settle(self, path: str | None = None) -> None:
        """Wait until every file has been looked at, and open a page: without `path` the study's."""
        self.reader.settled(*self.sent)
        self.reader.open(path or f"/studies/{self.study}")


class Viewer:
    """The viewer of one reader."""

    def __init__(self, reader: Portal) -> None:
        self.reader, self.page = reader, reader.page

    def open(self, study: str, series: str = "") -> None:
        """By the address, until an image is there."""
        query = f"?series={series}" if series else ""
        self.reader.open(f"/studies/{study}/view{query}")
        self.drawn()

    def follows_the_pointer(self) -> None:
        """Wait for what minds pointer and wheel: it comes after the first image."""
        expect(self.port.locator(".viewport-overlay")).to_be_visible()

    def drawn(self, image: int | None = None, shown: str = "values", at: int = 0) -> Locator:
        """Wait until an image is drawn from its values."""
        which = "" if image is None else f'[data-image="{image}"]'
        canvas = self.page.locator(f'#viewport-{at} canvas[data-shown="{shown}"]{which}')
        expect(canvas).to_be_visible()
        return canvas

    @property
    def port(self) -> Locator:
        """The first viewport."""
        return self.page.locator("#viewport-0")

    def value(self, text: str, at: int = 0) -> None:
        """Wait until the viewport says this."""
        expect(self.page.locator(f"#viewport-{at}-value")).to_have_text(text)

    def press(self, *keys: str) -> None:
        """One key after the other."""
        for key in keys:
            self.page.keyboard.press(key)

    def centre(self) -> tuple[float, float]:
        """Of the first viewport, in the page."""
        box = self.port.bounding_box()
        assert box is not None
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def scale(self, side: int = SIDE) -> float:
        """CSS pixels of a pixel of an image that fits."""
        box = self.port.bounding_box()
        assert box is not None
        return min(box["width"], box["height"]) / side

    def measured(self) -> Sequence[str]:
        """The lines of the table."""
        return self.page.locator(".measurements tbody tr").all_inner_texts()

    def grey(self, at: int = 0) -> list[int]:
        """A row of the canvas through its middle, as levels of red, every 8 pixels."""
        return grey_row(self.page, f"#viewport-{at} canvas")


def swipe(page: Page, start: tuple[float, float], end: tuple[float, float], steps: int = 8) -> None:
    """One finger over the page."""
    wire = page.context.new_cdp_session(page)
    touch(wire, "touchStart", [start])
    for step in range(1, steps + 1):
        share = step / steps
        touch(
            wire,
            "touchMove",
            [(start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)],
        )
    touch(wire, "touchEnd", [])


def two_fingers(page: Page, centre: tuple[float, float], start: float, end: float, steps: int = 8) -> None:
    """Two fingers beside a point that go from `start` to `end` pixels apart."""
    wire = page.context.new_cdp_session(page)
    x, y = centre
    touch(wire, "touchStart", [(x - start / 2, y), (x + start / 2, y)])
    for step in range(1, steps + 1):
        half = (start + (end - start) * step / steps) / 2
        touch(wire, "touchMove", [(x - half, y), (x + half, y)])
    touch(wire, "touchEnd", [])


def touch(wire: CDPSession, kind: str, places: Sequence[tuple[float, float]]) -> None:
    """One event of fingers."""
    points = [{"x": x, "y": y, "id": number} for number, (x, y) in enumerate(places)]
    wire.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


RECORD = """() => {
    window.shown = [];
    const canvas = document.querySelector('#viewport-0 canvas');
    const told = () => [Number(canvas.dataset.image), canvas.dataset.shown, performance.now()];
    // What was there when an image came into view counts, not what came later.
    const note = () => told()[0] !== (window.shown.at(-1) ?? [1])[0] && window.shown.push(told());
    new MutationObserver(note).observe(canvas, { attributes: true, attributeFilter: ['data-image'] });
}"""


def cine_over(page: Page, count: int, speed: int | None = None) -> list[tuple[int, str, float]]:
    """Play until `count` images were drawn: number of each, what of it was there, milliseconds."""
    if speed is not None:
        page.locator(".cine-speed input").fill(str(speed))
    page.evaluate(RECORD)
    page.locator("#viewport-0").focus()
    page.keyboard.press("c")
    for _ in range(1200):
        if page.evaluate("window.shown.length") >= count:
            break
        page.wait_for_timeout(50)
    page.keyboard.press("c")
    found = page.evaluate("window.shown")
    return [(image, shown, at) for image, shown, at in found[:count]]
