"""What the commands do: accounts, groups and permissions by name; each answers what to print."""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from libs.common.errors import InvalidRequest, NotFound
from libs.common.permissions import ALL
from services.auth.devices.devices import Devices
from services.auth.groups.groups import Groups
from services.auth.groups.models import Group, GroupChange, GroupCreate
from services.auth.identity.models import PasswordSet, User, UserChange, UserCreate, UserQuery
from services.auth.identity.policy import Actor
from services.auth.provider.applications import Applications
from services.auth.second_factor.factors import Factors
from services.auth.users.places import UserPlace, place_of
from services.auth.users.users import Users

OPERATOR = Actor(0, superuser=True, staff=True, permissions=ALL, collections={})
"""Who has a shell may do everything; the log names the operator as user 0."""
PAGE = 500


@dataclass(frozen=True)
class Commands:
    """What the commands work on."""

    users: Users
    groups: Groups
    devices: Devices
    factors: Factors
    applications: Applications

    async def all_users(self, sought: str | None) -> AsyncIterator[User]:
        """Accounts by name, a page at a time."""
        query = UserQuery(q=sought)
        after: UserPlace | None = None
        while page := await self.users.search(query, after, PAGE):
            for user in page:
                yield user
            after = place_of(page[-1], query.sort)

    async def all_groups(self, sought: str | None) -> AsyncIterator[Group]:
        """Groups by name, a page at a time."""
        after = None
        while page := await self.groups.search(sought, after, PAGE):
            for group in page:
                yield group
            after = page[-1].name

    async def user(self, name: str) -> User:
        """The account of this name, in any case. Raises NotFound."""
        async for user in self.all_users(name):
            if user.username.lower() == name.lower():
                return user
        raise NotFound(f"There is no user named {name}.")

    async def group(self, name: str) -> Group:
        """The group of this name. Raises NotFound."""
        async for group in self.all_groups(name):
            if group.name == name:
                return group
        raise NotFound(f"There is no group named {name}.")

    async def group_ids(self, names: Sequence[str] | None) -> list[int] | None:
        """Their ids; None stays None. Raises NotFound."""
        return None if names is None else [(await self.group(name)).id for name in names]


Command = Callable[[Commands, argparse.Namespace], Awaitable[str]]


async def user_list(directory: Commands, options: argparse.Namespace) -> str:
    """Accounts by name."""
    return "\n".join(
        [
            f"{user.id:>6}  {user.username:<24} {_marks(user):<22} {', '.join(g.name for g in user.groups)}"
            async for user in directory.all_users(options.search)
        ]
    )


def _marks(user: User) -> str:
    marks = {
        "superuser": user.is_superuser,
        "staff": user.is_staff,
        "service": user.kind == "service",
        "closed": not user.is_active,
    }
    return " ".join(name for name, holds in marks.items() if holds) or "-"


async def user_create(directory: Commands, options: argparse.Namespace) -> str:
    """Make an account."""
    made = await directory.users.create(
        OPERATOR,
        UserCreate(
            username=options.name,
            password=options.password,
            first_name=options.first_name or "",
            last_name=options.last_name or "",
            email=options.email or "",
            language=options.language or "",
            is_staff=options.staff or options.superuser,
            is_superuser=options.superuser,
            must_change_password=options.must_change_password,
            groups=await directory.group_ids(options.group),
            permissions=options.permission or [],
        ),
    )
    return f"User {made.username} created (id {made.id})."


async def user_change(directory: Commands, options: argparse.Namespace) -> str:
    """Change an account."""
    user = await directory.user(options.name)
    change = UserChange(
        first_name=options.first_name,
        last_name=options.last_name,
        email=options.email,
        language=options.language,
        default_collection=options.default_collection,
        must_change_password=options.must_change_password,
        is_active=options.active,
        is_staff=options.staff,
        is_superuser=options.superuser,
        groups=await directory.group_ids(options.group),
        permissions=options.permission,
    )
    if not change.model_dump(exclude_none=True):
        raise InvalidRequest("Say what to change (--help).")
    await directory.users.change(OPERATOR, user.id, change)
    return f"User {user.username} changed."


async def user_delete(directory: Commands, options: argparse.Namespace) -> str:
    """Delete an account."""
    user = await directory.user(options.name)
    await directory.users.delete(OPERATOR, user.id)
    return f"User {user.username} deleted."


async def user_password(directory: Commands, options: argparse.Namespace) -> str:
    """Give an account another password."""
    user = await directory.user(options.name)
    given = PasswordSet(password=options.password, must_change_password=options.must_change_password)
    await directory.users.set_password(OPERATOR, user.id, given)
    return f"User {user.username} has another password; every session of the account has ended."


async def user_let_in(directory: Commands, options: argparse.Namespace) -> str:
    """Let an account sign in by password where that is turned off."""
    user = await directory.user(options.name)
    until = await directory.users.let_in(OPERATOR, user.id, options.minutes)
    return f"User {user.username} may sign in by password until {until:%Y-%m-%d %H:%M} UTC."


async def user_unlock(directory: Commands, options: argparse.Namespace) -> str:
    """Forget an account's wrong passwords."""
    user = await directory.user(options.name)
    await directory.devices.unlock(OPERATOR, user.id)
    return f"User {user.username} may sign in at once."


async def user_sign_out(directory: Commands, options: argparse.Namespace) -> str:
    """End every session of an account."""
    user = await directory.user(options.name)
    await directory.devices.end(OPERATOR, user.id, None)
    return f"Every session of {user.username} has ended."


async def user_reset_second_factor(directory: Commands, options: argparse.Namespace) -> str:
    """Take an account's second factor away."""
    user = await directory.user(options.name)
    await directory.factors.reset(OPERATOR, user.id)
    return f"User {user.username} has no second factor any more; every session of the account has ended."


async def group_list(directory: Commands, options: argparse.Namespace) -> str:
    """Groups by name."""
    return "\n".join(
        [
            f"{one.id:>6}  {one.name:<24} {one.mode:<7} {one.members:>5}  {', '.join(one.permissions)}"
            async for one in directory.all_groups(options.search)
        ]
    )


async def group_create(directory: Commands, options: argparse.Namespace) -> str:
    """Make a group."""
    wanted = GroupCreate(
        name=options.name,
        mode=options.mode or "none",
        requires_second_factor=bool(options.require_second_factor),
        permissions=options.permission or [],
    )
    made = await directory.groups.create(OPERATOR, wanted)
    return f"Group {made.name} created (id {made.id}, collection {made.collection})."


async def group_change(directory: Commands, options: argparse.Namespace) -> str:
    """Change a group."""
    group = await directory.group(options.name)
    change = GroupChange(
        name=options.rename,
        mode=options.mode,
        requires_second_factor=options.require_second_factor,
        permissions=options.permission,
    )
    if not change.model_dump(exclude_none=True):
        raise InvalidRequest("Say what to change (--help).")
    await directory.groups.change(OPERATOR, group.id, change)
    return f"Group {group.name} changed."


async def group_delete(directory: Commands, options: argparse.Namespace) -> str:
    """Delete a group."""
    group = await directory.group(options.name)
    await directory.groups.delete(OPERATOR, group.id)
    return f"Group {group.name} deleted."


async def permission_list(directory: Commands, _: argparse.Namespace) -> str:
    """Every permission there is."""
    found = await directory.groups.permissions()
    return "\n".join(
        f"{entry.codename:<28} {entry.app_label}.{entry.model:<16} {entry.name}" for entry in found
    )
