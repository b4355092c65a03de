"""What the portal costs until the first list is there: requests and bytes. Times are only printed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, Request, Route, expect

from tests.e2e.portal_page import NewReader, Portal
from tests.e2e.test_portal_studies import Sender, invented

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]
REQUESTS = 30
BYTES = 100_000
NODES = 4_000
PICTURES = re.compile(r"/thumbnail\b")
STREAMS = re.compile(r"/api/events\b")


@dataclass(frozen=True)
class Load:
    """What a browser with an empty cache has asked for; `size` of bodies as they travel."""

    requests: list[str]
    size: int
    milliseconds: float

    def __str__(self) -> str:
        return f"{len(self.requests)} requests, {self.size / 1000:.1f} kB, {self.milliseconds:.0f} ms"


def first_list(reader: Portal, browser: Browser) -> Load:
    """Open the portal anew as the same reader, until the first row is there and everything has come."""
    context = browser.new_context(locale="es-ES", storage_state=reader.page.context.storage_state())
    page = context.new_page()
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    page.goto(f"{reader.url}/")
    page.locator(".grid tbody tr[data-key]").first.wait_for()
    milliseconds = page.evaluate("performance.now()")
    expect(page.locator("main img").first).not_to_have_js_property("naturalWidth", 0)
    counted = [each for each in asked if not PICTURES.search(each.url) and not STREAMS.search(each.url)]
    load = Load(
        [each.url.removeprefix(reader.url) for each in counted],
        sum(each.sizes()["responseBodySize"] for each in counted),
        milliseconds,
    )
    context.close()
    return load


def test_the_first_list_costs_few_requests_and_bytes(
    new_reader: NewReader, browser: Browser, tmp_path: Path
) -> None:
    reader = new_reader("/studies")
    Sender(reader, tmp_path).send(1, "GARCÍA^MARÍA")
    expect(reader.page.locator("main img").first).not_to_have_js_property("naturalWidth", 0)
    load = first_list(reader, browser)
    print(f"to the first list: {load}\n" + "\n".join(load.requests))
    assert len(load.requests) <= REQUESTS, load.requests
    assert load.size <= BYTES, load
    assert reader.troubles == []


@pytest.mark.browser_matrix
@pytest.mark.parametrize("count", [2_000, 20_000])
def test_queueing_many_files_is_done_in_small_tasks(
    new_reader: NewReader, tmp_path: Path, count: int
) -> None:
    reader = new_reader("/upload")
    page = reader.page
    for number in range(count):
        path = tmp_path / "CD" / f"SERIES{number // 500:02}" / f"IM{number:05}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    page.route(re.compile(r"/api/files\?collection="), lambda _: None)  # never answered
    page.evaluate(
        """() => {
            window.tasks = [];
            const note = (list) => window.tasks.push(...list.getEntries().map((entry) => entry.duration));
            new PerformanceObserver(note).observe({ type: 'longtask' });
        }"""
    )
    page.locator("#choose-folder").set_input_files(str(tmp_path / "CD"))
    expect(page.locator('main [data-outcome="sending"]')).to_have_text(
        f"{count:,}".replace(",", ".") if count > 9999 else str(count)  # as Spanish writes them
    )
    tasks = page.evaluate("window.tasks")
    nodes = page.evaluate("document.querySelectorAll('*').length")
    print(f"queueing {count} files: tasks above 50 ms {tasks or 'none'}; {nodes} nodes")
    assert nodes <= NODES


NETWORKS = {"loopback": None, "20 Mbit/s, 40 ms": (20e6, 40), "4 Mbit/s, 100 ms": (4e6, 100)}
ROWS = 2_700


def on_network(reader: Portal, browser: Browser, network: tuple[float, int] | None) -> float:
    """Milliseconds to the first row with an empty cache."""
    context = browser.new_context(locale="es-ES", storage_state=reader.page.context.storage_state())
    page = context.new_page()
    if network is not None:
        bits, latency = network
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        conditions = {"offline": False, "latency": latency, "downloadThroughput": bits / 8}
        session.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": bits / 8})
    page.goto(f"{reader.url}/")
    page.locator(".grid tbody tr[data-key]").first.wait_for()
    found: float = page.evaluate("performance.now()")
    context.close()
    return found


def thumbnails(reader: Portal, browser: Browser) -> int:
    """Bytes of the pictures of a first screen."""
    context = browser.new_context(locale="es-ES", storage_state=reader.page.context.storage_state())
    page = context.new_page()
    came: list[Request] = []
    page.on("requestfinished", lambda request: came.append(request))
    page.goto(f"{reader.url}/studies")
    pictures = page.locator(".grid tbody tr[data-key] img")
    expect(pictures.first).to_be_visible()
    for picture in pictures.all():
        expect(picture).not_to_have_js_property("naturalWidth", 0)
    size = sum(each.sizes()["responseBodySize"] for each in came if PICTURES.search(each.url))
    context.close()
    return size


def many_rows(route: Route) -> None:
    """Pages of ROWS studies."""
    query = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
    start, limit = int(query.get("cursor", 0)), int(query["limit"])
    end = min(start + limit, ROWS)
    studies = [invented(number) for number in range(start, end)]
    route.fulfill(json={"studies": studies, "next_cursor": str(end) if end < ROWS else None})


TIMED = """async ([press, key, done]) => {
    const began = performance.now();
    const ready = () => (done ? document.documentElement.lang === done
        : document.querySelector('.grid tbody')?.lastElementChild?.textContent.includes('02699'));
    press ? document.querySelector(press).click()
        : document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    while (!ready()) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


@pytest.mark.browser_matrix
def test_the_table_of_budgets(new_reader: NewReader, browser: Browser, tmp_path: Path) -> None:
    """Sizes are asserted; times are printed (`make test-browser ARGS="-s -k budgets"`)."""
    reader = new_reader("/studies")
    page, sender = reader.page, Sender(reader, tmp_path)
    for study in range(10):
        sender.send(study, f"GARCÍA^MARÍA {study}")
    rows = page.locator(".grid tbody tr[data-key]")
    expect(page.locator(".grid tbody [data-state='received']")).to_have_count(0)
    for name, network in NETWORKS.items():
        print(f"first row, {name}: {on_network(reader, browser, network):.0f} ms")
    pictures = thumbnails(reader, browser)
    print(f"thumbnails of the first screen: {pictures / 1000:.0f} kB")
    assert pictures <= 60_000
    page.route(re.compile(r"/api/studies\?"), many_rows)
    facets = {"total": ROWS, "complete": True, "facets": {}}
    page.route(re.compile(r"/api/studies/facets"), lambda route: route.fulfill(json=facets))
    page.reload()
    expect(rows.first).to_contain_text("PATIENT, 00000")
    rows.first.focus()
    print(f"all {ROWS} rows by End: {page.evaluate(TIMED, ['', 'End', '']):.0f} ms")
    nodes = page.evaluate("document.querySelectorAll('*').length")
    print(f"elements with {ROWS} rows: {nodes}")
    assert nodes <= NODES
    page.locator(".account .menu-button").click()
    english = "[role='menuitemradio'][aria-checked='false']"
    print(f"language switch there: {page.evaluate(TIMED, [english, '', 'en']):.0f} ms")
    assert reader.troubles == []
