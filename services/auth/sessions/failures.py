"""SQL of the sign-in throttle. Every function takes a connection and never commits."""

from __future__ import annotations

from libs.common.database.failures import Failures
from libs.common.database.postgres import Connection

COUNTERS = Failures("auth.sign_in_failure")

_FORGET_ACCOUNT = "DELETE FROM auth.sign_in_failure WHERE key = $1 OR starts_with(key, $2)"
_KNOWN_ADDRESSES = """
    SELECT DISTINCT session.remote_address
    FROM auth.auth_session AS session JOIN auth.auth_user AS one ON one.id = session.user_id
    WHERE lower(one.username) = lower($1) AND session.remote_address <> '' LIMIT 1000
"""


async def forget_account(connection: Connection, account_key: str, pair_prefix: str) -> None:
    """Delete an account's counters, from wherever the attempts came."""
    await connection.execute(_FORGET_ACCOUNT, account_key, pair_prefix)


async def known_addresses(connection: Connection, username: str) -> list[str]:
    """Whence the account has signed in, as far back as sessions are kept."""
    return [row["remote_address"] for row in await connection.fetch(_KNOWN_ADDRESSES, username)]
