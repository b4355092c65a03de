"""The issuer's keys: fetched rarely, together, and kept when the issuer is away."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from libs.common.errors import TokenInvalid, Unavailable
from libs.common.security.http_document import MAX_DOCUMENT_BYTES, HttpDocument
from libs.common.security.jwks import KeyCache
from tests.waiting import PATIENCE, eventually


def document(*kids: str) -> bytes:
    def x(kid: str) -> str:
        private = Ed25519PrivateKey.from_private_bytes(kid.encode().ljust(32, b"."))
        return base64.urlsafe_b64encode(private.public_key().public_bytes_raw()).decode().rstrip("=")

    return json.dumps(
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x(kid)} for kid in kids]}
    ).encode()


class Issuer:
    """Publishes `kids`, or is away; counts how often it is asked."""

    def __init__(self, *kids: str) -> None:
        self.kids: tuple[str, ...] | None = kids
        self.asked = 0
        self.open = asyncio.Event()
        self.open.set()

    async def __call__(self) -> bytes:
        self.asked += 1
        await self.open.wait()
        if self.kids is None:
            raise Unavailable("The issuer is away.")
        return document(*self.kids)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def test_a_known_key_is_fetched_once() -> None:
    issuer = Issuer("a", "b")
    cache = KeyCache(issuer, clock=Clock())
    keys = [await cache.key(kid) for kid in "abab"]
    assert [key.kid for key in keys] == ["a", "b", "a", "b"]
    assert issuer.asked == 1


async def test_unknown_keys_are_asked_for_once_per_interval() -> None:
    issuer, clock = Issuer("a"), Clock()
    cache = KeyCache(issuer, interval=5.0, clock=clock)
    await cache.key("a")
    for _ in range(50):
        with pytest.raises(TokenInvalid):
            await cache.key("forged")
    assert issuer.asked == 1
    clock.now += 5.0
    issuer.kids = ("a", "b")
    assert (await cache.key("b")).kid == "b"
    with pytest.raises(TokenInvalid):
        await cache.key("forged")
    assert issuer.asked == 2


async def test_concurrent_fetches_are_folded_and_known_keys_do_not_wait() -> None:
    issuer, clock = Issuer("a"), Clock()
    cache = KeyCache(issuer, clock=clock)
    issuer.open.clear()
    waiting = [asyncio.create_task(cache.key("a")) for _ in range(20)]
    await eventually(lambda: issuer.asked == 1)
    issuer.open.set()
    assert {(await task).kid for task in waiting} == {"a"}
    assert issuer.asked == 1

    clock.now += 10.0
    issuer.open.clear()
    slow = [asyncio.create_task(cache.key("new")) for _ in range(20)]
    await eventually(lambda: issuer.asked == 2)
    async with asyncio.timeout(PATIENCE):
        assert (await cache.key("a")).kid == "a"
    issuer.kids = ("a", "new")
    issuer.open.set()
    assert {(await task).kid for task in slow} == {"new"}
    assert issuer.asked == 2


async def test_a_caller_who_leaves_does_not_spoil_the_fetch_of_the_others() -> None:
    issuer = Issuer("a")
    cache = KeyCache(issuer, clock=Clock())
    issuer.open.clear()
    impatient, patient = asyncio.create_task(cache.key("a")), asyncio.create_task(cache.key("a"))
    await eventually(lambda: issuer.asked == 1)
    impatient.cancel()
    await asyncio.wait([impatient])
    issuer.open.set()
    assert (await patient).kid == "a"
    assert issuer.asked == 1


async def test_an_absent_issuer_matters_only_for_unknown_keys() -> None:
    issuer, clock = Issuer("a"), Clock()
    cache = KeyCache(issuer, max_age=300.0, clock=clock)
    await cache.key("a")
    issuer.kids = None
    clock.now += 10_000.0
    assert (await cache.key("a")).kid == "a"
    await eventually(lambda: issuer.asked == 2)
    with pytest.raises(Unavailable, match="away"):
        await cache.key("b")
    assert (await cache.key("a")).kid == "a"


async def test_without_any_key_it_is_unavailable_until_the_issuer_comes() -> None:
    issuer = Issuer("a")
    issuer.kids = None
    cache = KeyCache(issuer, clock=Clock())
    for attempt in (cache.key("a"), cache.ready()):
        with pytest.raises(Unavailable, match="away"):
            await attempt
    issuer.kids = ("a",)
    await cache.ready()
    assert (await cache.key("a")).kid == "a"


async def test_a_withdrawn_key_loses_its_force() -> None:
    issuer, clock = Issuer("a"), Clock()
    cache = KeyCache(issuer, max_age=300.0, clock=clock)
    await cache.key("a")
    issuer.kids = ("b",)
    clock.now += 300.0
    cache.known("a")
    await eventually(lambda: cache.known("b"))
    with pytest.raises(TokenInvalid):
        await cache.key("a")
    assert issuer.asked == 2


async def test_closing_stops_a_running_fetch() -> None:
    issuer = Issuer("a")
    issuer.open.clear()
    cache = KeyCache(issuer, clock=Clock())
    fetch = cache.prefetch()
    await eventually(lambda: issuer.asked == 1)
    await cache.close()
    assert fetch.cancelled()


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[HttpDocument]]]:
    """Serve one handler over real HTTP; gives what fetches from it."""
    servers: list[TestServer] = []
    clients: list[HttpDocument] = []

    async def start(handler: Handler) -> HttpDocument:
        app = web.Application()
        app.router.add_get("/jwks.json", handler)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        clients.append(HttpDocument(str(servers[-1].make_url("/jwks.json")), timeout=2.0))
        return clients[-1]

    yield start
    for client in clients:
        await client.close()
    for server in servers:
        await server.close()


async def test_keys_come_over_http(serve: Callable[[Handler], Awaitable[HttpDocument]]) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=document("a"), content_type="application/json")

    keys = await serve(handler)
    cache = KeyCache(keys)
    assert (await cache.key("a")).kid == "a"
    await keys.close()
    assert await keys() == document("a")


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500),
        web.HTTPFound("/jwks.json?elsewhere"),
        web.Response(body=b"<html>"),
        web.Response(body=b"[]"),
        web.Response(body=b'{"keys": []}'),
        web.Response(body=b'{"keys": [{"kty": "OKP"}]}'),
        web.Response(body=b'{"keys": 5}'),
        web.Response(body=document("a") + b" " * MAX_DOCUMENT_BYTES + b"x"),
    ],
    ids=["500", "redirect", "html", "list", "empty", "half a key", "number", "endless"],
)
async def test_a_broken_issuer_is_unavailable(
    answer: web.Response, serve: Callable[[Handler], Awaitable[HttpDocument]]
) -> None:
    async def handler(_: web.Request) -> web.StreamResponse:
        return answer

    cache = KeyCache(await serve(handler))
    with pytest.raises(Unavailable):
        await cache.key("a")


async def test_a_silent_or_absent_issuer_is_unavailable(
    serve: Callable[[Handler], Awaitable[HttpDocument]],
) -> None:
    ended = asyncio.Event()

    async def handler(_: web.Request) -> web.Response:
        await ended.wait()
        return web.Response()

    keys = await serve(handler)
    with pytest.raises(Unavailable):
        await KeyCache(keys).key("a")
    ended.set()
    absent = HttpDocument("http://127.0.0.1:1/jwks.json")
    with pytest.raises(Unavailable):
        await KeyCache(absent).key("a")
    await absent.close()
