"""SQL of groups and permissions. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from libs.common.access import group_collection
from libs.common.database.postgres import Connection
from services.auth.groups.models import Group, GroupChange, GroupCreate, PermissionEntry, PermissionUse

_GROUP = """
    SELECT one.id, one.name, one.mode, one.requires_second_factor,
        (SELECT count(*) FROM auth.auth_user_groups WHERE group_id = one.id)::integer AS members,
        ARRAY(SELECT p.codename FROM auth.auth_permission AS p
              JOIN auth.auth_group_permissions AS gp ON gp.permission_id = p.id
              WHERE gp.group_id = one.id ORDER BY 1) AS permissions
    FROM auth.auth_group AS one
"""
_GET = f"{_GROUP} WHERE one.id = $1"
_LIST = f"""{_GROUP}
    WHERE ($1::text IS NULL OR one.name > $1)
      AND ($2::text IS NULL OR strpos(lower(one.name), lower($2)) > 0)
    ORDER BY one.name LIMIT $3
"""
_LOCK = "SELECT id FROM auth.auth_group WHERE id = $1 FOR UPDATE"
_INSERT = """
    INSERT INTO auth.auth_group (name, mode, requires_second_factor) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING id
"""
_CHANGE = """
    UPDATE auth.auth_group SET name = coalesce($2, name), mode = coalesce($3, mode),
        requires_second_factor = coalesce($4, requires_second_factor)
    WHERE id = $1
"""
_DELETE = "DELETE FROM auth.auth_group WHERE id = $1"
_SET_PERMISSIONS = """
    WITH wanted AS (SELECT id FROM auth.auth_permission WHERE codename = ANY ($2::text[])), gone AS (
        DELETE FROM auth.auth_group_permissions
        WHERE group_id = $1 AND permission_id NOT IN (SELECT id FROM wanted)
    )
    INSERT INTO auth.auth_group_permissions (group_id, permission_id)
    SELECT $1, id FROM wanted ON CONFLICT DO NOTHING
"""
_MEMBERS = "SELECT user_id FROM auth.auth_user_groups WHERE group_id = $1 ORDER BY user_id"
_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM auth.auth_group WHERE $1::text IS NULL OR strpos(lower(name), lower($1)) > 0 LIMIT $2
    ) AS found
"""
_PERMISSION = """
    SELECT p.id, p.codename, p.name, kind.app_label, kind.model,
        (SELECT count(*) FROM auth.auth_group_permissions WHERE permission_id = p.id)::integer AS groups,
        (SELECT count(*) FROM auth.auth_user_user_permissions WHERE permission_id = p.id)::integer AS users
    FROM auth.auth_permission AS p JOIN auth.django_content_type AS kind ON kind.id = p.content_type_id
"""
_PERMISSIONS = f"{_PERMISSION} ORDER BY kind.app_label, kind.model, p.codename"
_ONE_PERMISSION = f"{_PERMISSION} WHERE p.codename = $1 ORDER BY p.id LIMIT 1"
_GROUPS_WITH = """
    SELECT one.id, one.name FROM auth.auth_group AS one
    JOIN auth.auth_group_permissions AS gp ON gp.group_id = one.id WHERE gp.permission_id = $1
    ORDER BY one.name LIMIT $2
"""
_USERS_WITH = """
    SELECT u.id, u.username AS name FROM auth.auth_user AS u
    JOIN auth.auth_user_user_permissions AS up ON up.user_id = u.id WHERE up.permission_id = $1
    ORDER BY lower(u.username) LIMIT $2
"""
_MOST_HOLDERS = 100


async def get_group(connection: Connection, group_id: int) -> Group | None:
    """One group."""
    row = await connection.fetchrow(_GET, group_id)
    return None if row is None else _group(row)


async def list_groups(
    connection: Connection, sought: str | None, after: str | None, limit: int
) -> list[Group]:
    """By name, after `after`."""
    return [_group(row) for row in await connection.fetch(_LIST, after, sought, limit)]


async def count_groups(connection: Connection, sought: str | None, most: int) -> int:
    """How many there are; `most` + 1 for more than `most`."""
    count: int = await connection.fetchval(_COUNT, sought, most + 1)
    return count


async def lock_group(connection: Connection, group_id: int) -> bool:
    """Hold its row until the transaction ends; False without such a group."""
    return await connection.fetchval(_LOCK, group_id) is not None


async def insert_group(connection: Connection, wanted: GroupCreate) -> int | None:
    """Its id; None when the name is taken. Permissions have a statement of their own."""
    found: int | None = await connection.fetchval(
        _INSERT, wanted.name, wanted.mode, wanted.requires_second_factor
    )
    return found


async def change_group(connection: Connection, group_id: int, change: GroupChange) -> None:
    """Set what `change` names, but permissions. Raises asyncpg.UniqueViolationError for a taken name."""
    await connection.execute(_CHANGE, group_id, change.name, change.mode, change.requires_second_factor)


async def delete_group(connection: Connection, group_id: int) -> None:
    """Delete it, with its memberships."""
    await connection.execute(_DELETE, group_id)


async def set_permissions(connection: Connection, group_id: int, codenames: Sequence[str]) -> None:
    """Give the group these permissions, and no others."""
    await connection.execute(_SET_PERMISSIONS, group_id, list(codenames))


async def members(connection: Connection, group_id: int) -> list[int]:
    """Ids of its members."""
    return [row["user_id"] for row in await connection.fetch(_MEMBERS, group_id)]


async def list_permissions(connection: Connection) -> list[PermissionEntry]:
    """Every permission there is."""
    return [PermissionEntry.model_validate(dict(row)) for row in await connection.fetch(_PERMISSIONS)]


async def get_permission(connection: Connection, codename: str) -> PermissionUse | None:
    """A permission, and who has it."""
    row = await connection.fetchrow(_ONE_PERMISSION, codename)
    if row is None:
        return None
    groups = await connection.fetch(_GROUPS_WITH, row["id"], _MOST_HOLDERS)
    users = await connection.fetch(_USERS_WITH, row["id"], _MOST_HOLDERS)
    return PermissionUse.model_validate(
        {**dict(row), "held_by_groups": list(map(dict, groups)), "held_by_users": list(map(dict, users))}
    )


def _group(row: asyncpg.Record) -> Group:
    return Group.model_validate({**dict(row), "collection": group_collection(row["id"])})
