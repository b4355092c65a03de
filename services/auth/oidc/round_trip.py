"""What a browser keeps while it is at a provider: sealed, for a few minutes, and good for one return.

The cookie binds the answer to the browser that asked (`state`), to the ID token (`nonce`), to the code
(`verifier`, RFC 7636) and to the provider that was asked, so that another one's answer does not pass for it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import secrets
from typing import Annotated
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from libs.common.ids import new_uuid

SECONDS = 600
"""How long somebody may take at the provider."""
PURPOSE = "openid round trips, version 1"
"""What the sealing key is derived for."""
_NONCE_BYTES = 12
_MOST_CHARACTERS = 4000

Random = Annotated[str, StringConstraints(min_length=43, max_length=128)]


class Linking(BaseModel):
    """Who has asked, signed in, for their account to be linked."""

    model_config = ConfigDict(frozen=True)

    user_id: int
    session_id: UUID


class RoundTrip(BaseModel):
    """One way to a provider and back."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    provider: str
    issuer: str
    state: Random
    nonce: Random
    verifier: Random
    started_at: int
    """Seconds since 1970."""
    next_page: str
    linking: Linking | None = None

    @property
    def challenge(self) -> str:
        """The S256 challenge of the verifier (RFC 7636 4.2)."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def begin(
    provider: str, issuer: str, next_page: str, now: float, linking: Linking | None = None
) -> RoundTrip:
    """Draw what cannot be guessed: 256 bits each."""
    return RoundTrip(
        id=new_uuid(),
        provider=provider,
        issuer=issuer,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        verifier=secrets.token_urlsafe(32),
        started_at=int(now),
        next_page=next_page,
        linking=linking,
    )


class RoundTripSeal:
    """Seals round trips for their cookie: AES-256-GCM under random nonces."""

    def __init__(self, key: bytes) -> None:
        """`key`: 32 bytes that every replica has."""
        self._key = AESGCM(key)

    def seal(self, trip: RoundTrip) -> str:
        """The cookie's value."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._key.encrypt(nonce, trip.model_dump_json().encode(), PURPOSE.encode())
        return base64.urlsafe_b64encode(nonce + sealed).decode()

    def open(self, value: str | None, now: float) -> RoundTrip | None:
        """What `seal` sealed, if it is neither altered nor too old."""
        if not value or len(value) > _MOST_CHARACTERS:
            return None
        try:
            sealed = base64.b64decode(value, b"-_", validate=True)
            content = self._key.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], PURPOSE.encode())
            trip = RoundTrip.model_validate_json(content)
        except (binascii.Error, ValueError, InvalidTag, ValidationError):
            return None
        return trip if -1 <= now - trip.started_at < SECONDS else None
