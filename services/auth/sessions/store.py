"""SQL of sessions and signing keys. Every function takes a connection and never commits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.sessions.models import Client, Session, SessionProof, SigningKeyTimes, StoredKey

_INSERT_SESSION = """
    INSERT INTO auth.auth_session
        (id, user_id, token_hash, expires_at, user_agent, remote_address, last_used_at, proof,
        identity_id)
    VALUES ($1, $2, $3, now() + $4 * interval '1 second', left($5, 512), left($6, 64), now(), $7, $8)
    RETURNING expires_at
"""
_LOCK_SESSION = """
    SELECT id, user_id, token_hash, previous_hash, rotation_salt, rotated_at, last_used_at, expires_at,
        revoked_at, remote_address, proof, clock_timestamp() AS now, client_id,
        coalesce(scopes, '{}') AS scopes, parent_id
    FROM auth.auth_session WHERE id = $1 FOR UPDATE
"""
_ROTATE_SESSION = """
    UPDATE auth.auth_session
    SET token_hash = $2, previous_hash = token_hash, rotation_salt = $3, rotated_at = clock_timestamp()
    WHERE id = $1
"""
# A session that the release before began keeps saying so: its cookies have other names.
_NOTE_USE = """
    UPDATE auth.auth_session SET last_used_at = clock_timestamp(), user_agent = left($2, 512),
        remote_address = CASE WHEN remote_address = '' THEN '' ELSE left($3, 64) END
    WHERE id = $1
"""
_REVOKE_SESSION = "UPDATE auth.auth_session SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
_REVOKE_BY_HOLDER = """
    UPDATE auth.auth_session SET revoked_at = now()
    WHERE id = $1 AND revoked_at IS NULL AND (token_hash = $2 OR previous_hash = $2) RETURNING id
"""
_REVOKE_ALL = """
    UPDATE auth.auth_session SET revoked_at = clock_timestamp()
    WHERE user_id = $1 AND revoked_at IS NULL AND id IS DISTINCT FROM $2
"""
# Whoever has only given the password so far begins anew as well.
_END_CHALLENGES = "DELETE FROM auth.sign_in_challenge WHERE user_id = $1"
_BURY_USER = """
    INSERT INTO auth.buried_user (user_id, access_version, buried_at)
    SELECT id, access_version + 1, clock_timestamp() FROM auth.auth_user WHERE id = $1
"""
_DELETE_EXPIRED = "DELETE FROM auth.auth_session WHERE expires_at < now() - $1 * interval '1 second'"
_DELETE_CHALLENGES = "DELETE FROM auth.sign_in_challenge WHERE expires_at < now()"
_DELETE_BURIED = "DELETE FROM auth.buried_user WHERE buried_at < now() - $1 * interval '1 second'"
_REVOKED_SESSIONS = """
    SELECT id, ceil(extract(epoch FROM revoked_at) + $1)::bigint AS until FROM auth.auth_session
    WHERE revoked_at > now() - $1 * interval '1 second' ORDER BY id
"""
# `last_used_at` is true to a minute; of a key that was not used no token lives.
_REVOKED_KEYS = """
    SELECT id, ceil(extract(epoch FROM revoked_at) + $1)::bigint AS until FROM auth.api_key
    WHERE revoked_at > now() - $1 * interval '1 second'
      AND last_used_at > now() - ($1 + 60) * interval '1 second'
    ORDER BY id
"""
_CHANGED_USERS = """
    SELECT id, access_version FROM auth.auth_user WHERE access_changed_at > now() - $1 * interval '1 second'
    UNION ALL
    SELECT user_id, access_version FROM auth.buried_user WHERE buried_at > now() - $1 * interval '1 second'
    ORDER BY 1
"""
_INSERT_KEY = """
    INSERT INTO auth.signing_key (kid, private_key, signs_from)
    VALUES ($1, $2, now() + $3 * interval '1 second') ON CONFLICT DO NOTHING
"""
_PUBLISHED_KEYS = """
    SELECT kid, private_key, extract(epoch FROM signs_from - clock_timestamp())::float8 AS signs_in,
        extract(epoch FROM retired_at - clock_timestamp())::float8 AS ends_in,
        extract(epoch FROM clock_timestamp() - created_at)::float8 AS age
    FROM auth.signing_key WHERE retired_at IS NULL OR retired_at > clock_timestamp()
    ORDER BY signs_from DESC, kid
"""
_KEY_TIMES = """
    SELECT kid, created_at, signs_from, retired_at AS ends_at, revoked_at,
        extract(epoch FROM signs_from - now())::float8 AS signs_in,
        retired_at IS NULL OR retired_at > now() AS published
    FROM auth.signing_key ORDER BY created_at DESC, signs_from DESC, kid
"""
_LOCK_KEYS = "LOCK TABLE auth.signing_key IN SHARE ROW EXCLUSIVE MODE"
_END_KEY = """
    UPDATE auth.signing_key SET retired_at = now() + $1 * interval '1 second' WHERE retired_at IS NULL
"""
_LET_SIGN = "UPDATE auth.signing_key SET signs_from = now() WHERE kid = $1"
_END_OTHERS = """
    UPDATE auth.signing_key SET retired_at = least(retired_at, now() + $2 * interval '1 second')
    WHERE kid <> $1 AND retired_at > now()
"""
_REVOKE_KEYS = """
    UPDATE auth.signing_key SET retired_at = now(), revoked_at = now()
    WHERE retired_at IS NULL OR retired_at > now()
