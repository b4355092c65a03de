"""Access tokens: whatever is not exactly what the issuer signed is refused, and refused as 401."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from libs.common.access import Viewer
from libs.common.errors import NotAuthenticated, TokenExpired, TokenInvalid
from libs.common.permissions import ORDINARY
from libs.common.security.principal import Principal
from libs.common.security.tokens import AUDIENCE, ISSUER, MAX_TOKEN_BYTES, TokenVerifier

NOW = 1_800_000_000
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "sub": "7",
    "username": "ana",
    "staff": False,
    "groups": [1, 2],
    "permissions": ["upload.view"],
    "iat": NOW,
    "exp": NOW + 900,
    "jti": "x",
}
HEADER = {"typ": "JWT", "alg": "EdDSA", "kid": "one"}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def part(value: object) -> str:
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def sign(claims: object = CLAIMS, header: object = HEADER, key: Ed25519PrivateKey = KEY) -> str:
    """Built by hand, so that the library under test is not its own witness."""
    text = f"{part(header)}.{part(claims)}"
    return f"{text}.{b64(key.sign(text.encode()))}"


async def key_set() -> bytes:
    x = b64(KEY.public_key().public_bytes_raw())
    keys = [
        {"kty": "OKP", "crv": "Ed25519", "kid": "one", "use": "sig", "alg": "EdDSA", "x": x},
        {"kty": "RSA", "kid": "rsa", "n": "AQAB", "e": "AQAB"},
        {"kty": "new", "kid": "future"},
    ]
    return json.dumps({"keys": keys}).encode()


def verify(token: str, now: float = NOW) -> Principal:
    return asyncio.run(TokenVerifier(key_set, clock=lambda: now).verify(token))


def test_a_genuine_token_names_its_principal() -> None:
    found = verify(sign())
    assert (found.user_id, found.username, found.staff) == (7, "ana", False)
    assert found.groups == (1, 2)
    assert found.permissions == ORDINARY
    assert found.expires_at.timestamp() == NOW + 900


def test_times_are_checked_with_a_small_leeway() -> None:
    assert verify(sign(), NOW + 904).user_id == 7
    with pytest.raises(TokenExpired):
        verify(sign(), NOW + 905)
    early = {**CLAIMS, "nbf": NOW + 100}
    with pytest.raises(TokenInvalid, match="nbf"):
        verify(sign(early))
    assert verify(sign(early), NOW + 96).user_id == 7


def test_collections_are_those_of_groups_with_their_modes() -> None:
    found = verify(sign({**CLAIMS, "collections": {"group:3": "view", "group:4": "manage"}}))
    assert found.collections == {"group:3": "view", "group:4": "manage"}
    seen = Viewer.of(found)
    assert seen.visible == ["group:3", "group:4", "user:7"]
    assert [seen.manages(c) for c in ("user:7", "group:3", "group:4")] == [True, False, True]


def test_a_token_of_before_collections_opens_its_own_one_only() -> None:
    found = verify(sign())
    assert found.collections == {}
    seen = Viewer.of(found)
    assert seen.visible == ["user:7"]
    assert not seen.sees("group:1")


@pytest.mark.parametrize("name", sorted(CLAIMS.keys() - {"permissions"}))
def test_every_claim_is_required(name: str) -> None:
    with pytest.raises(TokenInvalid, match=name):
        verify(sign({k: v for k, v in CLAIMS.items() if k != name}))


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "somebody"},
        {"aud": "somebody"},
        {"aud": [AUDIENCE]},
        {"sub": 7},
        {"sub": "-7"},
        {"sub": "٧"},
        {"sub": "7\n"},
        {"staff": "true"},
        {"staff": 1},
        {"groups": ["1"]},
        {"groups": "12"},
        {"permissions": [1]},
        {"collections": ["group:3"]},
        {"collections": {"group:3": "own"}},
        {"collections": {"group:3": None}},
        {"collections": None},
        {"exp": str(NOW + 900)},
        {"exp": float("inf")},
        {"exp": 10**30},
        {"exp": None},
        {"nbf": "now"},
    ],
    ids=str,
)
def test_wrong_claims_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid):
        verify(sign({**CLAIMS, **wrong}))


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b'"text"', b"\xff", b"[" * 5000])
def test_a_payload_that_is_no_object_is_refused(payload: bytes) -> None:
    with pytest.raises(TokenInvalid):
        verify(sign(payload))


def test_another_algorithm_is_refused() -> None:
    public = KEY.public_key().public_bytes_raw()
    jwk = json.dumps({"kty": "OKP", "crv": "Ed25519", "x": b64(public)}).encode()
    for secret in (public, jwk, b64(public).encode()):
        text = f"{part({**HEADER, 'alg': 'HS256'})}.{part(CLAIMS)}"
        forged = f"{text}.{b64(hmac.digest(secret, text.encode(), hashlib.sha256))}"
        with pytest.raises(TokenInvalid, match="EdDSA"):
            verify(forged)
    for name in ("none", "None", "NONE", "", "Ed25519", "Ed448", "HS256", "RS256", "eddsa"):
        header = {**HEADER, "alg": name}
        for token in (sign(header=header), f"{part(header)}.{part(CLAIMS)}."):
            with pytest.raises(TokenInvalid):
                verify(token)


@pytest.mark.parametrize(
    "header",
    [
        [],
        ["alg", "kid"],
        "alg",
        5,
        None,
        {},
        {"alg": "EdDSA"},
        {"kid": "one"},
        {**HEADER, "alg": []},
        {**HEADER, "alg": None},
        {**HEADER, "kid": 1},
        {**HEADER, "kid": ["one"]},
        {**HEADER, "crit": ["exp"], "exp": 1},
        {**HEADER, "b64": False},
        {**HEADER, "b64": False, "crit": ["b64"]},
        {**HEADER, "unknown": 1},
        {**HEADER, "jku": 5},
        b"{",
        b"\xff\xfe",
        b"[" * 380,
        b'{"a":' * 75,
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_header_is_refused(header: object) -> None:
    with pytest.raises(TokenInvalid):
        verify(sign(header=header))


@pytest.mark.parametrize("carrier", ["jwk", "jku", "x5u"])
def test_a_key_that_the_token_brings_along_is_not_used(carrier: str) -> None:
    own = {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER_KEY.public_key().public_bytes_raw())}
    header = {**HEADER, carrier: own if carrier == "jwk" else "https://example.org/keys"}
    with pytest.raises(TokenInvalid):
        verify(sign(header=header, key=OTHER_KEY))


def test_a_key_that_is_not_published_is_refused() -> None:
    for kid in ("two", "rsa", "future", ""):
        with pytest.raises(TokenInvalid, match="publish"):
            verify(sign(header={**HEADER, "kid": kid}, key=OTHER_KEY))


@given(st.data())
def test_no_changed_token_is_accepted(data: st.DataObject) -> None:
    token = sign()
    at = data.draw(st.integers(0, len(token) - 1))
    new = data.draw(st.characters().filter(lambda c: c != token[at]))
    for changed in (
        token[:at] + new + token[at + 1 :],
        token[:at] + token[at + 1 :],
        token[:at] + new + token[at:],
    ):
        if changed != token:
            with pytest.raises(NotAuthenticated):
                verify(changed)


@given(st.binary(min_size=1, max_size=64), st.integers(0, 63))
def test_no_changed_signature_is_accepted(mask: bytes, at: int) -> None:
    text, _, signature = sign().rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    for offset, bits in enumerate(mask):
        raw[(at + offset) % 64] ^= bits
    if any(mask):
        with pytest.raises(TokenInvalid):
            verify(f"{text}.{b64(bytes(raw))}")


@given(st.one_of(st.text(), st.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True)))
def test_text_that_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(TokenInvalid):
        verify(text)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "\udcff.a.b", "a" * 20_000, sign() + ".", sign() + "=", " " + sign()]
)
def test_odd_tokens_are_refused(token: str) -> None:
    with pytest.raises(TokenInvalid):
        verify(token)


def test_a_genuine_token_that_is_too_long_is_refused() -> None:
    def padded(length: int) -> str:
        return sign({**CLAIMS, "jti": "x" * length})

    fits = max(n for n in range(MAX_TOKEN_BYTES // 2, MAX_TOKEN_BYTES) if len(padded(n)) <= MAX_TOKEN_BYTES)
    assert verify(padded(fits)).user_id == 7
    with pytest.raises(TokenInvalid, match="longer"):
        verify(padded(fits + 1))


async def test_a_remembered_token_still_expires() -> None:
    now = [float(NOW)]
    verifier = TokenVerifier(key_set, clock=lambda: now[0])
    token = sign({**CLAIMS, "exp": NOW + 30})
    assert await verifier.verify(token) == await verifier.verify(token)
    now[0] += 36
    with pytest.raises(TokenExpired):
        await verifier.verify(token)


async def test_memory_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.common.security.tokens.CACHE_ENTRIES", 3)
    verifier = TokenVerifier(key_set, clock=lambda: NOW)
    for number in range(10):
        assert (await verifier.verify(sign({**CLAIMS, "jti": str(number)}))).user_id == 7
        assert len(verifier._verified) <= 3
