"""SQL of API keys and service accounts. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from libs.common.database.postgres import Connection
from services.auth.machines.models import AccountApiKey, ApiKeyEntry, ServiceAccount

_INSERT_KEY = """
    INSERT INTO auth.api_key (id, user_id, name, prefix, secret_hash, permissions, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, now() + $7 * interval '1 day')
    RETURNING id, name, prefix, permissions, created_at, expires_at, last_used_at
"""
_LIST_KEYS = """
    SELECT id, name, prefix, permissions, created_at, expires_at, last_used_at
    FROM auth.api_key WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > now() ORDER BY id DESC
"""
_SEARCH_KEYS = """
    SELECT k.id, k.name, k.prefix, k.permissions, k.created_at, k.expires_at, k.last_used_at, k.user_id,
        u.username
    FROM auth.api_key AS k JOIN auth.auth_user AS u ON u.id = k.user_id
    WHERE ($1::uuid IS NULL OR k.id < $1) AND k.revoked_at IS NULL AND k.expires_at > now()
        AND ($2::text IS NULL OR strpos(lower(u.username), $2) > 0 OR strpos(lower(k.name), $2) > 0
             OR starts_with(k.prefix, $2))
    ORDER BY k.id DESC LIMIT $3
"""
_OWNER_OF_KEY = "SELECT user_id FROM auth.api_key WHERE id = $1 AND revoked_at IS NULL AND expires_at > now()"
_COUNT_KEYS = """
    SELECT count(*) FILTER (WHERE revoked_at IS NULL AND expires_at > now()),
        count(*) FILTER (WHERE created_at > now() - interval '1 day')
    FROM auth.api_key WHERE user_id = $1
"""
_FIND_KEY = """
    SELECT id, user_id, secret_hash, permissions, expires_at FROM auth.api_key
    WHERE prefix = $1 AND revoked_at IS NULL AND expires_at > now()
"""
# At most one write a minute, however often a key is used.
_NOTE_KEY_USED = """
    UPDATE auth.api_key SET last_used_at = now()
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
_REVOKE_KEY = """
    UPDATE auth.api_key SET revoked_at = clock_timestamp()
    WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL
    RETURNING id
"""
_REVOKE_KEYS = """
    UPDATE auth.api_key SET revoked_at = clock_timestamp() WHERE user_id = $1 AND revoked_at IS NULL
"""
_INSERT_SERVICE = """
    INSERT INTO auth.auth_user (username, password, kind) VALUES ($1, '!', 'service')
    ON CONFLICT DO NOTHING RETURNING id
"""
_INSERT_CLIENT = """
    INSERT INTO auth.oauth_client (client_id, user_id, secret_hash, jwks) VALUES ($1, $2, $3, $4::text::jsonb)
"""
_SERVICES = """
    SELECT u.id, u.username, c.client_id, u.is_active, c.created_at, c.last_used_at,
        CASE WHEN c.jwks IS NULL THEN 'secret' ELSE 'private_key_jwt' END AS method,
        ARRAY(SELECT p.codename FROM auth.auth_permission AS p
              JOIN auth.auth_user_user_permissions AS up ON up.permission_id = p.id
              WHERE up.user_id = u.id ORDER BY 1) AS permissions,
        ARRAY(SELECT g.name FROM auth.auth_group AS g JOIN auth.auth_user_groups AS m ON m.group_id = g.id
              WHERE m.user_id = u.id ORDER BY 1) AS groups
    FROM auth.oauth_client AS c JOIN auth.auth_user AS u ON u.id = c.user_id
    WHERE $1::integer IS NULL OR u.id = $1
    ORDER BY lower(u.username)
"""
_FIND_CLIENT = """
    SELECT client_id, user_id, secret_hash, jwks::text AS jwks FROM auth.oauth_client WHERE client_id = $1
"""
_NOTE_CLIENT_USED = "UPDATE auth.oauth_client SET last_used_at = now() WHERE client_id = $1"
_STORE_HASH = """
    UPDATE auth.oauth_client SET secret_hash = $2, jwks = NULL WHERE user_id = $1 RETURNING client_id
"""
_USE_ASSERTION = """
    INSERT INTO auth.oauth_assertion (client_id, jti, expires_at) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING RETURNING jti
"""
_FORGET_ASSERTIONS = "DELETE FROM auth.oauth_assertion WHERE expires_at < now() - interval '1 minute'"


class FoundKey(NamedTuple):
    """A key that can be used."""

    id: UUID
    user_id: int
    secret_hash: bytes
    permissions: list[str] | None
    expires_at: datetime


