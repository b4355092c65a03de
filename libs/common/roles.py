"""Who may do what in the database: one login role per service, which sees its own schema only.

The role `operator` reads every schema. PUBLIC has no rights. Everything here may be repeated at will, by a
superuser or by the database's owner with CREATEROLE, on PostgreSQL 15 and later.
"""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

OPERATOR = "operator"
"""May read every schema; the role behind `make psql`."""

# Roles belong to the whole cluster: migrations of two databases, each under its own lock, may meet here.
_RACES = (
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,  # "tuple concurrently updated"
)
_RACE_ATTEMPTS = 10


async def grant_access(connection: asyncpg.Connection[asyncpg.Record], services: Sequence[str]) -> None:
    """Make the roles that are missing and give them, and nobody else, the right to connect."""
    roles = [*services, OPERATOR]
    for role in roles:
        await _make_role_once(connection, role)
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    names = ", ".join(f'"{role}"' for role in roles)
    async with connection.transaction():
        await connection.execute(f"REVOKE ALL ON DATABASE {database} FROM PUBLIC")
        await connection.execute(f"GRANT CONNECT ON DATABASE {database} TO {names}")
        await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


async def prepare_schema(connection: asyncpg.Connection[asyncpg.Record], schema: str) -> None:
    """Make the schema; what is created in it later is its service's to use and the operator's to read."""
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"')
    await connection.execute(f'GRANT USAGE ON SCHEMA "{schema}" TO "{schema}", "{OPERATOR}"')
    default = f'ALTER DEFAULT PRIVILEGES IN SCHEMA "{schema}" GRANT'
    await connection.execute(f'{default} SELECT, INSERT, UPDATE, DELETE ON TABLES TO "{schema}"')
    await connection.execute(f'{default} SELECT ON TABLES TO "{OPERATOR}"')
    await connection.execute(f'{default} USAGE, SELECT ON SEQUENCES TO "{schema}"')
    await connection.execute(f'{default} SELECT ON SEQUENCES TO "{OPERATOR}"')


async def set_search_path(connection: asyncpg.Connection[asyncpg.Record], schemas: Sequence[str]) -> None:
    """Let sessions of this database name tables without their schema, as people do in psql."""
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    names = ", ".join(f'"{schema}"' for schema in schemas)
    await connection.execute(f"ALTER DATABASE {database} SET search_path = {names}, public")


async def _make_role_once(connection: asyncpg.Connection[asyncpg.Record], role: str) -> None:
    for left in reversed(range(_RACE_ATTEMPTS)):
        try:
            await _make_role(connection, role)
        except _RACES:
            if left == 0:
                raise
        else:
            return


async def _make_role(connection: asyncpg.Connection[asyncpg.Record], role: str) -> None:
    """Make a login role, without a password, that an admin without superuser rights may assume as well."""
    if await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role):
        return
    # Since PostgreSQL 16 membership alone does not allow SET ROLE; 15 does not know that privilege's name.
    privilege = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    async with connection.transaction():
        await connection.execute(f'CREATE ROLE "{role}" LOGIN')
        if not await connection.fetchval("SELECT pg_has_role(current_user, $1::name, $2)", role, privilege):
            await connection.execute(f'GRANT "{role}" TO CURRENT_USER')
