"""SQL of accounts as administrators see them. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import orjson

from libs.common import permissions
from libs.common.database.bounded import Parameters, fetch_planned
from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.identity.models import User, UserChange, UserQuery
from services.auth.identity.policy import Given, Target
from services.auth.users.places import UserPlace

_USER = """
    SELECT u.id, u.username, u.first_name, u.last_name, u.email, u.kind, u.is_staff, u.is_superuser,
        u.is_active, u.must_change_password,
        EXISTS (SELECT FROM auth.totp WHERE user_id = u.id AND confirmed_at IS NOT NULL) AS second_factor,
        u.language, u.default_collection, u.date_joined, u.last_login,
        coalesce((SELECT jsonb_agg(jsonb_build_object('id', g.id, 'name', g.name) ORDER BY g.name)
                  FROM auth.auth_group AS g JOIN auth.auth_user_groups AS m ON m.group_id = g.id
                  WHERE m.user_id = u.id), '[]')::text AS groups,
        ARRAY(SELECT p.codename FROM auth.auth_permission AS p
              JOIN auth.auth_user_user_permissions AS up ON up.permission_id = p.id
              WHERE up.user_id = u.id ORDER BY 1) AS permissions
    FROM auth.auth_user AS u
"""
_GET = f"{_USER} WHERE u.id = $1"
_ORDERS = {
    # What is sorted by, and how the same is read from a cursor.
    "username": ("lower(u.username)", "lower({key})"),
    "last_login": ("coalesce(u.last_login, '-infinity')", "{key}::text::timestamptz"),
    "date_joined": ("u.date_joined", "{key}::text::timestamptz"),
}
_LOCK_TARGET = """
    SELECT u.id, u.username, u.is_superuser, u.is_staff, u.password,
        ARRAY(
            SELECT p.codename FROM auth.auth_permission AS p
            WHERE p.id IN (SELECT permission_id FROM auth.auth_user_user_permissions WHERE user_id = u.id)
               OR p.id IN (SELECT g.permission_id FROM auth.auth_group_permissions AS g
                           JOIN auth.auth_user_groups AS m USING (group_id) WHERE m.user_id = u.id)
        ) AS permissions
    FROM auth.auth_user AS u WHERE u.id = $1 FOR UPDATE
"""
# Accounts are locked in the order of their ids everywhere: nobody waits for each other in a circle, and two
# administrators that demote each other do not both succeed.
_LOCK_SUPERUSERS = """
    SELECT id, is_superuser AND is_active AS superuser FROM auth.auth_user
    WHERE id = $1 OR (is_superuser AND is_active) ORDER BY id FOR UPDATE
"""
_LOCK_ALL = "SELECT FROM auth.auth_user WHERE id = ANY ($1::integer[]) ORDER BY id FOR UPDATE"
_CHANGE = """
    UPDATE auth.auth_user SET
        first_name = coalesce($2, first_name), last_name = coalesce($3, last_name),
        email = coalesce($4, email), language = coalesce($5, language),
        is_active = coalesce($6, is_active), is_staff = coalesce($7, is_staff),
        is_superuser = coalesce($8, is_superuser),
        must_change_password = coalesce($9, must_change_password)
    WHERE id = $1
"""
_SET_GROUPS = """
    WITH wanted AS (SELECT DISTINCT unnest($2::integer[]) AS group_id), gone AS (
        DELETE FROM auth.auth_user_groups WHERE user_id = $1 AND group_id NOT IN (SELECT group_id FROM wanted)
    )
    INSERT INTO auth.auth_user_groups (user_id, group_id)
    SELECT $1, group_id FROM wanted ON CONFLICT DO NOTHING
"""
_SET_PERMISSIONS = """
    WITH wanted AS (SELECT id FROM auth.auth_permission WHERE codename = ANY ($2::text[])), gone AS (
        DELETE FROM auth.auth_user_user_permissions
        WHERE user_id = $1 AND permission_id NOT IN (SELECT id FROM wanted)
    )
    INSERT INTO auth.auth_user_user_permissions (user_id, permission_id)
    SELECT $1, id FROM wanted ON CONFLICT DO NOTHING