class FoundClient(NamedTuple):
    """How a service account proves who it is."""

    client_id: str
    user_id: int
    secret_hash: bytes | None
    jwks: dict[str, Any] | None


async def insert_key(
    connection: Connection,
    key_id: UUID,
    user_id: int,
    name: str,
    prefix: str,
    secret_hash: bytes,
    permissions: Sequence[str] | None,
    days: int,
) -> ApiKeyEntry:
    """A new API key."""
    row = await connection.fetchrow(
        _INSERT_KEY,
        key_id,
        user_id,
        name,
        prefix,
        secret_hash,
        None if permissions is None else list(permissions),
        float(days),
    )
    assert row is not None  # noqa: S101  the statement returns what it inserted
    return ApiKeyEntry.model_validate(dict(row))


async def list_keys(connection: Connection, user_id: int) -> list[ApiKeyEntry]:
    """An account's keys, newest first."""
    return [ApiKeyEntry.model_validate(dict(row)) for row in await connection.fetch(_LIST_KEYS, user_id)]


async def search_keys(
    connection: Connection, before: UUID | None, q: str | None, limit: int
) -> list[AccountApiKey]:
    """Living keys of everybody, newest first, below `before`; `q` as the query says."""
    sought = None if q is None else q.strip().lower() or None
    rows = await connection.fetch(_SEARCH_KEYS, before, sought, limit)
    return [AccountApiKey.model_validate(dict(row)) for row in rows]


async def owner_of_key(connection: Connection, key_id: UUID) -> int | None:
    """Whose living key it is; None without one."""
    user_id: int | None = await connection.fetchval(_OWNER_OF_KEY, key_id)
    return user_id


async def count_keys(connection: Connection, user_id: int) -> tuple[int, int]:
    """How many keys an account has, and how many it made within a day, revoked ones too."""
    row = await connection.fetchrow(_COUNT_KEYS, user_id)
    assert row is not None  # noqa: S101  an aggregate always has a row
    return row[0], row[1]


async def find_key(connection: Connection, prefix: str) -> FoundKey | None:
    """A key that is neither revoked nor expired."""
    row = await connection.fetchrow(_FIND_KEY, prefix)
    return None if row is None else FoundKey(*row)


async def note_key_used(connection: Connection, key_id: UUID) -> None:
    """Set `last_used_at`, to the minute."""
    await connection.execute(_NOTE_KEY_USED, key_id)


async def revoke_key(connection: Connection, key_id: UUID, user_id: int) -> bool:
    """End a key of this account; False without one."""
    return await connection.fetchval(_REVOKE_KEY, key_id, user_id) is not None


async def revoke_keys(connection: Connection, user_id: int) -> None:
    """End every key of an account."""
    await connection.execute(_REVOKE_KEYS, user_id)


async def insert_service(connection: Connection, username: str) -> int | None:
    """An account that has no password; None when the name is taken."""
    found: int | None = await connection.fetchval(_INSERT_SERVICE, username)
    return found


async def insert_client(
    connection: Connection, client_id: str, user_id: int, secret_hash: bytes | None, jwks: Any
) -> None:
    """How the account signs in."""
    text = None if jwks is None else orjson.dumps(jwks).decode()
    await connection.execute(_INSERT_CLIENT, client_id, user_id, secret_hash, text)


async def list_services(connection: Connection, user_id: int | None = None) -> list[ServiceAccount]:
    """Every service account, or one."""
    rows: list[asyncpg.Record] = await connection.fetch(_SERVICES, user_id)
    return [ServiceAccount.model_validate(dict(row)) for row in rows]


async def find_client(connection: Connection, client_id: str) -> FoundClient | None:
    """The client of this id."""
    row = await connection.fetchrow(_FIND_CLIENT, client_id)
    if row is None:
        return None
    jwks = None if row["jwks"] is None else orjson.loads(row["jwks"])
    return FoundClient(row["client_id"], row["user_id"], row["secret_hash"], jwks)


async def note_client_used(connection: Connection, client_id: str) -> None:
    """Set `last_used_at`."""
    await connection.execute(_NOTE_CLIENT_USED, client_id)


async def replace_secret(connection: Connection, user_id: int, secret_hash: bytes) -> bool:
    """Give the account's client another secret; False without one."""
    return await connection.fetchval(_STORE_HASH, user_id, secret_hash) is not None


async def use_assertion(connection: Connection, client_id: str, jti: str, expires_at: datetime) -> bool:
    """Whether this assertion was not used before (RFC 7523 3)."""
    await connection.execute(_FORGET_ASSERTIONS)
    return await connection.fetchval(_USE_ASSERTION, client_id, jti, expires_at) is not None
