"""ID tokens that somebody has forged, borrowed, altered or kept prove nothing."""

from __future__ import annotations

import base64
import hmac
import json
import warnings
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry, serialize_compact

from libs.common.errors import Unavailable
from services.auth.oidc.discovery import public_keys, read_metadata
from services.auth.oidc.id_token import Expected, IdTokenRefused, PublishedKey, at_hash, key_id, verify
from services.auth.oidc.providers import Algorithm

NOW = 1_800_000_000
RSA, OTHER_RSA = RSAKey.generate_key(2048, {"kid": "rsa"}), RSAKey.generate_key(2048, {"kid": "rsa"})
EC, ED = ECKey.generate_key("P-256", {"kid": "ec"}), OKPKey.generate_key("Ed25519", {"kid": "ed"})
KEYS = [PublishedKey("rsa", None, RSA), PublishedKey("ec", "ES256", EC), PublishedKey("ed", None, ED)]
ALLOWED: frozenset[Algorithm] = frozenset({"RS256", "PS256", "ES256", "EdDSA"})
EXPECTED = Expected("https://issuer.example", "dicom", "n" * 43, NOW - 5, "access", 30)
CLAIMS: dict[str, Any] = {
    "iss": "https://issuer.example",
    "sub": "7",
    "aud": "dicom",
    "exp": NOW + 300,
    "iat": NOW,
    "nonce": "n" * 43,
}


