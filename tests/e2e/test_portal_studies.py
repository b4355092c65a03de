"""Studies in the portal, in Chromium: finding one among many, and coming back to where one was."""

from __future__ import annotations

import io
import json
import re
import secrets
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Route, expect

from tests.builders import UID_ROOT, ct_instance
from tests.e2e.portal_page import NewReader, Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


class Sender:
    """Studies with names of their own, sent as the reader of a page."""

    def __init__(self, reader: Portal, folder: Path) -> None:
        """`folder` takes the files."""
        self.reader, self.folder, self.root = reader, folder, f"{UID_ROOT}.{secrets.randbits(48)}"
        self.sent = 0

    def send(self, study: int, patient: str, *, files: int = 1, modality: str = "CT") -> None:
        """One study of one series."""
        for _ in range(files):
            self.sent += 1
            content = ct_instance(
                16,
                16,
                seed=secrets.randbits(32),
                PatientName=patient,
                PatientID=f"P-{study}",
                StudyInstanceUID=f"{self.root}.{study}",
                SeriesInstanceUID=f"{self.root}.{study}.1",
                SeriesDescription="axial",
                StudyDescription=f"Estudio {study}",
                Modality=modality,
                SpecificCharacterSet="ISO_IR 192",
            )
            self.reader.send(content)

    def arrived(self) -> None:
        """Wait until all that was sent is in the lists."""
        page = self.reader.page
        for _ in range(1200):
            if page.request.get(f"{self.reader.url}/api/results/summary").json()["total"] >= self.sent:
                break
            page.wait_for_timeout(50)


def test_a_patient_is_found_opened_and_left_by_keys_alone(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/")
    page = reader.page
    expect(page).to_have_url(f"{reader.url}/studies")
    expect(page.locator(".empty-state")).to_contain_text("Suba los primeros archivos")
    sender = Sender(reader, tmp_path)
    sender.send(1, "GARCÍA^MARÍA", files=3)
    sender.send(2, "LOPEZ^ANA")
    sender.send(3, "PEREZ^JOSE", modality="MR")
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(3)

    page.keyboard.press("/")
    page.keyboard.type("maria garcia")
    expect(rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"\?q=maria\+garcia$"))
    expect(rows.first).to_contain_text("GARCÍA, MARÍA")
    expect(rows.first.locator('[data-state="processed"]')).to_contain_text("3")
    page.keyboard.press("ArrowDown")
    expect(rows.first).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("GARCÍA, MARÍA")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    expect(page.locator(".series-card")).to_have_count(1)
    expect(page.locator(".grid tbody tr[data-key]")).to_have_count(3)
    with page.expect_download() as download:
        page.get_by_role("link", name="Descargar (ZIP)").click()
    with zipfile.ZipFile(io.BytesIO(download.value.path().read_bytes())) as archive:
        assert len([name for name in archive.namelist() if not name.endswith("/")]) >= 3
    page.locator(".series-card").click()
    expect(page.get_by_role("heading", name="Archivos de la serie elegida")).to_be_visible()
    page.go_back()
    expect(rows.first).to_be_focused()
    expect(rows).to_have_count(1)

    page.keyboard.press("/")
    page.keyboard.type("mod:mr")
    page.keyboard.press("Enter")
    expect(page.locator(".chip")).to_have_text(["MR"])
    expect(rows).to_have_count(1)
    page.get_by_role("button", name="MR: quitar").click()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Paciente").click()
    expect(page).to_have_url(re.compile("sort=patient"))
    expect(rows.first).to_contain_text("GARCÍA")
    page.get_by_role("button", name="Estado", exact=True).click()
    page.get_by_role("menuitemradio", name="Con error (0)").click()
    expect(page.locator(".empty-state")).to_contain_text("Ningún estudio cumple estos filtros")
    assert reader.troubles == []


GO = """(path) => {
    const link = document.querySelector('main').appendChild(document.createElement('a'));
    link.dataset.route = '';
    link.href = path;
    link.click();
    link.remove();
}"""


def test_nothing_of_a_study_stands_at_the_address_of_the_next(new_reader: NewReader, tmp_path: Path) -> None:
    """Notices and reports of uploads lead from one study to another."""
    reader = new_reader("/")
    page = reader.page
    sender = Sender(reader, tmp_path)
    sender.send(1, "GARCIA^MARIA")
    sender.send(2, "LOPEZ^ANA")
    sender.arrived()
    page.evaluate(GO, f"/studies/{sender.root}.1")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("GARCIA, MARIA")
    card = page.locator(".series-card").first
    card.click()
    expect(page.locator("#files-heading")).to_have_text(re.compile("Archivos de la serie elegida"))
    page.route("**/api/studies/*", lambda route: route.abort())
    page.evaluate(GO, f"/studies/{sender.root}.2")
    expect(page.locator("main .error-state")).to_be_visible()
    expect(page.locator("main")).not_to_contain_text("GARCIA")
    page.unroute("**/api/studies/*")
    page.locator("main .error-state button").click()
    expect(heading).to_have_text("LOPEZ, ANA")
    expect(page).to_have_title(re.compile("LOPEZ, ANA"))
    expect(page.locator("#files-heading")).to_have_text(re.compile("^Archivos *$"))
    expect(page.locator(".grid tbody tr[data-key]")).to_have_count(1)


