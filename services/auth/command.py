"""`python -m services.auth user|group|permission|application …`: who may what, from a shell."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable, Sequence

from prometheus_client import CollectorRegistry
from pydantic import SecretStr, ValidationError

from libs.common.audit.acts import Act, acting, entry_of
from libs.common.audit.entries import Ending, write
from libs.common.audit.shell import ending_of, typed
from libs.common.database.migrations import require_current
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, DicomSystemError
from libs.common.resources import service_database
from libs.common.settings.loading import load_settings
from services.auth import acts
from services.auth.app import issuer_of, make_passwords, read_seeds
from services.auth.devices.devices import Devices
from services.auth.groups.groups import Groups
from services.auth.identity.own_password import OwnPassword
from services.auth.metrics import AuthMetrics
from services.auth.provider import shell as applications
from services.auth.provider.applications import Applications
from services.auth.schema import MIGRATIONS
from services.auth.second_factor.checking import Codes
from services.auth.second_factor.factors import Factors
from services.auth.sessions.throttle import Throttle
from services.auth.settings import AuthSettings
from services.auth.users.users import Users

COMMANDS = ("create-user", "reset-second-factor", "user", "group", "permission", "application")
SHORT = {"create-user": "create", "reset-second-factor": "reset-second-factor"}
"""`create-user NAME` is `user create NAME`, and so on."""


def run(arguments: Sequence[str], settings: AuthSettings | None = None) -> int:
    """Do what `arguments` say; the first one is of COMMANDS. Returns the exit code.

    `settings` None: those of the environment.
    """
    options = _parser().parse_args(_spelt_out(arguments))
    options.spelt = _spelt_out(arguments)
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
    first, *rest = arguments
    return ["user", SHORT[first], *rest] if first in SHORT else [first, *rest]


async def _with_directory(settings: AuthSettings, options: argparse.Namespace) -> str:
    database, passwords = service_database(settings, MIGRATIONS.schema), make_passwords(settings)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        users = Users(database, passwords, min_length=settings.password_min_length)
        command: acts.Command = options.command
        throttle = Throttle(database, settings, AuthMetrics(CollectorRegistry()))
        devices = Devices(database, throttle, idle_seconds=settings.session_idle_seconds)
        seeds = read_seeds(settings)
        groups = Groups(database, second_factors=seeds.current is not None)
        codes = Codes(database, passwords, seeds, issuer_of(settings.base_url))
        factors = Factors(database, OwnPassword(database, passwords, throttle), codes, throttle)
        known = acts.Commands(users, groups, devices, factors, Applications(database))
        return await recorded(
            database, typed("auth", "-".join(options.spelt[:2])), lambda: command(known, options)
        )
    finally:
        passwords.close()
        await database.close()


async def recorded(database: Database, act: Act, command: Callable[[], Awaitable[str]]) -> str:
    """Do it, and note what no transaction has noted: what was only looked at, and what failed."""
    ending: Ending = "success"
    try:
        with acting(act):
            return await command()
    except Exception as error:
        ending = ending_of(error)
        act.details["error"] = type(error).__name__
        raise
    finally:
        if ending != "success" or not act.noted:
            async with database.transaction() as connection:
                await write(connection, entry_of(act, ending))


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
    kinds = parser.add_subparsers(required=True, metavar="user|group|permission|application")
    users = kinds.add_parser("user", help="accounts").add_subparsers(required=True)
    _listing(users.add_parser("list", help="list accounts"), acts.user_list)
    create = _named(users.add_parser("create", help="make an account"), acts.user_create)
    _profile(create)
    create.add_argument("--staff", action="store_true", help="may open the administration")
    create.add_argument("--superuser", action="store_true", help="may do everything; implies --staff")
    create.add_argument("--must-change-password", action="store_true", help="at the first sign-in")
    change = _named(users.add_parser("change", help="change an account"), acts.user_change)
    _profile(change)
    change.add_argument("--default-collection", metavar="COLLECTION", help="for uploads that name none")
    for flag, what in (
        ("active", "may sign in"),
        ("staff", "administration"),
        ("superuser", "everything"),
        ("must-change-password", "before anything else"),
    ):
        change.add_argument(f"--{flag}", action=argparse.BooleanOptionalAction, default=None, help=what)
    _named(users.add_parser("delete", help="delete an account that never sent anything"), acts.user_delete)
    password = _named(
        users.add_parser("password", help="give an account another password"), acts.user_password
    )
    password.add_argument("--must-change-password", action="store_true", help="at the next sign-in")
    let_in = users.add_parser("let-in", help="let an account use its password where PASSWORD_SIGN_IN is off")
    _named(let_in, acts.user_let_in).add_argument("--minutes", type=_minutes, default=60)
    _named(users.add_parser("unlock", help="forget an account's wrong passwords"), acts.user_unlock)
    _named(users.add_parser("sign-out", help="end every session of an account"), acts.user_sign_out)
    _named(
        users.add_parser(
            "reset-second-factor",
            help="take an account's second factor away, the last superuser's too",
        ),
        acts.user_reset_second_factor,
    )
    groups = kinds.add_parser("group", help="groups").add_subparsers(required=True)
    _listing(groups.add_parser("list", help="list groups"), acts.group_list)
    for name, command in (("create", acts.group_create), ("change", acts.group_change)):
        one = _named(groups.add_parser(name, help=f"{name} a group"), command)
        one.add_argument("--mode", choices=("none", "view", "manage"), help="members in its collection")
        one.add_argument("--permission", action="append", metavar="CODENAME", help="may be repeated")
        one.add_argument(
            "--require-second-factor",
            action=argparse.BooleanOptionalAction,
            default=None,
            help="members are let in with one only",
        )
        if name == "change":
            one.add_argument("--rename", metavar="NAME")
    _named(groups.add_parser("delete", help="delete a group whose collection is empty"), acts.group_delete)
    permissions = kinds.add_parser("permission", help="permissions").add_subparsers(required=True)
    permissions.add_parser("list", help="list permissions").set_defaults(
        command=acts.permission_list, asks_password=False
    )
    applications.add_commands(kinds.add_parser("application", help="programs that people let in"))
    return parser


def _minutes(text: str) -> int:
    """A day at most: it is a way in for an emergency. Raises ValueError."""
    minutes = int(text)
    if not 0 <= minutes <= 1440:
        raise ValueError(text)
    return minutes


def _named(parser: argparse.ArgumentParser, command: acts.Command) -> argparse.ArgumentParser:
    parser.add_argument("name")
    parser.set_defaults(command=command, asks_password=command in (acts.user_create, acts.user_password))
    return parser


def _listing(parser: argparse.ArgumentParser, command: acts.Command) -> None:
    parser.add_argument("search", nargs="?", help="part of a name")
    parser.set_defaults(command=command, asks_password=False)


def _profile(parser: argparse.ArgumentParser) -> None:
    for name in ("first-name", "last-name", "email"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--language", choices=("es", "en"))
    parser.add_argument("--group", action="append", metavar="NAME", help="may be repeated; replaces all")
    parser.add_argument("--permission", action="append", metavar="CODENAME", help="may be repeated")
