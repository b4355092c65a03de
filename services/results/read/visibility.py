"""What a viewer may see, as SQL: one place for lists, single rows, counts and changes.

The rule itself is `libs.common.access.Viewer`; the tables that this speaks of have a column `collection`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.common.errors import NotFound

SEEN = "({0}::text[] IS NULL OR collection = ANY ({0}))"
"""Condition for rows that something else picks already; {0} is the parameter of `Viewer.visible`."""


class Parameters:
    """The values of a statement, collected while its text is put together."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> str:
        """Hand over a value; its name in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"


def first_visible(
    viewer: Viewer,
    parameters: Parameters,
    *,
    table: str,
    columns: str,
    conditions: Sequence[str],
    order: str,
    limit: str,
) -> str:
    """A query for the first `limit` rows of `table`, in `order`, that `viewer` may see.

    One branch a collection, each of which ends at `limit` by an index on (collection, order), so that seeing
    little among many rows costs little. Who sees all walks the table's own index. The branches are spelled
    out, not joined to a list: the planner must know each collection to know how rare it is (`fetch_planned`).
    """
    # Text of this program's own, and names of parameters.
    select = f"SELECT {columns} FROM {table} WHERE {' AND '.join(conditions) or 'true'}"  # noqa: S608
    end = f"ORDER BY {order} LIMIT {limit}"
    if viewer.visible is None:
        return f"{select} {end}"
    branches = [f"({select} AND collection = {parameters.add(name)} {end})" for name in viewer.visible]
    return f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS branch {end}"  # noqa: S608


async def fetch_planned(
    connection: Connection, statement: str, values: Sequence[Any]
) -> list[asyncpg.Record]:
    """Run a statement under a plan made for these values.

    A plan for any values (PostgreSQL makes one after five runs of a named statement) takes every collection
    and every word for averagely frequent, and then reads much to find little.
    """
    unnamed = await connection.prepare(statement, name="")
    return await unnamed.fetch(*values)


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
