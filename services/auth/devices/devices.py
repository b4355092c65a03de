"""Seeing and ending sessions: one's own, and as an administrator everybody's."""

from __future__ import annotations

from uuid import UUID

from libs.common.audit.acts import note_done
from libs.common.database.postgres import Database
from libs.common.errors import NotFound
from libs.common.ids import UserId
from services.auth import admin_log
from services.auth.devices import store
from services.auth.devices.models import (
    AccountSession,
    AccountSessionQuery,
    DeviceQuery,
    SignedInDevice,
)
from services.auth.identity.policy import Actor, require_above
from services.auth.machines import store as machines
from services.auth.sessions import store as sessions
from services.auth.sessions.throttle import Throttle
from services.auth.users import store as users
from services.auth.users.users import UNKNOWN, USER

SESSION = ("sessions", "session")
UNKNOWN_SESSION = "There is no such session, or it is over."


class Devices:
    """Each act is one transaction; an administrator's has its line in the log."""

    def __init__(self, database: Database, throttle: Throttle, *, idle_seconds: float) -> None:
        """`idle_seconds` is SESSION_IDLE_SECONDS."""
        self._database = database
        self._throttle = throttle
        self._idle_seconds = idle_seconds

    async def listed(self, user_id: int, query: DeviceQuery, limit: int) -> list[SignedInDevice]:
        """Living sessions of an account, newest sign-in first. Raises NotFound for an unknown account."""
        before = None if query.cursor is None else UUID(hex=query.cursor)
        async with self._database.connection() as connection:
            if await users.get_user(connection, user_id) is None:
                raise NotFound(UNKNOWN)
            return await store.list_sessions(connection, user_id, before, self._idle_seconds, limit)

    async def searched(self, query: AccountSessionQuery, limit: int) -> list[AccountSession]:
        """Living sessions of everybody, newest sign-in first."""
        before = None if query.cursor is None else UUID(hex=query.cursor)
        async with self._database.connection() as connection:
            return await store.search_sessions(connection, before, self._idle_seconds, query.q, limit)

    async def end_own(self, user_id: int, session_id: UUID) -> None:
        """End one of one's own sessions. Raises NotFound."""
        async with self._database.transaction() as connection:
            if not await store.end_session(connection, session_id, user_id):
                raise NotFound(UNKNOWN_SESSION)
            await note_done(connection, "session", session_id)

    async def end(self, actor: Actor, user_id: int, session_id: UUID | None) -> None:
        """End a session, or all and the API keys, of an account. Raises NotFound or PermissionDenied."""
        async with self._database.transaction() as connection:
            found = await users.lock_target(connection, user_id)
            if found is None:
                raise NotFound(UNKNOWN)
            target, username, _ = found
            require_above(actor, target)
            if session_id is None:
                await sessions.revoke_sessions(connection, UserId(user_id))
                await machines.revoke_keys(connection, user_id)
            elif not await store.end_session(connection, session_id, user_id):
                raise NotFound(UNKNOWN_SESSION)
            await admin_log.note(
                connection, actor.user_id, SESSION, session_id or user_id, username, admin_log.DELETED
            )

    async def unlock(self, actor: Actor, user_id: int) -> None:
        """Let an account's owner sign in at once, however many wrong passwords came. Raises NotFound."""
        async with self._database.transaction() as connection:
            user = await users.get_user(connection, user_id)
            if user is None:
                raise NotFound(UNKNOWN)
            await self._throttle.lift(connection, user.username)
            await admin_log.note(
                connection, actor.user_id, USER, user_id, user.username, admin_log.CHANGED, ["unlocked"]
            )
