"""Proving that one's own password is known: whoever found somebody's screen open does not."""

from __future__ import annotations

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable, WrongCredentials
from libs.common.security.passwords import Passwords
from libs.common.security.principal import Principal
from services.auth.sessions.throttle import Throttle
from services.auth.users import store as users


class OwnPassword:
    """Asked for before what would outlive the session that asks."""

    def __init__(self, database: Database, passwords: Passwords, throttle: Throttle) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._passwords = passwords
        self._throttle = throttle

    async def require(self, caller: Principal, address: str, password: str) -> None:
        """Guesses are as slow as at the sign-in. Raises WrongCredentials, TooManyRequests or Unavailable."""
        attempt = await self._throttle.begin(caller.username, address)
        try:
            async with self._database.connection() as connection:
                found = await users.lock_target(connection, caller.user_id)
            right = found is not None and await self._passwords.verify(found[2], password)
        except Unavailable:
            await self._throttle.abandon(attempt)
            raise
        if not right:
            raise WrongCredentials("The present password is another one.")
        async with self._database.transaction() as connection:
            await self._throttle.succeeded(connection, attempt)
