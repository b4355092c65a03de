"""The issuer's keys at the edges: answers that look right and are none, and an issuer that comes back."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from libs.common.errors import TokenInvalid, Unavailable
from libs.common.security.http_document import MAX_DOCUMENT_BYTES, HttpDocument
from libs.common.security.jwks import KeyCache
from tests.unit.libs.common.test_jwks import Clock, Issuer, document

Fetch = Callable[[web.StreamResponse], Awaitable[bytes]]


@pytest.fixture
async def fetch() -> AsyncIterator[Fetch]:
    """Fetch over real HTTP what an issuer answers; `/elsewhere` has sound keys."""
    answers: list[web.StreamResponse] = []
    app = web.Application()

    async def keys(_: web.Request) -> web.StreamResponse:
        if isinstance(answer := answers.pop(), web.HTTPException):
            raise answer
        return answer

    async def elsewhere(_: web.Request) -> web.Response:
        return web.Response(body=document("a"))

    app.router.add_get("/jwks.json", keys)
    app.router.add_get("/elsewhere", elsewhere)
    async with TestServer(app) as server:
        client = HttpDocument(str(server.make_url("/jwks.json")), timeout=5.0)

        async def ask(answer: web.StreamResponse) -> bytes:
            answers.append(answer)
            return await client()

        yield ask
        await client.close()


@pytest.mark.parametrize(
    "answer",
    [
        web.Response(status=500, body=document("a")),
        web.Response(status=404, body=document("a")),
        web.HTTPFound("/elsewhere"),
        web.Response(body=document("a").ljust(MAX_DOCUMENT_BYTES + 1)),
    ],
    ids=["500", "404", "redirect", "too long"],
)
async def test_sound_keys_in_an_unsound_answer_do_not_count(answer: web.Response, fetch: Fetch) -> None:
    with pytest.raises(Unavailable):
        await fetch(answer)


async def test_a_document_may_have_exactly_the_greatest_length(fetch: Fetch) -> None:
    longest = document("a").ljust(MAX_DOCUMENT_BYTES)
    assert await fetch(web.Response(body=longest)) == longest


async def test_a_key_that_signs_nothing_is_not_taken() -> None:
    public = X25519PrivateKey.generate().public_key().public_bytes_raw()
    x = base64.urlsafe_b64encode(public).decode().rstrip("=")
    keys = json.loads(document("a"))["keys"]
    keys.append({"kty": "OKP", "crv": "X25519", "kid": "exchange", "x": x})

    async def issuer() -> bytes:
        return json.dumps({"keys": keys}).encode()

    cache = KeyCache(issuer, clock=Clock())
    assert (await cache.key("a")).kid == "a"
    with pytest.raises(TokenInvalid):
        await cache.key("exchange")


async def settled(cache: KeyCache) -> None:
    if cache._running is not None:
        await asyncio.wait({cache._running})
        await asyncio.sleep(0)


async def test_an_issuer_that_is_away_is_asked_for_old_keys_once_per_interval() -> None:
    issuer, clock = Issuer("a"), Clock()
    cache = KeyCache(issuer, interval=5.0, max_age=300.0, clock=clock)
    await cache.key("a")
    issuer.kids = None
    clock.now += 300.0
    for _ in range(10):
        cache.known("a")
        await settled(cache)
    assert issuer.asked == 2
    clock.now += 5.0
    cache.known("a")
    await settled(cache)
    assert issuer.asked == 3


async def test_once_the_issuer_is_back_an_unknown_key_is_invalid_again() -> None:
    issuer, clock = Issuer("a"), Clock()
    issuer.kids = None
    cache = KeyCache(issuer, interval=5.0, clock=clock)
    with pytest.raises(Unavailable):
        await cache.key("a")
    issuer.kids = ("a",)
    assert (await cache.key("a")).kid == "a"
    with pytest.raises(TokenInvalid):
        await cache.key("forged")
