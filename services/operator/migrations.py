"""The schemas of all services, and `python -m services migrate`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from libs.common.database.migrations import Migrations, migrate
from libs.common.database.roles import OPERATOR, set_passwords, set_search_path
from libs.common.errors import ConfigurationError
from services.operator.preflight import Server, explaining_failures

MIGRATIONS = tuple(
    Migrations(schema, Path(__file__).parents[1] / schema / "migrations")
    for schema in ("results", "ingest", "auth")
)
"""In the order in which people's unqualified table names are looked up."""
VIEWS = Path(__file__).parent / "views.sql"


async def bring_up_to_date(admin_url: str, role_passwords: Mapping[str, str] | None = None) -> list[str]:
    """Make the database if it is missing, then apply what is missing in it; answers the names applied.

    Roles in `role_passwords` get these passwords, the others keep what they have. Raises ConfigurationError
    in one sentence when the server, the login or its rights do not do.
    """
    with explaining_failures(Server.of(admin_url), "DATABASE_ADMIN_URL or DATABASE_URL"):
        await create_database(admin_url)
        applied = await migrate(admin_url, MIGRATIONS)
        await make_views(admin_url)
        if role_passwords:
            await give_passwords(admin_url, role_passwords)
        return applied


async def make_views(admin_url: str) -> None:
    """Make what the operator reads without secrets, found before the tables. Raises asyncpg's errors."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        async with connection.transaction():
            # Two migrations side by side would drop each other's.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('operator.views'))")
            await connection.execute(VIEWS.read_text())
        await set_search_path(connection, [OPERATOR, *(source.schema for source in MIGRATIONS)])
    finally:
        await connection.close()


async def give_passwords(admin_url: str, role_passwords: Mapping[str, str]) -> None:
    """Let roles that exist log in with these passwords. Raises ConfigurationError and asyncpg's errors."""
    connection = await asyncpg.connect(admin_url, timeout=10)
    try:
        await set_passwords(connection, role_passwords)
    finally:
        await connection.close()


async def create_database(admin_url: str) -> None:
    """Make the database that `admin_url` names unless it is there. Raises asyncpg's errors."""
    server = Server.of(admin_url)
    try:
        connection = await asyncpg.connect(admin_url, timeout=10)
    except asyncpg.InvalidCatalogNameError:
        connection = await asyncpg.connect(
            urlunsplit(urlsplit(admin_url)._replace(path="/postgres")), timeout=10
        )
        try:
            await connection.execute(f'CREATE DATABASE "{server.database}" TEMPLATE template0 ENCODING UTF8')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            # Another copy was faster, which is as good.
            return
        except asyncpg.InsufficientPrivilegeError as error:
            raise ConfigurationError(
                f"Create the database first: user {server.user} may not "
                f'(CREATE DATABASE "{server.database}" OWNER "{server.user}").'
            ) from error
        finally:
            await connection.close()
    else:
        await connection.close()


def run(admin_url: str, role_passwords: Mapping[str, str]) -> list[str]:
    """Migrate and say what was done; answers the names applied."""
    applied = asyncio.run(bring_up_to_date(admin_url, role_passwords))
    sys.stdout.write("".join(f"applied {name}\n" for name in applied) or "nothing to apply\n")
    return applied
