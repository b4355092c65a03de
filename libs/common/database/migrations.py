"""Schema migrations: numbered plain `.sql` files, each applied once, in order, in a transaction of its own.

Every schema keeps its own record in `<schema>.schema_migration`. Who may do what:
`libs.common.database.roles`.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from libs.common.database.postgres import Connection, Database
from libs.common.database.roles import grant_access, prepare_schema, set_search_path
from libs.common.errors import ConfigurationError, Unavailable

log = logging.getLogger(__name__)

SCHEMA_POLL = 1.0
"""Seconds between looks at a database that lacks its schema."""

_FILE_NAME = re.compile(r"(?P<version>\d{4})_[a-z0-9_]+\.sql")
_LOCK_KEY = 0x6463_6D6D_6967  # "dcmmig": advisory locks are named by number, within one database
_LOCK_TIMEOUT = "60s"


@dataclass(frozen=True)
class Migrations:
    """A schema and the folder of its migrations. The service's login role has the schema's name."""

    schema: str
    folder: Path


@dataclass(frozen=True)
class Migration:
    """One file; `checksum` is the SHA-256 of its bytes, in hex."""

    version: int
    name: str
    checksum: str
    sql: str


def read_migrations(source: Migrations) -> list[Migration]:
    """Read a folder's files in order of version. Raises ConfigurationError for a misnamed or doubled one."""
    migrations: dict[int, Migration] = {}
    for path in sorted(source.folder.glob("*.sql")):
        match = _FILE_NAME.fullmatch(path.name)
        if match is None:
            raise ConfigurationError(f"Rename migration {path.name}: NNNN_lower_case_words.sql is the form.")
        content = path.read_bytes()
        version = int(match["version"])
        if version in migrations:
            raise ConfigurationError(f"Renumber migration {path.name}: {version:04} is taken.")
        checksum = hashlib.sha256(content).hexdigest()
        migrations[version] = Migration(version, path.stem, checksum, content.decode())
    return list(migrations.values())


def pending(schema: str, files: Sequence[Migration], applied: Iterable[asyncpg.Record]) -> list[Migration]:
    """Compare files with the schema's record (version, name, checksum); pure.

    Raises ConfigurationError when an applied file was changed or is gone, or a new one is numbered below it.
    """
    by_version = {migration.version: migration for migration in files}
    last = 0
    for row in applied:
        migration = by_version.pop(row["version"], None)
        if migration is None:
            raise ConfigurationError(
                f"Schema {schema} is newer than this release (it has {row['name']}): "
                "install the release that made it."
            )
        if migration.checksum != row["checksum"]:
            raise ConfigurationError(
                f"Migration {schema}/{migration.name} was changed after it had been applied: "
                "restore the file and put the change into a new one."
            )
        last = max(last, migration.version)
    left = sorted(by_version.values(), key=lambda migration: migration.version)
    if left and left[0].version < last:
        raise ConfigurationError(
            f"Renumber migration {schema}/{left[0].name}: version {last:04} is already applied."
        )
    return left


async def migrate(admin_url: str, sources: Sequence[Migrations]) -> list[str]:
    """Bring every schema up to date and answer the names applied now, e.g. `ingest/0001_files`.

    `admin_url` logs in as a superuser, or as the database's owner with CREATEROLE. An advisory lock lets one
    caller through at a time. The database's search_path follows the order of `sources`. Raises
    ConfigurationError for files that contradict the record, and asyncpg's errors.
    """
    connection = await asyncpg.connect(
        admin_url, server_settings={"lock_timeout": _LOCK_TIMEOUT, "application_name": "migrate"}
    )
    try:
        # A session's lock, for it must span the transactions; it ends with the connection.
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
        await grant_access(connection, [source.schema for source in sources])
        applied = [name for source in sources for name in await _apply(connection, source)]
        await set_search_path(connection, [source.schema for source in sources])
        return applied
    except asyncpg.LockNotAvailableError as error:
        raise ConfigurationError(
            f"Another migration or a long transaction held a lock for {_LOCK_TIMEOUT}: try again."
        ) from error
    finally:
        await connection.close()


async def _apply(connection: asyncpg.Connection[asyncpg.Record], source: Migrations) -> list[str]:
    schema = source.schema
    async with connection.transaction():
        await prepare_schema(connection, schema)
        await connection.execute(
            f'CREATE TABLE IF NOT EXISTS "{schema}".schema_migration ('
            "version integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL, "
            "applied_at timestamptz NOT NULL DEFAULT now())"
        )
        await connection.execute(
            f'REVOKE INSERT, UPDATE, DELETE ON "{schema}".schema_migration FROM "{schema}"'
        )
    left = pending(schema, read_migrations(source), await _applied(connection, schema))
    for migration in left:
        try:
            await _apply_file(connection, schema, migration)
        except asyncpg.PostgresError as error:
            error.add_note(f"in migration {schema}/{migration.name}, of which nothing was applied")
            raise
    return [f"{schema}/{migration.name}" for migration in left]


async def _apply_file(
    connection: asyncpg.Connection[asyncpg.Record], schema: str, migration: Migration
) -> None:
    async with connection.transaction():
        await connection.execute(f'SET LOCAL search_path = "{schema}"')
        await connection.execute(migration.sql)
        await connection.execute(
            f'INSERT INTO "{schema}".schema_migration (version, name, checksum) VALUES ($1, $2, $3)',  # noqa: S608
            migration.version,
            migration.name,
            migration.checksum,
        )


async def _applied(connection: Connection, schema: str) -> list[asyncpg.Record]:
    return await connection.fetch(
        f'SELECT version, name, checksum FROM "{schema}".schema_migration ORDER BY version'  # noqa: S608
    )


async def applied_migrations(database: Database, source: Migrations) -> list[asyncpg.Record]:
    """What was applied, in order: version, name, applied_at. Raises Unavailable, and asyncpg's errors."""
    async with database.connection() as connection:
        return await connection.fetch(
            f'SELECT version, name, applied_at FROM "{source.schema}".schema_migration '  # noqa: S608
            "ORDER BY version"
        )


async def require_current(database: Database, source: Migrations) -> None:
    """Check that no file of `source` waits to be applied; a newer schema is welcome. Raises Unavailable."""
    try:
        async with database.connection() as connection:
            applied = {row["version"] for row in await _applied(connection, source.schema)}
    except (asyncpg.UndefinedTableError, asyncpg.InvalidSchemaNameError, asyncpg.InsufficientPrivilegeError):
        applied = set()
    missing = [migration.name for migration in read_migrations(source) if migration.version not in applied]
    if missing:
        raise Unavailable(
            f"Schema {source.schema} lacks {', '.join(missing)}: run `python -m services migrate`."
        )


async def wait_until_current(database: Database, source: Migrations) -> None:
    """Wait for the database and its schema; services start in any order."""
    told = ""
    while True:
        try:
            return await require_current(database, source)
        except Unavailable as error:
            if error.detail != told:
                log.warning("%s waits: %s", source.schema, error.detail)
                told = error.detail
        await asyncio.sleep(SCHEMA_POLL)
