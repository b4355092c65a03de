"""The viewer in Chromium: a study opened, scrolled, shown with another window and measured."""

from __future__ import annotations

import csv
import io
import re
from typing import Literal

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests import wheel
from tests.builders import ct_elements, encapsulated_instance, instance
from tests.e2e.portal_page import NewReader, Portal, seen
from tests.e2e.viewer_support import SPACING, Stacks, Viewer, cine_over, swipe, touch, two_fingers
from tests.encoder import LITTLE, PIXEL_DATA
from tests.screenshots.phantom import SIDE

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
Button = Literal["left", "middle", "right"]


def test_a_stack_is_scrolled_windowed_and_measured(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(6, side=64)
    stacks.settle()
    page.get_by_role("link", name="Ver imágenes", exact=True).click()
    viewer.drawn(1)
    expect(viewer.port).to_be_focused()
    viewer.value("Imagen 1 de 6, centro 40, ancho 400")
    viewer.follows_the_pointer()
    page.mouse.move(*viewer.centre())
    page.mouse.wheel(0, 120)
    viewer.drawn(2)
    viewer.press("End", "2")
    viewer.value("Imagen 6 de 6, centro -600, ancho 1500")
    # From the middle of the image ten pixels to the right, then ten down from there.
    viewer.press("d", "Enter", "Shift+ArrowRight", "Enter")
    expect(page.locator(".measurements tbody tr")).to_contain_text(["8 mm"])
    viewer.press("a", "Enter", "Shift+ArrowRight", "Enter", "Shift+ArrowDown", "Enter")
    expect(page.locator('[data-kind="angle"]')).to_contain_text("90 °")
    viewer.press("Control+z")
    expect(page.locator(".measurements tbody tr")).to_have_count(1)
    seen(page, "viewer-smoke")
    expect(page).to_have_url(re.compile("image=" + stacks.sent[-1]))
    page.reload()
    viewer.drawn(6)
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_a_physician_finds_looks_through_and_measures(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader, "GARCIA^MARIA"), reader.page
    stacks.send(300)
    Stacks(reader, "LOPEZ^ANA").send(1)
    stacks.settle("/studies")
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("maría Garcia")
    expect(rows).to_have_count(1)
    rows.click()
    page.get_by_role("link", name="Ver imágenes", exact=True).click()
    viewer.drawn(1)
    page.mouse.move(*viewer.centre())
    for image in range(2, 12):
        page.mouse.wheel(0, 120)
        expect(page.locator(f'#viewport-0[data-image="{image}"]')).to_be_visible()
    viewer.press("End")
    viewer.drawn(300)
    grey = viewer.grey()
    page.get_by_role("button", name="Ventana", exact=True).click()
    page.get_by_role("menuitem", name="Pulmón (2)").click()
    viewer.value("Imagen 300 de 300, centro -600, ancho 1500")
    assert viewer.grey() != grey
    page.get_by_role("button", name="Longitud (d)").click()
    x, y = viewer.centre()
    far = 100 * viewer.scale()
    page.mouse.click(x - far, y)
    page.mouse.click(x + far, y)
    text = page.locator('[data-kind="length"] .fact').inner_text()
    assert float(text.removesuffix(" mm").replace(",", ".")) == pytest.approx(200 * SPACING, abs=0.5)
    page.get_by_role("button", name="Elipse (e)").click()
    page.mouse.move(x - 60, y - 40)
    page.mouse.down()
    page.mouse.move(x + 20, y + 30, steps=4)
    page.mouse.up()
    expect(page.locator('[data-kind="ellipse"] .fact')).to_have_count(5)
    seen(page, "viewer-measured")
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    rows_read = list(csv.reader(io.StringIO(download.value.path().read_text("utf-8-sig")), delimiter=";"))
    assert [row[0] for row in rows_read[1:]] == ["Longitud", "Elipse"]
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    picture = np.asarray(Image.open(download.value.path()).convert("RGB"))
    yellow = (picture[..., 0] > 200) & (picture[..., 1] > 180) & (picture[..., 2] < 120)
    assert yellow.sum() > 200, "the measurements are drawn into the picture"
    page.get_by_role("button", name="Disposición").click()
    page.get_by_role("menuitemradio", name="Dos imágenes").click()
    viewer.drawn(at=1)
    seen(page, "viewer-two")
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_everything_is_done_by_keys_alone(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(12)
    stacks.send(8, series=2, SeriesDescription="Abdomen hueso")
    Stacks(reader, "LOPEZ^ANA").send(1)
    stacks.settle("/studies")
    row = page.locator(".grid tbody tr[data-key]")
    expect(row).to_have_count(2)
    page.keyboard.press("/")
    page.keyboard.type("garcia")
    expect(row).to_have_count(1)
    viewer.press("ArrowDown")
    expect(row).to_be_focused()
    viewer.press("v")
    viewer.drawn(1)
    expect(viewer.port).to_be_focused()
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    viewer.press("ArrowDown", "ArrowDown", "ArrowUp")
    viewer.value("Imagen 2 de 12, centro 40, ancho 400")
    viewer.press("PageDown")
    viewer.value("Imagen 1 de 8, centro 40, ancho 400")
    viewer.press("PageUp", "Home")
    viewer.value("Imagen 1 de 12, centro 40, ancho 400")
    viewer.press("4")
    viewer.value("Imagen 1 de 12, centro 480, ancho 2500")
    viewer.press("0", "Control+ArrowUp", "Control+Shift+ArrowRight")
    viewer.value("Imagen 1 de 12, centro 44, ancho 440")
    grey = viewer.grey()
    viewer.press("i")
    assert viewer.grey() != grey
    viewer.press("i", "r", "h", "+", "Shift+ArrowLeft", " ")
    viewer.value("Imagen 1 de 12, centro 40, ancho 400")

    viewer.press("d", "Enter", *["Shift+ArrowRight"] * 10, "Enter")
    length = page.locator('[data-kind="length"] .fact')
    expect(length).to_have_text("80 mm")
    # The second point, one pixel back.
    viewer.press("Tab", "Tab", "ArrowLeft")
    expect(length).to_have_text("79,2 mm")
    viewer.press("Control+z")
    expect(length).to_have_text("80 mm")
    viewer.press("Backspace")
    expect(length).to_have_count(0)
    viewer.press("Control+z")
    expect(length).to_have_text("80 mm")
    viewer.press("Escape", "?")
    expect(page.get_by_role("dialog")).to_contain_text("Ventanas de la modalidad")
    seen(page, "viewer-keys")
    viewer.press("Escape")
    expect(viewer.port).to_be_focused()

    # In a field the same keys are text, and the image stays as it is.
    page.get_by_label("Centro").focus()
    page.keyboard.press("Control+a")
    page.keyboard.type("100")
    viewer.press("Enter")
    viewer.value("Imagen 1 de 12, centro 100, ancho 400")
    handle = page.get_by_role("slider", name="Extremo claro de la ventana")
    handle.focus()
    viewer.press("ArrowRight")
    expect(page.get_by_label("Ancho")).not_to_have_value("400")
    expect(page.locator("#viewport-0[data-image='1']")).to_be_visible()
    viewer.port.focus()
    viewer.press("F6")
    expect(page.locator(".viewer-panel :focus")).to_have_count(1)
    assert reader.troubles == []


@pytest.mark.browser_matrix
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "dark"), ("en-US", "light")])
def test_the_viewer_on_a_phone(new_reader: NewReader, locale: str, scheme: str) -> None:
    reader = new_reader("/studies", locale=locale, scheme=scheme, width="phone", touch=True)
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(40)
    stacks.settle()
    page.locator(".page-actions .button.primary").tap()
    viewer.drawn(1)
    seen(page, f"viewer-phone-{locale[:2]}")
    x, y = viewer.centre()
    swipe(page, (x, y - 60), (x, y + 60))
    expect(page.locator("#viewport-0")).not_to_have_attribute("data-image", "1")
    before = page.locator(".corner.bottom-right").text_content() or ""
    two_fingers(page, (x, y), 60, 140)
    expect(page.locator(".corner.bottom-right")).not_to_have_text(before)
    seen(page, f"viewer-phone-near-{locale[:2]}")
    page.touchscreen.tap(x, y)
    page.touchscreen.tap(x, y)
    expect(page.locator(".corner.bottom-right")).to_have_text(before)
    page.locator(".viewer-tools .narrow .menu-button").first.tap()
    page.get_by_role("menuitemradio", name=re.compile("Longitud|Length")).tap()
    far = 100 * viewer.scale()
    page.touchscreen.tap(x - far, y)
    page.touchscreen.tap(x + far, y)
    page.locator(".panel-toggle").tap()
    text = page.locator('[data-kind="length"] .fact').inner_text()
    assert float(text.removesuffix(" mm").replace(",", ".")) == pytest.approx(200 * SPACING, abs=1.5)
    seen(page, f"viewer-phone-panel-{locale[:2]}")
    small = page.evaluate(
        """[...document.querySelectorAll('.viewer-bar button, .viewer-bar a, .sheet-close')]
            .map((each) => [each.getBoundingClientRect(), each.ariaLabel, each.textContent])
            .filter(([box]) => box.width > 0 && (box.width < 44 || box.height < 44))
            .map(([box, name, text]) => `${name ?? text} ${box.width} ${box.height}`)"""
    )
    assert small == []
    assert reader.troubles == []


