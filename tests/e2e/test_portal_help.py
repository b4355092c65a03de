"""The help in Chromium: for whoever reads, in their language, with lines that hold their address."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.e2e.conftest import System
from tests.e2e.portal_page import WIDTHS, NewReader, Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def test_whoever_comes_reads_the_help_in_their_language(browser: Browser, embedded_system: System) -> None:
    context = browser.new_context(locale="es-ES", permissions=["clipboard-read", "clipboard-write"])
    reader = Portal(context.new_page(), embedded_system.urls["portal"], "nobody")
    page = reader.page
    reader.open("/help")
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text("Guía de uso")
    expect(heading).to_be_focused()
    contents = page.get_by_role("navigation", name="Contenido de la ayuda")
    contents.get_by_role("link", name="Compartir", exact=True).click()
    expect(page.get_by_role("heading", name="Compartir", exact=True)).to_be_in_viewport()
    page.get_by_role("button", name="EN").click()
    expect(heading).to_have_text("User's guide")
    page.get_by_role("link", name="For programs").first.click()
    expect(heading).to_have_text("For programs")
    lines = page.locator(".help-code").first
    expect(lines).to_contain_text(f"curl -fsS {reader.url}/api/auth/login")
    lines.get_by_role("button").click()
    expect(lines.get_by_role("button")).to_have_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()").startswith("read -rp")
    assert reader.troubles == []
    context.close()


@pytest.mark.browser_matrix
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "light"), ("en-US", "dark")])
def test_the_help_is_accessible(new_reader: NewReader, width: str, locale: str, scheme: str) -> None:
    reader = new_reader("/studies", locale=locale, scheme=scheme, width=width)
    page, name = reader.page, f"{width}-{locale[:2]}-{scheme}"
    for path in ("help", "help/programs"):
        reader.open(f"/{path}")
        expect(page.locator(".help h1")).to_be_visible()
        seen(page, f"{path.replace('/', '-')}-{name}")
    page.emulate_media(media="print")
    expect(page.locator(".help-contents")).to_be_hidden()
    seen(page, f"help-print-{name}")
    assert reader.troubles == []
