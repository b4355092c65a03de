"""SQL of forgotten passwords. Every function takes a connection and never commits."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.security.passwords import HASH_MARK
from services.auth.password_reset.models import Recipient, ResetLink, WaitingMail

MOST_ACCOUNTS = 5
"""With one mail address: more are not written to at a time."""

_MAY_RESET = f"kind = 'person' AND is_active AND email <> '' AND starts_with(password, '{HASH_MARK}')"
# The same work, whether there is such an account or not.
_ASK = f"""
    INSERT INTO auth.password_mail (id, user_ids)
    SELECT $1, ARRAY(
        SELECT id FROM auth.auth_user
        WHERE {_MAY_RESET} AND (lower(username) = lower($2) OR lower(email) = lower($2))
        ORDER BY id LIMIT {MOST_ACCOUNTS}
    )
    RETURNING user_ids
"""
_CLAIM = """
    UPDATE auth.password_mail SET attempts = attempts + 1, due_at = now() + $1 * interval '1 second'
    WHERE id = (
        SELECT id FROM auth.password_mail WHERE due_at <= now() ORDER BY due_at LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING id, user_ids, attempts, extract(epoch FROM now() - created_at)::float8 AS age
"""
_DELAY = "UPDATE auth.password_mail SET due_at = now() + $2 * interval '1 second' WHERE id = $1"
_TAKE_OUT = "UPDATE auth.password_mail SET user_ids = array_remove(user_ids, $2) WHERE id = $1"
_END = "DELETE FROM auth.password_mail WHERE id = $1"
_SIZES = """
    SELECT count(*)::integer, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8
    FROM auth.password_mail WHERE user_ids <> '{}'
"""
_RECIPIENT = f"""
    SELECT id AS user_id, username, email, language FROM auth.auth_user WHERE id = $1 AND {_MAY_RESET}
    FOR SHARE
"""
_INSERT_LINK = """
    INSERT INTO auth.password_reset (token_hash, id, user_id, password_changed_at, made_by, expires_at)
    SELECT $1, $2, id, password_changed_at, $4, now() + $5 * interval '1 second'
    FROM auth.auth_user WHERE id = $3
    RETURNING expires_at
"""
_LIVING = """
    link.token_hash = $1 AND u.id = link.user_id AND u.is_active AND u.kind = 'person'
    AND link.expires_at > now() AND u.password_changed_at IS NOT DISTINCT FROM link.password_changed_at
"""
_FIND_LINK = f"""
    SELECT link.id, u.id AS user_id, u.username
    FROM auth.password_reset AS link, auth.auth_user AS u WHERE {_LIVING}
"""
_USE_LINK = f"""
    DELETE FROM auth.password_reset AS link USING auth.auth_user AS u WHERE {_LIVING} RETURNING true
"""
_END_LINKS = "DELETE FROM auth.password_reset WHERE user_id = $1"
_DELETE_EXPIRED = "DELETE FROM auth.password_reset WHERE expires_at < now()"
_EMAIL_OF = "SELECT email FROM auth.auth_user WHERE id = $1"


async def ask(connection: Connection, request_id: UUID, name: str) -> list[int]:
    """Have links sent to the accounts of this name or address; which these are."""
    found: list[int] = await connection.fetchval(_ASK, request_id, name)
    return found


async def claim(connection: Connection, lease: float) -> WaitingMail | None:
    """Whoever waits longest, for this process alone for `lease` seconds."""
    row = await connection.fetchrow(_CLAIM, lease)
    return None if row is None else WaitingMail(**dict(row))


async def delay(connection: Connection, request_id: UUID, seconds: float) -> None:
    """Try again then."""
    await connection.execute(_DELAY, request_id, seconds)


async def take_out(connection: Connection, request_id: UUID, user_id: int) -> None:
    """This account has been written to, or cannot be."""
    await connection.execute(_TAKE_OUT, request_id, user_id)


async def end(connection: Connection, request_id: UUID) -> None:
    """Nothing is left to be sent."""
    await connection.execute(_END, request_id)


async def sizes(connection: Connection) -> tuple[int, float]:
    """How many wait, and the age of the oldest in seconds."""
    row = await connection.fetchrow(_SIZES)
    return (0, 0.0) if row is None else (row[0], row[1])


async def recipient(connection: Connection, user_id: int) -> Recipient | None:
    """Whom to write to, whose address stays until the transaction ends; None: nobody any more."""
    row = await connection.fetchrow(_RECIPIENT, user_id)
    return None if row is None else Recipient(**dict(row))


async def insert_link(
    connection: Connection,
    token_hash: bytes,
    link_id: UUID,
    user_id: int,
    made_by: int | None,
    seconds: float,
) -> datetime:
    """A link for the account as it is now; when it ends."""
    expires_at: datetime = await connection.fetchval(
        _INSERT_LINK, token_hash, link_id, user_id, made_by, seconds
    )
    return expires_at


async def find_link(connection: Connection, token_hash: bytes) -> ResetLink | None:
    """Whose it is, while it is good for anything."""
    row = await connection.fetchrow(_FIND_LINK, token_hash)
    return None if row is None else ResetLink(**dict(row))


async def use_link(connection: Connection, token_hash: bytes) -> bool:
    """Use it; False when it is good for nothing any more."""
    return bool(await connection.fetchval(_USE_LINK, token_hash))


async def end_links(connection: Connection, user_id: int) -> None:
    """Nobody uses any link of this account any more."""
    await connection.execute(_END_LINKS, user_id)


async def delete_expired(connection: Connection) -> None:
    """Forget links whose time is over."""
    await connection.execute(_DELETE_EXPIRED)


async def email_of(connection: Connection, user_id: int) -> str | None:
    """Where its links go."""
    found: str | None = await connection.fetchval(_EMAIL_OF, user_id)
    return found
