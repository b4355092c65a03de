"""Choosing another password by a one-time link: from a mail, or from an administrator."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Database
from libs.common.errors import Conflict, NotFound
from libs.common.ids import UserId, new_uuid
from libs.common.security.passwords import Passwords
from services.auth import admin_log
from services.auth.identity.password_policy import require_good
from services.auth.identity.policy import Actor, require_not_self
from services.auth.machines import store as machines
from services.auth.machines.secrets import hash_secret, new_secret
from services.auth.password_reset import store
from services.auth.password_reset.letters import link
from services.auth.password_reset.models import PasswordLink
from services.auth.sessions import store as sessions
from services.auth.sessions.throttle import Throttle
from services.auth.settings import AuthSettings
from services.auth.users import store as users
from services.auth.users.users import UNKNOWN, USER, require_above_in_groups

OVER = "This link is over: it was used, its time has passed, or the password was changed since."


class Resets:
    """The use cases of a forgotten password; a second factor is asked for after it as before."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        throttle: Throttle,
        settings: AuthSettings,
        wake: Callable[[], None] | None,
    ) -> None:
        """`wake` tells who sends mails that one waits; None: nobody sends any."""
        self._database = database
        self._passwords = passwords
        self._throttle = throttle
        self._base_url = settings.base_url
        self._link_seconds = settings.password_link_seconds
        self._min_length = settings.password_min_length
        self._wake = wake

    async def forgotten(self, name: str, address: str) -> None:
        """Have links sent to the accounts of this name or mail address; nothing tells whether there are any.

        Raises Conflict where no mail is sent, TooManyRequests for the address that asks, or Unavailable.
        """
        if self._wake is None:
            raise Conflict("This system sends no mail: ask an administrator for a link.", code="no-mail")
        name = unicodedata.normalize("NFKC", name).replace("\0", "")
        allowed = await self._throttle.begin_mail(name, address)
        request_id = new_uuid()
        async with self._database.transaction() as connection:
            # Of a name that was asked for too often, the answer and its work are the same.
            found = await store.ask(connection, request_id, name if allowed else "")
            await note_done(connection, "user", *found, throttled=not allowed)
        self._wake()

    async def reset(self, token: str, password: str) -> None:
        """Set the password, and end the account's sessions and API keys.

        Raises NotFound for a link that is over, InvalidRequest for a password that is not good enough, or
        Unavailable.
        """
        token_hash = hash_secret(token)
        async with self._database.connection() as connection:
            found = await store.find_link(connection, token_hash)
        if found is None:
            raise NotFound(OVER, code="reset-link-over")
        about("user", found.user_id)
        require_good(password, found.username, min_length=self._min_length)
        encoded = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            await users.lock_target(connection, found.user_id)
            if not await store.use_link(connection, token_hash):
                raise NotFound(OVER, code="reset-link-over")
            await store.end_links(connection, found.user_id)
            await users.set_password(connection, found.user_id, encoded, must_change=False)
            await users.bump_access(connection, [found.user_id])
            await sessions.revoke_sessions(connection, found.user_id)
            await machines.revoke_keys(connection, found.user_id)
            come_as(f"user:{found.user_id}", f"password-link:{found.id.hex}")
            await note_done(connection, "user", found.user_id)

    async def make_link(self, actor: Actor, user_id: int) -> PasswordLink:
        """A link to give to somebody. Raises NotFound, PermissionDenied or Conflict (a service account).

        Who gives it could use it: it takes what giving a password takes.
        """
        token = new_secret()
        async with self._database.transaction() as connection:
            found = await users.lock_target(connection, user_id)
            user = await users.get_user(connection, user_id)
            if found is None or user is None:
                raise NotFound(UNKNOWN)
            target, username, _ = found
            require_not_self(actor, target)
            await require_above_in_groups(connection, actor, target)
            if user.kind == "service":
                raise Conflict(
                    "A service account has no password: give it another secret.", code="no-password"
                )
            # One at a time: the last that was given out counts.
            await store.end_links(connection, UserId(user_id))
            expires_at = await store.insert_link(
                connection, hash_secret(token), new_uuid(), user_id, actor.user_id, float(self._link_seconds)
            )
            await admin_log.note(
                connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, ["password_link"]
            )
        return PasswordLink(url=link(self._base_url, token), expires_at=expires_at)
