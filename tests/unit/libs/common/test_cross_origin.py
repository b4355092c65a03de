"""Pages of other origins: those on the list may send a bearer token, and no page ever a cookie."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from libs.common.http.application import create_app
from libs.common.http.authenticate import declare
from libs.common.http.cross_origin import origin_of, parse_origins
from libs.common.settings.service import ServiceSettings
from libs.common.telemetry.tracing import Telemetry

VIEWER = "https://viewer.example.org"
Client = TestClient[web.Request, web.Application]


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = ServiceSettings(cors_origins=parse_origins(f"{VIEWER}, http://localhost:3000/"))
    app = create_app(settings, Telemetry("test", settings))
    declare(app, "anyone", hello)
    app.router.add_get("/hello", hello)
    async with TestClient(TestServer(app)) as made:
        yield made


async def test_a_preflight_is_answered_for_those_on_the_list(client: Client) -> None:
    asked = {
        "Origin": VIEWER,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    answer = await client.options("/hello", headers=asked)
    assert answer.status == 204
    assert answer.headers["Access-Control-Allow-Origin"] == VIEWER
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert "PUT" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    odd = await client.options("/hello", headers={**asked, "Access-Control-Request-Headers": "a b; c"})
    assert odd.headers["Access-Control-Allow-Headers"] == "Authorization"
    foreign = await client.options("/hello", headers={**asked, "Origin": "https://evil.example"})
    assert foreign.status == 405
    assert "Access-Control-Allow-Origin" not in foreign.headers
    assert foreign.headers["Vary"] == "Origin"


@pytest.mark.parametrize(("path", "status"), [("/hello", 200), ("/nothing", 404)])
async def test_answers_and_problems_can_be_read(client: Client, path: str, status: int) -> None:
    answer = await client.get(path, headers={"Origin": VIEWER})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (status, VIEWER)
    exposed = answer.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"Content-Range", "Content-Location", "ETag", "Warning", "WWW-Authenticate"} <= {*exposed}
    for origin in ("https://viewer.example.org.evil.example", "http://viewer.example.org", "null"):
        answer = await client.get(path, headers={"Origin": origin})
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_without_a_list_nothing_is_said() -> None:
    settings = ServiceSettings()
    app = create_app(settings, Telemetry("test", settings))
    async with TestClient(TestServer(app)) as client:
        answer = await client.get("/livez", headers={"Origin": VIEWER})
        assert "Origin" not in answer.headers.get("Vary", "")


def test_an_origin_has_one_spelling() -> None:
    assert origin_of("HTTPS://Viewer.Example.org:443/path") == VIEWER
    assert origin_of("http://[::1]:80") == "http://[::1]"
    assert origin_of("http://[::1]:8080/") == "http://[::1]:8080"


@pytest.mark.parametrize(
    "wrong", ["*", "viewer.example.org", "https://*.example.org", "https://a/path", "https://u@a", "null"]
)
def test_what_is_no_origin_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse_origins(wrong)
