"""The portal over HTTP: one page for every address that nobody else claims, assets that caches may keep."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from functools import cache

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from libs.common.http.authenticate import declare
from libs.common.http.prefixes import PREFIXES
from services.portal.app import create
from services.portal.assets import load_assets
from services.portal.guide import guide_files
from services.portal.keys import ASSETS
from services.portal.settings import PortalSettings

Client = TestClient[web.Request, web.Application]


@pytest.fixture(scope="module", autouse=True)
def assets_are_read_once() -> Iterator[None]:
    """Rolling and compressing them takes longer than any of these tests."""
    more = guide_files()
    read = cache(lambda folder, base, viewers: load_assets(folder, base, more, viewers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "services.portal.app.load_assets", lambda folder, base, _, shown: read(folder, base, shown)
        )
        yield


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = create(PortalSettings())

    async def known(_: web.Request) -> web.Response:
        return web.json_response({})

    app.router.add_get("/api/known", known)
    declare(app, "signed in", known)
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/results/0190-anything",
        "/no/such/view",
        "/apiary",
        "/v1.2/view",
        "/studies",
        "/studies/1.2.3",
        "/studies/1.2.840.113619.2.55.3.604688119.971/",
        "/studies/1.2.3/view?series=1.2.3.4&image=5.dcm",
        "/admin/users/7",
        "/s/kQ2-x_9",
        "/s/",
        "/s/results/0190-anything",
        "/sign-in?problem=not-admitted",
        "/forgotten-password",
        "/reset-password",
        "/account",
    ],
)
async def test_every_other_address_is_the_page(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.status == 200
    assert answer.content_type == "text/html"
    assert "Sistema de procesamiento DICOM" in await answer.text()
    opens = path.startswith(("/s/", "/reset-password"))
    assert answer.headers["Cache-Control"] == ("no-store" if opens else "no-cache")
    assert answer.headers.get("X-Robots-Tag") == ("noindex" if opens else None)
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/js/nope.js",
        "/css/x.css",
        "/index.php",
        "/results/a/b.woff2",
        "/favicon.ico",
        "/x.js",
        "/.env",
        "/.git/config",
        "/js%2Ejs",
        "/studies/main.js",
        "/studies/1.2.3.js",
        "/studies/1.2.3/x.js",
        "/studies/1.2.3/.env",
        "/studies/.git/1.2.3",
        "/1.2.3",
    ],
)
async def test_what_looks_like_a_file_is_not_the_page(client: Client, path: str) -> None:
    answer = await client.get(path)
    assert answer.status == 404
    assert answer.content_type == "application/problem+json"
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        *("/api", "/api/", "/api/unknown", "/api/results/x/y", "/api/studies/1.2.3", "/metrics/x"),
        *(f"{prefix.path}/none" for prefix in PREFIXES),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_unknown_paths_of_the_services_stay_problems(client: Client, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert answer.status == 404
    assert answer.content_type == "application/problem+json"
    assert (await answer.json(content_type=None))["code"] == "not-found"


@pytest.mark.parametrize(("stories", "status"), [(False, 404), (True, 200)])
async def test_the_page_of_components_is_there_where_it_is_asked_for(stories: bool, status: int) -> None:
    settings = PortalSettings(stories=stories, public_url="https://example.org/dicom/")
    async with TestClient(TestServer(create(settings))) as client:
        for address in ("/__ui", "/dicom/__ui"):
            assert (await client.get(address)).status == status


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/studies/1.2.3", 200),
        ("/results/0190", 200),
        ("/main.js", 404),
        ("/.env", 404),
        ("/api/none", 404),
    ],
)
async def test_the_same_holds_below_the_path_of_public_url(path: str, status: int) -> None:
    settings = PortalSettings(public_url="https://example.org/dicom/")
    async with TestClient(TestServer(create(settings))) as client:
        # A proxy in front may pass the prefix on, or take it away.
        for address in (f"/dicom{path}", path):
            assert (await client.get(address)).status == status, address
        assert (await client.get("/dicom")).status == 200
        page = await (await client.get("/dicom/")).text()
        assert 'data-base="/dicom"' in page
        addresses = re.findall(r'(?:src|href)="(/[^"]+)"', page)
        assert {(await client.get(address)).status for address in addresses} == {200}
        assert {address.startswith("/dicom/") for address in addresses} == {True}


async def test_routes_of_other_services_still_ask_who_calls(client: Client) -> None:
    assert (await client.get("/api/known")).status == 401
    assert (await client.get("/livez")).status == 200


async def test_the_page_names_assets_that_may_be_kept_for_ever(client: Client) -> None:
    page = await (await client.get("/")).text()
    addresses = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert any(address.endswith("/rolled/app-main.js") for address in addresses)
    for address in addresses:
        answer = await client.get(address)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
        assert answer.content_type in ("text/javascript", "text/css")


async def test_an_address_of_another_release_answers_but_is_not_kept(client: Client) -> None:
    answer = await client.get("/static/0123456789ab/app/main.js")
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["js/none.js", "..%2fapp.py", "%2e%2e/%2e%2e/app.py", "js/../../app.py"])
async def test_nothing_outside_the_assets_is_served(client: Client, path: str) -> None:
    # Encoded dots would reach the handler; plain ones are folded by the client, as browsers do.
    version = client.app[ASSETS].version
    answer = await client.get(f"/static/{version}/{path}")
    assert answer.status == 404 or answer.content_type == "text/html"
    assert "import annotations" not in await answer.text()


async def test_a_known_entity_tag_saves_the_body(client: Client) -> None:
    first = await client.get("/")
    again = await client.get("/", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""
    assert "Content-Security-Policy" in again.headers
    other = await client.get("/", headers={"If-None-Match": '"another"'})
    assert other.status == 200


async def test_bodies_travel_compressed_when_the_client_can(client: Client) -> None:
    version = client.app[ASSETS].version
    url = client.make_url(f"/static/{version}/dicom/attribute-names.json")
    async with ClientSession(auto_decompress=False) as session:
        async with session.get(url, headers={"Accept-Encoding": "gzip"}) as small:
            assert small.headers["Content-Encoding"] == "gzip"
            compressed = await small.read()
        async with session.get(url, headers={"Accept-Encoding": "identity"}) as plain:
            assert "Content-Encoding" not in plain.headers
            assert len(compressed) < len(await plain.read()) / 3


@pytest.mark.parametrize("path", ["/", "/favicon.svg", "/static/x/app/main.js", "/static/x/none"])
async def test_every_answer_shuts_out_foreign_code(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers
    policy = {part.split()[0]: part.split()[1:] for part in headers["Content-Security-Policy"].split("; ")}
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == ["'self'"]
    assert policy["base-uri"] == policy["frame-ancestors"] == ["'none'"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Permissions-Policy" in headers


async def test_answers_of_other_services_are_left_alone(client: Client) -> None:
    assert "Content-Security-Policy" not in (await client.get("/livez")).headers


async def test_head_is_answered_without_a_body(client: Client) -> None:
    answer = await client.head("/")
    assert answer.status == 200
    assert await answer.read() == b""
