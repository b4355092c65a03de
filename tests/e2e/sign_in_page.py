"""What tests of signing in share: the system, browsers, and what people do with an authenticator."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.e2e.portal_page import Portal
from tests.e2e.sign_in_system import WaysIn, ways_in

OTHER_PASSWORD = "seven unrelated elms here"
CODES = re.compile(r"[0-9a-z]{4}(-[0-9a-z]{4}){3}")
NewPortal = Callable[..., Portal]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WaysIn]:
    with ways_in(tmp_path_factory.mktemp("sign-in")) as started:
        yield started


@pytest.fixture
def new_portal(browser: Browser, here: WaysIn) -> Iterator[NewPortal]:
    """A tab in a browser profile of its own."""
    contexts: list[BrowserContext] = []

    def make(language: str = "es-ES", **more: Any) -> Portal:
        context = browser.new_context(locale=language, **more)
        contexts.append(context)
        # The provider's page asks a distant host for its style.
        context.route(re.compile("^https://"), lambda route: route.fulfill(body="", content_type="text/css"))
        return Portal(context.new_page(), here.url, "")

    yield make
    for context in contexts:
        context.close()


def shown(page: Page, name: str) -> None:
    """Keep a picture where SCREENSHOTS says."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def code_of(secret: str, ahead: int = 0) -> str:
    """What the app shows, or shows a step later: drift allows it, and each is good once."""
    return pyotp.TOTP(secret).at(int(time.time()) + 30 * ahead)


def secret_on(page: Page) -> str:
    """The key to be typed into the app."""
    expect(page.locator("#secret")).to_be_visible()
    return page.locator("#secret").inner_text().replace(" ", "")


def codes_on(page: Page) -> list[str]:
    """The recovery codes."""
    expect(page.locator("#recovery-codes li")).to_have_count(10)
    found = page.locator("#recovery-codes li").all_inner_texts()
    assert all(CODES.fullmatch(code) for code in found)
    return found


def heading(portal: Portal, text: str) -> None:
    expect(portal.page.get_by_role("heading", level=1)).to_have_text(text)


def is_in(portal: Portal) -> None:
    expect(portal.page.locator(".account .menu-button")).to_be_visible()


def expected(portal: Portal, *statuses: int) -> None:
    """Nothing was wrong but what the browser says of answers with these statuses."""
    said = [f"Failed to load resource: the server responded with a status of {status}" for status in statuses]
    others = [one for one in portal.troubles if not any(one.startswith(each) for each in said)]
    assert others == [], others


def set_up_at_sign_in(portal: Portal, name: str) -> tuple[str, list[str]]:
    """The key and the recovery codes of an authenticator that a group demands, in Spanish."""
    page = portal.page
    portal.open()
    portal.enter(name)
    heading(portal, "Configurar el segundo factor")
    page.keyboard.press("Enter")
    secret = secret_on(page)
    page.locator('[name="code"]').fill(code_of(secret))
    page.keyboard.press("Enter")
    codes = codes_on(page)
    page.get_by_label("Los he guardado").check()
    page.get_by_role("button", name="Continuar").click()
    is_in(portal)
    return secret, codes


def sign_out(portal: Portal) -> None:
    portal.sign_out()
    expect(portal.page.locator('[name="username"]')).to_be_focused()


def link_of(here: WaysIn, portal: Portal, address: str) -> str:
    """The link of the mail to somebody, once it has come."""
    for _ in range(1200):
        for mail in list(here.mail.mails):
            if mail["To"] == address:
                text = mail.get_payload(decode=True)
                assert isinstance(text, bytes)
                found = re.search(r"http\S+#\S+", text.decode())
                assert found is not None
                return found[0]
        portal.page.wait_for_timeout(50)
    raise AssertionError(f"no mail to {address}")


def at_the_provider(portal: Portal, subject: str = "", *, deny: bool = False) -> None:
    """Sign in there as `subject`, or do not; what its page prints in the console is its own business."""
    page = portal.page
    before = len(portal.troubles)
    page.wait_for_url(lambda url: not url.startswith(portal.url))
    if deny:
        page.get_by_role("button", name=re.compile("deny", re.IGNORECASE)).click()
    else:
        page.locator('input[name="sub"]').fill(subject)
        page.keyboard.press("Enter")
    page.wait_for_url(f"{portal.url}/**", wait_until="commit")
    theirs = "Failed to load resource: the server responded with a status of 404"
    portal.troubles[before:] = [one for one in portal.troubles[before:] if not one.startswith(theirs)]
