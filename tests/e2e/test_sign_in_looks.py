"""Sign-in and account in both languages, all widths and colour schemes: axe, sideways scrolling, pictures."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.axe import violations
from tests.e2e.portal_page import Portal
from tests.e2e.sign_in_page import (
    NewPortal,
    code_of,
    codes_on,
    expected,
    here,
    is_in,
    new_portal,
    secret_on,
    shown,
)
from tests.e2e.sign_in_system import GROUP, WaysIn

__all__ = ["here", "new_portal"]

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]

LOOKS: dict[str, dict[str, Any]] = {
    "light-1280": {"viewport": {"width": 1280, "height": 850}},
    "light-320": {"viewport": {"width": 320, "height": 640}},
    "dark-390": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    "forced-390": {"viewport": {"width": 390, "height": 844}, "forced_colors": "active"},
}
OFFERED = {
    "providers": [
        {"name": "one", "title": "Hospital", "sign_in_path": "/api/auth/oidc/one/sign-in"},
        {
            "name": "two",
            "title": "Universidad Politécnica de las Cuencas del Norte",
            "sign_in_path": "/api/auth/oidc/two/sign-in",
        },
    ],
    "password_sign_in": True,
}


def looks_right(page: Page, name: str) -> None:
    """No rule of axe broken, nothing to be scrolled sideways, every target large enough."""
    expect(page.locator("main h1")).to_be_visible()
    shown(page, name)
    assert violations(page) == [], name
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, name
    small = page.evaluate(
        """() => [...document.querySelectorAll('main button, main input, main a')]
            .filter((one) => one.checkVisibility() && one.getBoundingClientRect().height < 18)
            .map((one) => one.outerHTML)"""
    )
    assert small == [], name


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("locale", ["es-ES", "en-US"])
def test_every_step(here: WaysIn, new_portal: NewPortal, locale: str, look: str) -> None:
    portal = new_portal(locale, **LOOKS[look])
    page, suffix = portal.page, f"{locale[:2]}-{look}"
    page.route("**/api/auth/oidc", lambda route: route.fulfill(json=OFFERED))
    name = here.person("--group", GROUP)
    portal.open("/forgotten-password")
    looks_right(page, f"1-forgotten-{suffix}")
    page.locator('[name="username"]').fill("nobody")
    page.keyboard.press("Enter")
    expect(page.locator('main [role="status"]')).to_be_visible()
    looks_right(page, f"2-sent-{suffix}")
    portal.open("/reset-password#some-token")
    page.locator('[name="chosen"]').fill("one")
    page.keyboard.press("Enter")
    page.locator('[name="again"]').fill("two")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    looks_right(page, f"3-reset-{suffix}")
    portal.open("/sign-in?problem=not-admitted")
    expect(page.get_by_role("link", name="Hospital")).to_be_visible()
    looks_right(page, f"4-sign-in-{suffix}")
    portal.enter(name)
    expect(page.locator('[name="username"]')).to_have_count(0)
    looks_right(page, f"5-enrol-{suffix}")
    page.locator('[type="submit"]').click()
    secret = secret_on(page)
    page.locator('[name="code"]').fill("000000")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    looks_right(page, f"6-qr-{suffix}")
    page.locator('[name="code"]').fill(code_of(secret))
    page.keyboard.press("Enter")
    codes_on(page)
    looks_right(page, f"7-codes-{suffix}")
    page.locator('[name="kept"]').check()
    page.locator('[type="submit"]').click()
    is_in(portal)
    account(portal, suffix)
    portal.sign_out()
    portal.enter(name)
    expect(page.locator('[name="code"]')).to_be_focused()
    looks_right(page, f"9-code-{suffix}")
    expected(portal, 401)


def account(portal: Portal, suffix: str) -> None:
    """The account's page, with a provider linked."""
    page = portal.page
    linked = {
        "id": "0190f3a4-0000-7000-8000-000000000000",
        "issuer": "https://sign-in.hospital.test/realms/long-name-of-a-realm",
        "subject": "f8b1c6d0-3a2e-4f5b-9c7d-1e2f3a4b5c6d",
        "created_at": "2026-01-02T03:04:05Z",
        "last_used_at": "2026-01-02T03:04:05Z",
    }
    page.route("**/api/auth/me/identities", lambda route: route.fulfill(json={"identities": [linked]}))
    portal.open("/account")
    expect(page.locator("#identities li")).to_be_visible()
    expect(page.locator("#sessions li").first).to_be_visible()
    expect(page.locator("#second-factor .button").first).to_be_visible()
    looks_right(page, f"8-account-{suffix}")
    page.locator('[name="email"]').fill("somebody@hospital.test")
    page.locator("#second-factor .button").first.click()
    page.locator("#identities .button-row .button").first.click()
    page.locator("#api-keys .button").click()
    page.locator('#api-keys [name="may"]').last.check()
    page.locator('#api-keys [name="name"]').fill("<b>key</b>")
    page.keyboard.press("Enter")
    expect(page.locator("#api-keys [role=alert]")).to_be_visible()
    looks_right(page, f"8-account-forms-{suffix}")
    page.locator('#api-keys [type="checkbox"]').first.check()
    page.locator('#api-keys [type="submit"]').click()
    expect(page.locator("#api-keys input[readonly]")).to_be_focused()
    looks_right(page, f"8-account-key-{suffix}")
    page.locator("#api-keys .button").last.click()
    page.locator("#api-keys li .button").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    looks_right(page, f"8-account-revoke-{suffix}")
    page.keyboard.press("Escape")
