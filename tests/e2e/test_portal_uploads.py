"""Uploads in Chromium: what a technician chooses is sent, reported and never lost silently."""

from __future__ import annotations

import re
import secrets
import socket
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Mapping
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Dialog, Locator, Page, Route, expect

from libs.common.security.cookies import ACCESS_COOKIE
from tests.builders import UID_ROOT, ct_instance, encapsulated_instance
from tests.commands import run_command
from tests.e2e.conftest import System
from tests.e2e.portal_page import WIDTHS, NewReader, Portal, seen
from tests.slow_clients import upload_head
from tests.waiting import wait_until

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
SENDING = re.compile(r"/api/files\?collection=")


def stalled_upload(url: str, headers: Mapping[str, str]) -> socket.socket:
    """A connection that announces a file and sends none of it."""
    address = urlsplit(url)
    connection = socket.create_connection((address.hostname, address.port), timeout=60)
    connection.sendall(upload_head(headers, 100_000))
    return connection


def refused(url: str, headers: Mapping[str, str]) -> bool:
    """Whether one more upload is too many."""
    told = {**headers, "Content-Type": "application/dicom"}
    request = urllib.request.Request(f"{url}/api/files", b"no image", told, method="POST")
    try:
        urllib.request.urlopen(request, timeout=60).close()
    except urllib.error.HTTPError as error:
        with error:
            return error.status == 429
    return False


class Disc:
    """A folder as it comes from a CD: images in folders, and what is no image beside them."""

    def __init__(self, folder: Path) -> None:
        """Makes it below `folder`."""
        self.path = folder / "CD 3"
        self.root = f"{UID_ROOT}.{secrets.randbits(48)}"
        self.images = 0

    def put(self, name: str, content: bytes) -> None:
        """Any file, by its path on the disc."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def image(self, folder: str, *, study: int = 1) -> bytes:
        """An image of a study in a folder."""
        self.images += 1
        content = ct_instance(
            16,
            16,
            seed=secrets.randbits(32),
            sop_instance_uid=f"{self.root}.{study}.1.{self.images}",
            PatientName="GARCIA^MARIA",
            PatientID="P-1",
            StudyInstanceUID=f"{self.root}.{study}",
            SeriesInstanceUID=f"{self.root}.{study}.1",
            StudyDescription=f"Estudio {study}",
        )
        self.put(f"{folder}/IM{self.images:05}", content)
        return content

    def litter(self) -> None:
        """An index, a viewer, an archive, and what operating systems leave."""
        for name in (
            "DICOMDIR",
            "AUTORUN.INF",
            "VIEWER/viewer.exe",
            ".DS_Store",
            "SERIES01/._IM00001",
            "Thumbs.db",
        ):
            self.put(name, b"no image")
        self.put("backup.zip", b"PK\3\4")
        self.put("INDEX", index())


def index() -> bytes:
    """The beginning of a DICOMDIR by another name: its Media Storage SOP Class is in its first bytes."""
    uid = b"1.2.840.10008.1.3.10"
    length = len(uid).to_bytes(2, "little")
    return bytes(128) + b"DICM" + b"\2\0\0\0UL\4\0\x20\0\0\0" + b"\2\0\2\0UI" + length + uid + bytes(64)


def choose_folder(page: Page, folder: Path) -> None:
    page.locator("#choose-folder").set_input_files(str(folder))


def chosen(page: Page, name: str) -> Locator:
    """The button of one outcome of the report."""
    return page.locator("main .outcome", has=page.locator(f'[data-outcome="{name}"]'))


def expect_outcomes(page: Page, **counts: int) -> None:
    """The report says so, and nothing else."""
    for name, count in counts.items():
        expect(page.locator(f'main [data-outcome="{name}"]')).to_have_text(str(count))
    expect(page.locator("main [data-outcome]")).to_have_count(len(counts))


def sent_files(reader: Portal) -> list[dict[str, str]]:
    """What the server has of this reader, by its API."""
    files: list[dict[str, str]] = reader.page.evaluate(
        "async () => (await (await fetch('/api/files?limit=500')).json()).files"
    )
    return files


def full_disc(folder: Path, *, images: int) -> Disc:
    """Images of two studies, a copy, other bytes with a UID that was sent, a text and litter."""
    disc = Disc(folder)
    first = disc.image("SERIES01")
    for _ in range(images - 3):
        disc.image("SERIES01")
    for _ in range(2):
        disc.image("SERIES02", study=2)
    disc.put("SERIES02/COPY", first)
    disc.put("SERIES02/notes.txt", b"no image at all\n" * 100)
    disc.litter()
    return disc


def journey(reader: Portal, folder: Path, images: int) -> None:
    """A technician's disc: the report adds up, paths are kept, studies are linked."""
    page = reader.page
    disc = full_disc(folder, images=images)
    choose_folder(page, disc.path)
    expect(page.locator('main [data-outcome="processed"]')).to_have_text(str(images), timeout=120_000)
    expect_outcomes(page, processed=images, known=1, foreign=1, omitted=8)
    expect(page.locator(".upload-overall")).to_contain_text(str(images + 2))
    studies = page.locator(".upload-study")
    expect(studies).to_have_count(2)
    expect(studies.filter(has_text="Estudio 2")).to_contain_text("2")
    expect(studies.filter(has_text="Estudio 1").locator("bdi").first).to_have_text("GARCIA, MARIA")

    size = page.viewport_size
    assert size is not None
    page.set_viewport_size({**size, "height": 1800})  # only what is in view is in the page
    chosen(page, "omitted").click()
    expect(page.locator(".upload")).to_have_count(8)
    expect(page.locator(".upload", has_text="backup.zip")).to_have_attribute("data-phase", "omitted")
    # In which order a disk lists them is its own affair.
    folders_of = page.locator(".upload-folder bdi").all_inner_texts()
    assert sorted(folders_of) == ["CD 3", "CD 3/SERIES01", "CD 3/VIEWER"]
    page.set_viewport_size(size)
    with page.expect_download() as download:
        page.locator(".upload-report .button", has_text="CSV").click()
    lines = download.value.path().read_text("utf-8-sig").splitlines()
    assert len(lines) == 9
    assert any("backup.zip" in line for line in lines)

    folders = {file["file_name"]: file["folder"] for file in sent_files(reader)}
    assert len(folders) == images
    assert folders["IM00002"] == "CD 3/SERIES01"
    studies.filter(has_text="Estudio 2").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("GARCIA, MARIA")
    reader.follow("/upload")
    expect_outcomes(page, processed=images, known=1, foreign=1, omitted=8)
    refusals = [trouble for trouble in reader.troubles if "status of 4" not in trouble]
    assert refusals == []


