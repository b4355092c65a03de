"""Who sees what: staff see all, everybody else what they own."""

from __future__ import annotations

from uuid import UUID

from libs.common.errors import NotFound
from libs.common.security.tokens import Principal


def visible_owner(caller: Principal) -> int | None:
    """Whose files the caller may see; None means everybody's."""
    return None if caller.staff else caller.user_id


def parse_file_id(text: str) -> UUID:
    """The id in a path. Raises NotFound: what is no id is as unknown as an id of nobody."""
    try:
        file_id = UUID(text)
    except ValueError:
        raise unknown() from None
    if str(file_id) != text.lower():
        raise unknown()
    return file_id


def unknown() -> NotFound:
    """The same answer for an unknown id and for another owner's."""
    return NotFound("You have no result with this id.")
