"""SQL of sessions and signing keys. Every function takes a connection and never commits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.sessions.models import Session

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
_REVOKE_ALL = """
    UPDATE auth.auth_session SET revoked_at = clock_timestamp()
    WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2
"""
_BURY_USER = """
    INSERT INTO auth.buried_user (user_id, access_version, buried_at)
    SELECT id, access_version + 1, clock_timestamp() FROM auth.auth_user WHERE id = $1
"""
_DELETE_EXPIRED = "DELETE FROM auth.auth_session WHERE expires_at < now()"
_INSERT_KEY = "INSERT INTO auth.signing_key (kid, private_key) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_CURRENT_KEY = "SELECT private_key FROM auth.signing_key WHERE retired_at IS NULL"


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


async def revoke_sessions(connection: Connection, user_id: UserId, *, but: UUID | None = None) -> None:
    """End every session of an account, or every other one."""
    await connection.execute(_REVOKE_ALL, user_id, but)


async def bury_user(connection: Connection, user_id: UserId) -> None:
    """Remember that an account is about to be deleted, for as long as its tokens live."""
    await connection.execute(_BURY_USER, user_id)


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
