"""The page of a link in Chromium, opened by somebody without an account."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from pydicom.data import get_testdata_file

from tests.e2e.axe import violations
from tests.e2e.conftest import System
from tests.e2e.portal_page import Portal

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]
LINK_PASSWORD = "under the seven elms"


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A browser profile of its own, that nobody has signed in with."""
    made = browser.new_context(locale="es-ES")
    yield made
    made.close()


class Maker:
    """Somebody with an account, who has two results and makes links to them."""

    def __init__(self, browser: Browser, system: System) -> None:
        """Signs in in a profile of its own."""
        name = f"maker-{secrets.token_hex(4)}"
        system.create_user(name)
        self.context = browser.new_context(locale="es-ES")
        self.portal = Portal(self.context.new_page(), system.urls["portal"], name)
        self.portal.open("/upload")
        self.portal.enter(name)
        self.portal.upload(sample("CT_small.dcm"), sample("MR_small.dcm"))
        for file in ("CT_small.dcm", "MR_small.dcm"):
            expect(self.portal.result_row(file)).to_have_attribute("data-state", "processed")
        rows = self.ask("GET", "/api/results")["results"]
        self.files = {row["file_name"]: row["file_id"] for row in rows}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """JSON of the API, as this account."""
        script = """async ([method, path, body]) => {
            const headers = { 'Content-Type': 'application/json' };
            const text = await (await fetch(path, { method, headers, body })).text();
            return text ? JSON.parse(text) : null;
        }"""
        return self.portal.page.evaluate(script, [method, path, None if body is None else json.dumps(body)])


@pytest.fixture
def maker(browser: Browser, embedded_system: System) -> Iterator[Maker]:
    made = Maker(browser, embedded_system)
    yield made
    made.context.close()


def sample(name: str) -> Path:
    """A file that the pydicom wheel ships."""
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


def shown(page: Page, name: str) -> None:
    """Keep a picture where SCREENSHOTS says."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_link_with_a_password_shows_what_it_opens_until_it_is_taken_back(
    maker: Maker, context: BrowserContext
) -> None:
    link = maker.ask(
        "POST",
        "/api/links",
        {"file_id": maker.files["CT_small.dcm"], "password": LINK_PASSWORD, "download": True},
    )
    visitor = Portal(context.new_page(), maker.portal.url, "nobody")
    page = visitor.page
    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    answer = page.goto(f"{maker.portal.url}/s/{link['token']}")
    assert answer is not None
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"

    expect(page.get_by_role("heading", level=1)).to_have_text("Este enlace tiene contraseña")
    expect(page.locator('[name="password"]')).to_be_focused()
    expect(page.locator("main")).to_contain_text("iniciales C.")
    shown(page, "link-password")
    page.keyboard.type("under the six elms")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("La contraseña no es correcta.")
    page.locator('[name="password"]').fill(LINK_PASSWORD)
    page.keyboard.press("Enter")

    expect(page).to_have_url(f"{maker.portal.url}/s/results/{maker.files['CT_small.dcm']}")
    expect(page.locator(".link-notice")).to_contain_text("descargarlo")
    expect(page.locator("img.preview")).not_to_have_js_property("naturalWidth", 0)
    shown(page, "link-result")
    assert link["token"] not in page.evaluate("document.documentElement.outerHTML + document.cookie")
    assert page.evaluate("document.cookie") == "", "no script reads the cookie"
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage])")
    assert link["token"] not in stored
    with page.expect_download() as download:
        page.get_by_role("link", name="Descargar original").click()
    assert download.value.path().read_bytes() == sample("CT_small.dcm").read_bytes()
    page.reload()
    expect(page.locator("img.preview")).not_to_have_js_property("naturalWidth", 0)
    page.goto(f"{maker.portal.url}/s/")
    expect(page).to_have_url(f"{maker.portal.url}/s/results/{maker.files['CT_small.dcm']}")

    asked = [url for url in requested if "/api/" in url]
    assert asked
    assert all("via=link" in url for url in asked)
    assert [url for url in requested if link["token"] in url] == [f"{maker.portal.url}/s/{link['token']}"]
    refused = "Failed to load resource: the server responded with a status of 401"
    assert [trouble for trouble in visitor.troubles if refused not in trouble] == []

    maker.ask("DELETE", f"/api/links/{link['id']}")
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("El enlace no está abierto")
    shown(page, "link-over")
    page.goto(f"{maker.portal.url}/s/{link['token']}")
    expect(page.get_by_role("alert")).to_contain_text("no existe, ha caducado o se ha retirado")


def test_who_guesses_is_told_to_wait(maker: Maker, context: BrowserContext) -> None:
    what = {"file_id": maker.files["CT_small.dcm"], "password": LINK_PASSWORD}
    link = maker.ask("POST", "/api/links", what)
    page = context.new_page()
    page.goto(f"{maker.portal.url}/s/{link['token']}")
    expect(page.locator('[name="password"]')).to_be_focused()
    wait = {"status": 429, "code": "too-many-requests", "detail": "", "retry_after": 7}
    page.route("**/api/links/session*", lambda route: route.fulfill(status=429, json=wait))
    page.keyboard.type(LINK_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Demasiados intentos: espere 7 segundos.")
    shown(page, "link-wait")
    page.reload()
    expect(page.get_by_role("alert")).to_have_text("Demasiados intentos: espere 7 segundos.")
    page.unroute("**/api/links/session*")
    page.get_by_role("button", name="Volver a intentar").click()
    expect(page.locator('[name="password"]')).to_be_focused()


def test_whoever_is_signed_in_sees_on_the_links_page_what_it_opens(
    maker: Maker, context: BrowserContext, embedded_system: System
) -> None:
    [study] = maker.ask("GET", "/api/studies?q=MR_small.dcm")["studies"]
    uid = study["study_instance_uid"]
    link = maker.ask("POST", "/api/links", {"study_instance_uid": uid, "seconds": 3600})
    name = f"reader-{secrets.token_hex(4)}"
    embedded_system.create_user(name, staff=True)
    reader = Portal(context.new_page(), maker.portal.url, name)
    reader.open("/studies")
    reader.enter(name)
    page = reader.page
    expect(page.locator(".grid tbody tr[data-key]").first).to_be_visible()
    page.goto(f"{maker.portal.url}/s/{link['token']}")
    expect(page).to_have_url(f"{maker.portal.url}/s/studies/{uid}")
    rows = page.locator(".grid tbody tr[data-key]")
    expect(rows).to_have_count(1)
    expect(page.locator(".account")).to_have_count(0)
    # Nothing to share or take along: they may look.
    expect(page.locator(".page-actions > *")).to_have_text(["Ver imágenes"])
    page.get_by_role("button", name="EN", exact=True).click()
    until = datetime.fromisoformat(link["expires_at"]).astimezone(UTC)
    expect(page.locator(".link-notice")).to_contain_text(str(until.year))
    assert violations(page) == []
    shown(page, "link-study")
    rows.click()
    expect(page).to_have_url(f"{maker.portal.url}/s/results/{maker.files['MR_small.dcm']}")
    expect(page.get_by_role("heading", level=1)).to_have_text("MR_small.dcm")
    expect(page.get_by_role("link", name="Download original")).to_have_count(0)
    page.goto(f"{maker.portal.url}/s/results/{maker.files['CT_small.dcm']}")
    expect(page.locator("main")).to_contain_text("Result not found")
    page.goto(f"{maker.portal.url}/s/")
    page.get_by_role("button", name="Close the link").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The link is not open")
    page.locator(".brand").click()
    expect(page.locator(".account .menu-button")).to_be_visible()
