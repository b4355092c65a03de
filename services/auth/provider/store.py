"""SQL of applications, their codes and sessions. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.machines.secrets import is_client_id
from services.auth.provider.asking import WithinScope
from services.auth.provider.models import ApplicationEntry, Code, Registered
from services.auth.sessions.models import Client

CODE_SECONDS = 60
"""How long a code is good: one round trip (RFC 6749 4.1.2 asks for ten minutes at most)."""
CODE_KEPT_SECONDS = 900
"""How long it is remembered, so that one that comes again ends what it gave."""

_ENTRY = """client_id, name, redirect_uris, post_logout_redirect_uris, scopes, trusted,
        secret_hash IS NOT NULL AS confidential, is_active, created_at, last_used_at"""
_LIST = f"SELECT {_ENTRY} FROM auth.application ORDER BY lower(name), client_id"
_GET = f"SELECT {_ENTRY} FROM auth.application WHERE client_id = $1"
_FIND = """
    SELECT client_id, name, redirect_uris, post_logout_redirect_uris, scopes, trusted, secret_hash
    FROM auth.application WHERE client_id = $1 AND is_active
"""
# Held until the end: whoever changes an application waits, or has done it. Always the first that is held.
_HOLD = f"{_FIND} FOR NO KEY UPDATE"
_LOCK = "SELECT client_id FROM auth.application WHERE client_id = $1 FOR NO KEY UPDATE"
_INSERT = """
    INSERT INTO auth.application
        (client_id, name, redirect_uris, post_logout_redirect_uris, scopes, trusted, secret_hash)
    SELECT $1::text, $2, $3::text[], $4::text[], $5::text[], $6::boolean, $7::bytea
    WHERE NOT EXISTS (SELECT FROM auth.oauth_client AS other WHERE other.client_id = $1::text)
    ON CONFLICT DO NOTHING RETURNING client_id
"""
_CHANGE = """
    UPDATE auth.application SET name = coalesce($2, name), redirect_uris = coalesce($3, redirect_uris),
        post_logout_redirect_uris = coalesce($4, post_logout_redirect_uris), scopes = coalesce($5, scopes),
        trusted = coalesce($6, trusted), is_active = coalesce($7, is_active)
    WHERE client_id = $1
"""
_GIVE_ANOTHER = """
    UPDATE auth.application SET secret_hash = $2
    WHERE client_id = $1 AND secret_hash IS NOT NULL RETURNING client_id
"""
_DELETE = "DELETE FROM auth.application WHERE client_id = $1 RETURNING name"
_NOTE_USED = """
    UPDATE auth.application SET last_used_at = now()
    WHERE client_id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""
_END_SESSIONS = """
    UPDATE auth.auth_session SET revoked_at = clock_timestamp() WHERE client_id = $1 AND revoked_at IS NULL
"""
_DROP_CODES = "DELETE FROM auth.authorization_code WHERE client_id = $1 AND used_at IS NULL"
# The row is held, so that two requests of one account are counted one after the other.
_LOCK_USER = "SELECT id FROM auth.auth_user WHERE id = $1 AND is_active FOR NO KEY UPDATE"
_COUNT_CODES = """
    SELECT count(*) FROM auth.authorization_code
    WHERE user_id = $1 AND created_at > now() - $2 * interval '1 second'
"""
_INSERT_CODE = """
    INSERT INTO auth.authorization_code
        (code_hash, client_id, user_id, session_id, redirect_uri, scopes, nonce, challenge, expires_at)
    SELECT $1, $2, user_id, id, $4, $5, $6, $7, now() + $8 * interval '1 second'
    FROM auth.auth_session
    WHERE id = $3 AND revoked_at IS NULL AND expires_at > now() AND client_id IS NULL
    RETURNING client_id
"""
_LOCK_CODE = """
    SELECT client_id, user_id, session_id, redirect_uri, scopes, nonce, challenge, expires_at, used_at,
        granted_id, clock_timestamp() AS now
    FROM auth.authorization_code WHERE code_hash = $1 FOR UPDATE
"""
_USE_CODE = "UPDATE auth.authorization_code SET used_at = now(), granted_id = $2 WHERE code_hash = $1"
_FORGET_CODES = """
    DELETE FROM auth.authorization_code WHERE expires_at < now() - $1 * interval '1 second'
"""
# Held until the end, so that a sign-out meanwhile ends this one as well.
_BEGIN = """
    WITH parent AS (
        SELECT id, user_id, proof, expires_at, created_at FROM auth.auth_session
        WHERE id = $1 AND revoked_at IS NULL AND expires_at > now() FOR NO KEY UPDATE
    ), made AS (
        INSERT INTO auth.auth_session
            (id, user_id, token_hash, expires_at, user_agent, remote_address, last_used_at, proof,
            client_id, scopes, parent_id)
        SELECT $2, user_id, $3, expires_at, left($4, 512), left($5, 64), now(), proof, $6, $7, id FROM parent
        RETURNING expires_at
    )
    SELECT made.expires_at, parent.created_at FROM made, parent
"""
_SIGNED_IN_AT = "SELECT created_at FROM auth.auth_session WHERE id = $1"
_PARENT = """
    SELECT parent.id
    FROM auth.auth_session AS one JOIN auth.auth_session AS parent ON parent.id = one.parent_id
    WHERE one.id = $1 AND one.client_id = $2 AND parent.revoked_at IS NULL FOR NO KEY UPDATE OF parent
"""


async def list_applications(connection: Connection) -> list[ApplicationEntry]:
    """All of them, by name."""
    return [ApplicationEntry.model_validate(dict(row)) for row in await connection.fetch(_LIST)]