CHOOSE_LATE = """(content) => {
    const chosen = new DataTransfer();
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    chosen.items.add(new File([bytes], 'late.dcm'));
    window.picker.files = chosen.files;
    window.picker.dispatchEvent(new Event('change', { bubbles: true }));
}"""


def test_what_is_chosen_after_the_page_was_left_is_sent(new_reader: NewReader) -> None:
    """A picker may stay open while the page goes: a session ends, another page is opened."""
    reader = new_reader()
    page = reader.page
    reader.follow("/upload")
    expect(page.locator(".drop-zone")).to_be_visible()
    page.evaluate("window.picker = document.querySelector('#choose-files')")
    reader.follow("/files")
    expect(page.locator("#choose-files")).to_have_count(0)
    page.evaluate(CHOOSE_LATE, b64encode(ct_instance(seed=secrets.randbits(32))).decode())
    expect(reader.result_row("late.dcm")).to_have_attribute("data-state", "processed")


def test_a_disc_is_sent_reported_and_leads_to_its_studies(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/upload")
    journey(reader, tmp_path, images=12)
    seen(reader.page, "upload-report")


@pytest.mark.browser_matrix
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "light"), ("en-US", "dark")])
def test_a_large_disc_on_every_screen(
    new_reader: NewReader, tmp_path: Path, width: str, locale: str, scheme: str
) -> None:
    reader = new_reader("/upload", locale=locale, scheme=scheme, width=width)
    seen(reader.page, f"upload-empty-{width}-{locale}")
    journey(reader, tmp_path, images=300)
    seen(reader.page, f"upload-300-{width}-{locale}")
    choose_folder(reader.page, tmp_path / "CD 3")
    expect(reader.page.locator('main [data-outcome="known"]')).to_have_text("302", timeout=120_000)
    expect(reader.page.locator(".upload-study").filter(has_text="Estudio 2")).to_contain_text("2 ")
    reader.follow("/files")
    reader.page.locator(".upload-tray").click()
    expect(reader.page.get_by_role("dialog")).to_be_visible()
    seen(reader.page, f"upload-drawer-{width}-{locale}")


