"""The main ways in, in Chromium: a second factor, a forgotten password, a provider."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.e2e.sign_in_page import (
    OTHER_PASSWORD,
    NewPortal,
    at_the_provider,
    code_of,
    codes_on,
    expected,
    heading,
    here,
    is_in,
    link_of,
    new_portal,
    secret_on,
    shown,
    sign_out,
)
from tests.e2e.sign_in_system import PROVIDER, WaysIn

__all__ = ["here", "new_portal"]

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


@pytest.mark.browser_matrix
def test_an_authenticator_is_set_up_while_signing_in_and_asked_for_from_then_on(
    here: WaysIn, new_portal: NewPortal
) -> None:
    portal, name = new_portal(permissions=["clipboard-read", "clipboard-write"]), here.careful_person()
    page = portal.page
    portal.open("/files?modality=CT")
    portal.enter(name)
    heading(portal, "Configurar el segundo factor")
    shown(page, "enrol-es")
    page.keyboard.press("Enter")
    secret = secret_on(page)
    drawn = page.locator("svg.qr path").get_attribute("d")
    assert drawn is not None
    assert re.fullmatch(r"(M\d+ \d+h\d+v1h-\d+z)+", drawn)
    shown(page, "qr-es")
    # Keys alone: the link, the copy button, the field.
    for _ in range(3):
        page.keyboard.press("Tab")
    expect(page.locator('[name="code"]')).to_be_focused()
    page.keyboard.type("000 000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("El código no es correcto")
    assert secret_on(page) == secret

    code = code_of(secret)
    page.evaluate("text => navigator.clipboard.writeText(text)", f" {code[:3]} {code[3:]} ")
    page.locator('[name="code"]').fill("")
    page.keyboard.press("Control+V")
    page.keyboard.press("Enter")
    heading(portal, "Guarde sus códigos de recuperación")
    codes = codes_on(page)
    shown(page, "recovery-codes-es")
    page.get_by_role("button", name="Continuar").click()
    expect(page.get_by_role("alert")).to_have_text("Guarde primero los códigos y después marque la casilla.")
    with page.expect_download() as download:
        page.get_by_role("button", name="Descargar").click()
    assert download.value.suggested_filename == "codigos-de-recuperacion.txt"
    assert download.value.path().read_text().split("\n")[3:-1] == codes
    page.get_by_role("button", name="Copiar").click()
    assert page.evaluate("navigator.clipboard.readText()").split("\n") == codes
    page.get_by_label("Los he guardado").check()
    page.get_by_role("button", name="Continuar").click()
    is_in(portal)
    expect(page).to_have_url(f"{here.url}/files?modality=CT")

    sign_out(portal)
    portal.enter(name)
    heading(portal, "Código de verificación")
    expect(page.locator('[name="code"]')).to_be_focused()
    expect(page.locator('[name="code"]')).to_have_attribute("autocomplete", "one-time-code")
    expect(page.locator('[name="code"]')).to_have_attribute("inputmode", "numeric")
    shown(page, "second-step-es")
    page.keyboard.type("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("El código no es correcto")
    expect(page.locator('[name="code"]')).to_be_focused()
    page.keyboard.type(code_of(secret, 1))
    page.keyboard.press("Enter")
    is_in(portal)
    stored = page.evaluate("JSON.stringify([localStorage, sessionStorage]) + document.cookie")
    assert not any(one in stored for one in (secret, *codes))
    expected(portal, 401)


def test_a_forgotten_password_is_replaced_by_the_link_of_a_mail(here: WaysIn, new_portal: NewPortal) -> None:
    portal = new_portal("en-US")
    name = here.person("--email", "ana@portal.test")
    page = portal.page
    portal.open()
    page.get_by_role("link", name="Forgotten your password?").click()
    expect(page).to_have_url(f"{here.url}/forgotten-password")
    heading(portal, "Forgotten password")
    shown(page, "forgotten-en")
    expect(page.locator('[name="username"]')).to_be_focused()
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    heading(portal, "Look into your mail")
    shown(page, "forgotten-sent-en")
    link = link_of(here, portal, "ana@portal.test")

    requested: list[str] = []
    page.on("request", lambda request: requested.append(request.url))
    answer = page.goto(link)
    assert answer is not None
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    expect(page).to_have_url(f"{here.url}/reset-password")
    token = link.partition("#")[2]
    kept = (
        "document.documentElement.outerHTML + JSON.stringify([document.cookie, localStorage, sessionStorage])"
    )
    assert token not in page.evaluate(kept)
    shown(page, "reset-en")
    for chosen, again, said in (
        ("one thing here", "another thing", "The two new passwords differ."),
        ("short", "short", "Choose a longer password: at least 12 characters"),
        (OTHER_PASSWORD, OTHER_PASSWORD, None),
    ):
        page.locator('[name="chosen"]').fill(chosen)
        page.locator('[name="again"]').fill(again)
        page.keyboard.press("Enter")
        if said is not None:
            expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_text("Your password has been changed. Sign in with it.")).to_be_visible()
    expect(page.locator('[name="username"]')).to_be_focused()
    assert page.url == f"{here.url}/"
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(OTHER_PASSWORD)
    page.keyboard.press("Enter")
    is_in(portal)
    assert not any(token in url for url in requested if "#" not in url)

    page.goto(link)
    for field in ("chosen", "again"):
        page.locator(f'[name="{field}"]').fill(OTHER_PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("This link is over")
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("This link is over")
    expected(portal, 400, 404)


def test_a_provider_signs_in_and_leads_back(here: WaysIn, new_portal: NewPortal) -> None:
    portal = new_portal()
    page = portal.page
    portal.open("/upload")
    page.get_by_role("link", name=f"Entrar con {PROVIDER}").click()
    at_the_provider(portal, "bea")
    is_in(portal)
    assert page.url == f"{here.url}/upload"
    expect(page.locator(".account-name")).to_have_text("Bea")
    page.reload()
    is_in(portal)

    portal.sign_out()
    page.get_by_role("link", name=f"Entrar con {PROVIDER}").click()
    at_the_provider(portal, deny=True)
    expect(page.get_by_role("alert")).to_be_visible()
    heading(portal, "Iniciar sesión")
    assert page.url == f"{here.url}/sign-in"
    shown(page, "provider-refused-es")
    expected(portal)
