"""Sharing in the portal, in Chromium: with a person, a group and by a link, and taking it back."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.builders import UID_ROOT, ct_instance
from tests.commands import run_command
from tests.e2e.conftest import System
from tests.e2e.portal_page import NewReader, Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
LINK_PASSWORD = "under the seven elms"


@pytest.fixture(scope="module")
def group(embedded_system: System) -> str:
    """A group that opens nothing of its own."""
    name = f"ward-{secrets.token_hex(4)}"
    env = {"DATABASE_URL": embedded_system.database_url("auth")}
    made = run_command("services.auth", "group", "create", name, env=env)
    assert made.returncode == 0, made.stderr
    return name


def send_study(reader: Portal, patient: str) -> str:
    """A study of one file, as this reader's; its UID."""
    uid = f"{UID_ROOT}.{secrets.randbits(48)}"
    content = ct_instance(
        16,
        16,
        seed=secrets.randbits(32),
        PatientName=patient,
        PatientID="P-1",
        StudyInstanceUID=uid,
        SeriesInstanceUID=f"{uid}.1",
        StudyDescription="Abdomen",
        SpecificCharacterSet="ISO_IR 192",
    )
    headers = {"Content-Type": "application/dicom", "Origin": reader.url}
    sent = reader.page.request.post(f"{reader.url}/api/files", data=content, headers=headers)
    assert sent.status == 202, sent.text()
    return uid


def share(page: Page, name: str, message: str = "") -> None:
    """In the dialog that is open: found by the middle of the name, taken by keys."""
    page.get_by_role("combobox").fill(name[1:])
    expect(page.get_by_role("option")).to_have_count(1)
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox")).to_have_value(name)
    page.locator('[name="reason"]').fill(message)
    page.locator(".share-form [type=submit]").click()
    expect(page.locator(".toast", has_text=name)).to_be_visible()


def take_back(page: Page, text: str) -> None:
    """The one of the list that says this."""
    row = page.locator(".share-row", has_text=text)
    row.get_by_role("button").click()
    page.get_by_role("dialog").get_by_role("button", name=re.compile("Retirar|Take back")).click()
    expect(row).to_have_count(0)


def statuses(reader: Portal, study: str, file_id: str) -> list[int]:
    """What each way to a study and its file answers."""
    paths = [f"/api/studies/{study}", f"/api/studies/{study}/zip"]
    paths += [f"/api/results/{file_id}{part}" for part in ("", "/thumbnail", "/file")]
    return [reader.page.request.get(reader.url + path).status for path in paths]


def test_what_is_shared_is_seen_until_it_is_taken_back(
    new_reader: NewReader, browser: Browser, group: str
) -> None:
    ana = new_reader("/", called="ana", more=["--first-name", "Ana"])
    leo = new_reader("/", called="leo", more=["--group", "uploader", "--group", group])
    study = send_study(ana, "GARCÍA^MARÍA")
    page, theirs = ana.page, leo.page
    rows, leos = page.locator(".grid tbody tr[data-key]"), theirs.locator(".grid tbody tr[data-key]")
    expect(rows.locator('[data-state="processed"]')).to_have_count(1)
    expect(theirs.locator(".empty-state")).to_be_visible()
    rows.click()
    page.get_by_role("button", name="Compartir").click()
    share(page, leo.username, "¿Qué le parece?")
    share(page, group)
    expect(page.locator(".share-row")).to_have_count(2)

    expect(leos).to_have_count(1)
    expect(theirs.locator(".bell-count")).to_have_text("2")
    theirs.locator(".bell .menu-button").click()
    expect(theirs.get_by_role("menuitem").first).to_contain_text(
        "Ana ha compartido «GARCÍA, MARÍA» con usted"
    )
    theirs.keyboard.press("Escape")
    expect(theirs.locator(".bell-count")).to_have_count(0)
    theirs.locator('.site-nav a[href="/shared"]').click()
    expect(theirs.locator(".share-row", has_text="¿Qué le parece?")).to_contain_text("García, María".upper())
    theirs.locator(".share-row a").first.click()
    expect(theirs.get_by_role("heading", level=1)).to_have_text("GARCÍA, MARÍA")
    listed = theirs.request.get(f"{leo.url}/api/results?study={study}").json()["results"]
    [file_id] = [row["file_id"] for row in listed]
    assert set(statuses(leo, study, file_id)) == {200}

    page.get_by_role("tab", name="Con un enlace").click()
    page.locator('[name="password"]').fill(LINK_PASSWORD)
    page.get_by_role("switch").check()
    page.get_by_role("button", name="Crear el enlace").click()
    address = page.get_by_label("Enlace", exact=True).input_value()
    page.get_by_role("button", name="Cerrar").click()
    visitor = browser.new_context(locale="es-ES")
    guest = visitor.new_page()
    guest.goto(address)
    expect(guest.locator("main")).to_contain_text("iniciales M. G.")
    guest.locator('[name="password"]').fill(LINK_PASSWORD)
    guest.keyboard.press("Enter")
    expect(guest.locator(".link-notice")).to_contain_text("descargarlo")
    expect(guest.get_by_role("heading", level=1)).to_have_text("GARCÍA, MARÍA")
    expect(guest).to_have_url(f"{ana.url}/s/studies/{study}")
    token = address.rpartition("/")[2]
    assert token not in guest.evaluate("document.documentElement.outerHTML + JSON.stringify(sessionStorage)")

    page.locator('.site-nav a[href="/shared"]').click()
    page.get_by_role("tab", name="Por mí").click()
    take_back(page, leo.username)
    assert set(statuses(leo, study, file_id)) == {200}, "the group's share stands"
    take_back(page, group)
    expect(theirs.locator(".empty-state")).to_contain_text("no existe, o no puede verlo")
    assert set(statuses(leo, study, file_id)) == {404}
    theirs.locator('.site-nav a[href="/studies"]').click()
    expect(leos).to_have_count(0)
    page.get_by_role("tab", name="Mis enlaces").click()
    expect(page.locator(".share-row")).to_contain_text("Abierto 1 vez")
    take_back(page, "con contraseña")
    expect(guest.get_by_role("heading", level=1)).to_have_text("El enlace no está abierto")
    visitor.close()
    assert [trouble for trouble in [*ana.troubles, *leo.troubles] if "404" not in trouble] == []


