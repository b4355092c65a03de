"""ID tokens (OpenID Connect Core 2), signed with ES256, which clients of the field verify.

Each signing key has such a key beside it, which is made of it, published, retired and revoked with it.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, derive_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry, extract_compact, validate_compact

from services.auth.provider.models import IdTokenKeyEntry, IdTokenKeySet
from services.auth.sessions.signing import TokenSigner

ALGORITHM = "ES256"
SECRET_BYTES = 48
"""More than the order of the curve, by what makes its remainder even (FIPS 186-5 A.2.1)."""
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of P-256 (SEC 2, 2.4.2)."""


class IdTokenKey:
    """Signs and verifies ID tokens; `kid` is its thumbprint (RFC 7638)."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is SECRET_BYTES long."""
        private = derive_private_key(int.from_bytes(secret) % (_ORDER - 1) + 1, SECP256R1())
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._key = ECKey.import_key(pem, {"use": "sig", "alg": ALGORITHM})
        self._registry = JWSRegistry(algorithms=[ALGORITHM])
        self.kid = self._key.thumbprint()

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The token."""
        headers = {"alg": ALGORITHM, "kid": self.kid, "typ": "JWT"}
        return jwt.encode(headers, dict(claims), self._key, registry=self._registry)

    def claims_of(self, token: str) -> dict[str, Any] | None:
        """What a token says that this key has signed, however old; None for any other."""
        try:
            signed = extract_compact(token.encode("ascii"), registry=self._registry)
            if signed.headers().get("kid") != self.kid:
                return None
            if not validate_compact(signed, self._key, registry=self._registry):
                return None
            claims = orjson.loads(signed.payload or b"")
        # A hostile header can be any JSON value, which joserfc meets with Python's own errors.
        except (JoseError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return claims if isinstance(claims, dict) else None

    def public_key(self) -> IdTokenKeyEntry:
        """The public half, for clients."""
        return IdTokenKeyEntry.model_validate({**self._key.as_dict(private=False), "kid": self.kid})


class IdTokenKeys:
    """The keys that belong to the signing keys, each made once."""

    def __init__(self) -> None:
        """Nothing is made yet."""
        self._made: dict[str, IdTokenKey] = {}

    def of(self, signer: TokenSigner) -> IdTokenKey:
        """The one that belongs to `signer`."""
        if signer.kid not in self._made:
            self._made[signer.kid] = IdTokenKey(signer.derived("id-token", SECRET_BYTES))
        return self._made[signer.kid]

    def published(self, signers: Sequence[TokenSigner]) -> IdTokenKeySet:
        """The public halves, for clients."""
        return IdTokenKeySet(keys=[self.of(signer).public_key() for signer in signers])

    def claims_of(self, signers: Sequence[TokenSigner], token: str) -> dict[str, Any] | None:
        """What a token of ours says; None for one that no published key has signed."""
        return next((found for one in signers if (found := self.of(one).claims_of(token)) is not None), None)


def at_hash(access_token: str) -> str:
    """Which access token an ID token came with (OpenID Connect Core 3.1.3.6)."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode()
