"""The page of all components in Chromium: each has a story, and axe finds nothing in any of them."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import System
from tests.e2e.portal_page import Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]


def opened(browser: Browser, system: System, locale: str, **more: object) -> Portal:
    """The page, as whoever has no account."""
    context = browser.new_context(locale=locale, **more)  # type: ignore[arg-type]
    portal = Portal(context.new_page(), system.urls["portal"], "nobody")
    portal.open("/__ui")
    expect(portal.page.locator("[data-story]").first).to_be_visible()
    return portal


def walk(page: Page, name: str) -> None:
    """Everything at once, then what opens."""
    seen(page, f"stories-{name}")
    for story in ("menu", "filter-bar", "date-range"):
        page.locator(f'[data-story="{story}"] .menu-button').click()
        seen(page, f"stories-{story}-{name}")
        page.keyboard.press("Escape")
    page.locator('[data-story="combobox"] input').fill("x")
    expect(page.locator('[data-story="combobox"]').get_by_role("listbox")).to_be_visible()
    seen(page, f"stories-combobox-{name}")
    page.keyboard.press("Escape")
    for story in ("dialog", "drawer", "key-help"):
        page.locator(f'[data-story="{story}"] button').click()
        expect(page.get_by_role("dialog")).to_be_visible()
        seen(page, f"stories-{story}-{name}")
        page.keyboard.press("Escape")
    page.locator('[data-story="toast"] button').last.click()
    expect(page.locator(".toast")).to_be_visible()
    seen(page, f"stories-toast-{name}")


@pytest.mark.browser_matrix
def test_every_component_is_accessible(browser: Browser, embedded_system: System) -> None:
    portal = opened(browser, embedded_system, "es-ES")
    walk(portal.page, "es")
    assert portal.troubles == []
    portal.page.context.close()


LOOKS: dict[str, dict[str, object]] = {
    "dark": {"color_scheme": "dark"},
    "forced": {"forced_colors": "active"},
    "narrow": {"viewport": {"width": 320, "height": 700}},
    "still": {"reduced_motion": "reduce"},
}


@pytest.mark.browser_matrix
@pytest.mark.parametrize("locale", ["es-ES", "en-US"])
@pytest.mark.parametrize("look", LOOKS)
def test_every_component_in_every_look(
    browser: Browser, embedded_system: System, look: str, locale: str
) -> None:
    portal = opened(browser, embedded_system, locale, **LOOKS[look])
    walk(portal.page, f"{look}-{locale[:2]}")
    portal.page.emulate_media(media="print")
    seen(portal.page, f"stories-print-{look}-{locale[:2]}")
    assert portal.troubles == []
    portal.page.context.close()
