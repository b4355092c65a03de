"""What is remembered of verified tokens: the whole token, and not for long."""

from __future__ import annotations

import pytest

from libs.common.errors import TokenInvalid
from libs.common.security.tokens import CACHE_SECONDS, TokenVerifier
from tests.unit.libs.common.test_tokens import CLAIMS, NOW, key_set, sign


async def test_a_remembered_token_opens_nothing_for_another() -> None:
    verifier = TokenVerifier(key_set, clock=lambda: NOW)
    token = sign()
    await verifier.verify(token)
    body, _, signature = token.rpartition(".")
    for forged in (f"{body}.{signature[::-1]}", f"{body}.", token[:-1], f"{token}A"):
        with pytest.raises(TokenInvalid):
            await verifier.verify(forged)
    other = sign({**CLAIMS, "jti": "y", "sub": "8"})
    assert other[:100] == token[:100]
    assert (await verifier.verify(other)).user_id == 8


async def test_a_long_token_is_verified_anew_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a key that is withdrawn ends the tokens that it signed."""
    now, checks = [float(NOW)], 0
    verifier = TokenVerifier(key_set, clock=lambda: now[0])
    check = verifier._check_signature

    async def counted(token: str) -> tuple[bytes, str, str]:
        nonlocal checks
        checks += 1
        return await check(token)

    monkeypatch.setattr(verifier, "_check_signature", counted)
    for passed, expected in ((0.0, 1), (CACHE_SECONDS - 1, 1), (CACHE_SECONDS, 2)):
        now[0] = NOW + passed
        await verifier.verify(sign())
        assert checks == expected
