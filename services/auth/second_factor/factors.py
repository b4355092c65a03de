"""One's own second factor, and taking away somebody's who has lost it."""

from __future__ import annotations

from uuid import UUID

from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, NotFound, PermissionDenied, Unavailable
from libs.common.ids import UserId
from libs.common.security.principal import Principal
from services.auth import admin_log
from services.auth.identity.own_password import OwnPassword
from services.auth.identity.policy import Actor, require_not_self
from services.auth.second_factor import store
from services.auth.second_factor.checking import Codes, RightCode, wrong_code
from services.auth.second_factor.models import FactorState, NewAuthenticator, RecoveryCodes
from services.auth.sessions import store as sessions
from services.auth.sessions.throttle import Attempt, Throttle
from services.auth.users import store as users
from services.auth.users.users import UNKNOWN, USER, require_above_in_groups

NONE = "This account has no second factor."


class Factors:
    """The use cases of a second factor; no connection is held while a password is hashed."""

    def __init__(
        self, database: Database, own_password: OwnPassword, codes: Codes, throttle: Throttle
    ) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._own_password = own_password
        self._codes = codes
        self._throttle = throttle

    async def state(self, user_id: int) -> FactorState:
        """What one has, and must have."""
        async with self._database.connection() as connection:
            asked = await store.asked(connection, user_id)
        return FactorState(
            enabled=asked.confirmed_at is not None,
            confirmed_at=asked.confirmed_at,
            recovery_codes_left=asked.recovery_codes_left,
            required=asked.required,
        )

    async def begin(self, caller: Principal, address: str, password: str) -> NewAuthenticator:
        """A new authenticator, to be confirmed. Raises Conflict where there is one, or WrongCredentials."""
        await self._own_password.require(caller, address, password)
        async with self._database.transaction() as connection:
            made = await self._codes.begin(connection, caller.user_id, caller.username)
            if made is not None:
                await note_done(connection, "user", caller.user_id, second_factor="begun")
        if made is None:
            raise Conflict("You have a second factor already: remove it first.", code="second-factor-set")
        return made

    async def confirm(self, caller: Principal, address: str, code: str) -> RecoveryCodes:
        """Be asked for it from now on; every other session of the account ends. Raises NotAuthenticated."""
        attempt = await self._throttle.begin_code(caller.username, address)
        try:
            right = await self._codes.first(caller.user_id, code)
            if right is None:
                raise wrong_code()
            new = await self._codes.new_recovery_codes()
        except Unavailable:
            await self._throttle.abandon(attempt)
            raise
        session_id = None if caller.session_id is None else UUID(hex=caller.session_id)
        async with self._database.transaction() as connection:
            await store.lock_user(connection, caller.user_id)
            await self._codes.confirm(connection, caller.user_id, right, new)
            await self._throttle.succeeded(connection, attempt)
            await sessions.revoke_sessions(connection, UserId(caller.user_id), but=session_id)
            if session_id is not None:
                await store.mark_session(connection, session_id)
            await note_done(connection, "user", caller.user_id, second_factor="confirmed")
        return RecoveryCodes(recovery_codes=new.shown)

    async def renew_recovery_codes(
        self, caller: Principal, address: str, password: str, code: str
    ) -> RecoveryCodes:
        """Ten new ones; those of before open nothing.

        Raises NotFound, WrongCredentials or NotAuthenticated.
        """
        attempt, right = await self._prove(caller, address, password, code)
        try:
            new = await self._codes.new_recovery_codes()
        except Unavailable:
            await self._throttle.abandon(attempt)
            raise
        async with self._database.transaction() as connection:
            await self._use(connection, caller, attempt, right)
            await store.replace_recovery(connection, caller.user_id, new.kept)
            await note_done(connection, "user", caller.user_id, second_factor="recovery codes renewed")
        return RecoveryCodes(recovery_codes=new.shown)

    async def remove(self, caller: Principal, address: str, password: str, code: str) -> None:
        """Be asked for the password alone. Raises as above, and PermissionDenied while a group demands it."""
        async with self._database.connection() as connection:
            await _require_optional(connection, caller.user_id)
        attempt, right = await self._prove(caller, address, password, code)
        async with self._database.transaction() as connection:
            await self._use(connection, caller, attempt, right)
            await _require_optional(connection, caller.user_id)
            await store.remove(connection, caller.user_id)
            await note_done(connection, "user", caller.user_id, second_factor="removed")

    async def reset(self, actor: Actor, user_id: int) -> None:
        """Take somebody's second factor away, and end the account's sessions.

        Who takes it away could be that account. Raises NotFound or PermissionDenied.
        """
        async with self._database.transaction() as connection:
            found = await users.lock_target(connection, user_id)
            if found is None:
                raise NotFound(UNKNOWN)
            target, username, _ = found
            # Of one's own, it takes a code.
            require_not_self(actor, target)
            await require_above_in_groups(connection, actor, target)
            if not await store.remove(connection, user_id):
                raise NotFound(NONE)
            await sessions.revoke_sessions(connection, UserId(user_id))
            await admin_log.note(
                connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, ["second_factor"]
            )

    async def _prove(
        self, caller: Principal, address: str, password: str, code: str
    ) -> tuple[Attempt, RightCode]:
        """Password and code are right, and the code not yet used."""
        async with self._database.connection() as connection:
            if (await store.asked(connection, caller.user_id)).confirmed_at is None:
                raise NotFound(NONE)
        await self._own_password.require(caller, address, password)
        attempt = await self._throttle.begin_code(caller.username, address)
        try:
            right = await self._codes.look(caller.user_id, code)
        except Unavailable:
            await self._throttle.abandon(attempt)
            raise
        if right is None:
            raise wrong_code()
        return attempt, right

    async def _use(
        self, connection: Connection, caller: Principal, attempt: Attempt, right: RightCode
    ) -> None:
        await store.lock_user(connection, caller.user_id)
        await self._codes.use(connection, caller.user_id, right)
        await self._throttle.succeeded(connection, attempt)


async def _require_optional(connection: Connection, user_id: int) -> None:
    if await store.is_required(connection, user_id):
        raise PermissionDenied(
            "A group of yours demands a second factor: it stays.", code="second-factor-required"
        )
