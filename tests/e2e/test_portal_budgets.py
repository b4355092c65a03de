"""What the portal costs until the first list is there: requests and bytes. Times are only printed."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Route, expect

from tests.e2e.portal_page import NewReader, Portal
from tests.e2e.test_portal_studies import Sender, invented
from tests.e2e.viewer_support import Stacks, Viewer, cine_over

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
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


@pytest.mark.browser_matrix
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
    slowed(page, network)
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


VIEWER_FIRST = 25_000
"""Of the viewer's own modules, compressed, until its first image is there."""
VIEWER_BYTES = 33_500
"""Of all of them: with panel, measuring, pointer, documents, and the way of drawing that takes more."""
ROLLED = re.compile(r"/rolled/.*\.js$")
DRAWINGS = ("viewer-draw-gl.js", "viewer-draw-2d.js")
"""A browser asks for one of them."""
FIRST_IMAGE = """async () => {
    const began = performance.now();
    document.querySelector('.page-actions a[href*="/view?"]').click();
    const drawn = '#viewport-0 canvas:is([data-shown="preview"], [data-shown="values"])';
    const there = () => document.querySelector(drawn);
    while (!there()) await new Promise(requestAnimationFrame);
    return performance.now() - began;
}"""


def slowed(page: Page, network: tuple[float, int] | None) -> None:
    """The page behind a network of so many bits a second and milliseconds."""
    if network is None:
        return
    bits, latency = network
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    conditions = {"offline": False, "latency": latency, "downloadThroughput": bits / 8}
    session.send("Network.emulateNetworkConditions", {**conditions, "uploadThroughput": bits / 8})


@pytest.mark.browser_matrix
def test_the_first_image_costs_little(new_reader: NewReader, browser: Browser) -> None:
    """Sizes are asserted; times are printed."""
    reader = new_reader("/studies")
    stacks = Stacks(reader)
    stacks.send(20, side=512)
    stacks.settle()
    Viewer(reader).open(stacks.study)  # decoders start when somebody asks
    for name, network in NETWORKS.items():
        milliseconds, sizes = first_image(reader, browser, stacks.study, network)
        assert sizes.keys() == {"viewer-page.js", "viewer-later.js", *DRAWINGS}
        drawing = max(sizes[file] for file in DRAWINGS)
        first = sizes["viewer-page.js"] + drawing
        whole = first + sizes["viewer-later.js"]
        print(f"first image, {name}: {milliseconds:.0f} ms; {first} of {whole} bytes, {sizes}")
        assert 10_000 < first <= VIEWER_FIRST
        assert whole <= VIEWER_BYTES


def first_image(
    reader: Portal, browser: Browser, study: str, network: tuple[float, int] | None
) -> tuple[float, dict[str, int]]:
    """From the press on the study's page to the first image: milliseconds; and bytes of the modules that a
    visit asks for beside those of the study's page, whatever is done there, and of both drawings."""
    context = browser.new_context(locale="es-ES", storage_state=reader.page.context.storage_state())
    page = context.new_page()
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    page.goto(f"{reader.url}/studies/{study}")
    page.locator(".series-card img").first.wait_for()
    slowed(page, network)
    there = len(asked)
    milliseconds: float = page.evaluate(FIRST_IMAGE)
    expect(page.locator(".viewer-panel section").first).to_be_visible()
    viewer = Viewer(Portal(page, reader.url, reader.username))
    viewer.drawn()
    viewer.press(
        "i", "h", "d", "Enter", "Shift+ArrowRight", "Enter", "e", "Enter", "Shift+ArrowDown", "Enter", "?"
    )
    expect(page.get_by_role("dialog")).to_be_visible()
    own = {each.url.rpartition("/")[2]: each for each in asked[there:] if ROLLED.search(each.url)}
    sizes = {file: each.sizes()["responseBodySize"] for file, each in own.items()}
    for file in {*DRAWINGS} - {*own}:
        address = own["viewer-page.js"].url.replace("viewer-page.js", file)
        answer = page.request.get(address, headers={"Accept-Encoding": "gzip"})
        sizes[file] = int(answer.headers["content-length"])
    context.close()
    return milliseconds, sizes


