"""Putting accounts into groups and taking them out, one at a time."""

from __future__ import annotations

from libs.common.database.postgres import Database
from libs.common.errors import Conflict, NotFound
from services.auth import admin_log
from services.auth.identity.models import MOST_GROUPS
from services.auth.identity.policy import Actor, require_above, require_not_self
from services.auth.users import store
from services.auth.users.users import UNKNOWN, USER, require_may_give


class Memberships:
    """Each change is one transaction with its line in the log, under the rules of `Users.change`."""

    def __init__(self, database: Database) -> None:
        """`database` logs in as the auth role."""
        self._database = database

    async def change(self, actor: Actor, user_id: int, group_id: int, *, member: bool) -> None:
        """Make an account a member, or none any more; what it was already it stays.

        Raises NotFound, InvalidRequest (no such group), PermissionDenied or Conflict (too many groups).
        """
        async with self._database.transaction() as connection:
            found = await store.lock_target(connection, user_id)
            if found is None:
                raise NotFound(UNKNOWN)
            target, username, _ = found
            require_above(actor, target)
            require_not_self(actor, target)
            held = await store.groups_of(connection, user_id)
            if member:
                await require_may_give(connection, actor, [group_id], [])
                if len(held | {group_id}) > MOST_GROUPS:
                    raise Conflict(f"An account is in {MOST_GROUPS} groups at most.", code="too-many-groups")
            wanted = held | {group_id} if member else held - {group_id}
            await store.set_groups(connection, user_id, sorted(wanted))
            await store.bump_access(connection, [user_id])
            await admin_log.note(
                connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, ["groups"]
            )
