"""All SQL of the auth service. Every function takes a connection and never commits."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from uuid import UUID

import asyncpg

from libs.common.database.migrations import Migrations
from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.models import Account, Identity, Session

MIGRATIONS = Migrations("auth", Path(__file__).parent / "migrations")

_LOCK_BOOTSTRAP = "SELECT pg_advisory_xact_lock(hashtext('auth.bootstrap'))"

_FIND_ACCOUNT = "SELECT id, password, is_active FROM auth.auth_user WHERE lower(username) = lower($1)"
_IDENTITY = """
    SELECT u.id, u.username, u.is_staff OR u.is_superuser AS staff, u.first_name, u.last_name, u.email,
        ARRAY(SELECT group_id FROM auth.auth_user_groups WHERE user_id = u.id ORDER BY group_id) AS groups,
        ARRAY(
            SELECT p.content_type || '.' || p.codename FROM auth.auth_permission p
            WHERE p.id IN (SELECT permission_id FROM auth.auth_user_user_permissions WHERE user_id = u.id)
               OR p.id IN (SELECT g.permission_id FROM auth.auth_group_permissions g
                           JOIN auth.auth_user_groups m USING (group_id) WHERE m.user_id = u.id)
            ORDER BY 1
        ) AS permissions
    FROM auth.auth_user u
    WHERE u.id = $1 AND u.is_active
"""
_NOTE_LOGIN = "UPDATE auth.auth_user SET last_login = now() WHERE id = $1"
_REPLACE_HASH = "UPDATE auth.auth_user SET password = $3 WHERE id = $1 AND password = $2"
_INSERT_USER = """
    INSERT INTO auth.auth_user (username, password, is_staff, is_superuser) VALUES ($1, $2, $3, $4)
    ON CONFLICT DO NOTHING
    RETURNING id
"""
_HAS_SUPERUSER = "SELECT EXISTS (SELECT FROM auth.auth_user WHERE is_superuser)"

_INSERT_SESSION = """
    INSERT INTO auth.auth_session (id, user_id, token_hash, expires_at)
    VALUES ($1, $2, $3, now() + $4 * interval '1 second')
    RETURNING expires_at
"""
_LOCK_SESSION = """
    SELECT id, user_id, token_hash, previous_hash, rotation_salt, rotated_at, expires_at, revoked_at,
        clock_timestamp() AS now
    FROM auth.auth_session WHERE id = $1 FOR UPDATE
"""
_ROTATE_SESSION = """
    UPDATE auth.auth_session
    SET token_hash = $2, previous_hash = token_hash, rotation_salt = $3, rotated_at = clock_timestamp()
    WHERE id = $1
"""
_REVOKE_SESSION = "UPDATE auth.auth_session SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
_REVOKE_BY_HOLDER = """
    UPDATE auth.auth_session SET revoked_at = now()
    WHERE id = $1 AND revoked_at IS NULL AND (token_hash = $2 OR previous_hash = $2)
"""
_DELETE_EXPIRED = "DELETE FROM auth.auth_session WHERE expires_at < now()"

_INSERT_KEY = "INSERT INTO auth.signing_key (kid, private_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_CURRENT_KEY = "SELECT private_key FROM auth.signing_key WHERE retired_at IS NULL"


async def lock_bootstrap(connection: Connection) -> None:
    """One replica at a time, until its transaction ends."""
    await connection.execute(_LOCK_BOOTSTRAP)


async def find_account(connection: Connection, username: str) -> Account | None:
    """By name, whatever its case."""
    row = await connection.fetchrow(_FIND_ACCOUNT, username)
    return None if row is None else Account(**dict(row))


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


async def insert_session(
    connection: Connection, session_id: UUID, user_id: UserId, token_hash: bytes, seconds: int
) -> datetime:
    """Begin a session; when it ends."""
    expires_at: datetime = await connection.fetchval(
        _INSERT_SESSION, session_id, user_id, token_hash, float(seconds)
    )
    return expires_at


async def lock_session(connection: Connection, session_id: UUID) -> Session | None:
    """Read a session and hold its row until the transaction ends."""
    row = await connection.fetchrow(_LOCK_SESSION, session_id)
    return None if row is None else Session(**dict(row))


async def rotate_session(connection: Connection, session_id: UUID, token_hash: bytes, salt: bytes) -> None:
    """Make `token_hash` the current one and the current one the previous."""
    await connection.execute(_ROTATE_SESSION, session_id, token_hash, salt)


async def revoke_session(connection: Connection, session_id: UUID) -> None:
    """End a session."""
    await connection.execute(_REVOKE_SESSION, session_id)


async def revoke_by_holder(connection: Connection, session_id: UUID, token_hash: bytes) -> None:
    """End a session for whoever holds its current or its previous token."""
    await connection.execute(_REVOKE_BY_HOLDER, session_id, token_hash)


async def delete_expired_sessions(connection: Connection) -> None:
    """Forget sessions whose time is over."""
    await connection.execute(_DELETE_EXPIRED)


async def insert_signing_key(connection: Connection, kid: str, seed: bytes) -> None:
    """Insert the key unless there is a current one."""
    await connection.execute(_INSERT_KEY, kid, seed)


async def current_signing_key(connection: Connection) -> bytes | None:
    """The seed of the key that signs now."""
    seed: bytes | None = await connection.fetchval(_CURRENT_KEY)
    return seed


def _identity(row: asyncpg.Record) -> Identity:
    values = dict(row)
    return Identity(**{**values, "groups": tuple(row["groups"]), "permissions": tuple(row["permissions"])})
