"""SQL of second factors. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from libs.common.database.postgres import Connection
from libs.common.ids import UserId
from services.auth.second_factor.models import Authenticator, Challenged, Standing
from services.auth.second_factor.seeds import SealedSeed

PENDING_SECONDS = 900.0
"""How long a new authenticator may take to be confirmed."""

_REQUIRED = """
    EXISTS (SELECT FROM auth.auth_group AS one
            JOIN auth.auth_user_groups AS member ON member.group_id = one.id
            WHERE member.user_id = $1 AND one.requires_second_factor)
"""
_ASKED = f"""
    SELECT (SELECT confirmed_at FROM auth.totp WHERE user_id = $1) AS confirmed_at,
        (SELECT count(*)::integer FROM auth.recovery_code WHERE user_id = $1) AS recovery_codes_left,
        {_REQUIRED} AS required
"""
_IS_REQUIRED = f"SELECT {_REQUIRED}"
_FIND = """
    SELECT id, key_reference, seed, confirmed_at IS NOT NULL AS confirmed,
        created_at > now() - $2 * interval '1 second' AS fresh
    FROM auth.totp WHERE user_id = $1
"""
_BEGIN = """
    INSERT INTO auth.totp AS held (id, user_id, key_reference, seed) VALUES ($1, $2, $3, $4)
    ON CONFLICT (user_id) DO UPDATE SET (id, key_reference, seed, created_at, last_step) =
        (excluded.id, excluded.key_reference, excluded.seed, now(), 0)
    WHERE held.confirmed_at IS NULL
    RETURNING true
"""
_CONFIRM = """
    UPDATE auth.totp SET confirmed_at = now(), last_step = $2 WHERE id = $1 AND confirmed_at IS NULL
    RETURNING true
"""
# The condition is looked at when the row's lock has come: of two uses of one code, the later finds it used.
_USE_STEP = """
    UPDATE auth.totp SET last_step = $2
    WHERE id = $1 AND last_step < $2 AND confirmed_at IS NOT NULL
    RETURNING true
"""
_FIND_RECOVERY = "SELECT code_hash FROM auth.recovery_code WHERE user_id = $1 AND selector = $2"
_USE_RECOVERY = """
    DELETE FROM auth.recovery_code WHERE user_id = $1 AND selector = $2 AND code_hash = $3 RETURNING true
"""
_FORGET_RECOVERY = "DELETE FROM auth.recovery_code WHERE user_id = $1"
_INSERT_RECOVERY = """
    INSERT INTO auth.recovery_code (user_id, selector, code_hash)
    SELECT $1, selector, code_hash FROM unnest($2::text[], $3::text[]) AS one (selector, code_hash)
"""
_REMOVE = "DELETE FROM auth.totp WHERE user_id = $1 RETURNING confirmed_at IS NOT NULL"
_RESEAL = """
    UPDATE auth.totp SET key_reference = $3, seed = $4 WHERE id = $1 AND key_reference = $2
"""
_SEALED_OTHERWISE = """
    SELECT id, user_id, key_reference, seed FROM auth.totp
    WHERE key_reference <> $1 AND key_reference = ANY ($2::text[]) AND user_id > $3
    ORDER BY user_id LIMIT 500
"""
_BY_KEY = "SELECT key_reference, count(*) AS number FROM auth.totp GROUP BY 1"
_INSERT_CHALLENGE = """
    INSERT INTO auth.sign_in_challenge (id, user_id, password_changed_at, expires_at, identity_id)
    SELECT $1, id, password_changed_at, now() + $3 * interval '1 second', $4
    FROM auth.auth_user WHERE id = $2
"""
_LIVING = """
    challenge.id = $1 AND u.id = challenge.user_id AND u.is_active AND challenge.expires_at > now()
    AND u.password_changed_at IS NOT DISTINCT FROM challenge.password_changed_at
"""
_FIND_CHALLENGE = f"""
    SELECT challenge.id, u.id AS user_id, u.username, challenge.identity_id
    FROM auth.sign_in_challenge AS challenge, auth.auth_user AS u WHERE {_LIVING}
"""
_USE_CHALLENGE = f"""
    DELETE FROM auth.sign_in_challenge AS challenge USING auth.auth_user AS u WHERE {_LIVING} RETURNING true
