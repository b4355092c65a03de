"""The frame around the portal's pages in Chromium: ways, keys, language, theme, and how accessible it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect
from pydicom.data import get_testdata_file

from tests.e2e.portal_page import NewReader, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    assert isinstance(found, str)
    return Path(found)


@pytest.mark.parametrize("width", [pytest.param("phone", marks=pytest.mark.browser_matrix), "desktop"])
@pytest.mark.parametrize(
    ("locale", "scheme"),
    [("es-ES", "light"), pytest.param("en-US", "dark", marks=pytest.mark.browser_matrix)],
)
def test_every_page_is_accessible(new_reader: NewReader, width: str, locale: str, scheme: str) -> None:
    reader = new_reader("/upload", locale=locale, scheme=scheme, width=width)
    page, name = reader.page, f"{width}-{locale[:2]}-{scheme}"
    reader.upload(sample("CT_small.dcm"))
    reader.expect_upload("CT_small.dcm", "processed")
    seen(page, f"upload-{name}")
    page.locator('.site-nav a[href="/files"]').click()
    expect(reader.result_row("CT_small.dcm")).to_be_visible()
    seen(page, f"files-{name}")
    reader.open_result("CT_small.dcm")
    expect(page.locator("img.preview")).not_to_have_js_property("naturalWidth", 0)
    seen(page, f"result-{name}")
    page.locator(".account .menu-button").click()
    seen(page, f"menu-{name}")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()
    seen(page, f"keys-{name}")
    page.keyboard.press("Escape")
    reader.open("/no/such/page")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    seen(page, f"none-{name}")
    reader.sign_out()
    expect(page.locator('[name="username"]')).to_be_focused()
    seen(page, f"sign-in-{name}")
    assert reader.troubles == []


def test_keys_lead_to_pages_and_regions_and_stay_out_of_fields(new_reader: NewReader) -> None:
    reader = new_reader("/files")
    page = reader.page
    expect(page.locator(".live-mark")).to_be_visible()
    reader.go_by("g", "u", path="/upload")
    expect(page.locator(".drop-zone")).to_be_visible()
    reader.go_by("g", "f", path="/files")
    page.get_by_role("searchbox", name="Buscar archivos").fill("g f ?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="«g f ?»: quitar")).to_be_visible()  # nothing is drawn anew below
    for region in ("header", ".site-nav", "main", "header"):
        page.keyboard.press("F6")
        expect(page.locator(f"{region}:focus, {region} :focus").first).to_be_attached()
    page.locator(".account .menu-button").click()
    page.get_by_role("menuitemcheckbox").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_a_menu_is_walked_by_arrows_and_gives_the_focus_back(new_reader: NewReader) -> None:
    reader = new_reader("/files")
    page = reader.page
    button = page.locator(".account .menu-button")
    button.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("menuitemradio", name="Español")).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.get_by_role("menuitem", name="Cerrar sesión")).to_be_focused()
    page.keyboard.press("Escape")
    expect(button).to_be_focused()
    button.click()
    page.get_by_role("menuitemradio", name="Oscuro").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    assert reader.troubles == []
