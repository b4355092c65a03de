"""Reading an ID token (OpenID Connect Core 1.0 3.1.3.7): who has signed in, if it says so to us and now."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Collection, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from services.auth.oidc.providers import Algorithm

MAX_TOKEN_BYTES = 65_536
LEAST_RSA_BITS = 2048
_CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519"}
_HASHES: Mapping[str, Callable[[bytes], Any]] = {
    "256": hashlib.sha256,
    "384": hashlib.sha384,
    "512": hashlib.sha512,
    "DSA": hashlib.sha512,
}
"""By the end of the algorithm's name; Ed25519 hashes with SHA-512."""
Seconds = Annotated[float, Field(ge=0, le=253_402_300_799)]
"""Since 1970."""


@dataclass(frozen=True)
class PublishedKey:
    """A key of the issuer. `algorithm`: the only one that the issuer says it is for."""

    kid: str | None
    algorithm: str | None
    key: RSAKey | ECKey | OKPKey

    def fits(self, algorithm: Algorithm) -> bool:
        """A key serves one kind of signature: an RSA key is no HMAC secret, a curve no other curve."""
        if self.algorithm not in (None, algorithm, "Ed25519" if algorithm == "EdDSA" else algorithm):
            return False
        if isinstance(self.key, RSAKey):
            return algorithm[:2] in ("RS", "PS") and self.key.public_key.key_size >= LEAST_RSA_BITS
        return _CURVES.get(algorithm) == self.key.curve_name


class IdTokenRefused(Exception):
    """It proves nothing to us; the text says why, for the log."""


class IdClaims(BaseModel):
    """The claims that decide whether the token counts."""

    model_config = ConfigDict(frozen=True)

    iss: str
    sub: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")]
    aud: str | list[str]
    exp: Seconds
    iat: Seconds
    nbf: Seconds | None = None
    nonce: str
    azp: str | None = None
    at_hash: str | None = None


@dataclass(frozen=True)
class Expected:
    """What an ID token must say to be the answer to our question."""

    issuer: str
    client_id: str
    nonce: str
    asked_at: float
    access_token: str
    leeway: float


@dataclass(frozen=True)
class IdToken:
    """A token that is genuine and ours."""

    subject: str
    claims: Mapping[str, Any]

    def has_factor(self, amr: Collection[str], acr: Collection[str]) -> bool:
        """Whether it says that somebody proved themselves in one of these ways (RFC 8176, Core 2)."""
        said = self.claims.get("amr")
        return self.claims.get("acr") in acr or (isinstance(said, list) and any(one in amr for one in said))


def key_id(token: str) -> str | None:
    """The `kid` that a token names, before anything of it is believed. Raises IdTokenRefused."""
    found = _parse(token).headers().get("kid")
    return found if isinstance(found, str) else None


def verify(
    token: str,
    keys: Collection[PublishedKey],
    algorithms: Collection[Algorithm],
    expected: Expected,
    now: float,
) -> IdToken:
    """Check signature and claims; `keys` may have signed it. Raises IdTokenRefused."""
    signed = _parse(token)
    algorithm = _require_signed(signed, keys, algorithms)
    try:
        content = orjson.loads(signed.payload)
        claims = IdClaims.model_validate(content, strict=True)
    except ValidationError as error:
        wrong = ", ".join(str(one["loc"][0]) for one in error.errors() if one["loc"])
        raise IdTokenRefused(f"claims are missing or no good: {wrong}") from None
    except ValueError as error:
        raise IdTokenRefused("no JSON inside") from error
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if claims.iss != expected.issuer:
        raise IdTokenRefused("issued by another")
    if expected.client_id not in audiences:
        raise IdTokenRefused("for another audience")
    if (len(audiences) > 1 or claims.azp is not None) and claims.azp != expected.client_id:
        raise IdTokenRefused("requested by another client")
    if not hmac.compare_digest(claims.nonce.encode(), expected.nonce.encode()):
        raise IdTokenRefused("another nonce")
    if claims.exp <= now - expected.leeway:
        raise IdTokenRefused("expired")
    if max(claims.iat, claims.nbf or 0) > now + expected.leeway:
        raise IdTokenRefused("of the future: see whether both clocks are right")
    if claims.iat < expected.asked_at - expected.leeway:
        raise IdTokenRefused("older than the question")
    if claims.at_hash is not None and claims.at_hash != at_hash(algorithm, expected.access_token):
        raise IdTokenRefused("belongs to another access token")
    return IdToken(claims.sub, content)


def at_hash(algorithm: str, access_token: str) -> str:
    """The left half of an access token's hash (3.1.3.6)."""
    digest: bytes = _HASHES[algorithm[-3:]](access_token.encode()).digest()
    return base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()


def _parse(token: str) -> CompactSignature:
    if len(token) > MAX_TOKEN_BYTES:
        raise IdTokenRefused("too long")
    try:
        return extract_compact(token.encode(), registry=_registry(None))
    except (JoseError, ValueError) as error:
        raise IdTokenRefused("not a signed token") from error


def _require_signed(
    signed: CompactSignature, keys: Collection[PublishedKey], algorithms: Collection[Algorithm]
) -> Algorithm:
    header = signed.headers()
    algorithm = next((one for one in algorithms if one == header.get("alg")), None)
    if algorithm is None:
        raise IdTokenRefused("signed by an algorithm that is not allowed")
    if header.keys() & {"crit", "b64"} or str(header.get("typ", "JWT")).upper() != "JWT":
        raise IdTokenRefused("another kind of token")
    registry = _registry(algorithm)
    try:
        if any(validate_compact(signed, one.key, registry=registry) for one in keys if one.fits(algorithm)):
            return algorithm
    except (JoseError, ValueError) as error:
        raise IdTokenRefused("its signature cannot be read") from error
    raise IdTokenRefused("signed by a key that the issuer does not publish")


def _registry(algorithm: Algorithm | None) -> JWSRegistry:
    """What knows this algorithm and no other; EdDSA is Ed25519 here (RFC 9864)."""
    registry = JWSRegistry(algorithms=[], strict_check_header=False)
    registry.algorithms = {}
    registry.max_header_length, registry.max_payload_length = 4096, MAX_TOKEN_BYTES
    if algorithm is not None:
        known = copy(JWSRegistry.algorithms["Ed25519" if algorithm == "EdDSA" else algorithm])
        known.name = algorithm
        registry.allowed, registry.algorithms = [algorithm], {algorithm: known}
    return registry
