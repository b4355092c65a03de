"""SQL of sessions as people see them. Every function takes a connection and never commits."""

from __future__ import annotations

from uuid import UUID

from libs.common.database.postgres import Connection
from services.auth.devices.models import AccountSession, SignedInDevice

# Ids are UUIDv7: their order is that of the sign-ins.
_LIST = """
    SELECT id, user_agent, remote_address, created_at, last_used_at, expires_at,
        (SELECT name FROM auth.application AS one WHERE one.client_id = auth_session.client_id) AS application
    FROM auth.auth_session
    WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) AND revoked_at IS NULL
        AND expires_at > now() AND last_used_at > now() - $3 * interval '1 second'
    ORDER BY id DESC LIMIT $4
"""
_SEARCH = """
    SELECT s.id, s.user_agent, s.remote_address, s.created_at, s.last_used_at, s.expires_at, s.user_id,
        u.username, one.name AS application
    FROM auth.auth_session AS s JOIN auth.auth_user AS u ON u.id = s.user_id
        LEFT JOIN auth.application AS one ON one.client_id = s.client_id
    WHERE ($1::uuid IS NULL OR s.id < $1) AND s.revoked_at IS NULL
        AND s.expires_at > now() AND s.last_used_at > now() - $2 * interval '1 second'
        AND ($3::text IS NULL OR strpos(lower(u.username), $3) > 0 OR starts_with(s.remote_address, $3))
    ORDER BY s.id DESC LIMIT $4
"""
_END = """
    UPDATE auth.auth_session SET revoked_at = now()
    WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL AND expires_at > now()
    RETURNING true
"""


async def list_sessions(
    connection: Connection, user_id: int, before: UUID | None, idle_seconds: float, limit: int
) -> list[SignedInDevice]:
    """Living sessions of an account, newest first, below `before`."""
    rows = await connection.fetch(_LIST, user_id, before, idle_seconds, limit)
    return [SignedInDevice.model_validate(dict(row)) for row in rows]


async def search_sessions(
    connection: Connection, before: UUID | None, idle_seconds: float, q: str | None, limit: int
) -> list[AccountSession]:
    """Living sessions of everybody, newest first, below `before`; `q` as the query says."""
    sought = None if q is None else q.strip().lower() or None
    rows = await connection.fetch(_SEARCH, before, idle_seconds, sought, limit)
    return [AccountSession.model_validate(dict(row)) for row in rows]


async def end_session(connection: Connection, session_id: UUID, user_id: int) -> bool:
    """End a session of this account; False when there is none such."""
    return bool(await connection.fetchval(_END, session_id, user_id))
