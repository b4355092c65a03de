"""What the database holds of refresh tokens is not enough to make one."""

from __future__ import annotations

import hashlib
import hmac

from libs.common.ids import new_uuid
from services.auth.sessions.rotation import new_salt, new_token


def test_a_successor_cannot_be_computed_from_hash_and_salt() -> None:
    token, salt = new_token(new_uuid()), new_salt()
    following = token.successor(salt)
    known = (token.hash, salt, hashlib.sha256(token.hash).digest())
    guesses = {hmac.digest(key, message, "sha256") for key in known for message in (*known, b"")}
    assert following.secret not in guesses
    assert following.secret == hmac.digest(token.secret, salt, "sha256")