def encoded(part: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def signed(
    claims: dict[str, Any] | None = None,
    key: RSAKey | ECKey | OKPKey = RSA,
    alg: str = "RS256",
    **header: Any,
) -> str:
    registry = JWSRegistry(algorithms=[alg, "Ed25519"], strict_check_header=False)
    if alg == "EdDSA":
        head, body = encoded({"alg": "EdDSA", "kid": "ed"}), encoded(CLAIMS if claims is None else claims)
        private: Any = key.private_key
        signature = private.sign(f"{head}.{body}".encode())
        return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"
    protected = {"alg": alg, "kid": key.kid, **header}
    return serialize_compact(
        protected, json.dumps(CLAIMS if claims is None else claims).encode(), key, registry=registry
    )


def changed(**claims: Any) -> dict[str, Any]:
    return {name: value for name, value in {**CLAIMS, **claims}.items() if value is not ...}


def read(token: str, expected: Expected = EXPECTED, keys: list[PublishedKey] = KEYS) -> str:
    return verify(token, keys, ALLOWED, expected, NOW).subject


@pytest.mark.parametrize(("key", "alg"), [(RSA, "RS256"), (RSA, "PS256"), (EC, "ES256"), (ED, "EdDSA")])
def test_a_genuine_token_says_who_it_is(key: RSAKey | ECKey | OKPKey, alg: str) -> None:
    assert read(signed(key=key, alg=alg)) == "7"
    assert key_id(signed(key=key, alg=alg)) == key.kid


@pytest.mark.parametrize(
    "claims",
    [
        changed(aud=["dicom"]),
        changed(aud=["dicom", "other"], azp="dicom"),
        changed(azp="dicom"),
        changed(at_hash=at_hash("RS256", "access")),
        changed(exp=NOW - 29),
        changed(iat=NOW + 29),
        changed(iat=NOW - 34),
        changed(nbf=NOW - 1),
        changed(amr="pwd"),
        changed(exp=NOW + 0.5),
    ],
)
def test_what_the_standard_allows_counts(claims: dict[str, Any]) -> None:
    assert read(signed(claims)) == "7"


@pytest.mark.parametrize(
    "claims",
    [
        changed(iss="https://evil.example"),
        changed(iss="https://issuer.example/"),
        changed(iss=...),
        changed(aud="other"),
        changed(aud=[]),
        changed(aud=["dicom", "other"]),
        changed(aud=["dicom", "other"], azp="other"),
        changed(aud=...),
        changed(azp="other"),
        changed(nonce="m" * 43),
        changed(nonce=...),
        changed(nonce=None),
        changed(exp=NOW - 30),
        changed(exp=...),
        changed(exp="9999999999"),
        changed(exp=True),
        changed(iat=NOW + 31),
        changed(iat=NOW - 36),
        changed(iat=...),
        changed(nbf=NOW + 31),
        changed(at_hash=at_hash("RS256", "another")),
        changed(at_hash=""),
        changed(sub=...),
        changed(sub=""),
        changed(sub=7),
        changed(sub="7\x00"),
        changed(sub="x" * 256),
    ],
    ids=str,
)
def test_what_is_not_said_to_us_now_does_not(claims: dict[str, Any]) -> None:
    with pytest.raises(IdTokenRefused):
        read(signed(claims))


def test_unsigned_ones_are_none() -> None:
    body = encoded(CLAIMS)
    for alg in ("none", "None", "NONE", "", None, 7, ["RS256"]):
        for signature in ("", "AAAA"):
            with pytest.raises(IdTokenRefused):
                read(f"{encoded({'alg': alg, 'kid': 'rsa'})}.{body}.{signature}")


def test_the_public_key_is_no_secret() -> None:
    for pem in (RSA.as_pem(private=False), json.dumps(RSA.as_dict(private=False)).encode(), b"", b"secret"):
        head = encoded({"alg": "HS256", "kid": "rsa"})
        text = f"{head}.{encoded(CLAIMS)}"
        signature = base64.urlsafe_b64encode(hmac.digest(pem, text.encode(), "sha256")).decode().rstrip("=")
        with pytest.raises(IdTokenRefused, match="algorithm"):
            read(f"{text}.{signature}")


def test_a_key_in_the_token_is_the_forgers() -> None:
    public = OTHER_RSA.as_dict(private=False)
    for header in ({"jwk": public}, {"jku": "https://evil.example/jwks"}, {"x5u": "https://evil.example"}):
        with pytest.raises(IdTokenRefused, match="does not publish"):
            read(signed(key=OTHER_RSA, **header))


def test_another_key_of_the_same_name_is_another() -> None:
    with pytest.raises(IdTokenRefused):
        read(signed(key=OTHER_RSA))


def test_a_key_serves_what_it_is_published_for() -> None:
    with pytest.raises(IdTokenRefused):
        read(signed(alg="PS256"), keys=[PublishedKey("rsa", "RS256", RSA)])
    with pytest.raises(IdTokenRefused):
        read(signed(alg="RS512"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SecurityWarning)
        weak = RSAKey.generate_key(1024, {"kid": "weak"})
    with pytest.raises(IdTokenRefused):
        read(signed(key=weak), keys=[PublishedKey(None, None, weak)])


@pytest.mark.parametrize("typ", ["logout+jwt", "at+jwt", "secevent+jwt", 7])
def test_other_tokens_of_the_issuer_are_no_id_tokens(typ: object) -> None:
    with pytest.raises(IdTokenRefused):
        read(signed_raw({"alg": "RS256", "kid": "rsa", "typ": typ}))


def test_what_must_be_understood_and_is_not_refuses() -> None:
    for header in ({"crit": ["b64"], "b64": False}, {"crit": ["x"], "x": 1}, {"b64": True}):
        with pytest.raises(IdTokenRefused):
            read(signed_raw({"alg": "RS256", "kid": "rsa", **header}))


def signed_raw(header: dict[str, Any]) -> str:
    """Signed by the issuer, with a header that a library would not write."""
    text = f"{encoded(header)}.{encoded(CLAIMS)}"
    private: Any = RSA.private_key
    signature = private.sign(text.encode(), padding.PKCS1v15(), SHA256())
    return f"{text}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def test_altered_ones_are_noticed() -> None:
    assert read(signed_raw({"alg": "RS256", "kid": "rsa", "typ": "JWT"})) == "7"
    head, body, signature = signed().split(".")
    for token in (
        f"{head}.{encoded(changed(sub='8'))}.{signature}",
        f"{encoded({'alg': 'RS256', 'kid': 'ec'})}.{body}.{signature}",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature}.x.y",
        f"{head}..{signature}",
        "",
        "..",
        "x" * 70_000,
        f"{head}.{body}.{signature[:-4]}AAAA",
    ):
        with pytest.raises(IdTokenRefused):
            read(token)
    for content in (b"[]", b"null", b'"x"', b"{", b"\xff"):
        with pytest.raises(IdTokenRefused):
            read(serialize_compact({"alg": "RS256", "kid": "rsa"}, content, RSA))


def test_factors_are_told_apart() -> None:
    token = verify(signed(changed(amr=["pwd", "mfa"], acr="gold")), KEYS, ALLOWED, EXPECTED, NOW)
    assert token.has_factor({"mfa"}, ())
    assert token.has_factor((), ("gold",))
    assert not token.has_factor({"hwk"}, ("silver",))
    assert not token.has_factor((), ())
    odd = verify(signed(changed(amr="mfa", acr=["gold"])), KEYS, ALLOWED, EXPECTED, NOW)
    assert not odd.has_factor({"mfa", "m"}, ("gold",))


def test_keys_that_are_not_for_signatures_are_left_out() -> None:
    document = {
        "keys": [
            {**RSA.as_dict(private=False), "use": "enc", "kid": "enc"},
            {"kty": "oct", "k": "c2VjcmV0", "kid": "oct"},
            {"kty": "EC", "crv": "P-1", "x": "AA", "y": "AA", "kid": "odd"},
            {"kty": "XX", "kid": "unknown"},
            {**EC.as_dict(private=True), "kid": "leaked"},
            {**RSA.as_dict(private=False), "x5c": ["MII"], "x5t": "x", "alg": "RS256"},
        ]
    }
    found = public_keys(json.dumps(document).encode())
    assert [(key.kid, key.algorithm) for key in found] == [("rsa", "RS256")]
    assert read(signed(), keys=list(found)) == "7"
    for nothing in (b"", b"[]", b"{}", b'{"keys": 7}', b'{"keys": []}', b'{"keys": [7]}'):
        with pytest.raises(Unavailable):
            public_keys(nothing)


def test_a_discovery_document_is_of_its_issuer() -> None:
    good = {
        "issuer": "https://i.example",
        "authorization_endpoint": "https://i.example/a",
        "token_endpoint": "https://i.example/t",
        "jwks_uri": "https://i.example/j",
    }
    assert read_metadata(json.dumps(good).encode(), "https://i.example").end_session_endpoint is None
    for wrong in (
        {"issuer": "https://i.example/"},
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://i.example/t"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": None},
    ):
        with pytest.raises(Unavailable):
            read_metadata(json.dumps({**good, **wrong}).encode(), "https://i.example")
