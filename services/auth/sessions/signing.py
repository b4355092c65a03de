"""Access tokens: signed with Ed25519 by a key that all replicas share."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from joserfc.jws import extract_compact, validate_compact
from joserfc.util import urlsafe_b64encode

from libs.common import permissions
from libs.common.security.tokens import (
    ACCESS_TOKEN,
    ALGORITHM,
    AUDIENCE,
    ISSUER,
    PORTAL,
    Claims,
    token_registry,
)
from services.auth.identity.models import Identity
from services.auth.sessions.models import KeySetResponse, PublicKey

CHALLENGE = "challenge+jwt"
"""The type of tokens that say that a password was right; no access token, nor the reverse."""
CHALLENGE_AUDIENCE = f"{AUDIENCE}/second-factor"


def generate_seed() -> bytes:
    """The 32 bytes that are an Ed25519 private key (RFC 8032 5.1.5)."""
    return secrets.token_bytes(32)


class TokenSigner:
    """Signs access tokens; `kid` is the key's thumbprint (RFC 7638)."""

    def __init__(self, seed: bytes) -> None:
        """`seed` is what `generate_seed` made."""
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        self._key = OKPKey.import_key(
            {"kty": "OKP", "crv": "Ed25519", "x": _base64url(public), "d": _base64url(seed)},
            {"use": "sig", "alg": ALGORITHM},
        )
        self.kid = self._key.thumbprint()
        self._seed = seed
        self._registry = token_registry()

    def sign(
        self,
        identity: Identity,
        now: datetime,
        lifetime: timedelta,
        *,
        session_id: UUID | None = None,
        client_id: str = PORTAL,
        scope: str | None = None,
    ) -> str:
        """A token that says who `identity` is, from `now` until `lifetime` has passed.

        `session_id` is that of a person's sign-in, `client_id` names a machine, or the application to which
        `scope` limits the token. Who must change their password gets one that opens nothing else.
        """
        bound = identity.must_change_password
        claims = Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=str(identity.id),
            username=identity.username,
            staff=identity.staff,
            groups=list(identity.groups),
            perm="" if bound else permissions.encode(identity.permissions),
            collections={} if bound else dict(identity.collections),
            collection=identity.default_collection,
            sid=None if session_id is None else session_id.hex,
            client_id=client_id,
            scope=scope,
            ver=identity.access_version,
            password_change=True if bound else None,
            iat=int(now.timestamp()),
            exp=int((now + lifetime).timestamp()),
            jti=secrets.token_urlsafe(16),
        )
        return jwt.encode(
            {"alg": ALGORITHM, "kid": self.kid, "typ": ACCESS_TOKEN},
            claims.model_dump(exclude_none=True),
            self._key,
            registry=self._registry,
        )

    def sign_challenge(self, challenge_id: UUID, now: datetime, lifetime: timedelta) -> str:
        """A token that names a sign-in which waits for its second factor, and nobody."""
        claims = {
            "iss": ISSUER,
            "aud": CHALLENGE_AUDIENCE,
            "jti": challenge_id.hex,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
        }
        headers = {"alg": ALGORITHM, "kid": self.kid, "typ": CHALLENGE}
        return jwt.encode(headers, claims, self._key, registry=self._registry)

    def read_challenge(self, token: str, now: datetime) -> UUID | None:
        """Which sign-in it names; None for whatever `sign_challenge` did not make, or made too long ago."""
        try:
            signed = extract_compact(token.encode("ascii"), registry=self._registry)
            if signed.headers() != {"alg": ALGORITHM, "kid": self.kid, "typ": CHALLENGE}:
                return None
            if not validate_compact(signed, self._key, registry=self._registry):
                return None
            claims = orjson.loads(signed.payload or b"")
            good = claims["aud"] == CHALLENGE_AUDIENCE and claims["exp"] > now.timestamp()
            return UUID(hex=claims["jti"]) if good else None
        # A hostile header can be any JSON value, which joserfc meets with Python's own errors.
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def derived(self, purpose: str, length: int = 32) -> bytes:
        """So many bytes that all replicas have, and which tell nothing of the key (RFC 5869)."""
        return HKDF(SHA256(), length, salt=None, info=purpose.encode()).derive(self._seed)

    def public_key(self) -> PublicKey:
        """The public half, for verifiers."""
        return PublicKey.model_validate({**self._key.as_dict(private=False), "kid": self.kid})


def key_set_of(signers: Iterable[TokenSigner]) -> KeySetResponse:
    """The public halves, for verifiers."""
    return KeySetResponse(keys=[signer.public_key() for signer in signers])


def _base64url(data: bytes) -> str:
    return urlsafe_b64encode(data).decode()
