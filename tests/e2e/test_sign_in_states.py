"""Signing in and one's account in Chromium: what is rarer, wrong, over, or turned off."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from playwright.sync_api import Route, expect

from tests.e2e.processes import PASSWORD
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
    new_portal,
    secret_on,
    set_up_at_sign_in,
    shown,
    sign_out,
)
from tests.e2e.sign_in_system import PROVIDER, WaysIn

__all__ = ["here", "new_portal"]

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]


def test_a_recovery_code_signs_in_once(here: WaysIn, new_portal: NewPortal) -> None:
    portal, name = new_portal(), here.careful_person()
    page = portal.page
    _, codes = set_up_at_sign_in(portal, name)
    for said in (None, "El código no es correcto, o ya se usó"):
        sign_out(portal)
        portal.enter(name)
        page.get_by_role("button", name="usar un código de recuperación").click()
        expect(page.locator('[name="code"]')).to_be_focused()
        expect(page.locator('[name="code"]')).to_have_attribute("autocomplete", "off")
        shown(page, "recovery-step-es")
        page.keyboard.type(codes[0].upper().replace("-", " "))
        page.keyboard.press("Enter")
        if said is None:
            is_in(portal)
        else:
            expect(page.get_by_role("alert")).to_contain_text(said)
    page.get_by_role("button", name="Usar el código de la aplicación").click()
    expect(page.locator('[name="code"]')).to_have_value("")
    page.get_by_role("button", name="Entrar con otra cuenta").click()
    expect(page.locator('[name="username"]')).to_be_focused()
    expected(portal, 401)


def answered(answer: dict[str, Any], route: Route) -> None:
    """The server's part."""
    route.fulfill(status=answer["status"], json=answer)


