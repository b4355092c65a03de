"""What opens a link, and what its browser shows afterwards: random; the database holds SHA-256. Pure."""

from __future__ import annotations

import hashlib
import secrets

MARK = "dpl_"
"""What a link's token begins with, so that it is recognised in logs, and by scanners for leaked secrets."""
SECRET_BYTES = 32


def new_token() -> str:
    """What opens a new link: 256 random bits."""
    return f"{MARK}{new_session()}"


def new_session() -> str:
    """What a browser keeps of an open link: 256 random bits."""
    return secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> bytes:
    """SHA-256: enough for 256 random bits, which no dictionary holds."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