"""
# Longer than any service could keep a key that it has not seen published.
_REVOKED_SIGNING_KEYS = """
    SELECT kid FROM auth.signing_key WHERE revoked_at > now() - interval '7 days' ORDER BY kid
"""
_DELETE_KEYS = """
    DELETE FROM auth.signing_key WHERE retired_at < now() - interval '1 day'
      AND (revoked_at IS NULL OR revoked_at < now() - interval '8 days')
"""


async def insert_session(
    connection: Connection,
    session_id: UUID,
    user_id: UserId,
    token_hash: bytes,
    seconds: int,
    client: Client,
    proof: SessionProof,
    identity_id: UUID | None = None,
) -> datetime:
    """Begin a session, of an identity at a provider if one is named; when it ends."""
    expires_at: datetime = await connection.fetchval(
        _INSERT_SESSION,
        session_id,
        user_id,
        token_hash,
        float(seconds),
        client.user_agent,
        client.address,
        proof,
        identity_id,
    )
    return expires_at


async def note_use(connection: Connection, session_id: UUID, client: Client) -> None:
    """Remember when and from where a session was used last."""
    await connection.execute(_NOTE_USE, session_id, client.user_agent, client.address)


async def lock_session(connection: Connection, session_id: UUID) -> Session | None:
    """Read a session and hold its row until the transaction ends."""
    row = await connection.fetchrow(_LOCK_SESSION, session_id)
    return None if row is None else Session(**dict(row))


async def rotate_session(connection: Connection, session_id: UUID, token_hash: bytes, salt: bytes) -> None:
    """Make `token_hash` the current one and the current one the previous."""
    await connection.execute(_ROTATE_SESSION, session_id, token_hash, salt)


async def revoke_session(connection: Connection, session_id: UUID) -> None:
    """End a session."""
    await connection.execute(_REVOKE_SESSION, session_id)


async def revoke_by_holder(connection: Connection, session_id: UUID, token_hash: bytes) -> bool:
    """End a session for whoever holds its current or its previous token; False for anybody else."""
    return await connection.fetchval(_REVOKE_BY_HOLDER, session_id, token_hash) is not None


async def revoke_sessions(connection: Connection, user_id: UserId, *, but: UUID | None = None) -> None:
    """End every session of an account, or every other one, and the sign-ins that wait for a second factor."""
    await connection.execute(_REVOKE_ALL, user_id, but)
    await connection.execute(_END_CHALLENGES, user_id)


async def bury_user(connection: Connection, user_id: UserId) -> None:
    """Remember that an account is about to be deleted, for as long as its tokens live."""
    await connection.execute(_BURY_USER, user_id)


async def delete_expired_sessions(connection: Connection, token_life: float) -> None:
    """Forget sessions and deleted accounts that no token speaks of any more; `token_life` in seconds."""
    await connection.execute(_DELETE_EXPIRED, token_life)
    await connection.execute(_DELETE_BURIED, token_life)
    await connection.execute(_DELETE_CHALLENGES)


async def revoked_sessions(connection: Connection, token_life: float) -> dict[str, int]:
    """Sessions that living tokens may name, with the end of the last of these."""
    rows = await connection.fetch(_REVOKED_SESSIONS, token_life)
    return {row["id"].hex: row["until"] for row in rows}


async def revoked_keys(connection: Connection, token_life: float) -> dict[str, int]:
    """The same of API keys, by the `client_id` in their tokens."""
    rows = await connection.fetch(_REVOKED_KEYS, token_life)
    return {f"key:{row['id'].hex}": row["until"] for row in rows}


async def changed_users(connection: Connection, token_life: float) -> dict[str, int]:
    """Accounts of whom tokens with former access may live, with the version that counts now."""
    rows = await connection.fetch(_CHANGED_USERS, token_life)
    return {str(row["id"]): row["access_version"] for row in rows}


async def insert_signing_key(connection: Connection, kid: str, seed: bytes, begins: float = 0.0) -> None:
    """Insert a key that signs in so many seconds, unless there is one without an end."""
    await connection.execute(_INSERT_KEY, kid, seed, begins)


async def published_keys(connection: Connection) -> list[StoredKey]:
    """The keys whose signatures are good, the one that begins last first."""
    return [StoredKey(**dict(row)) for row in await connection.fetch(_PUBLISHED_KEYS)]


async def signing_key_times(connection: Connection) -> list[SigningKeyTimes]:
    """All keys without what is secret of them, the newest first."""
    return [SigningKeyTimes(**dict(row)) for row in await connection.fetch(_KEY_TIMES)]


async def lock_signing_keys(connection: Connection) -> None:
    """Keep other rotations out until the transaction ends."""
    await connection.execute(_LOCK_KEYS)


async def end_signing_key(connection: Connection, seconds: float) -> None:
    """Give the key without an end one, in so many seconds."""
    await connection.execute(_END_KEY, seconds)


async def let_sign(connection: Connection, kid: str, overlap: float) -> None:
    """Let a key sign that has waited; the others are published for as many seconds."""
    await connection.execute(_LET_SIGN, kid)
    await connection.execute(_END_OTHERS, kid, overlap)


async def revoke_signing_keys(connection: Connection) -> None:
    """End every key, so that no token of theirs is worth anything."""
    await connection.execute(_REVOKE_KEYS)


async def revoked_signing_keys(connection: Connection) -> list[str]:
    """Those that verifiers might still remember."""
    return [row["kid"] for row in await connection.fetch(_REVOKED_SIGNING_KEYS)]


async def delete_signing_keys(connection: Connection) -> None:
    """Forget keys that have ended long ago."""
    await connection.execute(_DELETE_KEYS)
