"""The viewer to who sees it for the first time: what is named, what waits, what can be tried again."""

from __future__ import annotations

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.portal_page import NewReader
from tests.e2e.viewer_support import Stacks, Viewer

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]
UNAVAILABLE = '{"type":"about:blank","title":"Unavailable","status":503,"code":"unavailable"}'


def unavailable(route: Route) -> None:
    """What a service answers that is not there for a moment."""
    route.fulfill(status=503, content_type="application/problem+json", body=UNAVAILABLE)


def test_windows_of_the_header_are_told_apart(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2, side=64)
    viewer.open(stacks.study)
    page.get_by_role("button", name="Ventana", exact=True).click()
    of_header = page.get_by_role("menuitem", name="De la cabecera")
    expect(of_header).to_have_text(
        ["De la cabecera · centro 40, ancho 400", "De la cabecera · centro -600, ancho 1200"]
    )
    of_header.last.click()
    viewer.value("Imagen 1 de 2, centro -600, ancho 1200")
    assert reader.troubles == []


def test_an_image_that_could_not_be_had_waits_and_is_tried_again(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(3, side=64)
    stacks.settle()
    waiting: list[Route] = []
    page.route("**/frames/**", lambda route: waiting.append(route))
    reader.open(f"/studies/{stacks.study}/view")
    note = page.locator("#viewport-0 .viewport-note")
    expect(note).to_have_text("Cargando…")
    page.unroute("**/frames/**")
    page.route("**/frames/**", unavailable)
    page.reload()
    again = note.get_by_role("button", name="Volver a intentar")
    expect(again).to_be_visible()
    page.unroute("**/frames/**")
    again.click()
    viewer.drawn(1)
    expect(note).to_have_count(0)
    # What failed beside the image in view comes when somebody goes there.
    page.locator("#viewport-0").focus()
    viewer.press("End")
    viewer.drawn(3)


def test_a_clip_says_the_speed_of_its_header(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.one(1, bytes(3 * 32 * 32), 32, 32, NumberOfFrames="3", FrameTime="40")
    viewer.open(stacks.study)
    expect(page.locator(".cine-speed")).to_contain_text("25 imágenes por segundo")
    expect(page.locator(".cine-speed input")).to_have_value("25")
    assert reader.troubles == []


def test_nothing_covers_anything_on_tablets_and_phones_held_sideways(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2, side=64)
    page.set_viewport_size({"width": 844, "height": 390})
    viewer.open(stacks.study)

    def edges(selector: str) -> tuple[float, float, float, float]:
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        return box["x"], box["y"], box["x"] + box["width"], box["y"] + box["height"]

    assert edges(".viewport")[3] - edges(".viewport")[1] > 250, "most of the height is the image's"
    assert edges(".viewport")[3] <= 390
    assert edges(".letter.bottom")[3] <= edges(".not-diagnostic")[1]
    for width in (768, 844):
        page.set_viewport_size({"width": width, "height": 1024})
        assert edges(".brand .icon, .brand svg, .brand img")[2] <= edges(".site-nav a")[0]
        strip = ".viewer-strip"
        assert page.evaluate(f"document.querySelector('{strip}').scrollWidth") <= edges(strip)[2]
    assert reader.troubles == []


def test_a_window_is_never_narrower_than_its_function_takes(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2)
    viewer.open(stacks.study)
    width = page.get_by_label("Ancho")
    for refused in ("0", "-5", "0.5", ""):
        width.fill(refused)
        width.press("Enter")
        expect(width).to_have_value("400")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Ventana (w)").click()
    x, y = viewer.centre()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 400, y, steps=4)
    page.mouse.up()
    viewer.value("Imagen 1 de 2, centro 40, ancho 1")
    viewer.press("ArrowDown")
    viewer.drawn(2)
    assert reader.troubles == [], "no picture is asked for that cannot be"


def test_the_tools_are_one_tab_stop(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2, side=64)
    viewer.open(stacks.study)

    def tool(name: str) -> None:
        expect(page.locator(".viewer-tools").get_by_role("button", name=name, exact=True)).to_be_focused()

    page.locator(".strip-series").focus()
    page.keyboard.press("Shift+Tab")
    tool("Recorrer")
    viewer.press("ArrowRight", "ArrowRight")
    tool("Zoom (z)")
    viewer.press("End")
    tool("Más")
    viewer.press("ArrowRight")
    tool("Recorrer")
    viewer.press("ArrowRight", "Enter")
    tool("Ventana (w)")
    viewer.press("Tab")
    expect(page.locator(".strip-series")).to_be_focused()
    viewer.press("Shift+Tab")
    tool("Ventana (w)")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator('.viewer-tools button[tabindex="0"]:visible')).to_have_count(1)
    assert reader.troubles == []


def test_a_series_that_could_not_be_had_says_so_and_counts_nothing(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2, side=64)
    stacks.settle()
    page.route("**/stack*", unavailable)
    reader.open(f"/studies/{stacks.study}/view")
    again = viewer.port.get_by_role("button", name="Volver a intentar")
    expect(again).to_be_visible()
    viewer.value("")
    page.unroute("**/stack*")
    again.click()
    viewer.drawn(1)
    viewer.value("Imagen 1 de 2, centro 40, ancho 400")