"""
_BUMP_ACCESS = """
    UPDATE auth.auth_user SET access_version = access_version + 1, access_changed_at = clock_timestamp()
    WHERE id = ANY ($1::integer[])
"""
_STORE_HASH = """
    UPDATE auth.auth_user SET password = $2, must_change_password = $3, password_changed_at = now()
    WHERE id = $1
"""
_LET_IN = """
    UPDATE auth.auth_user SET let_in_until = now() + $2 * interval '1 minute' WHERE id = $1
    RETURNING let_in_until
"""
_SET_DEFAULT_COLLECTION = "UPDATE auth.auth_user SET default_collection = $2 WHERE id = $1"
_WHAT_GROUPS_GIVE = """
    SELECT one.id, one.mode, ARRAY(
        SELECT p.codename FROM auth.auth_permission AS p
        JOIN auth.auth_group_permissions AS gp ON gp.permission_id = p.id WHERE gp.group_id = one.id
    ) AS permissions
    FROM auth.auth_group AS one WHERE one.id = ANY ($1::integer[])
"""
_DEFAULT_GROUPS = "SELECT id FROM auth.auth_group WHERE name = 'uploader'"
_GROUPS_OF = "SELECT group_id FROM auth.auth_user_groups WHERE user_id = $1 ORDER BY group_id"
_OWNS_FILES = "SELECT auth.owns_files($1)"
_HOLDS_FILES = "SELECT auth.collection_holds_files($1)"
_DELETE = "DELETE FROM auth.auth_user WHERE id = $1"


async def get_user(connection: Connection, user_id: int) -> User | None:
    """One account."""
    row = await connection.fetchrow(_GET, user_id)
    return None if row is None else _user(row)


def list_statement(query: UserQuery, after: UserPlace | None, limit: int) -> tuple[str, list[Any]]:
    """The accounts after a place, in the order that `query` names, and the values of the statement."""
    parameters = Parameters()
    conditions = _conditions(query, parameters)
    key, read = _ORDERS[query.sort.removeprefix("-")]
    down = query.sort.startswith("-")
    if after is not None:
        place = f"({read.format(key=parameters.add(after.key))}, {parameters.add(after.id)})"
        conditions.append(f"({key}, u.id) {'<' if down else '>'} {place}")
    way = "DESC" if down else "ASC"
    where = " AND ".join(conditions) or "true"
    statement = f"{_USER} WHERE {where} ORDER BY {key} {way}, u.id {way} LIMIT {parameters.add(limit)}"
    return statement, parameters.values


async def list_users(
    connection: Connection, query: UserQuery, after: UserPlace | None, limit: int
) -> list[User]:
    """In the order that `query` names, after `after`."""
    return [_user(row) for row in await fetch_planned(connection, *list_statement(query, after, limit))]


async def count_users(connection: Connection, query: UserQuery, most: int) -> int:
    """How many there are; `most` + 1 for more than `most`."""
    parameters = Parameters()
    where = " AND ".join(_conditions(query, parameters)) or "true"
    rows = f"SELECT FROM auth.auth_user AS u WHERE {where} LIMIT {parameters.add(most + 1)}"
    [row] = await fetch_planned(connection, f"SELECT count(*) FROM ({rows}) AS found", parameters.values)
    count: int = row[0]
    return count


def _conditions(query: UserQuery, parameters: Parameters) -> list[str]:
    conditions = [
        f"u.{name} = {parameters.add(value)}"
        for name, value in (
            ("is_active", query.is_active),
            ("is_staff", query.is_staff),
            ("is_superuser", query.is_superuser),
            ("kind", query.kind),
        )
        if value is not None
    ]
    if query.q is not None:
        sought = parameters.add(query.q.lower())
        texts = ("u.username", "u.email", "u.first_name || ' ' || u.last_name")
        conditions.append("(" + " OR ".join(f"strpos(lower({text}), {sought}) > 0" for text in texts) + ")")
    if query.group is not None:
        group = parameters.add(query.group)
        conditions.append(f"u.id IN (SELECT user_id FROM auth.auth_user_groups WHERE group_id = {group})")
    if query.second_factor is not None:
        holds = "" if query.second_factor else "NOT "
        conditions.append(
            f"{holds}EXISTS (SELECT FROM auth.totp WHERE user_id = u.id AND confirmed_at IS NOT NULL)"
        )
    return conditions


async def lock_target(connection: Connection, user_id: int) -> tuple[Target, str, str] | None:
    """What the account may do, its name and its hash; its row is held until the transaction ends."""
    row = await connection.fetchrow(_LOCK_TARGET, user_id)
    if row is None:
        return None
    held = permissions.ALL if row["is_superuser"] else permissions.known(row["permissions"])
    return Target(row["id"], row["is_superuser"], row["is_staff"], held), row["username"], row["password"]


async def lock_superusers(connection: Connection, user_id: int) -> set[int]:
    """Ids of the active superusers; nobody else changes them, or this account, until the transaction ends."""
    return {row["id"] for row in await connection.fetch(_LOCK_SUPERUSERS, user_id) if row["superuser"]}


async def change_user(connection: Connection, user_id: int, change: UserChange) -> None:
    """Set the fields that `change` names; groups and permissions have statements of their own."""
    await connection.execute(
        _CHANGE,
        user_id,
        change.first_name,
        change.last_name,
        change.email,
        change.language,
        change.is_active,
        change.is_staff,
        change.is_superuser,
        change.must_change_password,
    )


async def set_groups(connection: Connection, user_id: int, group_ids: Sequence[int]) -> None:
    """Make the account a member of these groups and of no others."""
    await connection.execute(_SET_GROUPS, user_id, list(group_ids))


async def set_permissions(connection: Connection, user_id: int, codenames: Sequence[str]) -> None:
    """Give the account these permissions directly, and no others."""
    await connection.execute(_SET_PERMISSIONS, user_id, list(codenames))


async def groups_of(connection: Connection, user_id: int) -> set[int]:
    """Ids of the groups that the account is in."""
    return {row["group_id"] for row in await connection.fetch(_GROUPS_OF, user_id)}


async def default_groups(connection: Connection) -> list[int]:
    """What a new account is in unless somebody says otherwise."""
    return [row["id"] for row in await connection.fetch(_DEFAULT_GROUPS)]


async def what_groups_give(connection: Connection, group_ids: Sequence[int]) -> dict[int, Given]:
    """What members of these groups get; unknown groups are missing."""
    rows = await connection.fetch(_WHAT_GROUPS_GIVE, list(group_ids))
    return {row["id"]: Given(permissions.known(row["permissions"]), row["mode"]) for row in rows}


async def bump_access(connection: Connection, user_ids: Sequence[int]) -> None:
    """Make every access token that these accounts hold one of an earlier version."""
    await connection.execute(_LOCK_ALL, list(user_ids))
    await connection.execute(_BUMP_ACCESS, list(user_ids))


async def set_password(connection: Connection, user_id: int, encoded: str, *, must_change: bool) -> None:
    """Store a new hash."""
    await connection.execute(_STORE_HASH, user_id, encoded, must_change)


async def let_in(connection: Connection, user_id: int, minutes: int) -> datetime:
    """Let an account sign in by password for a while; until when."""
    until: datetime = await connection.fetchval(_LET_IN, user_id, float(minutes))
    return until


async def set_default_collection(connection: Connection, user_id: int, collection: str) -> None:
    """Say where uploads go that name no collection."""
    await connection.execute(_SET_DEFAULT_COLLECTION, user_id, collection)


async def owns_files(connection: Connection, user_id: int) -> bool:
    """Whether anything was ever uploaded by this account."""
    return bool(await connection.fetchval(_OWNS_FILES, user_id))


async def collection_holds_files(connection: Connection, collection: str) -> bool:
    """Whether any file lies in the collection."""
    return bool(await connection.fetchval(_HOLDS_FILES, collection))


async def delete_user(connection: Connection, user_id: int) -> None:
    """Delete the account, with its sessions, keys and memberships."""
    await connection.execute(_DELETE, UserId(user_id))


def _user(row: asyncpg.Record) -> User:
    values: dict[str, Any] = {**dict(row), "groups": orjson.loads(row["groups"])}
    return User.model_validate(values)
