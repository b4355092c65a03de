"""Lists that cost what they show: the first rows of some collections among many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg

from libs.common.database.postgres import Connection


class Parameters:
    """The values of a statement, collected while its text is put together."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any) -> str:
        """Hand over a value; its name in the statement."""
        self.values.append(value)
        return f"${len(self.values)}"


class Rows(NamedTuple):
    """Which rows, as SQL of the program's own and names of parameters; `table` has a column `collection`.

    Without an `order` any rows will do.
    """

    table: str
    columns: str
    conditions: Sequence[str]
    order: str
    limit: str


def first_rows(collections: Sequence[str] | None, rows: Rows, parameters: Parameters) -> str:
    """A query for the first `rows.limit` of `rows`, in their order, in `collections`; None are all.

    One branch a collection, each of which ends at the limit by an index on (collection, order). For all, one
    walk of the table's own index. The branches are spelled out, not joined to a list: the planner must know
    each collection to know how rare it is. Run it with `fetch_planned`.
    """
    where = " AND ".join(rows.conditions) or "true"
    select = f"SELECT {rows.columns} FROM {rows.table} WHERE {where}"  # noqa: S608  no foreign text
    end = f"{f'ORDER BY {rows.order} ' if rows.order else ''}LIMIT {rows.limit}"
    if collections is None:
        return f"{select} {end}"
    if not collections:
        # Its conditions stay: a statement has to use every value that is handed over.
        return f"{select} AND false {end}"
    branches = [f"({select} AND collection = {parameters.add(name)} {end})" for name in collections]
    return f"SELECT * FROM ({' UNION ALL '.join(branches)}) AS branch {end}"  # noqa: S608  likewise


async def fetch_planned(
    connection: Connection, statement: str, values: Sequence[Any]
) -> list[asyncpg.Record]:
    """Run a statement under a plan made for these values.

    A plan for any values (PostgreSQL makes one after five runs of a named statement) takes every collection
    and every word for averagely frequent, and then reads much to find little.
    """
    unnamed = await connection.prepare(statement, name="")
    return await unnamed.fetch(*values)


async def first_planned(
    connection: Connection, statement: str, values: Sequence[Any]
) -> asyncpg.Record | None:
    """The first row of a statement that is run like `fetch_planned`."""
    rows = await fetch_planned(connection, statement, values)
    return rows[0] if rows else None
