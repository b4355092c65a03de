"""The machine's Chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, expect, sync_playwright

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TIMEOUT = 60_000
"""Milliseconds that an expectation may take to come true."""


SOFTWARE_WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")


@contextmanager
def chromium(*, webgl: bool = False) -> Iterator[Browser]:
    """The machine's Chromium; a machine without it fails the test. `webgl`: drawn by the processor."""
    path = shutil.which("chromium")
    assert path is not None, "install Chromium: apt-get install chromium"
    expect.set_options(timeout=TIMEOUT)
    with sync_playwright() as playwright:
        flags = [*FLAGS, *(SOFTWARE_WEBGL if webgl else ())]
        browser = playwright.chromium.launch(executable_path=path, args=flags, timeout=TIMEOUT)
        yield browser
        browser.close()
