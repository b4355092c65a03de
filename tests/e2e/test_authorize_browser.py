"""An application of another origin is let in by its reader, in Chromium."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect

from tests.applications_support import CALLBACK, answer_in, challenge_of
from tests.e2e.portal_page import NewReader, Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
VERIFIER = secrets.token_urlsafe(48)


@pytest.fixture
def registered(new_reader: NewReader) -> Callable[..., str]:
    """The address that an application sends a browser to."""
    administrator: Portal = new_reader("/", more=("--superuser",))

    def register(**changed: Any) -> str:
        made = administrator.page.request.post(
            f"{administrator.url}/api/auth/applications",
            data={"name": "Visor de prueba", "redirect_uris": [CALLBACK], **changed},
            headers={"Origin": administrator.url},
        )
        assert made.status == 201, made.text()
        asked = {
            "client_id": made.json()["client_id"],
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile dicomweb",
            "state": "s-1",
            "code_challenge": challenge_of(VERIFIER),
            "code_challenge_method": "S256",
        }
        return f"{administrator.url}/api/auth/oauth/authorize?{urlencode(asked)}"

    return register


def at_the_application(page: Page) -> None:
    page.route("https://viewer.example.org/**", lambda route: route.fulfill(body="<h1>Visor</h1>"))


def test_its_reader_is_asked_and_goes_on(registered: Callable[..., str], new_reader: NewReader) -> None:
    reader = new_reader("/")
    page = reader.page
    at_the_application(page)
    page.goto(registered())
    question = page.get_by_role("heading", level=1)
    expect(question).to_have_text("¿Permitir que «Visor de prueba» entre por usted?")
    expect(question).to_be_focused()
    expect(page.get_by_text("leer los estudios que usted puede ver")).to_be_visible()
    expect(page.get_by_text("viewer.example.org")).to_be_visible()
    seen(page, "authorize")
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="No permitir")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{CALLBACK}?*")
    told = answer_in(page.url)
    assert told["state"] == "s-1"
    assert len(told["code"]) == 43
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_saying_no_is_told(registered: Callable[..., str], new_reader: NewReader) -> None:
    page = new_reader("/").page
    at_the_application(page)
    page.goto(registered())
    page.get_by_role("button", name="No permitir").click()
    page.wait_for_url(f"{CALLBACK}?*")
    assert answer_in(page.url)["error"] == "access_denied"


@pytest.mark.browser_matrix
def test_one_of_the_house_is_let_in_at_once(registered: Callable[..., str], new_reader: NewReader) -> None:
    page = new_reader("/").page
    at_the_application(page)
    page.goto(registered(trusted=True))
    page.wait_for_url(f"{CALLBACK}?*")
    assert "code" in answer_in(page.url)


@pytest.mark.browser_matrix
def test_an_unknown_address_is_told_nothing(registered: Callable[..., str], new_reader: NewReader) -> None:
    reader = new_reader("/")
    address = registered().partition("?")[2].replace("viewer.example.org", "evil.example.org")
    reader.page.goto(f"{reader.url}/authorize?{address}")
    expect(reader.page.get_by_text("Esta aplicación no está registrada aquí")).to_be_visible()


@pytest.mark.parametrize(
    ("locale", "heading"),
    [("es-ES", "Esta aplicación no puede entrar aquí"), ("en-GB", "This application may not come in here")],
)
def test_an_unknown_address_is_words_before_anybody_signs_in(
    registered: Callable[..., str], new_reader: NewReader, locale: str, heading: str
) -> None:
    reader = new_reader("/", locale=locale)
    reader.page.goto(registered().replace("viewer.example.org", "evil.example.org"))
    expect(reader.page.get_by_role("heading", level=1)).to_have_text(heading)
    seen(reader.page, f"authorize-unknown-{locale[:2]}")
    reader.page.get_by_role("link").click()
    expect(reader.page.locator(".account .menu-button")).to_be_visible()
    # The refusal itself, and nothing that the page's policy had to stop.
    assert [trouble for trouble in reader.troubles if "status of 400" not in trouble] == []
