"""Groups: who is together, what members may do, and what they may see of the group's collection."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from libs.common import permissions
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, InvalidRequest, NotFound
from libs.common.permissions import Permission
from services.auth import admin_log
from services.auth.groups import store
from services.auth.groups.models import Group, GroupChange, GroupCreate, PermissionEntry, PermissionUse
from services.auth.identity.models import MOST_COUNTED
from services.auth.identity.policy import Actor, GroupMode, name_taken, require_has, require_reaches
from services.auth.users import store as users

GROUP = ("auth", "group")
UNKNOWN = "There is no group with this id."
UNKNOWN_PERMISSION = "There is no permission of this name."
MODES: tuple[GroupMode, ...] = ("none", "view", "manage")
"""Each opens more than the one before."""


class Groups:
    """The use cases of groups; each is one transaction with its line in the log."""

    def __init__(self, database: Database, *, second_factors: bool) -> None:
        """`database` logs in as the auth role; `second_factors`: whether anybody can set one up."""
        self._database = database
        self._second_factors = second_factors

    async def get(self, group_id: int) -> Group:
        """One group. Raises NotFound."""
        async with self._database.connection() as connection:
            return await _require(connection, group_id)

    async def search(self, sought: str | None, after: str | None, limit: int) -> list[Group]:
        """Groups by name, after `after`."""
        async with self._database.connection() as connection:
            return await store.list_groups(connection, sought, after, limit)

    async def count(self, sought: str | None) -> int | None:
        """How many groups `search` finds; None for more than MOST_COUNTED."""
        async with self._database.connection() as connection:
            found = await store.count_groups(connection, sought, MOST_COUNTED)
        return found if found <= MOST_COUNTED else None

    async def permission(self, codename: str) -> PermissionUse:
        """Where a permission is given. Raises NotFound."""
        async with self._database.connection() as connection:
            found = await store.get_permission(connection, codename)
        if found is None:
            raise NotFound(UNKNOWN_PERMISSION)
        return found

    async def permissions(self) -> list[PermissionEntry]:
        """Every permission there is."""
        async with self._database.connection() as connection:
            return await store.list_permissions(connection)

    async def create(self, actor: Actor, wanted: GroupCreate) -> Group:
        """Make a group. Raises InvalidRequest, PermissionDenied or Conflict (the name is taken)."""
        require_has(actor, _known(wanted.permissions))
        self._require_possible(wanted.requires_second_factor)
        async with self._database.transaction() as connection:
            group_id = await store.insert_group(connection, wanted)
            if group_id is None:
                raise _taken(wanted.name)
            await store.set_permissions(connection, group_id, wanted.permissions)
            await admin_log.note(connection, actor.user_id, GROUP, group_id, wanted.name, admin_log.ADDED)
            return await _require(connection, group_id)

    async def change(self, actor: Actor, group_id: int, change: GroupChange) -> Group:
        """Change a group; its members' tokens are renewed when that changes what they may do.

        Raises NotFound, InvalidRequest, PermissionDenied or Conflict.
        """
        named = {name for name, value in change.model_dump().items() if value is not None}
        self._require_possible(change.requires_second_factor)
        async with self._database.transaction() as connection:
            held = await _lock(connection, group_id)
            require_has(actor, permissions.known(held.permissions))
            if change.permissions is not None:
                require_has(actor, _known(change.permissions) - permissions.known(held.permissions))
            if change.mode is not None and change.mode != held.mode:
                await _require_no_gain(connection, actor, held, change.mode)
            if change.requires_second_factor is False and held.requires_second_factor:
                await _require_no_member(connection, actor, held)
            try:
                await store.change_group(connection, group_id, change)
            except asyncpg.UniqueViolationError as error:
                raise _taken(change.name or "") from error
            # The group that new accounts are in is open to whoever makes them.
            if change.name not in (None, held.name) and group_id in await users.default_groups(connection):
                require_reaches(actor, {held.collection: held.mode})
            if change.permissions is not None:
                await store.set_permissions(connection, group_id, change.permissions)
            if named & {"mode", "permissions"}:
                await users.bump_access(connection, await store.members(connection, group_id))
            await admin_log.note(
                connection, actor.user_id, GROUP, group_id, held.name, admin_log.CHANGED, sorted(named)
            )
            return await _require(connection, group_id)

    async def delete(self, actor: Actor, group_id: int) -> None:
        """Delete a group whose collection is empty. Raises NotFound, PermissionDenied or Conflict."""
        async with self._database.transaction() as connection:
            held = await _lock(connection, group_id)
            require_has(actor, permissions.known(held.permissions))
            if held.requires_second_factor:
                await _require_no_member(connection, actor, held)
            if await users.collection_holds_files(connection, held.collection):
                raise Conflict("Files lie in this group's collection: move them first.", code="holds-files")
            await users.bump_access(connection, await store.members(connection, group_id))
            await store.delete_group(connection, group_id)
            await admin_log.note(connection, actor.user_id, GROUP, group_id, held.name, admin_log.DELETED)

    def _require_possible(self, wanted: bool | None) -> None:
        """Raises Conflict where all members would be locked out."""
        if wanted and not self._second_factors:
            raise Conflict(
                "Nobody can set up a second factor: auth has no keyring (AUTH_KEYRING_FILE).",
                code="no-second-factors",
            )


async def _require(connection: Connection, group_id: int) -> Group:
    group = await store.get_group(connection, group_id)
    if group is None:
        raise NotFound(UNKNOWN)
    return group


async def _lock(connection: Connection, group_id: int) -> Group:
    if not await store.lock_group(connection, group_id):
        raise NotFound(UNKNOWN)
    return await _require(connection, group_id)


async def _require_no_gain(connection: Connection, actor: Actor, held: Group, mode: GroupMode) -> None:
    """A mode opens the group's files to its members: who is one does not change it, but a superuser.

    Nor does, where files lie, whom they are closed to.
    """
    await _require_no_member(connection, actor, held)
    wider = MODES.index(mode) > MODES.index(held.mode)
    if wider and await users.collection_holds_files(connection, held.collection):
        require_reaches(actor, {held.collection: mode})


async def _require_no_member(connection: Connection, actor: Actor, held: Group) -> None:
    if not actor.superuser and actor.user_id in await store.members(connection, held.id):
        raise Conflict("Members do not change what members may do: ask another administrator.")


def _known(codenames: Sequence[str]) -> frozenset[Permission]:
    known = permissions.known(codenames)
    if unknown := sorted(set(codenames) - known):
        raise InvalidRequest(f"There is no permission {', '.join(unknown)}.")
    return known


def _taken(name: str) -> Conflict:
    return name_taken("name", f"There is a group named {name} already.")
