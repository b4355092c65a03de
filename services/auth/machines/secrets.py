"""What machines sign in with: random secrets, of which the database holds only SHA-256; pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass

SECRET_BYTES = 32
KEY_MARK = "dk"
"""What an API key begins with, so that it is recognised in logs, and by scanners for leaked secrets."""
_CLIENT_ID = re.compile(r"[a-z0-9-]{1,64}")
_KEY = re.compile(rf"{KEY_MARK}_([0-9a-f]{{12}})_([A-Za-z0-9_-]{{43}})")


@dataclass(frozen=True)
class ApiKey:
    """An API key: `prefix` finds its row and may be shown, `secret` is shown once."""

    prefix: str
    secret: str

    def encode(self) -> str:
        """The text that travels."""
        return f"{KEY_MARK}_{self.prefix}_{self.secret}"


def new_api_key() -> ApiKey:
    """A new one, of 256 random bits."""
    return ApiKey(secrets.token_hex(6), new_secret())


def decode_api_key(text: str) -> ApiKey | None:
    """Read a key; None for anything that is none."""
    match = _KEY.fullmatch(text)
    return None if match is None else ApiKey(match[1], match[2])


def new_secret() -> str:
    """256 random bits as text."""
    return base64.urlsafe_b64encode(secrets.token_bytes(SECRET_BYTES)).rstrip(b"=").decode()


def new_client_id(name: str) -> str:
    """The id of a service account's client: its name, and what makes it unique."""
    return f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')[:40] or 'client'}-{secrets.token_hex(4)}"


def is_client_id(text: str) -> bool:
    """Whether `new_client_id` may have made it."""
    return _CLIENT_ID.fullmatch(text) is not None


def hash_secret(secret: str) -> bytes:
    """SHA-256: enough for 256 random bits, which no dictionary holds."""
    return hashlib.sha256(secret.encode()).digest()


def matches(secret: str, held: bytes | None) -> bool:
    """Whether `secret` has the hash `held`, in constant time."""
    return held is not None and hmac.compare_digest(hash_secret(secret), held)
