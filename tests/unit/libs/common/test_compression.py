"""JSON comes compressed to whoever takes that, and nothing else does."""

from __future__ import annotations

import gzip

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from libs.common.http.compression import compress_json, takes_gzip
from libs.common.http.json import json_response

LONG = {"rows": ["value"] * 1000}


async def long(_: web.Request) -> web.Response:
    return json_response(LONG)


async def short(_: web.Request) -> web.Response:
    return json_response({})


async def text(_: web.Request) -> web.Response:
    return web.Response(text="x" * 5000)


async def cookie(_: web.Request) -> web.Response:
    response = json_response(LONG)
    response.set_cookie("a", "b")
    return response


@pytest.mark.parametrize(
    ("method", "path", "accepted", "compressed"),
    [
        ("GET", "/long", "gzip, deflate", True),
        ("GET", "/long", "br;q=1, GZIP;q=0.5", True),
        ("GET", "/long", "", False),
        ("GET", "/long", "gzip;q=0", False),
        ("GET", "/short", "gzip", False),
        ("GET", "/text", "gzip", False),
        ("GET", "/cookie", "gzip", False),
        ("POST", "/long", "gzip", False),
    ],
)
async def test_what_is_compressed(method: str, path: str, accepted: str, compressed: bool) -> None:
    app = web.Application(middlewares=[compress_json])
    for handler in (long, short, text, cookie):
        app.router.add_route("*", f"/{handler.__name__}", handler)
    headers = {"Accept-Encoding": accepted}
    async with (
        TestClient(TestServer(app), auto_decompress=False) as client,
        client.request(method, path, headers=headers) as answer,
    ):
        body = await answer.read()
        assert (answer.headers.get("Content-Encoding") == "gzip") is compressed
        if path == "/long":
            assert orjson.loads(gzip.decompress(body) if compressed else body) == LONG
            assert int(answer.headers["Content-Length"]) == len(body)
        if method == "GET" and path != "/text":
            assert answer.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip", True),
        ("deflate,gzip;q=1.0", True),
        ("gzip;q=0.000", False),
        ("xgzip", False),
        ("gzipx", False),
        ("*", False),
        ("gzip ; q = 0.1", True),
    ],
)
def test_who_takes_gzip(accepted: str, takes: bool) -> None:
    assert takes_gzip(accepted) is takes