@pytest.mark.browser_matrix
def test_a_study_is_opened_with_another_viewer_by_keys(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/")
    page = reader.page
    sender = Sender(reader, tmp_path)
    sender.send(1, "GARCIA^MARIA")
    uid = f"{sender.root}.1"
    page.goto(f"{reader.url}/studies/{uid}")
    page.get_by_role("button", name="Abrir con…").press("Enter")
    web, program = page.get_by_role("menuitem").all()
    expect(web).to_be_focused()
    expect(program).to_have_text("Weasis")
    href = program.get_attribute("href") or ""
    collection = re.search(r"collections%2F(user%3A\d+)%22", href)
    assert href.startswith("weasis://")
    assert collection is not None, href
    assert f"studyUID%3D{uid}%22" in href
    seen(page, "open-with")
    with page.expect_popup() as opened:
        page.keyboard.press("Enter")
    expect(opened.value).to_have_url(f"{reader.url}/help?study={uid}&of={collection[1]}")
    assert opened.value.evaluate("[window.opener, document.referrer]") == [None, ""]
    expect(page.get_by_role("menu")).to_have_count(0)
    expect(page).to_have_url(f"{reader.url}/studies/{uid}")
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_an_archive_tells_how_much_has_come_goes_on_elsewhere_and_can_be_stopped(
    new_reader: NewReader, tmp_path: Path
) -> None:
    reader = new_reader("/studies")
    page, sender = reader.page, Sender(reader, tmp_path)
    sender.send(1, "GARCÍA^MARÍA", files=150)
    sender.arrived()
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(1)
    rows.get_by_role("link").click()
    wire = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": 10_000, "uploadThroughput": -1}
    coming = page.get_by_role("group", name="El archivo ZIP se está descargando")

    def begin() -> None:
        page.get_by_role("link", name="Descargar (ZIP)").click()
        expect(coming).to_contain_text("%")

    wire.send("Network.enable")
    wire.send("Network.emulateNetworkConditions", slow)
    begin()
    coming.get_by_role("button", name="Detener la descarga").click()
    expect(page.get_by_role("link", name="Descargar (ZIP)")).to_be_visible()
    begin()
    with page.expect_download() as download:
        page.get_by_role("link", name="Volver a los estudios").click()
        expect(rows).to_have_count(1)
        wire.send("Network.emulateNetworkConditions", {**slow, "downloadThroughput": -1})
    assert download.value.suggested_filename == f"study-{sender.root}.1.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert len(archive.namelist()) == 150


@pytest.mark.browser_matrix
def test_a_patient_is_found_in_any_case_order_and_spelling(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/studies")
    page, sender = reader.page, Sender(reader, tmp_path)
    for study, patient in enumerate(("GARCIA^MARIA", "GARCIA^ANA", "LOPEZ^MARIA")):
        sender.send(study, patient)
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(3)
    for asked in ("maria garcía", "GARCÍA María", "María^García", "gArCi mArI"):
        page.keyboard.press("/")
        page.keyboard.type(asked)
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("GARCIA, MARIA")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Quitar filtros").click()
        expect(rows).to_have_count(3)
    assert reader.troubles == []


def test_new_studies_wait_until_they_are_asked_for(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/studies")
    page = reader.page
    sender = Sender(reader, tmp_path)
    sender.send(1, "FIRST^ONE")
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(1)  # nobody is at the rows: it is simply there
    rows.first.focus()
    sender.send(2, "SECOND^ONE")
    expect(page.locator(".fresh")).to_contain_text("1 estudio nuevo · Mostrar")
    expect(rows).to_have_count(1)
    expect(rows.first).to_be_focused()
    sender.send(1, "FIRST^ONE")
    expect(rows.first.locator('[data-state="processed"]')).to_contain_text("2")
    page.locator(".fresh button").click()
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("SECOND, ONE")
    assert reader.troubles == []


def invented(number: int) -> dict[str, Any]:
    """A study of a list that nobody uploaded."""
    return {
        "study_instance_uid": f"1.2.3.{number}",
        "collection": "user:1",
        "whole": True,
        "patient_name": f"PATIENT^{number:05}",
        "patient_id": str(number),
        "patient_birth_date": "1970-01-01",
        "patient_sex": "F",
        "study_date": "2026-01-31",
        "study_time": None,
        "accession_number": None,
        "study_id": None,
        "study_description": "Abdomen",
        "referring_physician_name": None,
        "modalities": ["CT"],
        "devices": ["Scanner"],
        "owners": [1],
        "series_count": 2,
        "instances": 300,
        "files_received": 1,
        "files_processed": 298,
        "files_failed": 1,
        "received_at": "2026-01-31T10:00:00Z",
        "last_received_at": "2026-01-31T10:00:00Z",
        "cover_file_id": None,
    }


def ten_thousand(route: Route) -> None:
    """Pages of 10,000 studies."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
    start, limit = int(query.get("cursor", 0)), int(query["limit"])
    end = min(start + limit, 10_000)
    cursor = str(end) if end < 10_000 else None
    route.fulfill(json={"studies": [invented(n) for n in range(start, end)], "next_cursor": cursor})


@pytest.mark.browser_matrix
def test_ten_thousand_rows_stay_a_small_page(new_reader: NewReader) -> None:
    reader = new_reader("/upload")
    page = reader.page
    page.route(re.compile(r"/api/studies\?"), ten_thousand)
    facets = {"total": 10_000, "complete": True, "facets": {}}
    page.route(re.compile(r"/api/studies/facets"), lambda route: route.fulfill(json=facets))
    page.locator('.site-nav a[href="/studies"]').click()
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows.first).to_contain_text("PATIENT, 00000")
    page.mouse.move(600, 500)
    for last in ("00055", "00105", "00155"):  # at the end the next page is loaded
        page.mouse.wheel(0, 20_000)
        expect(page.get_by_text(f"PATIENT, {last}", exact=True)).to_have_count(1)
    page.evaluate("window.scrollTo(0, 0)")
    rows.first.focus()
    page.keyboard.press("End")
    expect(rows.last).to_contain_text("PATIENT, 09999")
    expect(rows.last).to_be_focused()
    assert page.evaluate("document.querySelectorAll('*').length") <= 4_000
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowUp")
    focused = page.evaluate("document.activeElement.textContent")
    scrolled = page.evaluate("window.scrollY")
    page.route(re.compile(r"/api/studies/1\.2\.3\.\d+\?"), lambda route: route.fulfill(status=404, json={}))
    page.keyboard.press("Enter")
    expect(page.locator(".empty-state")).to_contain_text("no existe")
    with page.expect_response(re.compile(r"/api/studies\?.*cursor=9")):  # what is seen is asked for anew
        page.go_back()
    expect(page.locator(".grid tr:focus")).to_have_count(1)
    assert page.evaluate("document.activeElement.textContent") == focused
    assert page.evaluate("window.scrollY") == scrolled
    reader.speak("en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Studies")
    expect(rows.first).to_contain_text("files")
    assert [trouble for trouble in reader.troubles if "404" not in trouble] == []


def test_trouble_stands_in_the_place_of_the_rows(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/studies")
    page = reader.page
    Sender(reader, tmp_path).send(1, "FIRST^ONE")
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(1)
    problem = {
        "code": "unavailable",
        "detail": "No database.",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    broken = json.dumps(problem)
    page.route(
        re.compile(r"/api/studies"),
        lambda route: route.fulfill(status=503, body=broken, content_type="application/problem+json"),
    )
    page.get_by_role("button", name="Estado", exact=True).click()
    page.get_by_role("menuitemradio", name="Procesado").click()
    expect(page.locator(".error-state")).to_contain_text("0af7651916cd43dd8448eb211c80319c")
    expect(rows).to_have_count(0)
    page.unroute(re.compile(r"/api/studies"))
    page.get_by_role("button", name="Volver a intentar").click()
    expect(rows).to_have_count(1)


@pytest.mark.parametrize("width", [pytest.param("phone", marks=pytest.mark.browser_matrix), "desktop"])
@pytest.mark.parametrize(
    ("locale", "scheme"),
    [("es-ES", "light"), pytest.param("en-US", "dark", marks=pytest.mark.browser_matrix)],
)
def test_the_pages_of_studies_are_accessible(
    new_reader: NewReader, tmp_path: Path, width: str, locale: str, scheme: str
) -> None:
    reader = new_reader("/studies", locale=locale, scheme=scheme, width=width)
    page, name = reader.page, f"{width}-{locale[:2]}-{scheme}"
    expect(page.locator(".empty-state")).to_be_visible()
    seen(page, f"studies-empty-{name}")
    Sender(reader, tmp_path).send(1, "<b>GARCÍA</b>^MARÍA", files=2)
    row = page.locator(".grid tbody tr[data-key]")
    expect(row.locator('[data-state="processed"]')).to_contain_text("2")
    page.get_by_role("button", name=re.compile("^(Modalidad|Modality)$")).click()
    seen(page, f"studies-menu-{name}")
    page.get_by_role("menuitemcheckbox").click()
    expect(page.locator(".chip")).to_have_text(["CT"])
    expect(row).to_have_count(1)
    seen(page, f"studies-{name}")
    row.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("<b>GARCÍA</b>, MARÍA")
    expect(page.locator(".grid tbody tr[data-key]")).to_have_count(2)
    seen(page, f"study-{name}")
    reader.open("/studies/1.2.3.4")
    expect(page.locator(".empty-state")).to_be_visible()
    seen(page, f"study-unknown-{name}")
    assert [trouble for trouble in reader.troubles if "404" not in trouble] == []
