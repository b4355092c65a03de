"""What a viewer may see, as SQL: one place for lists, single rows, counts and changes.

The rule itself is `libs.common.access.Viewer`; the tables that this speaks of have a column `collection`.
"""

from __future__ import annotations

from uuid import UUID

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, first_rows
from libs.common.errors import NotFound

SEEN = "({0}::text[] IS NULL OR collection = ANY ({0}))"
"""Condition for rows that something else picks already; {0} is the parameter of `Viewer.visible`."""


def first_visible(viewer: Viewer, rows: Rows, parameters: Parameters) -> str:
    """A query for the first of `rows` that `viewer` may see, to be run with `fetch_planned`."""
    return first_rows(viewer.visible, rows, parameters)


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
    """The same answer for an unknown id and for one that the caller may not see."""
    return NotFound("You have no result with this id.")
