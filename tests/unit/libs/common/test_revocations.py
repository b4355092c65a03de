"""Revoked tokens are refused, also those that were verified before; what cannot be read changes nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from libs.common.errors import TokenExpired, TokenInvalid, Unavailable
from libs.common.security.revocations import Revocations
from libs.common.security.tokens import TokenVerifier
from tests.unit.libs.common.test_tokens import CLAIMS, HEADER, NOW, key_set, sign
from tests.waiting import PATIENCE


class Issuer:
    """What its list says now."""

    def __init__(self) -> None:
        self.body: bytes | None = b'{"sessions": {}, "users": {}}'
        self.now = 100.0
        self.revocations = Revocations(self.fetch, clock=lambda: self.now)
        self.verifier = TokenVerifier(key_set, revocations=self.revocations, clock=lambda: NOW)

    async def fetch(self) -> bytes:
        if self.body is None:
            raise Unavailable("away")
        return self.body

    async def says(self, **document: Any) -> None:
        self.body = json.dumps({"sessions": {}, "users": {}, **document}).encode()
        await self.revocations.refresh()


def token(**claims: Any) -> str:
    return sign({**CLAIMS, "exp": NOW + 600, **claims}, {**HEADER, "typ": "at+jwt"})


async def test_a_revoked_token_is_refused_though_it_was_verified_before() -> None:
    issuer = Issuer()
    mine, other, former = token(sid="aa", ver=2), token(sid="bb", ver=2), token(ver=1)
    for one in (mine, other, former):
        await issuer.verifier.verify(one)
    await issuer.says(sessions={"aa": NOW + 600})
    with pytest.raises(TokenExpired):
        await issuer.verifier.verify(mine)
    await issuer.verifier.verify(other)
    await issuer.says(users={"7": 2, "8": 9})
    with pytest.raises(TokenExpired):
        await issuer.verifier.verify(former)
    await issuer.verifier.verify(other)
    await issuer.says(signing_keys=["of another"])
    await issuer.verifier.verify(other)
    await issuer.says(signing_keys=["of another", HEADER["kid"]])
    with pytest.raises(TokenExpired):
        await issuer.verifier.verify(other)
    await issuer.says(keys={"key:cc": NOW + 600})
    with pytest.raises(TokenExpired):
        await issuer.verifier.verify(token(client_id="key:cc", ver=2))


async def test_who_waits_learns_of_a_revocation() -> None:
    issuer = Issuer()
    caller = await issuer.verifier.verify(token(sid="aa"))
    waiting = asyncio.create_task(issuer.verifier.revoked(caller))
    await issuer.says(sessions={"bb": NOW + 600})
    assert not waiting.done()
    await issuer.says(sessions={"aa": NOW + 600})
    async with asyncio.timeout(PATIENCE):
        await waiting


@pytest.mark.parametrize("body", [None, b"", b"[]", b'{"sessions": []}'])
async def test_the_last_list_holds_while_there_is_no_other(body: bytes | None) -> None:
    issuer = Issuer()
    await issuer.says(sessions={"aa": NOW + 600})
    issuer.body = body
    issuer.now += 50
    with pytest.raises(Unavailable):
        await issuer.revocations.refresh()
    assert issuer.revocations.age == 50
    with pytest.raises(TokenExpired):
        await issuer.verifier.verify(token(sid="aa"))
    await issuer.says()
    assert issuer.revocations.age == 0
    await issuer.verifier.verify(token(sid="aa"))


async def test_a_token_that_lives_too_long_is_refused() -> None:
    verifier = Issuer().verifier
    with pytest.raises(TokenInvalid, match="600"):
        await verifier.verify(token(exp=NOW + 601))
    # Of the release before, whose tokens could be told to live longer.
    await verifier.verify(sign({**CLAIMS, "exp": NOW + 86_400}))