@pytest.mark.browser_matrix
def test_a_lost_network_pauses_and_goes_on_alone(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/upload")
    page = reader.page
    disc = Disc(tmp_path)
    for _ in range(40):
        disc.image("SERIES01")
    answered = 0

    def counting(route: Route) -> None:
        nonlocal answered
        answered += 1
        if answered == 10:
            page.context.set_offline(True)
        route.continue_()

    page.route(SENDING, counting)
    choose_folder(page, disc.path)
    expect(page.locator(".upload-hold")).to_have_attribute("data-why", "network")
    expect(page.locator('main [data-outcome="failed"]')).to_have_count(0)
    expect(page.locator(".upload-tray")).to_contain_text("/40")
    reader.follow("/files")  # goes on from any page
    page.context.set_offline(False)
    expect(page.locator(".toast")).to_contain_text("Subida terminada: 40 archivos · con problemas: 0")
    page.unroute_all()
    reader.follow("/upload")
    processed = page.locator('main [data-outcome="processed"]')
    known = page.locator('main [data-outcome="known"]')  # had arrived, but not its answer
    expect(processed.or_(known).first).to_be_visible()
    counts = [int(count) for count in page.locator("main [data-outcome]").all_inner_texts()]
    assert sum(counts) == 40
    assert chosen(page, "failed").count() == chosen(page, "cancelled").count() == 0
    names = [file["file_name"] for file in sent_files(reader)]
    assert len(names) == len(set(names)) == 40


@pytest.mark.browser_matrix
def test_leaving_asks_while_files_are_on_their_way(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/upload")
    page = reader.page
    disc = Disc(tmp_path)
    for _ in range(3):
        disc.image("SERIES01")
    page.get_by_role("heading", level=1).click()  # browsers ask for those only who have used the page
    page.route(SENDING, lambda _: None)  # never answered
    choose_folder(page, disc.path)
    tray = page.locator(".upload-tray")
    expect(tray).to_contain_text("0/3")
    tray.click()
    expect(page.get_by_role("dialog")).to_contain_text("0/3")
    page.keyboard.press("Escape")
    expect(tray).to_be_focused()
    reader.follow("/files")
    reader.sign_out()
    expect(page.get_by_role("dialog")).to_contain_text("Quedan 3 archivos por subir")
    page.keyboard.press("Enter")  # keeps on, unless somebody chooses otherwise
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(tray).to_contain_text("0/3")

    reader.follow("/upload")
    page.get_by_role("button", name="Pausar").click()
    expect(page.locator(".upload-hold")).to_have_attribute("data-why", "reader")
    asked: list[str] = []

    def answer(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.on("dialog", answer)
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator(".upload-left")).to_contain_text("De la última subida faltan 3 archivos")
    choose_folder(page, disc.path)
    expect(page.locator(".upload-left")).to_have_count(0)
    reader.sign_out()
    page.get_by_role("button", name="Salir y descartar").click()
    expect(page.locator('[name="username"]')).to_be_focused()
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_another_account_is_asked_about_before_files_are_dropped(
    new_reader: NewReader, embedded_system: System, tmp_path: Path
) -> None:
    reader = new_reader("/upload")
    page = reader.page
    other = f"other-{secrets.token_hex(4)}"
    embedded_system.create_user(other)
    disc = Disc(tmp_path)
    for _ in range(3):
        disc.image("SERIES01")
    page.route(SENDING, lambda _: None)  # never answered
    choose_folder(page, disc.path)
    expect(page.locator(".upload-tray")).to_contain_text("0/3")
    page.context.clear_cookies()  # the session is over
    page.unroute_all()
    expect(page.get_by_text("La sesión ha terminado")).to_be_visible()
    reader.enter(other)
    expect(page.get_by_role("dialog")).to_contain_text(f"son de {reader.username}")
    seen(page, "upload-other-account")
    page.keyboard.press("Enter")  # keep uploading: the other one is signed out again
    expect(page.get_by_role("dialog")).to_have_count(0)
    reader.enter(reader.username)
    expect(page.locator(".account-name")).to_have_text(reader.username)
    reader.follow("/upload")
    expect_outcomes(page, processed=3)  # as theirs, and nothing was lost
    assert len(sent_files(reader)) == 3


@pytest.mark.browser_matrix
def test_a_busy_server_is_waited_for_and_says_why(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/upload")
    page = reader.page
    disc = Disc(tmp_path)
    disc.image("SERIES01")
    problem = {"code": "unavailable", "title": "x", "status": 503}
    page.route(
        SENDING,
        lambda route: route.fulfill(status=503, json=problem, headers={"Retry-After": "3600"}),
    )
    choose_folder(page, disc.path)
    hold = page.locator(".upload-hold")
    expect(hold).to_have_attribute("data-why", "server")
    expect(hold).to_contain_text("El servicio no está disponible")
    seen(page, "upload-busy")
    page.unroute_all()
    page.get_by_role("button", name="Intentar ahora").click()
    expect_outcomes(page, processed=1)


@pytest.mark.browser_matrix
def test_an_account_at_its_limit_is_waited_for(new_reader: NewReader, tmp_path: Path) -> None:
    """Somebody else sends slowly with this account: the page waits as it is told, and goes on by itself."""
    reader = new_reader("/upload")
    page = reader.page
    disc = Disc(tmp_path)
    disc.image("SERIES01")
    (token,) = [one["value"] for one in page.context.cookies() if one["name"] == ACCESS_COOKIE]
    headers = {"Authorization": f"Bearer {token}"}
    with ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(closing(stalled_upload(reader.url, headers)))
        wait_until(lambda: refused(reader.url, headers))
        choose_folder(page, disc.path)
        hold = page.locator(".upload-hold")
        expect(hold).to_have_attribute("data-why", "server")
        expect(hold).to_contain_text("demasiados envíos en curso")
    expect_outcomes(page, processed=1)


@pytest.mark.browser_matrix
def test_dropped_and_failed_files_are_told_and_tried_again(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/upload")
    page = reader.page
    broken = tmp_path / "broken.dcm"
    broken.write_bytes(encapsulated_instance([b"", secrets.token_bytes(600)]))
    reader.upload(broken)
    expect_outcomes(page, failed=1)
    transfer = page.evaluate_handle(
        "() => { const data = new DataTransfer(); data.items.add(new File(['x'], 'x.txt')); return data; }"
    )
    page.dispatch_event(".drop-zone", "drop", {"dataTransfer": transfer})
    expect_outcomes(page, failed=1, foreign=1)
    page.get_by_role("button", name="Quitar los terminados").click()
    expect(page.locator(".upload-report")).to_have_count(0)
    reader.upload(broken)
    expect_outcomes(page, failed=1)
    chosen(page, "failed").click()
    with page.expect_response(SENDING) as response:
        page.get_by_role("button", name="Reintentar: broken.dcm").click()
    assert response.value.json()["files"][0]["queued_again"]
    expect_outcomes(page, failed=1)


@pytest.mark.browser_matrix
def test_files_go_to_the_collection_that_was_chosen(
    new_reader: NewReader, embedded_system: System, tmp_path: Path
) -> None:
    name = f"ward-{secrets.token_hex(4)}"
    env = {"DATABASE_URL": embedded_system.database_url("auth")}
    made = run_command("services.auth", "group", "create", name, "--mode", "manage", env=env)
    assert made.returncode == 0, made.stderr
    reader = new_reader("/upload", more=["--group", "uploader", "--group", name])
    page = reader.page
    choice = page.get_by_label("Guardar en")
    expect(choice.locator("option")).to_have_text(["Mi colección", name])
    choice.select_option(label=name)
    disc = Disc(tmp_path)
    disc.image("SERIES01")
    choose_folder(page, disc.path)
    expect_outcomes(page, processed=1)
    assert {file["collection"] for file in sent_files(reader)} == {choice.input_value()}
    page.locator(".upload-study").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("GARCIA, MARIA")
    assert reader.troubles == []
