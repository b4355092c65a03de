"""Accounts as administrators change them; each act is one transaction with its line in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from libs.common import permissions
from libs.common.access import group_collection, user_collection
from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, InvalidRequest, NotFound, WrongCredentials
from libs.common.ids import UserId
from libs.common.security.passwords import Passwords
from services.auth import admin_log
from services.auth.identity import store as accounts
from services.auth.identity.models import (
    MOST_COUNTED,
    PasswordChange,
    PasswordSet,
    ProfileChange,
    User,
    UserChange,
    UserCreate,
    UserQuery,
    normal_username,
)
from services.auth.identity.password_policy import require_good
from services.auth.identity.policy import (
    Actor,
    Given,
    Target,
    name_taken,
    require_above,
    require_has,
    require_not_self,
    require_rank,
    require_reaches,
    require_superuser_left,
)
from services.auth.machines import store as machines
from services.auth.password_reset import store as resets
from services.auth.sessions import store as sessions
from services.auth.users import store
from services.auth.users.places import UserPlace

USER = ("auth", "user")
UNKNOWN = "There is no account with this id."
ACCESS_FIELDS = frozenset({"is_active", "is_staff", "is_superuser", "groups", "permissions"})
"""What a change of them does to access tokens: all that were issued before are refused."""


class Users:
    """The use cases of accounts."""

    def __init__(self, database: Database, passwords: Passwords, *, min_length: int) -> None:
        """`min_length` is PASSWORD_MIN_LENGTH."""
        self._database = database
        self._passwords = passwords
        self._min_length = min_length

    async def get(self, user_id: int) -> User:
        """One account. Raises NotFound."""
        async with self._database.connection() as connection:
            return await _require(connection, user_id)

    async def search(self, query: UserQuery, after: UserPlace | None, limit: int) -> list[User]:
        """Accounts in the order of `query`, after `after`."""
        async with self._database.connection() as connection:
            return await store.list_users(connection, query, after, limit)

    async def count(self, query: UserQuery) -> int | None:
        """How many `query` finds; None for more than MOST_COUNTED."""
        async with self._database.connection() as connection:
            found = await store.count_users(connection, query, MOST_COUNTED)
        return found if found <= MOST_COUNTED else None

    async def create(self, actor: Actor, wanted: UserCreate) -> User:
        """Make an account. Raises InvalidRequest, PermissionDenied, Conflict (name taken) or Unavailable."""
        password = wanted.password.get_secret_value()
        try:
            username = normal_username(wanted.username)
        except ValueError as error:
            sentence = f"Choose another user name: {error}."
            raise InvalidRequest(sentence, errors=[{"field": "username", "message": sentence}]) from error
        require_good(password, username, min_length=self._min_length)
        require_rank(actor, staff=wanted.is_staff, superuser=wanted.is_superuser)
        encoded = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            groups = await store.default_groups(connection) if wanted.groups is None else wanted.groups
            await require_may_give(connection, actor, groups, wanted.permissions)
            user_id = await accounts.insert_user(
                connection, username, encoded, staff=wanted.is_staff, superuser=wanted.is_superuser
            )
            if user_id is None:
                raise name_taken(
                    "username",
                    f"There is a user named {username} already (upper and lower case do not matter).",
                )
            change = UserChange.model_validate(
                wanted.model_dump(include=UserChange.model_fields.keys() & UserCreate.model_fields.keys())
            )
            await store.change_user(connection, user_id, change)
            await store.set_groups(connection, user_id, groups)
            await store.set_permissions(connection, user_id, wanted.permissions)
            await admin_log.note(connection, actor.user_id, USER, user_id, username, admin_log.ADDED)
            return await _require(connection, user_id)

    async def change(self, actor: Actor, user_id: int, change: UserChange) -> User:
        """Change an account. Raises NotFound, InvalidRequest, PermissionDenied or Conflict."""
        named = {name for name, value in change.model_dump().items() if value is not None}
        access = named & ACCESS_FIELDS
        async with self._database.transaction() as connection:
            superusers = await store.lock_superusers(connection, user_id) if access else set()
            target, username, _ = await _lock(connection, user_id)
            require_above(actor, target)
            if access:
                require_not_self(actor, target)
            if change.email not in (None, await resets.email_of(connection, user_id)):
                # Links for another password are sent there: it takes what giving a password takes.
                require_not_self(actor, target)
                await require_above_in_groups(connection, actor, target)
                await resets.end_links(connection, user_id)
            require_rank(actor, staff=bool(change.is_staff), superuser=bool(change.is_superuser))
            if change.is_superuser is False or change.is_active is False:
                require_superuser_left(target, len(superusers - {user_id}))
            held = await store.groups_of(connection, user_id)
            await require_may_give(
                connection,
                actor,
                [group for group in change.groups or () if group not in held],
                [name for name in change.permissions or () if name not in target.permissions],
            )
            await store.change_user(connection, user_id, change)
            if change.groups is not None:
                await store.set_groups(connection, user_id, change.groups)
            if change.permissions is not None:
                await store.set_permissions(connection, user_id, change.permissions)
            if change.default_collection is not None:
                await _set_default_collection(connection, user_id, change.default_collection)
            if access or change.must_change_password:
                await store.bump_access(connection, [user_id])
            if change.is_active is False:
                await sessions.revoke_sessions(connection, UserId(user_id))
            await admin_log.note(
                connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, sorted(named)
            )
            return await _require(connection, user_id)

    async def delete(self, actor: Actor, user_id: int) -> None:
        """Delete an account that never uploaded anything. Raises NotFound, PermissionDenied or Conflict."""
        async with self._database.transaction() as connection:
            superusers = await store.lock_superusers(connection, user_id)
            target, username, _ = await _lock(connection, user_id)
            require_not_self(actor, target)
            require_above(actor, target)
            require_superuser_left(target, len(superusers - {user_id}))
            own = user_collection(user_id)
            if await store.owns_files(connection, user_id) or await store.collection_holds_files(
                connection, own
            ):
                raise Conflict(
                    "This account has sent files, or files lie in its collection: deactivate it instead.",
                    code="owns-files",
                )
            await sessions.bury_user(connection, UserId(user_id))
            await store.delete_user(connection, user_id)
            await admin_log.note(connection, actor.user_id, USER, user_id, username, admin_log.DELETED)

    async def set_password(self, actor: Actor, user_id: int, given: PasswordSet) -> None:
        """Give an account a new password and end its sessions and API keys.

        Raises NotFound, InvalidRequest, PermissionDenied or Conflict (a service account has none).
        """
        password = given.password.get_secret_value()
        user = await self.get(user_id)
        if user.kind == "service":
            raise Conflict("A service account has no password: give it another secret.", code="no-password")
        require_good(password, user.username, min_length=self._min_length)
        encoded = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            target, username, _ = await _lock(connection, user_id)
            require_not_self(actor, target)
            await require_above_in_groups(connection, actor, target)
            must_change = given.must_change_password or "view_all_dicomresult" not in actor.permissions
            await store.set_password(connection, user_id, encoded, must_change=must_change)
            await store.bump_access(connection, [user_id])
            await sessions.revoke_sessions(connection, UserId(user_id))
            await machines.revoke_keys(connection, user_id)
            await admin_log.note(
                connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, ["password"]
            )

    async def let_in(self, actor: Actor, user_id: int, minutes: int) -> datetime:
        """Let an account sign in by password for a while, where that is turned off; until when.

        Raises NotFound.
        """
        async with self._database.transaction() as connection:
            _, username, _ = await _lock(connection, user_id)
            until = await store.let_in(connection, user_id, minutes)
            await admin_log.note(
                connection, actor.user_id, USER, user_id, username, admin_log.CHANGED, ["password_sign_in"]
            )
            return until

    async def change_own_password(
        self, user_id: int, session_id: UUID | None, change: PasswordChange
    ) -> None:
        """Change one's own password; every other session of the account ends.

        Raises WrongCredentials, InvalidRequest or Unavailable.
        """
        current, new = change.current_password.get_secret_value(), change.new_password.get_secret_value()
        async with self._database.connection() as connection:
            found = await store.lock_target(connection, user_id)
        if found is None or not await self._passwords.verify(found[2], current):
            raise WrongCredentials("The present password is another one.")
        require_good(new, found[1], min_length=self._min_length)
        if new == current:
            raise InvalidRequest("Choose a password that differs from the present one.", code="password-same")
        encoded = await self._passwords.hash(new)
        async with self._database.transaction() as connection:
            _, _, held = await _lock(connection, user_id)
            if held != found[2]:
                raise Conflict("The password was changed at this very moment; sign in again.")
            await store.set_password(connection, user_id, encoded, must_change=False)
            await sessions.revoke_sessions(connection, UserId(user_id), but=session_id)
            await note_done(connection, "user", user_id)

    async def change_profile(self, user_id: int, change: ProfileChange) -> None:
        """Change what people say of themselves. Raises InvalidRequest."""
        async with self._database.transaction() as connection:
            former = await resets.email_of(connection, user_id)
            told = change.model_dump(exclude={"current_password"})
            await store.change_user(connection, user_id, UserChange.model_validate(told))
            if change.email not in (None, former):
                # With the account's row held: no link goes to the former address any more.
                await resets.end_links(connection, user_id)
            if change.default_collection is not None:
                await _set_default_collection(connection, user_id, change.default_collection)
            fields = sorted(name for name, value in told.items() if value is not None)
            await note_done(connection, "user", user_id, fields=fields)


async def _require(connection: Connection, user_id: int) -> User:
    user = await store.get_user(connection, user_id)
    if user is None:
        raise NotFound(UNKNOWN)
    return user


async def _set_default_collection(connection: Connection, user_id: int, chosen: str) -> None:
    """Raises InvalidRequest for one that the account may not upload to."""
    given = await store.what_groups_give(connection, sorted(await store.groups_of(connection, user_id)))
    groups = {group_collection(group) for group, what in given.items() if what.mode == "manage"}
    if chosen not in groups | {user_collection(user_id)}:
        raise InvalidRequest("Choose a collection that the account may upload to.")
    await store.set_default_collection(connection, user_id, chosen)


async def _lock(connection: Connection, user_id: int) -> tuple[Target, str, str]:
    found = await store.lock_target(connection, user_id)
    if found is None:
        raise NotFound(UNKNOWN)
    return found


async def require_may_give(
    connection: Connection, actor: Actor, groups: Sequence[int], codenames: Sequence[str]
) -> None:
    """Raises InvalidRequest for what does not exist, PermissionDenied for what the actor does not have."""
    known = permissions.known(codenames)
    if unknown := sorted(set(codenames) - known):
        raise InvalidRequest(f"There is no permission {', '.join(unknown)}.")
    found = await store.what_groups_give(connection, groups)
    if missing := sorted(set(groups) - found.keys()):
        raise InvalidRequest(f"There is no group {', '.join(map(str, missing))}.")
    require_has(actor, known.union(*(given.permissions for given in found.values())))
    await _require_reaches_groups(connection, actor, found)


async def require_above_in_groups(connection: Connection, actor: Actor, target: Target) -> None:
    """Raises PermissionDenied unless the actor may do what the target may, in its groups too.

    Whoever gives an account its password or secret can be that account.
    """
    require_above(actor, target)
    held = sorted(await store.groups_of(connection, target.user_id))
    await _require_reaches_groups(connection, actor, await store.what_groups_give(connection, held))


async def _require_reaches_groups(connection: Connection, actor: Actor, groups: Mapping[int, Given]) -> None:
    """Raises PermissionDenied for groups whose files are closed to the actor.

    Whoever makes accounts need not be in the group that new ones are in anyway.
    """
    usual = await store.default_groups(connection)
    require_reaches(
        actor,
        {
            group_collection(group): given.mode
            for group, given in groups.items()
            if given.mode != "none" or group not in usual
        },
    )
