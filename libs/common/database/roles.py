"""Who may do what in the database: one login role per service, which sees its own schema only.

The role `operator` reads every schema. PUBLIC has no rights. Everything here may be repeated at will, by a
superuser or by the database's owner with CREATEROLE, on PostgreSQL 15 and later.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

import asyncpg

from libs.common.errors import ConfigurationError

OPERATOR = "operator"
"""May read every schema; the role behind `make psql`."""

# Roles belong to the whole cluster: migrations of two databases, each under its own lock, may meet here.
_RACES = (
    asyncpg.DuplicateObjectError,
    asyncpg.UniqueViolationError,
    asyncpg.InternalServerError,  # "tuple concurrently updated"
)
_RACE_ATTEMPTS = 10
_SCRAM_ITERATIONS = 4096
"""PostgreSQL's own number; the passwords are random, not chosen."""


async def grant_access(connection: asyncpg.Connection[asyncpg.Record], services: Sequence[str]) -> None:
    """Make the roles that are missing and give them, and nobody else, the right to connect."""
    roles = [*services, OPERATOR]
    for role in roles:
        await _despite_races(partial(_make_role, connection, role))
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


async def set_passwords(connection: asyncpg.Connection[asyncpg.Record], passwords: Mapping[str, str]) -> None:
    """Give roles the passwords that they log in with; what the server sees and logs are verifiers.

    Raises ConfigurationError for a password that is not printable ASCII.
    """
    for role, password in passwords.items():
        statement = f"ALTER ROLE \"{role}\" PASSWORD '{scram_verifier(role, password)}'"
        await _despite_races(partial(connection.execute, statement))


def scram_verifier(role: str, password: str, salt: bytes | None = None) -> str:
    """What PostgreSQL keeps of a password: SCRAM-SHA-256$iterations:salt$stored key:server key (RFC 5803).

    Raises ConfigurationError unless it is printable ASCII, which needs no preparation (RFC 4013).
    """
    if not (password.isascii() and password.isprintable()):
        raise ConfigurationError(f"Use printable ASCII characters only in the password of role {role}.")
    salt = secrets.token_bytes(16) if salt is None else salt
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _SCRAM_ITERATIONS)
    stored_key = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    encoded = [base64.b64encode(part).decode() for part in (salt, stored_key, server_key)]
    return f"SCRAM-SHA-256${_SCRAM_ITERATIONS}:{encoded[0]}${encoded[1]}:{encoded[2]}"


async def _despite_races(work: Callable[[], Awaitable[object]]) -> None:
    for left in reversed(range(_RACE_ATTEMPTS)):
        try:
            await work()
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
