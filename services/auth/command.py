"""`python -m services.auth create-user NAME`: make an account from a shell."""

from __future__ import annotations

import argparse
import asyncio
import getpass
import sys
from collections.abc import Sequence

from libs.common.database.migrations import require_current
from libs.common.errors import ConfigurationError, DicomSystemError
from libs.common.resources import service_database
from libs.common.settings.loading import load_settings
from services.auth.app import make_passwords
from services.auth.identity import accounts
from services.auth.schema import MIGRATIONS
from services.auth.settings import AuthSettings


def create_user(arguments: Sequence[str], settings: AuthSettings | None = None) -> int:
    """Read the password from the terminal or from standard input's first line. Returns the exit code.

    `settings` None: those of the environment.
    """
    parser = argparse.ArgumentParser(
        prog="python -m services.auth create-user",
        description="Make an account in the database of DATABASE_URL; standard input has the password.",
    )
    parser.add_argument("name", help="user name")
    parser.add_argument("--staff", action="store_true", help="may see what all users own")
    parser.add_argument("--superuser", action="store_true", help="may administer; implies --staff")
    options = parser.parse_args(arguments)
    try:
        settings = settings or load_settings(AuthSettings)
        staff, superuser = options.staff or options.superuser, options.superuser
        user_id = asyncio.run(_create(settings, options.name, _read_password(), staff, superuser))
    except DicomSystemError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    print(f"User {options.name} created (id {user_id}).")
    return 0


def _read_password() -> str:
    """One line. Raises ConfigurationError when two typed ones differ, or none was."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    try:
        password, again = getpass.getpass("Password: "), getpass.getpass("Password again: ")
    except EOFError as error:
        raise ConfigurationError("No password was given; nothing was made.") from error
    if again != password:
        raise ConfigurationError("The two passwords differ; nothing was made.")
    return password


async def _create(settings: AuthSettings, name: str, password: str, staff: bool, superuser: bool) -> int:
    database, passwords = service_database(settings, MIGRATIONS.schema), make_passwords(settings)
    await database.open()
    try:
        await require_current(database, MIGRATIONS)
        return await accounts.create_user(
            database,
            passwords,
            name,
            password,
            staff=staff,
            superuser=superuser,
            min_length=settings.password_min_length,
        )
    finally:
        passwords.close()
        await database.close()