async def get_application(connection: Connection, client_id: str) -> ApplicationEntry | None:
    """One of them."""
    row = await connection.fetchrow(_GET, client_id)
    return None if row is None else ApplicationEntry.model_validate(dict(row))


async def find(connection: Connection, client_id: str) -> Registered | None:
    """One that may be used. `client_id` is whatever a stranger sent."""
    if not is_client_id(client_id):
        return None
    return await _registered(connection, _FIND, client_id)


async def hold(connection: Connection, client_id: str) -> Registered | None:
    """The same as it is now, and stays until the transaction ends."""
    return await _registered(connection, _HOLD, client_id)


async def lock(connection: Connection, client_id: str) -> bool:
    """Hold one, whether it may be used or not; False where there is none."""
    return await connection.fetchval(_LOCK, client_id) is not None


async def _registered(connection: Connection, statement: str, client_id: str) -> Registered | None:
    row = await connection.fetchrow(statement, client_id)
    if row is None:
        return None
    lists = ("redirect_uris", "post_logout_redirect_uris", "scopes")
    return Registered(**{**dict(row), **{name: tuple(row[name]) for name in lists}})


async def insert(
    connection: Connection,
    client_id: str,
    name: str,
    redirect_uris: Sequence[str],
    post_logout_redirect_uris: Sequence[str],
    scopes: Sequence[str],
    secret_hash: bytes | None,
    *,
    trusted: bool,
) -> bool:
    """Make one; False where a client is called so."""
    made = await connection.fetchval(
        _INSERT, client_id, name, redirect_uris, post_logout_redirect_uris, scopes, trusted, secret_hash
    )
    return made is not None


async def change(
    connection: Connection,
    client_id: str,
    name: str | None,
    redirect_uris: Sequence[str] | None,
    post_logout_redirect_uris: Sequence[str] | None,
    scopes: Sequence[str] | None,
    *,
    trusted: bool | None,
    is_active: bool | None,
) -> None:
    """Change what is not None."""
    await connection.execute(
        _CHANGE, client_id, name, redirect_uris, post_logout_redirect_uris, scopes, trusted, is_active
    )


async def replace_secret(connection: Connection, client_id: str, secret_hash: bytes) -> bool:
    """Give it another secret; False where it has none."""
    return await connection.fetchval(_GIVE_ANOTHER, client_id, secret_hash) is not None


async def delete(connection: Connection, client_id: str) -> str:
    """Delete one that is held; its name."""
    name: str = await connection.fetchval(_DELETE, client_id)
    return name


async def note_used(connection: Connection, client_id: str) -> None:
    """Remember when it was used last, true to a minute."""
    await connection.execute(_NOTE_USED, client_id)


async def end_sessions(connection: Connection, client_id: str) -> None:
    """End every session that an application uses, and what it could begin one with."""
    await connection.execute(_END_SESSIONS, client_id)
    await drop_codes(connection, client_id)


async def drop_codes(connection: Connection, client_id: str) -> None:
    """Delete the codes that nobody has come with yet."""
    await connection.execute(_DROP_CODES, client_id)


async def count_codes(connection: Connection, user_id: int) -> int | None:
    """How many codes an account was given lately; None for a closed one. Others of it wait."""
    if await connection.fetchval(_LOCK_USER, user_id) is None:
        return None
    found: int = await connection.fetchval(_COUNT_CODES, user_id, float(CODE_SECONDS))
    return found


async def insert_code(
    connection: Connection,
    code_hash: bytes,
    client_id: str,
    session_id: UUID,
    redirect_uri: str,
    asked: WithinScope,
) -> bool:
    """Keep a code of a living sign-in; False where that is over."""
    made = await connection.fetchval(
        _INSERT_CODE,
        code_hash,
        client_id,
        session_id,
        redirect_uri,
        asked.scopes,
        asked.nonce,
        asked.challenge,
        float(CODE_SECONDS),
    )
    return made is not None


async def lock_code(connection: Connection, code_hash: bytes) -> Code | None:
    """Read a code and hold its row until the transaction ends."""
    row = await connection.fetchrow(_LOCK_CODE, code_hash)
    if row is None:
        return None
    return Code(**{**dict(row), "user_id": UserId(row["user_id"]), "scopes": tuple(row["scopes"])})


async def use_code(connection: Connection, code_hash: bytes, granted_id: UUID | None) -> None:
    """Let it be good no more."""
    await connection.execute(_USE_CODE, code_hash, granted_id)


async def forget_codes(connection: Connection) -> None:
    """Delete codes that are over for long."""
    await connection.execute(_FORGET_CODES, float(CODE_KEPT_SECONDS))


async def begin(
    connection: Connection,
    parent_id: UUID,
    session_id: UUID,
    token_hash: bytes,
    client: Client,
    client_id: str,
    scopes: Sequence[str],
) -> tuple[datetime, datetime] | None:
    """Begin an application's session; when it ends, and when its person signed in. None: that is over."""
    row = await connection.fetchrow(
        _BEGIN, parent_id, session_id, token_hash, client.user_agent, client.address, client_id, scopes
    )
    return None if row is None else (row["expires_at"], row["created_at"])


async def signed_in_at(connection: Connection, session_id: UUID) -> datetime | None:
    """When a session began."""
    found: datetime | None = await connection.fetchval(_SIGNED_IN_AT, session_id)
    return found


async def parent_of(connection: Connection, session_id: UUID, client_id: str) -> UUID | None:
    """The sign-in that let an application into this session, held; None: it is over."""
    found: UUID | None = await connection.fetchval(_PARENT, session_id, client_id)
    return found
