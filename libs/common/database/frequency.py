"""Which words of a search are so frequent beside the others that no index should look for them.

GIN reads every entry of every trigram that it is asked for, however few rows the rarest of them leaves: among
a million rows, a name that a fourth of them have takes milliseconds, while the ten rows that hold a rare
number are looked at in microseconds. The planner takes such a search for cheap, so it has to be told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from libs.common.database.postgres import Connection

ENTRIES_A_ROW = 400
"""Entries of an index that are read in the time that it takes to look at one row."""
WEIGHED_MOST = 8
"""Words that the planner is asked about: of more, those that are left are looked for by index."""

_ROWS = re.compile(r"rows=(\d+) ")
_RUN = re.compile(r"[^\W_]{3,}")
"""What trigrams are made of (pg_trgm): letters and digits next to each other."""


async def frequent_words(
    connection: Connection, table: str, text: str, patterns: Sequence[str]
) -> frozenset[str]:
    """Those of `patterns` of `text` in `table` that are better looked at in the rows that the others find.

    By the planner's statistics: one question for each pattern that an index can look for, none where there is
    but one. What it cannot look for finds no rows, however rare it is.
    """
    asked = [pattern for pattern in dict.fromkeys(patterns) if _trigrams(pattern)][:WEIGHED_MOST]
    if len(asked) < 2:
        return frozenset()
    explain = f"EXPLAIN SELECT FROM {table} WHERE {text} LIKE $1"
    plans = {pattern: await connection.fetchval(explain, pattern) for pattern in asked}
    return too_frequent({pattern: int(_ROWS.findall(plan)[0]) for pattern, plan in plans.items()})


def too_frequent(rows: Mapping[str, int]) -> frozenset[str]:
    """Those of some patterns, which so many rows hold, that cost more by index than rows of the rarest do."""
    rarest = max(1, min(rows.values()))
    return frozenset(
        pattern
        for pattern, held in rows.items()
        if held > rarest and held * _trigrams(pattern) > ENTRIES_A_ROW * rarest
    )


def like(text: str, pattern: str, *, by_index: bool) -> str:
    """The condition that `text` is like the parameter `pattern`, found by index or told by rows alone."""
    return f"{text} LIKE {pattern}" if by_index else f"({text} || '') LIKE {pattern}"


def _trigrams(pattern: str) -> int:
    return sum(len(run) - 2 for run in _RUN.findall(pattern))
