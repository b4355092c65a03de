"""Pictures of pages: taken in Chromium, made small."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from playwright.sync_api import Page, expect

COLOURS = 128
"""Of a picture: pages have few, and previews are grey."""
SIZE = (1200, 800)
SETTLED = 400
"""Milliseconds for toasts and transitions to pass."""

PATIENCE = 25
SHOWN = """[...document.querySelectorAll('main img')].every((image) =>
    image.naturalWidth > 0 || image.getBoundingClientRect().top > window.innerHeight)"""


class Shot(NamedTuple):
    """A picture of a page: its address, what has to be there, what is done before."""

    name: str
    path: str
    there: str
    before: Callable[[Page], None] | None = None
    high: int = SIZE[1]


def arrive(page: Page, url: str, shot: Shot) -> None:
    """Open its page, and wait until everything on it is there."""
    page.set_viewport_size({"width": SIZE[0], "height": shot.high})
    page.goto(url + shot.path)
    if shot.before is not None:
        shot.before(page)
    settle(page, shot)


def settle(page: Page, shot: Shot) -> None:
    """Wait for what it shows, pictures included; nothing has the focus then."""
    expect(page.locator(shot.there).first).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)
    for _ in range(PATIENCE):
        if page.evaluate(SHOWN):
            break
        page.wait_for_timeout(SETTLED)
    page.evaluate("document.activeElement?.blur()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(SETTLED)


def take(page: Page, target: Path) -> int:
    """Write a picture of what is seen; the bytes that it takes."""
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    return target.stat().st_size


def speak(page: Page, name: str) -> None:
    """Choose a language in the account's menu."""
    page.locator(".account .menu-button").click()
    page.get_by_role("menuitemradio", name=name).click()
