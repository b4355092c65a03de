"""Where accounts stand in a list: by what it is sorted by, then by number. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from libs.common.errors import InvalidRequest
from services.auth.identity.models import User, UserSort

NEVER = "-infinity"
_FOREIGN = "This cursor is not one of this list in this order: start again without it."


class UserPlace(NamedTuple):
    """`key` as PostgreSQL reads it: a name, or a moment."""

    key: str
    id: int


def place_of(user: User, sort: UserSort) -> UserPlace:
    """Where `user` stands."""
    name = sort.removeprefix("-")
    if name == "username":
        return UserPlace(user.username, user.id)
    at = user.last_login if name == "last_login" else user.date_joined
    return UserPlace(NEVER if at is None else at.isoformat(), user.id)


def write_place(user: User, sort: UserSort) -> str:
    """Where `user` stands, for the cursor after it."""
    key, number = place_of(user, sort)
    return f"{sort} {number} {key}"


def read_place(text: str, sort: UserSort) -> UserPlace:
    """The place that a cursor tells. Raises InvalidRequest for another order's."""
    of, _, rest = text.partition(" ")
    number, _, key = rest.partition(" ")
    if of != sort or not (number.isascii() and number.isdigit() and 0 < int(number[:11]) < 2**31) or not key:
        raise InvalidRequest(_FOREIGN)
    if sort.removeprefix("-") != "username" and key != NEVER:
        try:
            datetime.fromisoformat(key)
        except ValueError:
            raise InvalidRequest(_FOREIGN) from None
    return UserPlace(key, int(number))
