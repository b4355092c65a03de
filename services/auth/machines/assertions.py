"""Signed client assertions (RFC 7523): a service account proves who it is without a secret; pure."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from libs.common.errors import InvalidRequest

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ALGORITHMS = ["Ed25519", "EdDSA", "ES256", "ES384", "PS256", "RS256"]
"""Asymmetric ones only: a public key never serves as the secret of an HMAC."""
LONGEST = timedelta(minutes=5)
LEEWAY = timedelta(seconds=5)
MOST_KEYS = 10
_CURVES = frozenset({"Ed25519", "Ed448", "P-256", "P-384"})
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k", "oth"})


class Assertion(NamedTuple):
    """A genuine assertion; it counts once."""

    client_id: str
    jti: str
    expires_at: datetime


def check_jwks(jwks: Mapping[str, Any]) -> None:
    """Raises InvalidRequest unless these are public keys that an assertion may be signed with."""
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MOST_KEYS:
        raise InvalidRequest(f"Send jwks as a JSON Web Key Set of 1 to {MOST_KEYS} keys (RFC 7517 5).")
    if any(not isinstance(key, dict) or key.keys() & _PRIVATE or key.get("kty") == "oct" for key in keys):
        raise InvalidRequest("Send public keys only: kty OKP, EC or RSA, without the private part.")
    try:
        text = orjson.dumps(dict(jwks))
        KeySet.import_key_set(dict(jwks))  # type: ignore[arg-type]  # checked by the library itself
    except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidRequest("One of the keys is no JSON Web Key.") from error
    if rb"\u0000" in text:
        raise InvalidRequest("The keys hold a NUL character, which nothing can keep.")
    if not all(_can_verify(key) for key in keys):
        raise InvalidRequest(f"Send keys that signatures are made with: {', '.join(ALGORITHMS)}.")


def _can_verify(key: Mapping[str, Any]) -> bool:
    """Whether one of our algorithms works with a key that the library reads."""
    return (
        (key["kty"] == "RSA" or key.get("crv") in _CURVES)
        and key.get("use", "sig") == "sig"
        and "verify" in key.get("key_ops", ["verify"])
        and key.get("alg", ALGORITHMS[0]) in ALGORITHMS
    )


def subject_of(assertion: str) -> str | None:
    """The client that an assertion says it is of, unverified: it finds the keys to verify with."""
    parts = assertion.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    subject = claims.get("sub") if isinstance(claims, dict) else None
    return subject if isinstance(subject, str) else None


def verify(
    assertion: str, jwks: Mapping[str, Any], client_id: str, audiences: Sequence[str], now: datetime
) -> Assertion | None:
    """The assertion if it is genuine, of this client, for us, and fresh; else None."""
    try:
        keys = KeySet.import_key_set(dict(jwks))  # type: ignore[arg-type]  # checked when it was stored
        claims = jwt.decode(assertion, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        return None
    expires, jti = claims.get("exp"), claims.get("jti")
    if claims.get("iss") != client_id or claims.get("sub") != client_id:
        return None
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if not any(one in audiences for one in named):
        return None
    if not isinstance(jti, str) or not 8 <= len(jti) <= 255 or not jti.isprintable():
        return None
    if isinstance(expires, bool) or not isinstance(expires, int | float) or not 0 < expires < 253_402_300_799:
        return None
    expires_at = datetime.fromtimestamp(expires, UTC)
    if not now - LEEWAY < expires_at <= now + LONGEST + LEEWAY:
        return None
    return Assertion(client_id, jti, expires_at)
