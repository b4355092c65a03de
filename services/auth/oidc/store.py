"""SQL of identities at providers. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.oidc.models import LinkedIdentity

NO_PASSWORD = "!"  # noqa: S105  no hash, as Django writes it: no password matches
_LOCK_SUBJECT = "SELECT pg_advisory_xact_lock(hashtextextended('auth.oidc ' || $1 || ' ' || $2, 0))"
_FIND = """
    SELECT identity.id, identity.user_id, one.is_active
    FROM auth.oidc_identity AS identity JOIN auth.auth_user AS one ON one.id = identity.user_id
    WHERE identity.issuer = $1 AND identity.subject = $2
"""
_INSERT = """
    INSERT INTO auth.oidc_identity (id, user_id, issuer, subject) VALUES ($1, $2, $3, $4)
    ON CONFLICT (issuer, subject) DO NOTHING RETURNING id
"""
_NOTE_USE = "UPDATE auth.oidc_identity SET last_used_at = now() WHERE id = $1"
_LIST = """
    SELECT id, issuer, subject, created_at, last_used_at FROM auth.oidc_identity
    WHERE user_id = $1 ORDER BY created_at, id
"""
_DELETE = "DELETE FROM auth.oidc_identity WHERE id = $1 AND user_id = $2 RETURNING id"
_END_SESSIONS = """
    UPDATE auth.auth_session SET revoked_at = clock_timestamp()
    WHERE identity_id = $1 AND user_id = $2 AND revoked_at IS NULL
"""
_INSERT_USER = """
    INSERT INTO auth.auth_user (username, password, first_name, last_name, email)
    VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING RETURNING id
"""
_GROUP_IDS = "SELECT id, name FROM auth.auth_group WHERE name = ANY ($1::text[])"
_USE_ROUND_TRIP = """
    INSERT INTO auth.oidc_round_trip (id, expires_at) VALUES ($1, now() + $2 * interval '1 second')
    ON CONFLICT DO NOTHING RETURNING id
"""
_FORGET_ROUND_TRIPS = "DELETE FROM auth.oidc_round_trip WHERE expires_at < now()"
_LIVES = """
    SELECT EXISTS (
        SELECT FROM auth.auth_session AS session JOIN auth.auth_user AS one ON one.id = session.user_id
        WHERE session.id = $1 AND session.user_id = $2 AND session.revoked_at IS NULL
            AND session.expires_at > now() AND one.is_active
    )
"""
_ISSUER_OF_SESSION = """
    SELECT identity.issuer FROM auth.auth_session AS session
    JOIN auth.oidc_identity AS identity ON identity.id = session.identity_id
    WHERE session.id = $1 AND (session.token_hash = $2 OR session.previous_hash = $2)
"""
_HAS_PASSWORD = "SELECT password LIKE '$%' FROM auth.auth_user WHERE id = $1"  # noqa: S105  SQL


async def lock_subject(connection: Connection, issuer: str, subject: str) -> None:
    """One sign-in of this identity at a time, until the transaction ends: it gets one account."""
    await connection.execute(_LOCK_SUBJECT, issuer, subject)


async def find(connection: Connection, issuer: str, subject: str) -> tuple[UUID, UserId, bool] | None:
    """The identity, its account, and whether that is open."""
    row = await connection.fetchrow(_FIND, issuer, subject)
    return None if row is None else (row["id"], UserId(row["user_id"]), row["is_active"])


async def insert(connection: Connection, identity_id: UUID, user_id: int, issuer: str, subject: str) -> bool:
    """Link an identity; False when it is linked already, whoever to."""
    return await connection.fetchval(_INSERT, identity_id, user_id, issuer, subject) is not None


async def note_use(connection: Connection, identity_id: UUID) -> None:
    """Remember that somebody signed in with it."""
    await connection.execute(_NOTE_USE, identity_id)


async def listed(connection: Connection, user_id: int) -> list[LinkedIdentity]:
    """The identities of an account, oldest first."""
    return [LinkedIdentity.model_validate(dict(row)) for row in await connection.fetch(_LIST, user_id)]


async def delete(connection: Connection, identity_id: UUID, user_id: int) -> bool:
    """Unlink an identity, and end what was begun with it; False without such a one of this account."""
    await connection.execute(_END_SESSIONS, identity_id, user_id)
    return await connection.fetchval(_DELETE, identity_id, user_id) is not None


async def insert_person(
    connection: Connection, username: str, first_name: str, last_name: str, email: str
) -> UserId | None:
    """Insert an account without a password and without groups; None when the name is taken."""
    found = await connection.fetchval(_INSERT_USER, username, NO_PASSWORD, first_name, last_name, email)
    return None if found is None else UserId(found)


async def group_ids(connection: Connection, names: Collection[str]) -> dict[str, int]:
    """Groups by name; unknown ones are missing."""
    return {row["name"]: row["id"] for row in await connection.fetch(_GROUP_IDS, list(names))}


async def use_round_trip(connection: Connection, trip_id: UUID, seconds: int) -> bool:
    """Use a round trip up; False when it was used before. It is remembered for `seconds`."""
    return await connection.fetchval(_USE_ROUND_TRIP, trip_id, float(seconds)) is not None


async def forget_round_trips(connection: Connection) -> None:
    """Forget those that are too old to be used again."""
    await connection.execute(_FORGET_ROUND_TRIPS)


async def session_lives(connection: Connection, session_id: UUID, user_id: int) -> bool:
    """Whether an account is still signed in there."""
    return bool(await connection.fetchval(_LIVES, session_id, user_id))


async def issuer_of_session(connection: Connection, session_id: UUID, token_hash: bytes) -> str | None:
    """With whose identity a session was begun, for whoever holds its token."""
    found: str | None = await connection.fetchval(_ISSUER_OF_SESSION, session_id, token_hash)
    return found


async def has_password(connection: Connection, user_id: int) -> bool:
    """Whether an account can be signed in to with a password at all."""
    return bool(await connection.fetchval(_HAS_PASSWORD, user_id))
