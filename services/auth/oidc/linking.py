"""Identities of accounts: linked and unlinked by their owners and by administrators, never by a likeness."""

from __future__ import annotations

from uuid import UUID

from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, NotFound
from libs.common.ids import new_uuid
from services.auth import admin_log
from services.auth.identity.policy import Actor, Target, require_above, require_not_self
from services.auth.oidc import store
from services.auth.oidc.models import LinkedIdentity
from services.auth.oidc.providers import Provider
from services.auth.users import store as users
from services.auth.users.users import UNKNOWN, USER, require_above_in_groups

UNKNOWN_IDENTITY = "This account has no such identity."


class Identities:
    """The use cases; each is one transaction, an administrator's with its line in the log."""

    def __init__(self, database: Database) -> None:
        """`database` logs in as the auth role."""
        self._database = database

    async def listed(self, user_id: int) -> list[LinkedIdentity]:
        """Of one account. Raises NotFound for an unknown one."""
        async with self._database.connection() as connection:
            if await users.get_user(connection, user_id) is None:
                raise NotFound(UNKNOWN)
            return await store.listed(connection, user_id)

    async def require_password(self, user_id: int) -> None:
        """Raises Conflict for an account that has none to prove itself with."""
        async with self._database.connection() as connection:
            usable = await store.has_password(connection, user_id)
        if not usable:
            raise Conflict(
                "This account has no password to prove itself with: ask an administrator.",
                code="own-password-missing",
            )

    async def unlink_own(self, user_id: int, identity_id: UUID) -> None:
        """Unlink one's own. Raises NotFound, or Conflict for the only way in."""
        async with self._database.transaction() as connection:
            await users.lock_target(connection, user_id)
            if not await store.delete(connection, identity_id, user_id):
                raise NotFound(UNKNOWN_IDENTITY)
            if not await store.has_password(connection, user_id) and not await store.listed(
                connection, user_id
            ):
                raise Conflict(
                    "This is the only way into your account: ask an administrator.", code="only-way-in"
                )
            await note_done(connection, "identity", identity_id, change="deleted")

    async def link(self, actor: Actor, user_id: int, provider: Provider, subject: str) -> LinkedIdentity:
        """Link somebody else's account to who they are at a provider.

        Raises NotFound, PermissionDenied or Conflict.
        """
        async with self._database.transaction() as connection:
            target, username = await _lock(connection, user_id)
            require_not_self(actor, target)
            # Who can come as the subject can be that account.
            await require_above_in_groups(connection, actor, target)
            user = await users.get_user(connection, user_id)
            if user is None or user.kind != "person":
                raise Conflict("A service account has no identity at a provider.")
            identity_id = new_uuid()
            if not await store.insert(connection, identity_id, user_id, provider.issuer, subject):
                raise Conflict("An account is linked to this identity already.", code="identity-taken")
            await _note(connection, actor, user_id, username)
            return next(one for one in await store.listed(connection, user_id) if one.id == identity_id)

    async def unlink(self, actor: Actor, user_id: int, identity_id: UUID) -> None:
        """Unlink an identity; sessions that were begun with it end. Raises NotFound or PermissionDenied."""
        async with self._database.transaction() as connection:
            target, username = await _lock(connection, user_id)
            require_above(actor, target)
            if not await store.delete(connection, identity_id, user_id):
                raise NotFound(UNKNOWN_IDENTITY)
            await _note(connection, actor, user_id, username)


async def _lock(connection: Connection, user_id: int) -> tuple[Target, str]:
    found = await users.lock_target(connection, user_id)
    if found is None:
        raise NotFound(UNKNOWN)
    return found[0], found[1]


async def _note(connection: Connection, actor: Actor, user_id: int, username: str) -> None:
    await admin_log.note(
        connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, ["identities"]
    )