"""
_LOCK_USER = "SELECT FROM auth.auth_user WHERE id = $1 FOR NO KEY UPDATE"
_MARK_SESSION = "UPDATE auth.auth_session SET proof = 'second-factor' WHERE id = $1"


async def asked(connection: Connection, user_id: int) -> Standing:
    """What of a second factor the account has, and whether it must have one."""
    row = await connection.fetchrow(_ASKED, user_id)
    if row is None:
        raise LookupError
    return Standing(**dict(row))


async def is_required(connection: Connection, user_id: int) -> bool:
    """Whether a group of the account demands a second factor."""
    return bool(await connection.fetchval(_IS_REQUIRED, user_id))


async def find(connection: Connection, user_id: int) -> Authenticator | None:
    """The account's authenticator, confirmed or not."""
    row = await connection.fetchrow(_FIND, user_id, PENDING_SECONDS)
    if row is None:
        return None
    return Authenticator(
        row["id"], SealedSeed(row["key_reference"], row["seed"]), row["confirmed"], row["fresh"]
    )


async def begin(connection: Connection, authenticator_id: UUID, user_id: int, seed: SealedSeed) -> bool:
    """Put a seed that is to be confirmed in the place of any such; False where one is confirmed."""
    return bool(await connection.fetchval(_BEGIN, authenticator_id, user_id, seed.reference, seed.sealed))


async def confirm(connection: Connection, authenticator_id: UUID, step: int) -> bool:
    """The app has shown the code of `step`; False when another seed has taken its place."""
    return bool(await connection.fetchval(_CONFIRM, authenticator_id, step))


async def use_step(connection: Connection, authenticator_id: UUID, step: int) -> bool:
    """Use the code of a step; False when it, or a later one, was used already."""
    return bool(await connection.fetchval(_USE_STEP, authenticator_id, step))


async def find_recovery(connection: Connection, user_id: int, selector: str) -> str | None:
    """The hash of the recovery code that begins so."""
    found: str | None = await connection.fetchval(_FIND_RECOVERY, user_id, selector)
    return found


async def use_recovery(connection: Connection, user_id: int, selector: str, code_hash: str) -> bool:
    """Use a recovery code; False when it was used already."""
    return bool(await connection.fetchval(_USE_RECOVERY, user_id, selector, code_hash))


async def replace_recovery(connection: Connection, user_id: int, hashed: Sequence[tuple[str, str]]) -> None:
    """Have these recovery codes and no others: how each begins, and the hash of the rest."""
    await connection.execute(_FORGET_RECOVERY, user_id)
    await connection.execute(
        _INSERT_RECOVERY, user_id, [selector for selector, _ in hashed], [code for _, code in hashed]
    )


async def remove(connection: Connection, user_id: int) -> bool:
    """Delete the authenticator and its recovery codes; False where none was confirmed."""
    await connection.execute(_FORGET_RECOVERY, user_id)
    return bool(await connection.fetchval(_REMOVE, user_id))


async def reseal(connection: Connection, authenticator_id: UUID, former: str, seed: SealedSeed) -> None:
    """Store the same seed under another key, unless that was done meanwhile."""
    await connection.execute(_RESEAL, authenticator_id, former, seed.reference, seed.sealed)


async def sealed_otherwise(
    connection: Connection, current: str, known: frozenset[str], after: int
) -> list[tuple[UUID, int, SealedSeed]]:
    """Some of the seeds that other keys than the current one closed, of those that are `known`.

    By account, those after `after`.
    """
    rows = await connection.fetch(_SEALED_OTHERWISE, current, sorted(known), after)
    return [(row["id"], row["user_id"], SealedSeed(row["key_reference"], row["seed"])) for row in rows]


async def count_by_key(connection: Connection) -> dict[str, int]:
    """How many seeds each key closes."""
    return {row["key_reference"]: row["number"] for row in await connection.fetch(_BY_KEY)}


async def insert_challenge(
    connection: Connection, challenge_id: UUID, user_id: UserId, seconds: float, identity_id: UUID | None
) -> None:
    """Note that the account's password was right, or that a provider has said who it is."""
    await connection.execute(_INSERT_CHALLENGE, challenge_id, user_id, seconds, identity_id)


async def find_challenge(connection: Connection, challenge_id: UUID) -> Challenged | None:
    """Whose it is, while it is good for anything."""
    row = await connection.fetchrow(_FIND_CHALLENGE, challenge_id)
    return None if row is None else Challenged(**dict(row))


async def use_challenge(connection: Connection, challenge_id: UUID) -> bool:
    """Use it; False when it is good for nothing any more."""
    return bool(await connection.fetchval(_USE_CHALLENGE, challenge_id))


async def lock_user(connection: Connection, user_id: int) -> None:
    """Hold the account's row, before any other row of it, as whoever changes its password does."""
    await connection.execute(_LOCK_USER, user_id)


async def mark_session(connection: Connection, session_id: UUID) -> None:
    """Its owner has proved a second factor since it began."""
    await connection.execute(_MARK_SESSION, session_id)