def kinds(stacks: Stacks) -> None:
    """One series of each kind that looks different."""
    ramp = np.tile(np.arange(64, dtype=np.uint16) * 16, (64, 1))
    plain = {"WindowCenter": "512", "WindowWidth": "1024", "RescaleIntercept": "0", "RescaleType": None}
    stacks.one(1, ramp, 64, 64, **plain, SeriesDescription="MONOCHROME2")
    stacks.one(
        2, ramp, 64, 64, **plain, SeriesDescription="MONOCHROME1", PhotometricInterpretation="MONOCHROME1"
    )
    signed = (ramp.astype(np.int32) - 512).astype("<i2")
    told = {**plain, "WindowCenter": "0", "PixelRepresentation": 1, "BitsStored": 16, "HighBit": 15}
    stacks.one(3, signed, 64, 64, **told, SeriesDescription="signed")
    colours = np.stack([ramp // 4, 255 - ramp // 4, np.full_like(ramp, 128)], axis=-1).astype(np.uint8)
    rgb = {"SamplesPerPixel": 3, "PhotometricInterpretation": "RGB", "PlanarConfiguration": 0}
    stacks.one(4, colours, 64, 64, **rgb, BitsStored=8, HighBit=7, SeriesDescription="RGB")
    header = stacks.header(5, SeriesDescription="palette", SOPInstanceUID=f"{stacks.study}.5.1")
    elements = {**ct_elements(64, 64, 8, None, 0), **header, "PhotometricInterpretation": "PALETTE COLOR"}
    tables = b"".join(LITTLE.element(0x00281101 + n, "US", [256, 0, 8]) for n in range(3))
    tables += b"".join(
        LITTLE.element(0x00281201 + n, "OW", bytes(range(256)) if n == 0 else bytes(256)) for n in range(3)
    )
    stacks.post(
        instance(elements, tables + LITTLE.element(PIXEL_DATA, "OB", (ramp // 4).astype(np.uint8).tobytes()))
    )
    moving = np.stack([np.roll(ramp, 8 * frame, axis=1) for frame in range(10)])
    stacks.one(6, moving, 64, 64, **plain, frames=10, FrameTime="50", SeriesDescription="multi-frame")
    floats = ramp.astype("<f4") / 1008
    header = stacks.header(7, SeriesDescription="float", SOPInstanceUID=f"{stacks.study}.7.1")
    elements = {
        **ct_elements(64, 64, 32, None, 0),
        **header,
        **plain,
        "WindowCenter": "0.5",
        "WindowWidth": "1",
        "VOILUTFunction": "LINEAR_EXACT",
    }
    for absent in ("BitsStored", "HighBit", "PixelRepresentation"):
        elements.pop(absent)
    stacks.post(instance(elements, LITTLE.element(0x7FE00008, "OF", floats.tobytes())))


@pytest.mark.browser_matrix
def test_every_kind_of_image_is_drawn(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    kinds(stacks)
    stacks.settle()
    grey = {}
    for number in range(1, 8):
        viewer.open(stacks.study, f"{stacks.study}.{number}")
        seen(page, f"viewer-kind-{number}")
        grey[number] = [level for level in viewer.grey() if level]
    assert all(len({*levels}) > 30 for levels in grey.values()), "each is a ramp"
    rising = [number for number, levels in grey.items() if levels == sorted(levels)]
    assert set(rising) == {1, 3, 4, 5, 6, 7}
    assert grey[2] == sorted(grey[2], reverse=True)
    viewer.open(stacks.study, f"{stacks.study}.6")
    expect(page.locator(".cine-speed")).to_contain_text("20 imágenes por segundo")
    cine_over(page, 10)
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_documents_reports_and_failed_files(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(4)
    broken = stacks.header(1, SOPInstanceUID=f"{stacks.study}.1.99", InstanceNumber="3")
    place = {"ImagePositionPatient": ["-128", "-128", "4.5"], "Rows": SIDE, "Columns": SIDE}
    stacks.post(encapsulated_instance([b"\xff\xd8\xff\xe0 cut short"], **{**broken, **place}))
    document = b"%PDF-1.4 " + b"x" * 500 + b"\n%%EOF\n"
    pdf = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.104.1",
        "SOPInstanceUID": f"{stacks.study}.2.1",
        "Modality": "DOC",
        "EncapsulatedDocument": document,
        "MIMETypeOfEncapsulatedDocument": "application/pdf",
    }
    stacks.post(instance(stacks.header(2, SeriesDescription="PDF", PixelSpacing=None, **pdf)))
    stacks.post(wheel.path_of("test_files/test-SR.dcm").read_bytes())
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press("ArrowDown", "ArrowDown")
    expect(page.locator(".viewport-note")).to_be_visible()
    seen(page, "viewer-failed")
    viewer.press("ArrowDown")
    viewer.drawn(4)
    expect(page.locator(".viewport-note")).to_have_count(0)
    page.get_by_role("button", name=re.compile("^PDF")).click()
    link = page.get_by_role("link", name="Abrir el PDF")
    expect(link).to_be_visible()
    seen(page, "viewer-pdf")
    answer = page.request.get(f"{reader.url}{link.get_attribute('href')}")
    assert answer.body() == document
    reader.open("/studies")
    other = page.locator(".grid tbody tr[data-key]", has_not_text="GARC")
    page.locator(".grid tbody tr[data-key]", has_text="GARC").focus()
    other.locator(
        "a.grid-link"
    ).focus()  # as a click that is not finished does: the keys are about this row now
    page.keyboard.press("v")
    expect(page.locator(".report")).not_to_be_empty()
    seen(page, "viewer-report")
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_a_renewed_session_loses_nothing_and_a_lost_right_leaves(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(30)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press("+", "3", "d", "Enter", "Shift+ArrowRight", "Enter", "Escape")
    before = page.locator(".corner.bottom-right").text_content() or ""
    cookies = [each for each in page.context.cookies() if "refresh" in str(each["name"])]
    assert cookies, "the session has a refresh token"
    access = [str(each["name"]) for each in page.context.cookies() if "access" in str(each["name"])]
    for name in access:
        page.context.clear_cookies(name=name)
    viewer.press("End")
    viewer.drawn(30)
    expect(page.locator(".corner.bottom-right")).to_have_text(before)
    expect(page.locator('[data-kind="length"] .fact')).to_have_text("8 mm")
    own = [trouble for trouble in reader.troubles if "401" not in trouble]
    assert own == []

    gone: list[str] = []

    def refuse(route: Route) -> None:
        gone.append(route.request.url)
        body = {"code": "not-found", "detail": "You have no series with this UID.", "status": 404}
        route.fulfill(status=404, json=body, content_type="application/problem+json")

    page.route(re.compile(r"/api/(series/.*/stack|studies/[0-9.]+\b(?!/))"), refuse)
    page.route(re.compile(r"/frames/"), refuse)
    stacks.send(1, series=2)  # something happens to the study, and it is asked for anew
    expect(page).to_have_url(f"{reader.url}/studies")
    expect(page.locator(".toast")).to_contain_text("Ya no puede ver este estudio")
    assert gone


@pytest.mark.browser_matrix
def test_who_signs_in_again_or_comes_back_finds_what_was_measured(new_reader: NewReader) -> None:
    reader = new_reader("/studies")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(30)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press("3", "ArrowDown", "d", "Enter", "Shift+ArrowRight", "Enter", "Escape")
    length = page.locator('[data-kind="length"] .fact')
    expect(length).to_have_text("8 mm")
    page.get_by_role("link", name="Cabecera y medidas").click()
    expect(page.locator(".result-head")).to_be_visible()
    page.go_back()
    viewer.drawn(2)
    expect(length).to_have_text("8 mm")
    viewer.port.focus()
    page.context.clear_cookies()
    # What is asked next tells that nobody is signed in; a live request may have told it before.
    page.keyboard.press("End")
    reader.enter(reader.username)
    viewer.port.focus()
    viewer.press("End")
    viewer.drawn(30)
    viewer.value("Imagen 30 de 30, centro 90, ancho 150")
    expect(length).to_have_text("8 mm")
    troubles = [each for each in reader.troubles if "401" not in each and "/api/auth/" not in each]
    assert troubles == []


@pytest.mark.browser_matrix
@pytest.mark.parametrize("look", ["light", "dark", "forced"])
def test_the_viewer_in_every_look(new_reader: NewReader, look: str) -> None:
    reader = new_reader("/studies", scheme=look)
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(6)
    stacks.settle()
    page.emulate_media(forced_colors="active" if look == "forced" else None)
    viewer.open(stacks.study, f"{stacks.study}.1")
    viewer.press("e", "Enter", "Shift+ArrowRight", "Shift+ArrowRight", "Shift+ArrowDown", "Enter")
    expect(page.locator('[data-kind="ellipse"] .fact')).to_have_count(5)
    seen(page, f"viewer-{look}")
    narrow(page, look)
    page.emulate_media(media="print")
    seen(page, f"viewer-print-{look}")
    assert reader.troubles == []


def narrow(page: Page, look: str) -> None:
    """The same at 320 pixels."""
    page.set_viewport_size({"width": 320, "height": 640})
    seen(page, f"viewer-320-{look}")
    page.set_viewport_size({"width": 1280, "height": 850})


@pytest.mark.browser_matrix
def test_who_follows_a_link_looks_through_the_study(new_reader: NewReader, browser: Browser) -> None:
    reader = new_reader("/studies", more=("--permission", "share_dicomfile"))
    stacks = Stacks(reader)
    stacks.send(6)
    stacks.settle()
    me = reader.page.request.get(f"{reader.url}/api/auth/me").json()
    made = reader.page.request.post(
        f"{reader.url}/api/links",
        data={"study_instance_uid": stacks.study, "collection": f"user:{me['user_id']}"},
        headers={"Origin": reader.url},
    )
    assert made.ok, made.text()
    context = browser.new_context(locale="es-ES")
    visitor = Portal(context.new_page(), reader.url, "nobody")
    visitor.open(f"/s/{made.json()['token']}")
    visitor.page.get_by_role("link", name="Ver imágenes", exact=True).click()
    viewer = Viewer(visitor)
    viewer.drawn(1)
    viewer.press("End", "d", "Enter", "Shift+ArrowRight", "Enter")
    expect(visitor.page.locator('[data-kind="length"] .fact')).to_have_text("8 mm")
    seen(visitor.page, "viewer-by-link")
    visitor.page.reload()
    viewer.drawn(6)
    expect(visitor.page.locator('[data-kind="length"] .fact')).to_have_text("8 mm")
    visitor.page.locator(".viewer-head .back").click()
    expect(visitor.page.locator(".series-card")).to_be_visible()
    visitor.page.locator(".grid tbody tr[data-key]").first.click()
    visitor.page.get_by_role("link", name="Ver en el visor").click()
    viewer.drawn()
    assert visitor.troubles == []
    context.close()


@pytest.mark.browser_matrix
def test_a_long_press_tells_a_value_and_letters_lead_to_pages(new_reader: NewReader) -> None:
    reader = new_reader("/studies", width="phone", touch=True)
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(3)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    wire = page.context.new_cdp_session(page)
    touch(wire, "touchStart", [viewer.centre()])
    expect(page.locator(".viewport-overlay .cursor text")).to_contain_text("HU")
    touch(wire, "touchEnd", [])
    expect(page.locator(".viewport-overlay .cursor")).to_have_count(0)
    viewer.port.focus()
    reader.go_by("g", "f", path="/files")
    page.go_back()
    viewer.drawn(1)
    assert reader.troubles == []


def drag(page: Page, start: tuple[float, float], by: tuple[float, float], button: Button = "left") -> None:
    """The mouse from a place on."""
    page.mouse.move(*start)
    page.mouse.down(button=button)
    page.mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
    page.mouse.move(start[0] + by[0], start[1] + by[1])
    page.mouse.up(button=button)


@pytest.mark.browser_matrix
def test_tools_by_mouse(new_reader: NewReader) -> None:
    reader = new_reader("/studies", locale="en-US")
    viewer, stacks, page = Viewer(reader), Stacks(reader), reader.page
    stacks.send(20)
    stacks.settle()
    viewer.open(stacks.study, f"{stacks.study}.1")
    x, y = viewer.centre()
    scale = page.locator(".corner.bottom-right bdi").last
    whole = scale.text_content() or ""
    drag(page, (x, y), (0, 100))
    expect(page.locator("#viewport-0")).not_to_have_attribute("data-image", "1")
    viewer.press("Home")
    page.get_by_role("button", name="Window (w)").click()
    drag(page, (x, y), (50, 25))
    viewer.value("Image 1 of 20, centre 90, width 500")
    drag(page, (x, y), (0, -60), "right")
    expect(scale).not_to_have_text(whole)
    page.get_by_role("button", name="Fit (=)").click()
    expect(scale).to_have_text(whole)
    page.get_by_role("button", name="Actual size (1:1)").click()
    expect(scale).to_have_text("100%")
    grey = viewer.grey()
    drag(page, (x, y), (40, 0), "middle")
    assert viewer.grey() != grey
    page.get_by_role("button", name="Reset (␣)").click()
    viewer.value("Image 1 of 20, centre 40, width 400")
    assert [page.locator(f".letter.{edge}").inner_text() for edge in ("left", "top")] == ["R", "A"]
    page.get_by_role("button", name="Rotate right (r)").click()
    assert [page.locator(f".letter.{edge}").inner_text() for edge in ("left", "top")] == ["P", "R"]
    page.get_by_role("button", name="Flip horizontally (h)").click()
    assert [page.locator(f".letter.{edge}").inner_text() for edge in ("left", "top")] == ["A", "R"]
    page.get_by_role("button", name="Reset (␣)").click()

    page.get_by_role("button", name="Length (d)").click()
    far = 50 * viewer.scale()
    drag(page, (x - far, y), (2 * far, 0))
    length = page.locator('[data-kind="length"] .fact')
    expect(length).to_have_text(re.compile(r"^(79\.[89]|80(\.[0-2])?) mm$"))
    drag(page, (x + far, y), (far, 0))
    expect(length).to_have_text(re.compile(r"^(119\.[6-9]|120(\.[0-4])?) mm$"))
    page.get_by_role("button", name="Probe (v)").click()
    page.mouse.click(x, y - 20)
    expect(page.locator('[data-kind="probe"] .fact')).to_have_text(re.compile(r"HU$"))
    page.get_by_role("button", name="Delete: Probe").click()
    expect(page.locator('[data-kind="probe"]')).to_have_count(0)

    page.get_by_label("Centre").fill("-50")
    page.keyboard.press("Enter")
    viewer.value("Image 1 of 20, centre -50, width 400")
    page.get_by_role("button", name="Automatic", exact=True).click()
    expect(page.locator("#viewport-0-value")).not_to_have_text("Image 1 of 20, centre -50, width 400")
    page.get_by_role("button", name="Layout").click()
    page.get_by_role("menuitemradio", name="Four images").click()
    expect(page.locator(".viewport canvas[data-shown='values']")).to_have_count(4)
    page.locator("#viewport-2").focus()
    viewer.press("Escape", "ArrowDown", "ArrowDown")
    expect(page.locator(".viewport[data-image='3']")).to_have_count(4)
    seen(page, "viewer-four")
    page.get_by_role("button", name="Play (c)").click()
    expect(page.locator("#viewport-2[data-image='6']")).to_be_visible()
    page.get_by_role("button", name="Stop (c)").click()
    assert reader.troubles == []
