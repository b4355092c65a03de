"""The viewer to who works with it: series side by side, tables as windows, what is left and found again."""

from __future__ import annotations

import re

import numpy as np
import pytest
from playwright.sync_api import Route, expect

from tests.builders import encapsulated_instance
from tests.e2e.portal_page import NewReader, Portal, seen
from tests.e2e.viewer_support import Stacks, Viewer
from tests.unit.services.portal.test_viewer_agrees import with_table

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]
VOI_LUT = 0x00283010


def test_a_window_that_is_a_table_is_moved_as_any_other(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    ramp = np.tile(np.arange(64, dtype=np.uint16) * 16, (64, 1))
    curve = [number**2 // 16 for number in range(1024)]
    told = stacks.header(1, SOPInstanceUID=f"{stacks.study}.1.1")
    stacks.post(with_table(VOI_LUT, ramp, curve, 0, **told))
    stacks.settle()
    viewer.open(stacks.study)
    viewer.value("Imagen 1 de 1, centro 512, ancho 1024")
    viewer.press("Control+ArrowUp")
    viewer.value("Imagen 1 de 1, centro 528, ancho 1024")
    viewer.press("0")
    viewer.value("Imagen 1 de 1, centro 512, ancho 1024")
    page.get_by_role("button", name="Ventana (w)").click()
    x, y = viewer.centre()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 40, steps=4)
    page.mouse.up()
    viewer.value("Imagen 1 de 1, centro 192, ancho 1024")
    assert reader.troubles == []


def test_series_side_by_side_begin_together_and_the_active_one_stays(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(12, side=64)
    stacks.send(12, series=2, side=64)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press(*["ArrowDown"] * 6)
    viewer.drawn(7)
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Dos imágenes").click()
    viewer.drawn(7, at=1)
    page.locator("#viewport-1").focus()
    viewer.press("i", "2")
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Una imagen").click()
    viewer.value("Imagen 7 de 12, centro -600, ancho 1500")
    expect(page.locator(".strip-series[aria-current]")).to_contain_text("Serie 2")
    assert reader.troubles == []


def test_who_loads_the_page_anew_or_opens_it_again_finds_it_as_it_was(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(12, side=64)
    stacks.send(12, series=2, side=64)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press(*["ArrowDown"] * 4, "2", "i", "e", "Enter", "Shift+ArrowRight", "Shift+ArrowDown", "Enter")
    facts = page.locator('[data-kind="ellipse"] .fact')
    expect(facts).to_have_count(5)
    measured = facts.all_inner_texts()
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Dos imágenes").click()
    viewer.drawn(5, at=1)
    page.locator("#viewport-1").focus()
    viewer.press("Escape", "ArrowDown", "3")
    second = "Imagen 6 de 12, centro 90, ancho 150"

    def as_it_was() -> None:
        viewer.value("Imagen 6 de 12, centro -600, ancho 1500")
        viewer.value(second, at=1)
        expect(page.locator("#viewport-1")).to_have_attribute("data-active", "true")
        expect(facts).to_have_text(measured)

    as_it_was()
    page.reload()
    viewer.drawn(6, at=1)
    as_it_was()
    expect(page).to_have_url(re.compile(rf"series={re.escape(stacks.study)}\.2&image="))
    page.get_by_role("link", name="Volver al estudio").click()
    # Another image is opened by itself, and is measured beside what was measured before.
    page.get_by_role("link", name="Ver imágenes", exact=True).click()
    viewer.value("Imagen 1 de 12, centro 40, ancho 400")
    expect(page.locator(".viewport")).to_have_count(1)
    expect(facts).to_have_text(measured)
    page.go_back()
    expect(page.get_by_role("link", name="Ver imágenes", exact=True)).to_be_visible()
    page.go_back()
    viewer.drawn(6, at=1)
    as_it_was()
    viewer.open(stacks.study, f"{stacks.study}.2")
    expect(facts).to_have_text(measured)
    viewer.press("d", "Enter", "Shift+ArrowRight", "Enter")
    expect(page.locator(".measurements tbody tr")).to_have_count(2)
    viewer.press("Tab", "Backspace")
    expect(page.locator('[data-kind="length"]')).to_have_count(0)
    expect(facts).to_have_text(measured)
    # Whoever signs in next in this tab finds nothing of it.
    assert stacks.study in page.evaluate("JSON.stringify(sessionStorage)")
    reader.sign_out()
    expect(page.get_by_label("Contraseña", exact=True)).to_be_visible()
    assert stacks.study not in page.evaluate("JSON.stringify(sessionStorage)")
    assert reader.troubles == []


def test_series_that_come_and_go_leave_the_others_in_view(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(3, side=64)
    stacks.send(2, series=2, side=64)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press("ArrowDown")
    series = page.locator(".strip-series")
    expect(series).to_have_count(2)
    stacks.send(1, series=3, side=64, SeriesDescription="Tardía")
    expect(series).to_have_count(3)
    expect(series.last).to_contain_text("Tardía")

    def refuse(route: Route) -> None:
        body = {"code": "not-found", "detail": "You have no series with this UID.", "status": 404}
        route.fulfill(status=404, json=body, content_type="application/problem+json")

    page.context.set_offline(True)
    series.last.click()
    expect(page.locator(".viewport-aside .error-state")).to_be_visible()
    page.context.set_offline(False)
    viewer.drawn()
    page.route(re.compile(rf"/api/series/{re.escape(stacks.study)}\.2/stack"), refuse)
    series.nth(1).click()
    expect(page.locator(".viewport-aside .error-state")).to_be_visible()
    series.first.click()
    viewer.drawn()
    assert f"/studies/{stacks.study}/view" in page.url
    own = [each for each in reader.troubles if "404" not in each and "ERR_INTERNET_DISCONNECTED" not in each]
    assert own == []


def test_measurements_say_their_series_and_pictures_their_sides(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2, side=64)
    stacks.send(2, series=2, side=64)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Dos imágenes").click()
    viewer.drawn(1, at=1)
    page.locator("#viewport-1").focus()
    viewer.press("d", "Enter", "Shift+ArrowRight", "Enter", "Escape")
    row = page.locator(".measurements tbody tr")
    expect(row).to_contain_text("Serie 2 · imagen 1")
    viewer.port.focus()
    viewer.press("ArrowDown")
    row.get_by_role("button", name="Longitud", exact=True).click()
    expect(page.locator("#viewport-1")).to_have_attribute("data-active", "true")
    viewer.drawn(1, at=1)
    expect(page.locator(".strip-series[aria-current]")).to_contain_text("Serie 2")

    # A press on a point that moves nothing is nothing to undo.
    box = page.locator("#viewport-1 .measured circle").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 4, box["y"] + 4)
    viewer.press("Control+z")
    expect(row).to_have_count(0)

    page.evaluate(
        """() => {
            window.written = [];
            const { fillText } = CanvasRenderingContext2D.prototype;
            CanvasRenderingContext2D.prototype.fillText = function (...all) {
                window.written.push(all[0]);
                return fillText.apply(this, all);
            };
        }"""
    )
    page.locator("#viewport-1").focus()
    viewer.press("h")
    with page.expect_download():
        page.get_by_role("button", name="PNG").click()
    assert page.evaluate("window.written.slice(0, 4)") == ["L", "R", "A", "P"], "mirrored, as it is seen"
    page.locator("#viewport-1").focus()
    viewer.press("?")
    for key in ("Re Pág", "Av Pág", "Retroceso"):
        expect(page.get_by_role("dialog").locator("kbd", has_text=key)).to_be_visible()
    assert reader.troubles == []


def test_nothing_is_measured_where_nothing_is_seen(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(2, side=64)
    told = stacks.header(1, SOPInstanceUID=f"{stacks.study}.1.9", Rows=64, Columns=64)
    place = {"ImagePositionPatient": ["-128", "-128", "6"], "InstanceNumber": "9"}
    stacks.post(encapsulated_instance([b"\xff\xd8\xff\xe0 cut short"], **{**told, **place}))
    stacks.settle()
    viewer.open(stacks.study)
    viewer.press("End")
    expect(page.locator(".viewport-note.whole")).to_be_visible()
    viewer.press("d", "Enter", "Shift+ArrowRight", "Enter")
    viewer.press("Escape", "ArrowUp", "d", "Enter", "Shift+ArrowRight", "Enter")
    expect(page.locator(".measurements tbody tr")).to_have_count(1)
    expect(page.locator(".measurements tbody tr")).to_contain_text("imagen 2")
    assert reader.troubles == []


def test_what_small_viewports_say_lies_beside_each_other(new_reader: NewReader) -> None:
    reader = new_reader("/studies", width="phone", touch=True)
    viewer, stacks, page = Viewer(reader), Stacks(reader, "FERNÁNDEZ DE CÓRDOBA Y ALVAREZ^MARÍA"), reader.page
    stacks.send(12, side=64)
    viewer.open(stacks.study)
    page.get_by_role("button", name="Más", exact=True).click()
    page.get_by_role("menuitemradio", name="Cuatro imágenes").click()
    viewer.drawn(1, at=3)
    covered = page.evaluate(
        """() => {
            const told = '#viewport-0 :is(.corner bdi, .letter, .not-diagnostic)';
            const lines = [...document.querySelectorAll(told)];
            const boxes = lines.filter((one) => one.getClientRects().length > 0).map((one) => {
                const { left, right, top, bottom } = one.getBoundingClientRect();
                return { text: one.textContent, left, right, top, bottom };
            });
            const over = (one, other) => one.left < other.right - 1 && other.left < one.right - 1
                && one.top < other.bottom - 2 && other.top < one.bottom - 2;
            return boxes.flatMap((one, at) => boxes.slice(at + 1).filter((other) => over(one, other))
                .map((other) => [one.text, other.text]));
        }"""
    )
    assert covered == []
    seen(page, "viewer-phone-four")
    assert reader.troubles == []


def test_who_was_signed_out_in_another_tab_goes_on_where_they_were(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(12, side=64)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press(*["ArrowDown"] * 5, "3")
    viewer.value("Imagen 6 de 12, centro 90, ancho 150")
    expect(page).to_have_url(re.compile("image="))
    other = Portal(page.context.new_page(), reader.url, reader.username)
    other.open("/studies")
    other.sign_out()
    reader.enter(reader.username)
    viewer.value("Imagen 6 de 12, centro 90, ancho 150")
