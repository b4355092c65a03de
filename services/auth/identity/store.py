"""SQL of accounts, groups and permissions. Every function takes a connection and never commits."""

from __future__ import annotations

import asyncpg
import orjson

from libs.common import permissions
from libs.common.access import group_collection
from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.identity.models import Account, Identity

_LOCK_BOOTSTRAP = "SELECT pg_advisory_xact_lock(hashtext('auth.bootstrap'))"
_FIND_ACCOUNT = """
    SELECT id, password, is_active, password_changed_at FROM auth.auth_user
    WHERE lower(username) = lower($1) AND kind = 'person'
"""
_LOCK_UNCHANGED = """
    SELECT true FROM auth.auth_user WHERE id = $1 AND password_changed_at IS NOT DISTINCT FROM $2
    FOR NO KEY UPDATE
"""
_IDENTITY = """
    SELECT u.id, u.username, u.is_staff OR u.is_superuser AS staff, u.is_superuser AS superuser,
        u.first_name, u.last_name, u.email, u.language, u.kind, u.default_collection, u.must_change_password,
        u.access_version,
        coalesce((SELECT jsonb_object_agg(one.id, one.mode) FROM auth.auth_group AS one
                  JOIN auth.auth_user_groups AS member ON member.group_id = one.id
                  WHERE member.user_id = u.id), '{}')::text AS groups,
        ARRAY(
            SELECT p.codename FROM auth.auth_permission AS p
            WHERE p.id IN (SELECT permission_id FROM auth.auth_user_user_permissions WHERE user_id = u.id)
               OR p.id IN (SELECT g.permission_id FROM auth.auth_group_permissions AS g
                           JOIN auth.auth_user_groups AS m USING (group_id) WHERE m.user_id = u.id)
        ) AS permissions
    FROM auth.auth_user AS u
    WHERE u.id = $1 AND u.is_active
"""
_NOTE_LOGIN = "UPDATE auth.auth_user SET last_login = now() WHERE id = $1"
_REPLACE_HASH = "UPDATE auth.auth_user SET password = $3 WHERE id = $1 AND password = $2"
_INSERT_USER = """
    WITH made AS (
        INSERT INTO auth.auth_user (username, password, is_staff, is_superuser, password_changed_at)
        VALUES ($1, $2, $3, $4, now())
        ON CONFLICT DO NOTHING
        RETURNING id
    ), joined AS (
        INSERT INTO auth.auth_user_groups (user_id, group_id)
        SELECT made.id, one.id FROM made, auth.auth_group AS one WHERE one.name = 'uploader'
    )
    SELECT id FROM made
"""
_LET_IN = "SELECT let_in_until > now() FROM auth.auth_user WHERE id = $1"
_HAS_SUPERUSER = "SELECT EXISTS (SELECT FROM auth.auth_user WHERE is_superuser)"


async def lock_bootstrap(connection: Connection) -> None:
    """One replica at a time, until its transaction ends."""
    await connection.execute(_LOCK_BOOTSTRAP)


async def find_account(connection: Connection, username: str) -> Account | None:
    """A person's, by name, whatever its case."""
    row = await connection.fetchrow(_FIND_ACCOUNT, username)
    return None if row is None else Account(**dict(row))


async def lock_unchanged(connection: Connection, account: Account) -> bool:
    """Hold the account's row; False when its password has been changed since it was looked at."""
    return bool(await connection.fetchval(_LOCK_UNCHANGED, account.id, account.password_changed_at))


async def is_let_in(connection: Connection, user_id: UserId) -> bool:
    """Whether the operator lets this account sign in by password where that is turned off."""
    return bool(await connection.fetchval(_LET_IN, user_id))


async def get_identity(connection: Connection, user_id: UserId) -> Identity | None:
    """Name, groups and permissions of an active account."""
    row = await connection.fetchrow(_IDENTITY, user_id)
    return None if row is None else _identity(row)


async def note_login(connection: Connection, user_id: UserId) -> None:
    """Set `last_login`."""
    await connection.execute(_NOTE_LOGIN, user_id)


async def replace_hash(connection: Connection, user_id: UserId, old: str, new: str) -> None:
    """Store the same password's new hash, unless the password was changed meanwhile."""
    await connection.execute(_REPLACE_HASH, user_id, old, new)


async def insert_user(
    connection: Connection, username: str, password: str, *, staff: bool, superuser: bool
) -> UserId | None:
    """Insert an account (`password` is the hash); None when the name is taken."""
    found = await connection.fetchval(_INSERT_USER, username, password, staff, superuser)
    return None if found is None else UserId(found)


async def has_superuser(connection: Connection) -> bool:
    """Whether anybody can administer."""
    return bool(await connection.fetchval(_HAS_SUPERUSER))


def _identity(row: asyncpg.Record) -> Identity:
    modes = {int(group): mode for group, mode in orjson.loads(row["groups"]).items()}
    return Identity(
        **{
            **dict(row),
            "groups": tuple(sorted(modes)),
            "permissions": permissions.ALL if row["superuser"] else permissions.known(row["permissions"]),
            "collections": {group_collection(g): mode for g, mode in modes.items() if mode != "none"},
        }
    )
