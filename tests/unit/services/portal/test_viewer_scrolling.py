"""Scrolling through three hundred images in Chromium, on a network as slow as the budget says.

What is missing and how long it takes is printed (`make test-browser ARGS="-s -k scrolling"`); what is asked
of the server is asserted.
"""

from __future__ import annotations

import io
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import CDPSession, Page

from services.portal.app import STATIC
from services.portal.assets import CONTENT_TYPES
from services.portal.content_security_policy import SECURITY_HEADERS
from tests.chromium import chromium

pytestmark = [pytest.mark.browser, pytest.mark.browser_matrix, pytest.mark.timeout(400)]
IMAGES = 300
SIDE = 512
PREVIEW = 32_000
"""Bytes of a preview of a CT image are about so many."""
NETWORK = {"offline": False, "latency": 40, "downloadThroughput": 20e6 / 8, "uploadThroughput": 20e6 / 8}


def preview() -> bytes:
    """Noise over a bow, compressed until it is as large as those of CT."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    bow = 180 - 120 * np.hypot(x, y) + np.random.default_rng(1).normal(0, 4, (SIDE, SIDE))
    picture = Image.fromarray(np.clip(bow, 0, 255).astype(np.uint8))
    for quality in range(95, 10, -1):
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality)
        if out.tell() <= PREVIEW:
            break
    return out.getvalue()


class Server(ThreadingHTTPServer):
    """The portal's modules, and frames as results gives them."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.preview, self.values = preview(), bytes(SIDE * SIDE * 2)
        self.asked: Counter[str] = Counter()

    def handle_error(self, *_: Any) -> None:
        """A browser that gives up a request, or is closed, breaks its connection."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        server = self.server
        assert isinstance(server, Server)
        address = urlsplit(self.path)
        if address.path.startswith("/api/"):
            form = parse_qs(address.query)["as"][0]
            server.asked[f"{form} {address.path.split('/')[-1]}"] += 1
            self.answer(server.preview if form == "preview" else server.values, "application/octet-stream")
        elif address.path == "/":
            self.answer(b"<!doctype html><canvas></canvas>", "text/html")
        elif (file := STATIC / address.path[1:]).is_file():
            self.answer(file.read_bytes(), CONTENT_TYPES[file.suffix])
        else:
            self.answer(b"", "text/plain", 404)

    def answer(self, body: bytes, media_type: str, status: int = 200) -> None:
        try:
            self.send_response(status)
            for name, value in SECURITY_HEADERS.items():
                self.send_header(name, value)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # given up by the loader

    def log_message(self, *_: Any) -> None:
        """Not to the console."""


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.serve_forever)
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def page(server: Server) -> Iterator[Page]:
    with chromium() as browser:
        made = browser.new_page(viewport={"width": 1280, "height": 850})
        made.goto(f"http://127.0.0.1:{server.server_port}/")
        yield made


SCROLL = """async ([images, side, perSecond]) => {
    const [{ Loader }, { createDrawing, prepareDrawing }, { viewOf, sizeOf }] = await Promise.all([
        import('/viewer/loader.js'), import('/viewer/drawing.js'), import('/viewer/geometry.js')]);
    await prepareDrawing();
    const canvas = Object.assign(document.querySelector('canvas'), { width: 800, height: 800 });
    const drawing = createDrawing(canvas);
    await drawing.ready;
    const infos = Array.from({ length: images }, (_, index) => ({
        file_id: 'f', frame: index + 1, key: `f/${index + 1}`, index, kind: 'image', values: 'uint16',
        rows: side, columns: side, windows: [], slope: 1, intercept: 0, padding: null, voi_lut: null,
    }));
    const view = viewOf({}, sizeOf(infos[0]), canvas);
    const level = { kind: 'window', center: 40, width: 400, function: 'LINEAR' };
    const loader = new Loader();
    const draw = (index) => {
        const { preview, values } = loader.get(infos[index]);
        if (preview || values) drawing.draw({ info: infos[index], preview, values, window: level, view });
        return Boolean(preview || values);
    };
    const began = performance.now();
    loader.show(infos, 0);
    while (!draw(0)) await new Promise((resolve) => setTimeout(resolve, 2));
    const first = performance.now() - began;
    const missing = [];
    const from = performance.now();
    for (let index = 1; index < images; index += 1) {
        const due = from + index * 1000 / perSecond;
        await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
        loader.show(infos, index);
        if (!draw(index)) missing.push(index + 1);
    }
    const took = performance.now() - from;
    const rested = performance.now();
    while (!loader.get(infos[images - 1]).values) await new Promise((resolve) => setTimeout(resolve, 5));
    const values = performance.now() - rested;
    return { first, missing, took, kind: drawing.kind, bytes: loader.bytes, values };
}"""


@pytest.mark.parametrize("network", ["loopback", "20 Mbit/s, 40 ms"])
def test_scrolling_through_a_stack(server: Server, page: Page, network: str) -> None:
    session: CDPSession = page.context.new_cdp_session(page)
    if network != "loopback":
        session.send("Network.enable")
        session.send("Network.emulateNetworkConditions", NETWORK)
    found = page.evaluate(SCROLL, [IMAGES, SIDE, 30])
    print(
        f"{network}, previews of {len(server.preview)} bytes, by {found['kind']}: first image after "
        f"{found['first']:.0f} ms, {len(found['missing'])} of {IMAGES} missing, scrolled in "
        f"{found['took']:.0f} ms, values {found['values']:.0f} ms later; {found['bytes'] >> 20} MiB held"
    )
    previews = {name: times for name, times in server.asked.items() if name.startswith("preview")}
    # What a machine that halts has scrolled past may never have been asked for.
    drawn = set(range(1, IMAGES + 1)) - set(found["missing"])
    assert set(previews) >= {f"preview {number}" for number in drawn}
    # Where the machine halted for a moment, one on its way gives its place up for the image in view.
    assert sum(previews.values()) <= IMAGES + 10, "no preview is fetched twice"
    assert found["bytes"] <= 256 * 2**20
