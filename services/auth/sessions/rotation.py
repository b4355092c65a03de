"""Refresh tokens: opaque, used once, and what to do with one that comes again.

A token is `<session>.<secret>`. Its first use replaces it: the next secret is HMAC-SHA256 of the old one
under a random salt which the session keeps. So the old token, coming again within the grace period (another
tab of the same browser, an answer that was lost), is answered with the very same successor, though the
database holds no token, only hashes. A successor younger than the grace period is not replaced either, so
that whatever was sent at about the same moment fits together. Any other secret of a session is a stolen or
copied token at work: the session ends, for the thief and for the owner.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from uuid import UUID

from services.auth.sessions.models import Session

SECRET_BYTES = 32


class Decision(Enum):
    """What a presented refresh token deserves."""

    ROTATE = "the current token: replace it"
    KEEP = "the current token, which has only just replaced another: answer with itself"
    REPEAT = "the token just replaced: answer with its successor"
    REFUSE = "the session is over"
    REVOKE = "an older token: end the session"


@dataclass(frozen=True)
class RefreshToken:
    """What the client holds."""

    session_id: UUID
    secret: bytes
    mark: str = ""
    """What it begins with. An application's has one, so that it is nobody's own, under any release."""

    @property
    def hash(self) -> bytes:
        """SHA-256 of the secret: enough for 256 random bits, which no dictionary holds."""
        return hashlib.sha256(self.mark.encode() + self.secret).digest()

    def encode(self) -> str:
        """The text that travels."""
        return (
            f"{self.mark}{self.session_id.hex}.{base64.urlsafe_b64encode(self.secret).decode().rstrip('=')}"
        )

    def successor(self, salt: bytes) -> RefreshToken:
        """The token that replaces this one; needs the token itself and the session's salt."""
        return RefreshToken(self.session_id, hmac.digest(self.secret, salt, "sha256"), self.mark)


def new_token(session_id: UUID, mark: str = "") -> RefreshToken:
    """The first token of a session."""
    return RefreshToken(session_id, secrets.token_bytes(SECRET_BYTES), mark)


def new_salt() -> bytes:
    """What makes a successor unpredictable to whoever knows only old tokens."""
    return secrets.token_bytes(SECRET_BYTES)


def decode(text: str, mark: str = "") -> RefreshToken | None:
    """Read a token; None for anything that is none."""
    session, _, secret = text.removeprefix(mark).partition(".")
    try:
        token = RefreshToken(UUID(hex=session), base64.b64decode(secret + "=", b"-_", validate=True), mark)
    except ValueError:
        return None
    return token if token.encode() == text else None


def decide(session: Session, token: RefreshToken, grace: timedelta, idle: timedelta) -> Decision:
    """The rule of this module; pure. `idle` is how long a session may go unused."""
    if session.revoked_at is not None or session.expires_at <= session.now:
        return Decision.REFUSE
    if session.last_used_at + idle <= session.now:
        return Decision.REFUSE
    fresh = session.rotated_at is not None and session.now - session.rotated_at < grace
    if hmac.compare_digest(token.hash, session.token_hash):
        return Decision.KEEP if fresh else Decision.ROTATE
    if fresh and session.previous_hash and hmac.compare_digest(token.hash, session.previous_hash):
        return Decision.REPEAT
    return Decision.REVOKE
