"""Starts a system, fills it with invented studies and photographs the portal: `make screenshots`.

Arguments are names of pictures, without language; none are all.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
from playwright.sync_api import Browser, Page, expect

from libs.postgresql import folder as postgres_folder
from tests.chromium import chromium
from tests.e2e.processes import PASSWORD, Client, Process, embedded, one_url, start_all, stop_all
from tests.screenshots.scene import files_of, fill, make_people
from tests.screenshots.taking import SIZE, Shot, arrive, settle, speak, take

TARGET = Path(__file__).parents[2] / "docs" / "screenshots"
LANGUAGES = {"es": "Español", "en": "English"}
MOST = 2_500_000
"""Bytes of all pictures together: they travel with the sources and the image of the portal."""


def upload(folder: Path) -> Shot:
    """A folder with litter, sent to its end."""

    def send(page: Page) -> None:
        page.locator("#choose-files").set_input_files(
            [str(file) for file in sorted(folder.rglob("*")) if file.is_file()]
        )
        expect(page.locator("[data-outcome='processed'], [data-phase='processed']").first).to_be_visible()
        page.wait_for_timeout(3000)

    return Shot("upload", "/upload", "main", send, 900)


def measure(page: Page) -> None:
    """A length and an ellipse on a slice in the middle."""
    port = page.locator("#viewport-0")
    expect(port.locator("canvas[data-shown='values']")).to_be_visible()
    expect(page.locator(".viewer-panel .measurements, .viewer-panel .quiet").first).to_be_visible()
    port.focus()
    for key in ("ArrowDown",) * 3:
        page.keyboard.press(key)
    page.keyboard.press("d")
    box = port.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.click(x - 150, y + 40)
    page.mouse.click(x + 150, y + 40)
    page.keyboard.press("e")
    page.mouse.click(x - 170, y - 110)
    page.mouse.click(x - 80, y - 30)
    page.keyboard.press("Escape")


def adjust(page: Page) -> None:
    """The picture drawn from its values, its window over the histogram."""
    page.locator(".image-card .adjust").click()
    expect(page.locator("#histogram .window-band")).to_be_visible()


def shots(ids: dict[str, str], folder: Path) -> Iterator[Shot]:
    """All of them, in their order: the first ones change what the others show."""
    yield upload(folder)
    yield Shot("studies", "/studies", ".grid tbody tr[data-key] img")
    yield Shot("study", f"/studies/{ids['study']}", ".series-card img")
    yield Shot("viewer", f"/studies/{ids['study']}/view", "canvas[data-shown='values']", measure)
    yield Shot("result", f"/results/{ids['file']}", "canvas.drawn", adjust, high=1250)
    yield Shot("compare", f"/compare?a={ids['file']}&b={ids['other']}", "main img", high=900)
    yield Shot("shared", "/shared", "main h1", lambda page: page.get_by_role("tab").nth(1).click())
    yield Shot("account", "/account", "main h1", high=1500)
    yield Shot("admin", "/admin", "main h1")
    yield Shot("admin-list", "/admin/files", "main tbody tr")
    yield Shot("processing", "/admin/processing", "main h1", high=900)
    yield Shot("audit", "/admin/audit", "main tbody tr")


@contextmanager
def running(folder: Path) -> Iterator[tuple[Process, dict[str, str]]]:
    """A system of its own, filled."""
    data_dir = folder / "var"
    process = embedded(data_dir)
    try:
        asyncio.run(start_all([process]))
        sockets = postgres_folder.socket_folder(data_dir)
        make_people(postgres_folder.url(sockets, "bddicomimage", "auth"))

        async def send() -> dict[str, str]:
            async with aiohttp.ClientSession() as session:
                return await fill(lambda: Client(session, one_url(process)))

        yield process, asyncio.run(send())
    finally:
        stop_all([process])


def sign_in(browser: Browser, url: str) -> Page:
    """As ana."""
    page = browser.new_page(locale="es-ES", viewport={"width": SIZE[0], "height": SIZE[1]})
    page.goto(f"{url}/studies")
    page.locator('[name="username"]').fill("ana")
    page.locator('[name="password"]').fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".account .menu-button")).to_be_visible()
    return page


def main(wanted: list[str]) -> int:
    """Take them."""
    TARGET.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="shots-") as name:
        folder = Path(name)
        disc = folder / "disc"
        for number, (file, content) in enumerate(files_of(0)):
            place = disc / ("IMG" if number else "")
            place.mkdir(parents=True, exist_ok=True)
            (place / file).write_bytes(content)
        (disc / "Thumbs.db").write_bytes(b"x" * 64)
        (disc / "informe.txt").write_text("Informe del paciente.\n")
        with running(folder) as (process, ids), chromium() as browser:
            page = sign_in(browser, process.url)
            for shot in shots(ids, disc):
                if wanted and shot.name not in (*wanted, "upload"):
                    continue
                arrive(page, process.url, shot)
                for language, spoken in LANGUAGES.items():
                    # Without loading it anew: what was done on the page stays.
                    speak(page, spoken)
                    settle(page, shot)
                    size = take(page, TARGET / f"{shot.name}-{language}.png")
                    print(f"{shot.name}-{language}.png: {size / 1000:.0f} kB", flush=True)
    total = sum(path.stat().st_size for path in TARGET.glob("*.png"))
    print(f"all: {total / 1000:.0f} kB")
    return 0 if total <= MOST else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
