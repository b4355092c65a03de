"""Names: of people and groups to share with, and of the owners that lists show by id."""

from __future__ import annotations

from collections.abc import Sequence

from libs.common.database.postgres import Connection
from services.auth.identity.models import DirectoryEntry

# The beginning of a name comes before its middle.
_SEARCH = """
    SELECT kind, id, name, full_name FROM (
        SELECT 'user' AS kind, id, username AS name, trim(first_name || ' ' || last_name) AS full_name
        FROM auth.auth_user
        WHERE is_active AND kind = 'person' AND (strpos(lower(username), $1) > 0
            OR strpos(lower(first_name || ' ' || last_name), $1) > 0)
        UNION ALL
        SELECT 'group', id, name, '' FROM auth.auth_group WHERE strpos(lower(name), $1) > 0
    ) AS found
    ORDER BY NOT starts_with(lower(name), $1), lower(name), kind LIMIT $2
"""
_NAMES = """
    SELECT 'user' AS kind, id, username AS name, trim(first_name || ' ' || last_name) AS full_name
    FROM auth.auth_user WHERE id = ANY ($1::bigint[])
    UNION ALL
    SELECT 'group', id, name, '' FROM auth.auth_group WHERE id = ANY ($2::bigint[])
    ORDER BY 1, 2
"""


async def search(connection: Connection, sought: str, limit: int) -> list[DirectoryEntry]:
    """Active people and groups with `sought` in their name, in any case."""
    rows = await connection.fetch(_SEARCH, sought.lower(), limit)
    return [DirectoryEntry.model_validate(dict(row)) for row in rows]


async def names(
    connection: Connection, user_ids: Sequence[int], group_ids: Sequence[int]
) -> list[DirectoryEntry]:
    """The names of these, closed accounts included; unknown ids are missing."""
    rows = await connection.fetch(_NAMES, list(user_ids), list(group_ids))
    return [DirectoryEntry.model_validate(dict(row)) for row in rows]