@pytest.mark.browser_matrix
@pytest.mark.parametrize("width", ["phone", "desktop"])
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "light"), ("en-US", "dark")])
def test_sharing_is_accessible(
    new_reader: NewReader, group: str, width: str, locale: str, scheme: str
) -> None:
    reader = new_reader("/shared", locale=locale, scheme=scheme, width=width, more=["--first-name", "Ana"])
    page, name = reader.page, f"{width}-{locale[:2]}-{scheme}"
    expect(page.locator(".empty-state")).to_be_visible()
    seen(page, f"shared-empty-{name}")
    study = send_study(reader, "<b>GARCÍA</b>^MARÍA")
    reader.open(f"/studies/{study}")
    expect(page.locator('.grid [data-state="processed"]')).to_be_visible()
    page.locator(".page-actions button.button").click()
    page.get_by_role("combobox").fill("no such name")
    expect(page.locator('.combobox [role="status"]')).to_contain_text(re.compile("Nadie|Nobody"))
    page.get_by_role("combobox").fill(group)
    expect(page.get_by_role("option")).to_have_count(1)
    seen(page, f"share-people-{name}")
    page.get_by_role("option").click()
    page.locator(".share-form [type=submit]").click()
    expect(page.locator(".share-row")).to_have_count(1)
    page.locator('[name="mode"][value="manage"]').check()
    page.locator(".share-form [type=submit]").click()
    expect(page.get_by_role("alert")).to_be_visible()
    seen(page, f"share-given-{name}")
    page.get_by_role("tab").last.click()
    page.locator('[name="day"]').fill("2040-01-01")
    page.locator(".share-form [type=submit]").click()
    expect(page.get_by_role("alert")).to_contain_text(re.compile("fecha anterior|earlier day"))
    seen(page, f"share-link-{name}")
    page.locator('[name="day"]').fill("")
    page.reload()
    page.locator(".page-actions button.button").click()
    page.get_by_role("tab").last.click()
    page.locator(".share-form [type=submit]").click()
    expect(page.locator(".made-link input")).to_be_focused()
    seen(page, f"share-made-{name}")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    for query in ("?list=by", "?list=links"):
        reader.open(f"/shared{query}")
        page.locator(".share-row button").click()
        expect(page.get_by_role("dialog")).to_be_visible()
        seen(page, f"shared-{query[6:]}-{name}")
        page.keyboard.press("Escape")
        seen(page, f"shared-{query[6:]}-list-{name}")
    waited = ("400", "404")  # the end that is too late; the study before it is there
    assert [one for one in reader.troubles if not any(status in one for status in waited)] == []
