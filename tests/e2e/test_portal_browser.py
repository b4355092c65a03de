"""The portal in Chromium against the whole system."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Route, expect
from pydicom import dcmread
from pydicom.data import get_testdata_file

from tests.builders import ct_instance, encapsulated_instance, truncated
from tests.chromium import TIMEOUT
from tests.e2e.conftest import System
from tests.e2e.portal_page import Portal, close_all
from tests.e2e.processes import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

NewReader = Callable[..., Portal]


@pytest.fixture
def new_reader(browser: Browser, embedded_system: System) -> Iterator[NewReader]:
    """Sign a new account in, in a browser profile of its own."""
    contexts = []

    def make(*, language: str = "es-ES", staff: bool = False) -> Portal:
        name = f"reader-{secrets.token_hex(4)}"
        embedded_system.create_user(name, staff=staff)
        context = browser.new_context(locale=language)
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        portal = Portal(context.new_page(), embedded_system.urls["portal"], name)
        portal.open("/upload")
        portal.enter(name)
        expect(portal.page.locator(".drop-zone")).to_be_visible()
        return portal

    yield make
    close_all(contexts)


def sample(name: str) -> Path:
    """A file that the pydicom wheel ships."""
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_two_uploads_become_results_without_a_reload(new_reader: NewReader) -> None:
    reader = new_reader()
    page = reader.page
    expect(page.locator(".brand")).to_have_text("Sistema de procesamiento DICOM")
    page.evaluate("window.stillTheSamePage = true")

    reader.upload(sample("CT_small.dcm"), sample("MR_small.dcm"))
    reader.follow("/files")
    expect(page.locator(".live-mark")).to_have_attribute("data-status", "on")
    for name in ("CT_small.dcm", "MR_small.dcm"):
        expect(reader.result_row(name)).to_have_attribute("data-state", "processed")
    expect(page.locator('[data-counter="processed"] .counter-number')).to_have_text("2")
    assert page.evaluate("window.stillTheSamePage")

    reader.open_result("CT_small.dcm")
    expect(page.locator('[data-average="before"] .average-value')).to_have_text("904,9261")
    expect(page.locator('[data-average="after"] .average-value')).to_have_text("0,3766")
    expect(reader.measure("device")).to_have_text("GE MEDICAL SYSTEMS RHAPSODE")
    expect(reader.measure("dataSize")).to_contain_text("32.768 bytes")
    expect(page.locator("#histogram path")).to_be_visible()
    expect(page.locator("img.preview")).to_be_visible()
    expect(page.locator("img.preview")).not_to_have_js_property("naturalWidth", 0)
    expect(page.locator('#metadata [data-tag="00100010"]')).to_contain_text("CompressedSamples^CT1")

    with page.expect_download() as download:
        page.get_by_role("link", name="Descargar original").click()
    assert download.value.suggested_filename == "CT_small.dcm"
    assert download.value.path().read_bytes() == sample("CT_small.dcm").read_bytes()

    reader.speak("en")
    expect(page.get_by_role("heading", name="Measures")).to_be_visible()
    expect(page.locator('[data-average="before"] .average-value')).to_have_text("904.9261")
    page.reload()
    expect(page.locator(".brand")).to_have_text("DICOM processing system")
    expect(page.locator("html")).to_have_attribute("lang", "en")
    assert reader.troubles == []


def test_what_cannot_be_used_says_why(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader()
    seed = secrets.randbits(32)
    content = ct_instance(32, 32, seed=seed)
    reader.upload(
        written(tmp_path / "notes.dcm", b"no image at all\n" * 100),
        written(tmp_path / "empty", b""),
        written(tmp_path / "cut.dcm", truncated(content, missing=300)),
    )
    expect(reader.expect_upload("notes.dcm", "refused")).to_contain_text("No es un archivo DICOM")
    expect(reader.expect_upload("empty", "refused")).to_contain_text("El archivo está vacío")
    cut = reader.expect_upload("cut.dcm", "refused")
    expect(reader.page.locator("#announcements")).to_contain_text("con problemas: 3")
    expect(cut.locator(".upload-detail")).to_be_hidden()  # the server's sentence is English
    reader.speak("en")
    expect(cut.locator(".upload-detail")).not_to_be_empty()
    reader.speak("es")
    expect(cut.locator(".upload-detail")).to_be_hidden()
    reader.follow("/files")
    expect(reader.page.locator(".empty-state")).to_contain_text("Todavía no hay archivos")
    reader.follow("/upload")

    reader.upload(written(tmp_path / "first.dcm", content))
    reader.expect_upload("first.dcm", "processed")
    reader.upload(
        written(tmp_path / "again.dcm", content),
        written(tmp_path / "other.dcm", ct_instance(32, 32, seed=seed, PatientID="OTHER")),
    )
    expect(reader.expect_upload("again.dcm", "duplicate")).to_contain_text("Ya estaba")
    expect(reader.expect_upload("other.dcm", "refused")).to_contain_text("el original no cambia")


@pytest.mark.browser_matrix
def test_a_failure_is_said_once(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader()
    page = reader.page
    name = f"broken-{secrets.token_hex(4)}.dcm"
    reader.upload(written(tmp_path / name, encapsulated_instance([b"", secrets.token_bytes(600)])))
    reader.expect_upload(name, "failed")
    reader.open_result(name)
    notice = page.locator(".notice.bad")
    expect(notice.locator("p")).to_have_text(["Los datos de píxel no se pueden descomprimir. decode-failed"])
    expect(page.locator(".average")).to_have_count(0)
    reader.speak("en")
    expect(notice.locator("p")).to_have_text(["The pixel data cannot be decoded. decode-failed"])


@pytest.mark.browser_matrix
def test_a_replaced_file_is_found_by_its_state(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader()
    page = reader.page
    broken = encapsulated_instance([b"", secrets.token_bytes(600)])
    uid = str(dcmread(BytesIO(broken), specific_tags=["SOPInstanceUID"]).SOPInstanceUID)
    reader.upload(written(tmp_path / "broken.dcm", broken))
    reader.expect_upload("broken.dcm", "failed")
    mended = ct_instance(8, 8, seed=secrets.randbits(32), sop_instance_uid=uid)
    reader.upload(written(tmp_path / "mended.dcm", mended))
    reader.expect_upload("mended.dcm", "processed")
    expect(reader.result_row("broken.dcm")).to_have_count(0)
    page.get_by_role("button", name="Estado", exact=True).click()
    page.get_by_role("menuitemradio", name="Sustituido (1)").click()
    expect(reader.result_row("broken.dcm")).to_contain_text("Sustituido")
    expect(reader.result_row("mended.dcm")).to_have_count(0)
    reader.open_result("broken.dcm")
    expect(page.locator(".notice").first).to_have_text("Otro archivo de la misma imagen ocupó su lugar.")


@pytest.mark.browser_matrix
def test_means_of_many_frames_are_asked_for_apart(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader()
    page = reader.page
    content = ct_instance(8, 8, frames=3, seed=secrets.randbits(32))
    reader.upload(written(tmp_path / "three.dcm", content))
    reader.expect_upload("three.dcm", "processed")

    def without_means(route: Route) -> None:
        """What the server says of a file with more frames than its statistics hold."""
        answer = route.fetch()
        result = answer.json()
        result["statistics"] |= {"frame_means": None, "frame_means_stored": True}
        route.fulfill(response=answer, json=result)

    page.route(re.compile(r"/api/results/[0-9a-f-]{36}$"), without_means)
    reader.open_result("three.dcm")
    page.locator("#frame-means summary").click()
    expect(page.locator("#frame-means tbody tr")).to_have_count(3)
    page.route("**/frame-means", lambda route: route.fulfill(status=404, json={"code": "object-not-found"}))
    page.reload()
    expect(page.locator(".measures")).to_be_visible()
    expect(page.locator("#frame-means")).to_have_count(0)


@pytest.mark.browser_matrix
def test_an_unnamed_device_is_called_unknown_in_the_language_of_the_page(
    new_reader: NewReader, tmp_path: Path
) -> None:
    reader = new_reader()
    seed = secrets.randbits(32)
    content = ct_instance(8, 8, seed=seed, Manufacturer=None, ManufacturerModelName=None, StationName=None)
    reader.upload(written(tmp_path / "nameless.dcm", content))
    reader.expect_upload("nameless.dcm", "processed")
    expect(reader.result_row("nameless.dcm")).to_contain_text("desconocido")
    reader.open_result("nameless.dcm")
    expect(reader.measure("device")).to_have_text("desconocido")
    reader.speak("en")
    expect(reader.measure("device")).to_have_text("unknown")


def test_a_phone_shows_whole_values(new_reader: NewReader) -> None:
    reader = new_reader()
    page = reader.page
    page.set_viewport_size({"width": 375, "height": 812})
    reader.upload(sample("CT_small.dcm"), sample("rtplan.dcm"))
    for name in ("CT_small.dcm", "rtplan.dcm"):
        reader.expect_upload(name, "processed")
    reader.follow("/files")
    page.get_by_role("searchbox", name="Buscar archivos").fill("rtplan")
    expect(page.locator(".grid tbody tr[data-key]")).to_have_count(1)
    expect(page.locator(".chip")).to_have_text(["«rtplan»"])
    page.get_by_role("button", name="Quitar filtros").click()

    reader.open_result("CT_small.dcm")
    uid = page.locator('#metadata [data-tag="00080018"]')
    expect(uid.locator(".metadata-name")).to_have_text("UID de instancia SOP SOP Instance UID")
    expect(uid.locator(".metadata-vr")).to_be_hidden()
    value = uid.locator(".metadata-value").bounding_box()
    assert value is not None
    assert value["width"] > 250
    heights = page.locator(".measures .number").evaluate_all(
        "(numbers) => numbers.map((number) => number.getClientRects().length)"
    )
    assert set(heights) == {1}
    assert page.evaluate("document.documentElement.scrollWidth") == 375
    page.get_by_role("link", name="Volver a los resultados").click()

    reader.open_result("rtplan.dcm")
    expect(page.get_by_text("no contiene datos de píxel")).to_be_visible()
    expect(page.locator(".average")).to_have_count(0)
    assert reader.troubles == []


def test_text_from_files_never_becomes_markup(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader()
    name = "<img src=x onerror='document.title=1'>.dcm"
    attack = "<script>document.title=2</script>"
    content = ct_instance(16, 16, seed=secrets.randbits(32), PatientName=attack, Manufacturer=attack)
    reader.upload(written(tmp_path / name, content))
    reader.expect_upload(name, "processed")
    reader.open_result(name)
    expect(reader.page.locator('#metadata [data-tag="00100010"]')).to_contain_text(attack)
    assert reader.page.locator("main script, main img:not(.preview)").count() == 0
    assert reader.page.title().startswith(name)
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_a_renewed_session_goes_on_and_an_ended_one_keeps_the_place(new_reader: NewReader) -> None:
    reader = new_reader()
    page = reader.page
    reader.upload(sample("CT_small.dcm"))
    reader.expect_upload("CT_small.dcm", "processed")
    page.context.clear_cookies(name="dicom_access")
    reader.open_result("CT_small.dcm")
    place = page.url
    expect(page.locator("img.preview")).not_to_have_js_property("naturalWidth", 0)

    page.context.clear_cookies()
    page.get_by_role("link", name="Volver a los resultados").click()
    expect(page.get_by_role("heading", name="Iniciar sesión")).to_be_visible()
    expect(page.get_by_text("La sesión ha terminado")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="Iniciar sesión")).to_be_visible()
    assert page.url == place
    reader.enter(reader.username)
    expect(page.get_by_role("heading", level=1)).to_have_text("CT_small.dcm")


def test_a_given_password_is_changed_before_anything_is_shown(
    browser: Browser, embedded_system: System
) -> None:
    name = f"reader-{secrets.token_hex(4)}"
    embedded_system.create_user(name, more=["--must-change-password"])
    context = browser.new_context(locale="en-US")
    try:
        page = context.new_page()
        reader = Portal(page, embedded_system.urls["portal"], name)
        reader.open("/results/some-id")
        reader.enter(name)
        expect(page.get_by_role("heading", level=1)).to_have_text("Choose a new password")
        page.reload()
        for current, chosen, again, said in (
            ("wrong", "entirely other words", "entirely other words", "The present password is another one."),
            (PASSWORD, "entirely other words", "something else", "The two new passwords differ."),
            (PASSWORD, "short", "short", "Choose a longer password"),
        ):
            for field, text in (("current", current), ("chosen", chosen), ("again", again)):
                page.locator(f'[name="{field}"]').fill(text)
            page.get_by_role("button", name="Change password").click()
            expect(page.get_by_role("alert")).to_contain_text(said)
        for field in ("chosen", "again"):
            page.locator(f'[name="{field}"]').fill("entirely other words")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("heading", level=1)).not_to_have_text("Choose a new password")
        reader.open("/upload")
        expect(page.locator(".drop-zone")).to_be_visible()
    finally:
        context.close()


@pytest.mark.browser_matrix
def test_a_signed_out_reader_asks_for_ways_in_alone(new_reader: NewReader) -> None:
    reader = new_reader()
    reader.sign_out()
    expect(reader.page.get_by_role("heading", name="Iniciar sesión")).to_be_visible()
    reader.troubles.clear()  # what was under way when the session ended may have been refused
    asked: list[str] = []
    reader.page.on("request", lambda request: asked.append(request.url))
    reader.open("/results/0190f3a4-0000-7000-8000-000000000000")
    expect(reader.page.get_by_role("heading", name="Iniciar sesión")).to_be_visible()
    ways = f"{reader.url}/api/auth/oidc"
    assert [url for url in asked if "/api/" in url and url != ways] == []
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_staff_see_whose_file_it_is(new_reader: NewReader) -> None:
    owner, staff = new_reader(), new_reader(staff=True)
    name = f"owned-{secrets.token_hex(4)}.dcm"
    owner.page.locator("#choose-files").set_input_files(
        {
            "name": name,
            "mimeType": "application/dicom",
            "buffer": ct_instance(8, 8, seed=secrets.randbits(32)),
        }
    )
    owner.expect_upload(name, "processed")
    expect(owner.page.get_by_role("columnheader", name="Propietario")).to_have_count(0)
    expect(staff.result_row(name).locator(".cell-owner")).to_have_text(owner.username)
