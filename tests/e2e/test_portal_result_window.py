"""The page of a result in Chromium: its image and its histogram show one window, whichever is moved."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.portal_page import NewReader, Portal, seen
from tests.e2e.viewer_support import Stacks, grey_row, swipe

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(240)]
WORDS = {
    "es": ("Ajustar la ventana", "Histograma en HU", "centro {}, ancho {}", "De -160 a 240 HU"),
    "en": ("Adjust the window", "Histogram in HU", "centre {}, width {}", "From -160 to 240 HU"),
}


class ResultPage:
    """A result whose image is adjusted."""

    def __init__(self, reader: Portal) -> None:
        self.page: Page = reader.page
        self.image = self.page.locator(".drawn-frame")
        self.said = self.page.locator(".image-card [role=status]")
        self.low, self.band, self.high = (
            self.page.locator(f"#histogram .window-{part}") for part in ("low", "band", "high")
        )

    def grey(self) -> list[int]:
        """A row of the image."""
        return grey_row(self.page, "canvas.drawn")

    def ends(self) -> tuple[float, float]:
        """What the fields of both ends hold."""
        low, high = self.page.locator("#histogram .number-field input").all()
        return float(low.input_value()), float(high.input_value())

    def drag(self, what: Locator, x: float, y: float = 0) -> None:
        """By the mouse, from its middle."""
        what.scroll_into_view_if_needed()
        box = what.bounding_box()
        assert box is not None
        at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        self.page.mouse.move(*at)
        self.page.mouse.down()
        self.page.mouse.move(at[0] + x, at[1] + y, steps=4)
        self.page.mouse.up()


def adjusted(reader: Portal, file_id: str, language: str) -> ResultPage:
    """The page of a result, with its image drawn from its values."""
    shown, page = ResultPage(reader), reader.page
    reader.open(f"/results/{file_id}")
    expect(page.locator("#histogram [role=slider]")).to_have_count(1)
    seen(page, f"result-before-{language}")
    page.get_by_role("button", name=WORDS[language][0]).click()
    expect(page.locator("canvas.drawn")).to_be_visible()
    return shown


@pytest.mark.parametrize(("language", "scheme"), [("es", "light"), ("en", "dark")])
def test_image_and_histogram_move_together(new_reader: NewReader, language: str, scheme: str) -> None:
    reader = new_reader("/studies", locale={"es": "es-ES", "en": "en-US"}[language], scheme=scheme)
    stacks, page = Stacks(reader), reader.page
    stacks.send(3)
    stacks.settle()
    shown = adjusted(reader, stacks.sent[1], language)
    _, heading, said, whole = WORDS[language]
    expect(shown.image).to_be_focused()
    expect(shown.said).to_have_text(said.format(40, 400))
    expect(page.locator("#histogram h2")).to_have_text(heading)
    expect(page.locator("svg.chart, .window-histogram")).to_have_count(1)
    expect(shown.low).to_have_attribute("aria-valuetext", "-160 HU")
    expect(shown.high).to_have_attribute("aria-valuetext", "240 HU")
    expect(shown.band).to_have_attribute("aria-valuetext", whole)
    assert shown.ends() == (-160, 240)
    shown.band.scroll_into_view_if_needed()
    expect(shown.image).to_be_in_viewport(ratio=0.9)
    seen(page, f"result-window-{language}-{scheme}")

    # The image moves the band: down raises the centre, to the right is wider.
    grey = shown.grey()
    shown.drag(shown.image, 40, 20)
    expect(shown.said).to_have_text(said.format(80, 480))
    assert shown.ends() == (-160, 320)
    assert shown.grey() != grey
    page.keyboard.press("Control+ArrowUp")
    expect(shown.high).to_have_attribute("aria-valuetext", "324 HU")

    # The histogram moves the image.
    grey = shown.grey()
    shown.drag(shown.high, -60)
    low, high = shown.ends()
    assert low == -156
    assert high < 300
    assert shown.grey() != grey
    shown.drag(shown.band, 30)
    moved = shown.ends()
    assert moved[0] > low
    assert moved[1] - moved[0] == pytest.approx(high - low, abs=1)
    shown.low.focus()
    page.keyboard.press("Home")
    expect(shown.low).to_have_attribute("aria-valuenow", "-1024")
    page.keyboard.press("End")  # pushes the other end
    low, high = shown.ends()
    assert low < high
    field = page.locator("#histogram .number-field input").first
    field.fill("-100")
    field.press("Enter")
    expect(shown.low).to_have_attribute("aria-valuetext", "-100 HU")
    page.locator(".drawn-window button").click()
    expect(shown.said).to_have_text(said.format(40, 400))
    assert reader.troubles == []


@pytest.mark.parametrize(("language", "scheme"), [("es", "dark"), ("en", "light")])
def test_fingers_move_them_on_a_phone(new_reader: NewReader, language: str, scheme: str) -> None:
    locale = {"es": "es-ES", "en": "en-US"}[language]
    reader = new_reader("/studies", locale=locale, scheme=scheme, width="phone", touch=True)
    stacks, page = Stacks(reader), reader.page
    stacks.send(1)
    stacks.settle()
    shown = adjusted(reader, stacks.sent[0], language)
    expect(shown.said).to_have_text(WORDS[language][2].format(40, 400))
    shown.image.scroll_into_view_if_needed()
    for what, x, y in ((shown.image, 30, 40), (shown.low, -40, 0), (shown.band, 25, 0)):
        what.scroll_into_view_if_needed()
        before, grey, box = shown.ends(), shown.grey(), what.bounding_box()
        assert box is not None
        at = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        swipe(page, at, (at[0] + x, at[1] + y))
        expect(shown.low).not_to_have_attribute("aria-valuetext", f"{before[0]:.0f} HU")
        assert shown.grey() != grey
    seen(page, f"result-window-phone-{language}-{scheme}")
    small = [each.bounding_box() for each in (shown.low, shown.high)]
    assert all(box is not None and box["width"] >= 44 and box["height"] >= 44 for box in small)
    assert reader.troubles == []


def test_what_has_no_window_over_its_histogram(new_reader: NewReader) -> None:
    """Colours have none. Where stored values are those of the modality the histogram says so."""
    reader = new_reader("/studies")
    stacks, page = Stacks(reader), reader.page
    colours = np.zeros((32, 32, 3), np.uint8)
    colours[:, :16, 0] = 200
    told = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    coloured = stacks.one(1, colours, 32, 32, **told, BitsStored=8, HighBit=7)
    ramp = np.tile(np.arange(32, dtype=np.uint16), (32, 1))
    plain = {
        "Modality": "OT",
        "RescaleIntercept": "0",
        "RescaleType": None,
        "WindowCenter": "16",
        "WindowWidth": "32",
    }
    stored = stacks.one(2, ramp, 32, 32, **plain)
    stacks.settle(f"/results/{coloured}")
    expect(page.locator("#histogram path")).to_be_visible()
    expect(page.get_by_role("button", name="Ajustar la ventana")).to_have_count(0)
    shown = adjusted(reader, stored, "es")
    expect(page.locator("#histogram h2")).to_have_text("Histograma de valores almacenados")
    expect(shown.low).to_have_attribute("aria-valuetext", "0")
    expect(page.get_by_role("link", name=re.compile("Ver en el visor"))).to_be_visible()
    assert reader.troubles == []