@pytest.mark.browser_matrix
def test_three_hundred_images_at_thirty_a_second_miss_none(new_reader: NewReader, browser: Browser) -> None:
    """Over 20 Mbit/s and 40 ms, from the first image on; what is missing is asserted, times are printed."""
    reader = new_reader("/studies")
    stacks = Stacks(reader)
    stacks.send(300, side=512)
    stacks.settle()
    context = browser.new_context(locale="es-ES", storage_state=reader.page.context.storage_state())
    portal = Portal(context.new_page(), reader.url, reader.username)
    page, viewer = portal.page, Viewer(portal)
    came: list[Request] = []
    page.on("requestfinished", lambda request: came.append(request))
    slowed(page, NETWORKS["20 Mbit/s, 40 ms"])
    viewer.open(stacks.study, f"{stacks.study}.1")
    expect(page.locator(".cine-speed input")).to_be_visible()
    shown = cine_over(page, 300, speed=30)
    missing = [image for image, what, _ in shown if what == "nothing"]
    seconds = (shown[-1][2] - shown[0][2]) / 1000
    bytes_of = {"preview": 0, "values": 0}
    for each in came:
        for part in bytes_of:
            if f"as={part}" in each.url:
                bytes_of[part] += each.sizes()["responseBodySize"]
    print(f"{len(shown)} images, {299 / seconds:.1f} a second, missing: {missing}; {bytes_of}")
    assert missing == []
    assert [image for image, _, _ in shown] == [*range(2, 301), 1]
    assert portal.troubles == []
    context.close()


MANY = 3_000
SIDE = 512
MEMORY = 700 * 2**20
"""Bytes that the page may take more after thousands of images: 256 MiB are kept, and as much again drawn."""
THROUGH = """async (count) => {
    const port = document.querySelector('#viewport-0');
    port.focus();
    for (let image = 1; image < count; image += 1) {
        port.dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowDown', bubbles: true }));
        if (image % 2 === 0) await new Promise(requestAnimationFrame);
        // Values come when the reader rests.
        if (image % 100 === 0) await new Promise((resume) => setTimeout(resume, 400));
    }
}"""


def thousands(page: Page, study: str) -> None:
    """Let the first series have `MANY` images, which nobody has sent."""
    series = f"{study}.1"
    told = page.request.get(f"{page.url.partition('/studies')[0]}/api/series/{series}/stack").json()
    [one] = told["instances"]
    told["instances"] = [
        {**one, "file_id": f"00000000-0000-7000-8000-{number:012}", "position": [0, 0, number]}
        for number in range(MANY)
    ]
    told["groups"][0]["frames"] = [[number, 1] for number in range(MANY)]
    values = bytes(SIDE * SIDE * 2)
    picture = io.BytesIO()
    Image.effect_noise((SIDE, SIDE), 40).save(picture, "JPEG", quality=60)

    def frame(route: Route) -> None:
        preview = "as=preview" in route.request.url
        body = picture.getvalue() if preview else values
        route.fulfill(body=body, content_type="image/jpeg" if preview else "application/octet-stream")

    page.route(re.compile(r"/api/series/.*/stack"), lambda route: route.fulfill(json=told))
    page.route(re.compile(r"/api/results/0{8}-.*/frames/"), frame)
    page.route(
        re.compile(r"/api/results/0{8}-[^/]*$"), lambda route: route.fulfill(json={"statistics": None})
    )


def resident(browser: Browser) -> int:
    """Bytes of memory of the browser's pages."""
    session = browser.new_browser_cdp_session()
    found = session.send("SystemInfo.getProcessInfo")["processInfo"]
    session.detach()
    pages = [Path(f"/proc/{each['id']}/statm") for each in found if each["type"] == "renderer"]
    return sum(int(path.read_text().split()[1]) * 4096 for path in pages if path.exists())


@pytest.mark.browser_matrix
def test_thousands_of_images_take_bounded_memory(new_reader: NewReader, browser: Browser) -> None:
    reader = new_reader("/studies")
    stacks, viewer, page = Stacks(reader), Viewer(reader), reader.page
    stacks.send(1, side=SIDE)
    stacks.settle()
    thousands(page, stacks.study)
    viewer.open(stacks.study, f"{stacks.study}.1")
    before = resident(browser)
    page.evaluate(THROUGH, MANY)
    viewer.drawn(MANY)
    grown = resident(browser) - before
    nodes = page.evaluate("document.querySelectorAll('*').length")
    print(f"after {MANY} images: {grown / 2**20:.0f} MiB more, {nodes} elements")
    assert grown <= MEMORY
    assert nodes <= NODES
    assert reader.troubles == []