def test_a_sign_in_that_is_over_begins_anew_and_who_guesses_waits(
    here: WaysIn, new_portal: NewPortal
) -> None:
    portal, name = new_portal("en-US"), here.careful_person()
    page = portal.page
    answers: dict[str, dict[str, Any]] = {
        "wait": {"status": 429, "code": "too-many-requests", "detail": "", "retry_after": 7},
        "long": {"status": 429, "code": "too-many-requests", "detail": "", "retry_after": 600},
        "over": {"status": 401, "code": "challenge-over", "detail": ""},
    }
    portal.open()
    portal.enter(name)
    heading(portal, "Set up the second factor")
    page.keyboard.press("Enter")
    secret_on(page)
    for which, said in (
        ("wait", "Too many attempts: wait 7 seconds."),
        ("long", "Too many attempts: wait 10 minutes."),
        ("over", "This sign-in has taken too long. Begin again with your password."),
    ):
        answer = answers[which]
        page.route(
            "**/api/auth/login/second-factor",
            partial(answered, answer),
        )
        page.locator('[name="code"]').fill("123456")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text(said)
        page.unroute("**/api/auth/login/second-factor")
    heading(portal, "Sign in")
    expect(page.locator('[name="username"]')).to_be_focused()
    page.get_by_role("button", name="ES", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Este inicio de sesión ha tardado demasiado")
    expected(portal, 401, 429)


def test_the_time_of_a_challenge_passes(here: WaysIn, new_portal: NewPortal) -> None:
    portal, name = new_portal("en-US"), here.careful_person()
    portal.page.clock.install()
    portal.open()
    portal.enter(name)
    expect(portal.page.get_by_text("This sign-in is good until")).to_be_visible()
    portal.page.clock.fast_forward(301_000)
    expect(portal.page.get_by_role("alert")).to_contain_text("has taken too long")
    expect(portal.page.locator('[name="username"]')).to_be_focused()


def test_what_the_address_says_of_a_sign_in_is_said_once_and_in_the_portals_words_only(
    new_portal: NewPortal,
) -> None:
    portal = new_portal()
    page = portal.page
    portal.open("/sign-in?problem=not-admitted")
    expect(page.get_by_role("alert")).to_contain_text("no tiene acceso aquí")
    expect(page.locator('[name="username"]')).to_be_focused()
    assert page.url.endswith("/sign-in")
    page.reload()
    expect(page.locator('[name="username"]')).to_be_focused()
    expect(page.get_by_role("alert")).to_have_count(0)
    for written in (
        "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E",
        "call-555-0100",
        "Call+this+number",
        "unknown",
    ):
        portal.open(f"/sign-in?problem={written}")
        expect(page.get_by_role("alert")).to_have_text("No se inició la sesión.")
    portal.open("/account?problem=identity-taken")
    expect(page.get_by_role("alert")).to_have_count(0)
    expected(portal)


def test_without_mail_an_administrator_is_asked(new_portal: NewPortal) -> None:
    portal = new_portal()
    page = portal.page
    answer = {"status": 409, "code": "no-mail", "detail": "This system sends no mail."}
    page.route("**/api/auth/password/forgotten", lambda route: route.fulfill(status=409, json=answer))
    portal.open("/forgotten-password")
    expect(page.locator('[name="username"]')).to_be_focused()
    page.keyboard.type("ana")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Pida un enlace a un administrador")
    page.get_by_role("link", name="Volver a iniciar sesión").click()
    heading(portal, "Iniciar sesión")
    expected(portal, 409)


def test_nobody_learns_who_has_an_account(new_portal: NewPortal) -> None:
    portal = new_portal()
    portal.open("/forgotten-password")
    expect(portal.page.locator('[name="username"]')).to_be_focused()
    portal.page.keyboard.type("nobody-of-this-name")
    portal.page.keyboard.press("Enter")
    heading(portal, "Mire su correo")
    expected(portal)


def test_where_passwords_are_off_only_providers_are_offered(new_portal: NewPortal) -> None:
    portal = new_portal()
    page = portal.page
    offered = {
        "providers": [{"name": "one", "title": "Hospital", "sign_in_path": "/api/auth/oidc/one/sign-in"}],
        "password_sign_in": False,
    }
    page.route("**/api/auth/oidc", lambda route: route.fulfill(json=offered))
    portal.open("/?modality=CT")
    link = page.get_by_role("link", name="Entrar con Hospital")
    expect(link).to_be_focused()
    expect(link).to_have_attribute("href", "/api/auth/oidc/one/sign-in?next=%2F%3Fmodality%3DCT")
    for field in ("username", "password"):
        expect(page.locator(f'[name="{field}"]')).to_be_hidden()
    expect(page.get_by_role("link", name="¿Ha olvidado la contraseña?")).to_be_hidden()
    shown(page, "providers-only-es")
    expected(portal)


def test_ones_second_factor_is_set_up_renewed_and_removed_in_the_account(
    here: WaysIn, new_portal: NewPortal
) -> None:
    portal, name = new_portal("en-US"), here.person()
    page = portal.page
    portal.open()
    portal.enter(name)
    is_in(portal)
    page.locator(".account .menu-button").click()
    page.get_by_role("menuitem", name="My account").click()
    heading(portal, "My account")
    factor = page.locator("#second-factor")
    expect(factor).to_contain_text("Your account is opened by the password alone.")
    shown(page, "account-en")
    factor.get_by_role("button", name="Set up an authenticator app").click()
    page.keyboard.type("not the password")
    page.keyboard.press("Enter")
    expect(factor.get_by_role("alert")).to_have_text("The present password is another one.")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    secret = secret_on(page)
    shown(page, "account-qr-en")
    page.locator('[name="code"]').fill(code_of(secret))
    page.keyboard.press("Enter")
    first = codes_on(page)
    shown(page, "account-codes-en")
    factor.get_by_label("I have kept them").check()
    factor.get_by_role("button", name="Go on").click()
    expect(factor).to_contain_text("10 recovery codes are left.")
    shown(page, "account-on-en")

    factor.get_by_role("button", name="New recovery codes").click()
    factor.locator('[name="password"]').fill(PASSWORD)
    factor.locator('[name="code"]').fill(code_of(secret, 1))
    page.keyboard.press("Enter")
    second = codes_on(page)
    assert not {*first} & {*second}
    factor.get_by_label("I have kept them").check()
    factor.get_by_role("button", name="Go on").click()

    factor.get_by_role("button", name="Remove the second factor").click()
    factor.locator('[name="password"]').fill(PASSWORD)
    for code, said in ((first[0], "The code is wrong"), (second[0], None)):
        factor.locator('[name="code"]').fill(code)
        page.keyboard.press("Enter")
        if said is not None:
            expect(factor.get_by_role("alert")).to_contain_text(said)
    expect(factor).to_contain_text("Your account is opened by the password alone.")
    expected(portal, 401)
    assert len(portal.troubles) == 2, "a wrong password and a wrong code are sent once"


def test_who_must_have_a_second_factor_cannot_remove_it(here: WaysIn, new_portal: NewPortal) -> None:
    portal, name = new_portal(), here.careful_person()
    set_up_at_sign_in(portal, name)
    portal.open("/account")
    factor = portal.page.locator("#second-factor")
    expect(factor).to_contain_text("Su grupo lo exige: no se puede quitar.")
    expect(factor.get_by_role("button", name="Códigos de recuperación nuevos")).to_be_visible()
    expect(factor.get_by_role("button", name="Quitar")).to_have_count(0)
    shown(portal.page, "account-required-es")
    expected(portal)


def test_ones_password_is_changed_in_the_account(here: WaysIn, new_portal: NewPortal) -> None:
    portal, name = new_portal(), here.person()
    page = portal.page
    portal.open("/account")
    portal.enter(name)
    heading(portal, "Mi cuenta")
    for current, chosen, said in (
        ("another one", OTHER_PASSWORD, "La contraseña actual no es esa."),
        (PASSWORD, "short", "Elija una contraseña más larga: al menos 12 caracteres"),
        (PASSWORD, OTHER_PASSWORD, None),
    ):
        for field, text in (("current", current), ("chosen", chosen), ("again", chosen)):
            page.locator(f'[name="{field}"]').fill(text)
        page.get_by_role("button", name="Cambiar la contraseña").click()
        if said is not None:
            expect(page.get_by_role("alert")).to_contain_text(said)
    expect(page.get_by_text("Se ha cambiado la contraseña.")).to_be_visible()
    portal.open("/files")
    is_in(portal)
    expected(portal, 400, 401, 403)


def test_a_provider_is_linked_to_ones_account_and_unlinked(here: WaysIn, new_portal: NewPortal) -> None:
    portal, name = new_portal("en-US"), here.person()
    page = portal.page
    portal.open("/account")
    portal.enter(name)
    identities = page.locator("#identities")
    expect(identities).to_contain_text("No provider opens your account yet.")
    identities.get_by_role("button", name=f"Link {PROVIDER}").click()
    for password, said in (("another one", "The present password is another one."), (PASSWORD, None)):
        expect(identities.locator('[name="password"]')).to_be_focused()
        page.keyboard.type(password)
        page.keyboard.press("Enter")
        if said is not None:
            expect(identities.get_by_role("alert")).to_have_text(said)
    at_the_provider(portal, "cleo")
    heading(portal, "My account")
    expect(identities.locator("li")).to_contain_text("cleo")
    shown(page, "account-linked-en")
    portal.sign_out()
    page.get_by_role("link", name=f"Sign in with {PROVIDER}").click()
    at_the_provider(portal, "cleo")
    is_in(portal)
    expect(page.locator(".account-name")).to_have_text(name)

    portal.open("/account?problem=identity-taken")
    expect(page.get_by_role("alert").first).to_contain_text("Another account is linked")
    assert page.url == f"{here.url}/account"
    identities.get_by_role("button", name="Unlink").click()
    expect(identities).to_contain_text("No provider opens your account yet.")
    expected(portal, 401)
    assert len(portal.troubles) == 1, "a wrong password is sent once"


def test_a_provider_leads_to_the_second_step_and_on_to_the_page(here: WaysIn, new_portal: NewPortal) -> None:
    portal = new_portal()
    page = portal.page
    # Nobody signs the reader in by an address: this tab has gone to no provider.
    forged = "challenge_token=x&expires_in=300&methods=enrol"
    page.goto(f"{here.url}/sign-in?next=/upload#{forged}")
    heading(portal, "Iniciar sesión")
    assert page.url == f"{here.url}/sign-in"

    portal.open("/upload")
    page.get_by_role("link", name=f"Entrar con {PROVIDER}").click()
    at_the_provider(portal, "cleo")
    is_in(portal)
    here.demand_second_factor("cleo")
    portal.open("/account?x=1")
    sign_out(portal)
    portal.open("/account?x=1")
    page.get_by_role("link", name=f"Entrar con {PROVIDER}").click()
    at_the_provider(portal, "cleo")
    heading(portal, "Configurar el segundo factor")
    assert page.url == f"{here.url}/account?x=1"
    page.keyboard.press("Enter")
    secret = secret_on(page)
    page.locator('[name="code"]').fill(code_of(secret))
    page.keyboard.press("Enter")
    codes_on(page)
    page.get_by_label("Los he guardado").check()
    page.get_by_role("button", name="Continuar").click()
    is_in(portal)
    assert page.url == f"{here.url}/account?x=1"

    sign_out(portal)
    page.get_by_role("link", name=f"Entrar con {PROVIDER}").click()
    at_the_provider(portal, "cleo")
    heading(portal, "Código de verificación")
    page.reload()
    heading(portal, "Iniciar sesión")
    expected(portal)
