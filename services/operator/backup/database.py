"""What backup and restore ask of the database, besides its dump."""

from __future__ import annotations

import asyncpg

from libs.common.database.postgres import Connection
from libs.common.database.roles import OPERATOR, grant_access
from libs.common.errors import ConfigurationError
from services.operator.migrations import MIGRATIONS, create_database

SCHEMAS = tuple(source.schema for source in MIGRATIONS)
CLEARING = "".join(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE;\n' for schema in (OPERATOR, *SCHEMAS))
"""In the transaction of the restore: where that fails, everything is as it was."""


async def migrations(connection: Connection) -> dict[str, int]:
    """Last migration applied, by schema."""
    query = 'SELECT max(version) FROM "{}".schema_migration'
    return {schema: await connection.fetchval(query.format(schema)) for schema in SCHEMAS}


async def files(connection: Connection) -> int:
    """How many files were ever accepted."""
    found: int = await connection.fetchval("SELECT count(*) FROM ingest.upload_dicomfile")
    return found


async def require_idle(connection: Connection) -> None:
    """Raise ConfigurationError while a service uses this database."""
    busy = await connection.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND (usename = ANY($1::text[]) OR application_name = ANY($1::text[]))",
        list(SCHEMAS),
    )
    if busy:
        raise ConfigurationError("Stop the services first: they are using this database.")


async def holds_data(connection: Connection) -> bool:
    """Whether there is any file or account in the database."""
    for table in ("ingest.upload_dicomfile", "auth.auth_user"):
        if await connection.fetchval(
            "SELECT to_regclass($1)", table
        ) is not None and await connection.fetchval(
            f"SELECT EXISTS (SELECT FROM {table})"  # noqa: S608  one of the two names above
        ):
            return True
    return False


async def make_room(url: str) -> None:
    """The database and its roles: what a dump is restored into, whose CLEARING comes first."""
    await create_database(url)
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await grant_access(connection, SCHEMAS)
    finally:
        await connection.close()


async def expire_cursors(connection: Connection) -> None:
    """Let readers of the change feed start anew: what they have seen may not have happened here."""
    await connection.execute("UPDATE results.change_feed_floor SET xid = pg_current_xact_id(), seq = 0")
    # Restored into the server that it was dumped from, nothing else tells this history from that one.
    await connection.execute("DELETE FROM results.change_feed_timeline")
