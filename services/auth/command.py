"""`python -m services.auth user|group|permission …`: accounts, groups and permissions from a shell."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from pydantic import SecretStr, ValidationError

from libs.common.database.migrations import require_current
from libs.common.errors import ConfigurationError, DicomSystemError, InvalidRequest, NotFound
from libs.common.permissions import ALL
from libs.common.resources import service_database
from libs.common.settings.loading import load_settings
from services.auth.app import make_passwords
from services.auth.groups.groups import Groups
from services.auth.groups.models import Group, GroupChange, GroupCreate
from services.auth.identity.models import PasswordSet, User, UserChange, UserCreate, UserQuery
from services.auth.identity.policy import Actor
from services.auth.schema import MIGRATIONS
from services.auth.settings import AuthSettings
from services.auth.users.users import Users

COMMANDS = ("create-user", "user", "group", "permission")
OPERATOR = Actor(0, superuser=True, staff=True, permissions=ALL, collections={})
"""Who has a shell may do everything; the log names the operator as user 0."""
PAGE = 500


@dataclass(frozen=True)
class Commands:
    """What the commands work on."""

    users: Users
    groups: Groups

    async def user(self, name: str) -> User:
        """The account of this name, in any case. Raises NotFound."""
        for user in await self.users.search(UserQuery(q=name), None, PAGE):
            if user.username.lower() == name.lower():
                return user
        raise NotFound(f"There is no user named {name}.")

    async def group(self, name: str) -> Group:
        """The group of this name. Raises NotFound."""
        for group in await self.groups.search(name, None, PAGE):
            if group.name == name:
                return group
        raise NotFound(f"There is no group named {name}.")

    async def group_ids(self, names: Sequence[str] | None) -> list[int] | None:
        """Their ids; None stays None. Raises NotFound."""
        return None if names is None else [(await self.group(name)).id for name in names]


Command = Callable[[Commands, argparse.Namespace], Awaitable[str]]


def run(arguments: Sequence[str], settings: AuthSettings | None = None) -> int:
    """Do what `arguments` say; the first one is of COMMANDS. Returns the exit code.

    `settings` None: those of the environment.
    """
    options = _parser().parse_args(_spelt_out(arguments))
    try:
        settings = settings or load_settings(AuthSettings)
        if options.asks_password:
            options.password = SecretStr(_read_password())
        print(asyncio.run(_with_directory(settings, options)))
    except ValidationError as error:
        sys.stderr.write(f"{'; '.join(problem['msg'] for problem in error.errors())}\n")
        return 1
    except DicomSystemError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    return 0


def _spelt_out(arguments: Sequence[str]) -> list[str]:
    """`create-user NAME` is short for `user create NAME`."""
    first, *rest = arguments
    return ["user", "create", *rest] if first == "create-user" else [first, *rest]


async def _with_directory(settings: AuthSettings, options: argparse.Namespace) -> str:
    database, passwords = service_database(settings, MIGRATIONS.schema), make_passwords(settings)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        users = Users(database, passwords, min_length=settings.password_min_length)
        command: Command = options.command
        return await command(Commands(users, Groups(database)), options)
    finally:
        passwords.close()
        await database.close()


async def _user_list(directory: Commands, options: argparse.Namespace) -> str:
    found = await directory.users.search(UserQuery(q=options.search), None, PAGE)
    return "\n".join(
        f"{user.id:>6}  {user.username:<24} {_marks(user):<22} {', '.join(g.name for g in user.groups)}"
        for user in found
    )


def _marks(user: User) -> str:
    marks = {
        "superuser": user.is_superuser,
        "staff": user.is_staff,
        "service": user.kind == "service",
        "closed": not user.is_active,
    }
    return " ".join(name for name, holds in marks.items() if holds) or "-"


async def _user_create(directory: Commands, options: argparse.Namespace) -> str:
    made = await directory.users.create(
        OPERATOR,
        UserCreate(
            username=options.name,
            password=options.password,
            first_name=options.first_name or "",
            last_name=options.last_name or "",
            email=options.email or "",
            is_staff=options.staff or options.superuser,
            is_superuser=options.superuser,
            must_change_password=options.must_change_password,
            groups=await directory.group_ids(options.group),
            permissions=options.permission or [],
        ),
    )
    return f"User {made.username} created (id {made.id})."


async def _user_change(directory: Commands, options: argparse.Namespace) -> str:
    user = await directory.user(options.name)
    change = UserChange(
        first_name=options.first_name,
        last_name=options.last_name,
        email=options.email,
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


async def _user_delete(directory: Commands, options: argparse.Namespace) -> str:
    user = await directory.user(options.name)
    await directory.users.delete(OPERATOR, user.id)
    return f"User {user.username} deleted."


async def _user_password(directory: Commands, options: argparse.Namespace) -> str:
    user = await directory.user(options.name)
    given = PasswordSet(password=options.password, must_change_password=options.must_change_password)
    await directory.users.set_password(OPERATOR, user.id, given)
    return f"User {user.username} has another password; every session of the account has ended."


async def _group_list(directory: Commands, options: argparse.Namespace) -> str:
    found = await directory.groups.search(options.search, None, PAGE)
    return "\n".join(
        f"{group.id:>6}  {group.name:<24} {group.mode:<7} {group.members:>5}  {', '.join(group.permissions)}"
        for group in found
    )


async def _group_create(directory: Commands, options: argparse.Namespace) -> str:
    wanted = GroupCreate(name=options.name, mode=options.mode or "none", permissions=options.permission or [])
    made = await directory.groups.create(OPERATOR, wanted)
    return f"Group {made.name} created (id {made.id}, collection {made.collection})."


async def _group_change(directory: Commands, options: argparse.Namespace) -> str:
    group = await directory.group(options.name)
    change = GroupChange(name=options.rename, mode=options.mode, permissions=options.permission)
    if not change.model_dump(exclude_none=True):
        raise InvalidRequest("Say what to change (--help).")
    await directory.groups.change(OPERATOR, group.id, change)
    return f"Group {group.name} changed."


async def _group_delete(directory: Commands, options: argparse.Namespace) -> str:
    group = await directory.group(options.name)
    await directory.groups.delete(OPERATOR, group.id)
    return f"Group {group.name} deleted."


async def _permission_list(directory: Commands, _: argparse.Namespace) -> str:
    found = await directory.groups.permissions()
    return "\n".join(
        f"{entry.codename:<28} {entry.app_label}.{entry.model:<16} {entry.name}" for entry in found
    )


def _read_password() -> str:
    """One line of standard input. Raises ConfigurationError when two typed ones differ, or none was."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    try:
        password, again = getpass.getpass("Password: "), getpass.getpass("Password again: ")
    except EOFError as error:
        raise ConfigurationError("No password was given; nothing was made.") from error
    if again != password:
        raise ConfigurationError("The two passwords differ; nothing was made.")
    return password


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.auth",
        description="Accounts, groups and permissions in the database of DATABASE_URL. Passwords are asked "
        "for, or read from the first line of standard input.",
    )
    kinds = parser.add_subparsers(required=True, metavar="user|group|permission")
    users = kinds.add_parser("user", help="accounts").add_subparsers(required=True)
    _listing(users.add_parser("list", help="list accounts"), _user_list)
    create = _named(users.add_parser("create", help="make an account"), _user_create)
    _profile(create)
    create.add_argument("--staff", action="store_true", help="may open the administration")
    create.add_argument("--superuser", action="store_true", help="may do everything; implies --staff")
    create.add_argument("--must-change-password", action="store_true", help="at the first sign-in")
    change = _named(users.add_parser("change", help="change an account"), _user_change)
    _profile(change)
    for flag, what in (("active", "may sign in"), ("staff", "administration"), ("superuser", "everything")):
        change.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, default=None, help=what)
    _named(users.add_parser("delete", help="delete an account that never sent anything"), _user_delete)
    password = _named(users.add_parser("password", help="give an account another password"), _user_password)
    password.add_argument("--must-change-password", action="store_true", help="at the next sign-in")
    groups = kinds.add_parser("group", help="groups").add_subparsers(required=True)
    _listing(groups.add_parser("list", help="list groups"), _group_list)
    for name, command in (("create", _group_create), ("change", _group_change)):
        one = _named(groups.add_parser(name, help=f"{name} a group"), command)
        one.add_argument("--mode", choices=("none", "view", "manage"), help="members in its collection")
        one.add_argument("--permission", action="append", metavar="CODENAME", help="may be repeated")
        if name == "change":
            one.add_argument("--rename", metavar="NAME")
    _named(groups.add_parser("delete", help="delete a group whose collection is empty"), _group_delete)
    permissions = kinds.add_parser("permission", help="permissions").add_subparsers(required=True)
    permissions.add_parser("list", help="list permissions").set_defaults(
        command=_permission_list, asks_password=False
    )
    return parser


def _named(parser: argparse.ArgumentParser, command: Command) -> argparse.ArgumentParser:
    parser.add_argument("name")
    parser.set_defaults(command=command, asks_password=command in (_user_create, _user_password))
    return parser


def _listing(parser: argparse.ArgumentParser, command: Command) -> None:
    parser.add_argument("search", nargs="?", help="part of a name")
    parser.set_defaults(command=command, asks_password=False)


def _profile(parser: argparse.ArgumentParser) -> None:
    for name in ("first-name", "last-name", "email"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--group", action="append", metavar="NAME", help="may be repeated; replaces all")
    parser.add_argument("--permission", action="append", metavar="CODENAME", help="may be repeated")
