"""One's own account in the portal, in Chromium: profile, sessions, keys, preferences."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.portal_page import NewReader, Portal
from tests.e2e.processes import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.mark.browser_matrix
def test_what_is_ones_own_is_changed_in_the_account(new_reader: NewReader, browser: Browser) -> None:
    reader = new_reader("/account")
    page = reader.page
    expect(page.get_by_role("heading", level=1)).to_be_focused()

    profile = page.locator("#profile")
    profile.get_by_label("Nombre", exact=True).fill(" Ana ")
    profile.get_by_label("Correo electrónico").fill("ana@portal.test")
    profile.locator('[name="password"]').fill("not the password")
    page.keyboard.press("Enter")
    expect(profile.get_by_role("alert")).to_have_text("La contraseña actual no es esa.")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".account-name")).to_have_text("Ana")
    expect(profile.locator('[name="password"]')).to_have_count(0)

    elsewhere = browser.new_context(locale="es-ES")
    other = Portal(elsewhere.new_page(), reader.url, reader.username)
    other.open("/account")
    other.enter(reader.username)
    expect(other.page.locator("#sessions li")).to_have_count(2)
    elsewhere.close()
    page.reload()
    sessions = page.locator("#sessions")
    expect(sessions.locator("li")).to_have_count(2)
    expect(sessions.locator("li", has_text="esta")).to_contain_text("127.0.0.1")
    sessions.get_by_role("button", name="Cerrar todas las demás").click()
    expect(sessions.locator("li")).to_have_count(1)

    keys = page.locator("#api-keys")
    keys.get_by_role("button", name="Crear una clave").click()
    expect(keys.get_by_label("Nombre")).to_be_focused()
    page.keyboard.type("curl")
    keys.get_by_label("Solo lo que elija").check()
    keys.get_by_text("view_dicomresult", exact=True).click()
    keys.get_by_role("button", name="Crear la clave").click()
    expect(keys.locator("input[readonly]")).to_be_focused()
    assert keys.locator("input[readonly]").input_value().startswith("dk_")
    keys.get_by_role("button", name="Ya la tengo").click()
    expect(keys.locator("li")).to_contain_text("view_dicomresult")
    keys.get_by_role("button", name="Revocar").click()
    page.get_by_role("dialog").get_by_role("button", name="Revocar").click()
    expect(keys).to_contain_text("No tiene claves.")

    page.get_by_role("switch", name="Atajos de una tecla").uncheck()
    page.get_by_label("Aspecto").select_option("dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Idioma").select_option("en")
    expect(page.get_by_role("heading", level=1)).to_have_text("My account")
    page.keyboard.press("Escape")
    page.get_by_role("heading", level=1).click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    answer = page.request.get(f"{reader.url}/api/auth/me").json()
    assert (answer["first_name"], answer["email"], answer["language"]) == ("Ana", "ana@portal.test", "en")
    assert [trouble for trouble in reader.troubles if "401" not in trouble] == []
