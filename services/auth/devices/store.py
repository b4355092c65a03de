"""SQL of sessions as people see them. Every function takes a connection and never commits."""

from __future__ import annotations

from uuid import UUID

from libs.common.database.postgres import Connection
from services.auth.devices.models import SignedInDevice

# Ids are UUIDv7: their order is that of the sign-ins.
_LIST = """
    SELECT id, user_agent, remote_address, created_at, last_used_at, expires_at FROM auth.auth_session
    WHERE user_id = $1 AND ($2::uuid IS NULL OR id < $2) AND revoked_at IS NULL
        AND expires_at > now() AND last_used_at > now() - $3 * interval '1 second'
    ORDER BY id DESC LIMIT $4
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


async def end_session(connection: Connection, session_id: UUID, user_id: int) -> bool:
    """End a session of this account; False when there is none such."""
    return bool(await connection.fetchval(_END, session_id, user_id))
