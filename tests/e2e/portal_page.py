"""The portal as a person uses it: the words and places of its pages."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.chromium import TIMEOUT
from tests.e2e.axe import violations
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD

WIDTHS = {"phone": (390, 844), "desktop": (1280, 850)}


def close_all(contexts: Sequence[BrowserContext]) -> None:
    """End them; what fails of an answer that a test is still giving is not the next test's error."""
    for context in contexts:
        for page in context.pages:
            page.unroute_all(behavior="ignoreErrors")
        context.close()


@dataclass
class Portal:
    """One reader's tab. `troubles` are console errors, uncaught exceptions and refusals by the CSP."""

    page: Page
    url: str
    username: str
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.troubles.append(f"uncaught: {error}"))

    def send(self, content: bytes) -> str:
        """Upload one file without the page; gives its id."""
        answer = self.page.request.post(
            f"{self.url}/api/files",
            data=content,
            headers={"Content-Type": "application/dicom", "Origin": self.url},
        )
        assert answer.status == 202, answer.text()
        return str(answer.json()["files"][0]["id"])

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.troubles.append(f"{message.text} {message.location.get('url', '')}".strip())

    def open(self, path: str = "/") -> None:
        """Go there by the address bar."""
        self.page.goto(self.url + path)

    def enter(self, username: str) -> None:
        """Sign in with the keyboard alone, from where the view puts the focus."""
        expect(self.page.locator('[name="username"]')).to_be_focused()
        self.page.keyboard.type(username)
        self.page.keyboard.press("Tab")
        self.page.keyboard.type(PASSWORD)
        self.page.keyboard.press("Enter")

    def speak(self, language: str) -> None:
        """Choose a language in the account's menu."""
        self.page.locator(".account .menu-button").click()
        self.page.get_by_role("menuitemradio", name={"es": "Español", "en": "English"}[language]).click()
        expect(self.page.locator("html")).to_have_attribute("lang", language)

    def go_by(self, *keys: str, path: str) -> None:
        """Keys that lead to a page: to be pressed soon after each other, hence again on a busy machine."""
        for _ in range(5):
            for key in keys:
                self.page.keyboard.press(key)
            with suppress(PlaywrightTimeoutError):
                self.page.wait_for_url(re.compile(re.escape(self.url + path)), timeout=5000)
                return
        raise AssertionError(f"{keys} do not lead to {path}")

    def settled(self, *file_ids: str) -> None:
        """Wait until what was sent has been looked at, and all that is told of it is in the lists."""
        for file_id in file_ids:
            for _ in range(1200):
                answer = self.page.request.get(f"{self.url}/api/results/{file_id}")
                found = answer.json() if answer.ok else {"received_at": None}
                # An outcome may overtake what tells of the file.
                if found["received_at"] is not None and found["state"] != "received":
                    break
                self.page.wait_for_timeout(50)

    def sign_out(self) -> None:
        """By the account's menu."""
        self.page.locator(".account .menu-button").click()
        self.page.get_by_role("menuitem").last.click()

    def follow(self, path: str) -> None:
        """Go to a page by the bar, unless it is there: nothing is loaded anew."""
        if urlsplit(self.page.url).path != urlsplit(self.url + path).path:
            self.page.locator(f'.site-nav a[href$="{path}"]').click()

    def upload(self, *files: Path) -> None:
        """Choose files in the file picker of the upload page."""
        self.follow("/upload")
        self.page.locator("#choose-files").set_input_files([str(file) for file in files])

    def upload_row(self, name: str) -> Locator:
        """The line of one upload."""
        return self.page.locator(".upload", has=self.page.get_by_text(name, exact=True))

    def expect_upload(self, name: str, phase: str) -> Locator:
        """Wait until an upload is in this phase."""
        self.follow("/upload")
        row = self.upload_row(name)
        expect(row).to_have_attribute("data-phase", phase)
        return row

    def result_row(self, name: str) -> Locator:
        """The line of one result in the list of files."""
        if urlsplit(self.page.url).path.endswith("/upload"):
            self.follow("/files")
        return self.page.locator(".grid tbody tr", has=self.page.get_by_text(name, exact=True))

    def open_result(self, name: str) -> None:
        """Follow the list's link."""
        self.result_row(name).get_by_role("link").click()
        expect(self.page.get_by_role("heading", level=1)).to_have_text(name)

    def measure(self, name: str) -> Locator:
        """The value of a measure on a result's page."""
        return self.page.locator(f'[data-measure="{name}"]')


NewReader = Callable[..., Portal]


def readers(browser: Browser, system: System) -> Iterator[NewReader]:
    """For a fixture: makes accounts, each signed in at a path in a profile of its own, and closes them.

    `more`: arguments of `create-user`.
    """
    contexts = []

    def make(
        path: str = "/",
        *,
        locale: str = "es-ES",
        scheme: str = "light",
        width: str = "desktop",
        called: str = "reader",
        touch: bool = False,
        more: Sequence[str] = (),
    ) -> Portal:
        name = f"{called}-{secrets.token_hex(4)}"
        system.create_user(name, more=more)
        wide, high = WIDTHS[width]
        context = browser.new_context(
            locale=locale,
            color_scheme="dark" if scheme == "dark" else "light",
            viewport={"width": wide, "height": high},
            has_touch=touch,
            # Of a CA that is nobody's but the system's; whoever verifies has tests of their own.
            ignore_https_errors=system.tls is not None,
        )
        context.set_default_timeout(TIMEOUT)
        contexts.append(context)
        portal = Portal(context.new_page(), system.urls["portal"], name)
        portal.open(path)
        portal.enter(name)
        expect(portal.page.locator(".account .menu-button")).to_be_visible()
        return portal

    yield make
    close_all(contexts)


def seen(page: Page, name: str) -> None:
    """Nothing that axe finds, nothing to scroll sideways for; a picture where SCREENSHOTS says."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png")
    found = violations(page)
    assert found == [], (name, found)
    wide = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1], name
