"""What must exist before anybody can sign in: the signing key and an administrator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from libs.common.audit.acts import note_done
from libs.common.database.migrations import require_current
from libs.common.database.postgres import Database
from libs.common.errors import ConfigurationError, InvalidRequest, Unavailable
from libs.common.security.passwords import Passwords, generate_password
from services.auth.identity import store
from services.auth.identity.password_policy import require_good
from services.auth.oidc import store as oidc
from services.auth.password_reset import store as resets
from services.auth.provider import store as provider
from services.auth.schema import MIGRATIONS
from services.auth.sessions import store as sessions
from services.auth.sessions.revocation_list import TOKEN_LIFE_SECONDS
from services.auth.sessions.signing_key import SigningKey
from services.auth.settings import AuthSettings

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 3600.0


async def ensure_admin(
    database: Database, passwords: Passwords, settings: AuthSettings, announce: Callable[[str], None]
) -> None:
    """Make the first administrator unless there is one. Raises ConfigurationError or Unavailable.

    A generated password is announced before the commit: a crash in between leaves a line too many and makes
    another password at the next start, where the other order could lose the only one.
    """
    async with database.connection() as connection:
        if await store.has_superuser(connection):
            return
    given = settings.admin_password
    password = generate_password() if given is None else given.get_secret_value()
    username = settings.admin_username
    try:
        require_good(password, username, min_length=settings.password_min_length)
    except InvalidRequest as error:
        raise ConfigurationError(
            f"Set another ADMIN_PASSWORD, or leave it unset to have one made and printed: {error.detail}"
        ) from error
    encoded = await passwords.hash(password)
    async with database.transaction() as connection:
        await store.lock_bootstrap(connection)
        if await store.has_superuser(connection):
            return
        made = await store.insert_user(connection, username, encoded, staff=True, superuser=True)
        if made is None:
            log.error("nobody is an administrator, and %s is a user already: set ADMIN_USERNAME", username)
            return
        await note_done(connection, "user", made, first_administrator=True)
        if given is None:
            announce(f"Administrator created. User name: {username}  Password: {password}  (shown only once)")
    log.info("administrator %s created", username)


class Bootstrap:
    """Does it as soon as the database can be reached, then keeps house."""

    def __init__(
        self, database: Database, passwords: Passwords, key: SigningKey, settings: AuthSettings
    ) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._passwords = passwords
        self._key = key
        self._settings = settings
        self._done = False

    async def ready(self) -> None:
        """Raises Unavailable while nobody could sign in."""
        await require_current(self._database, MIGRATIONS)
        if not self._done:
            raise Unavailable("The signing key and the first administrator are not there yet.")

    async def run(self) -> None:
        """Run for ever; a database that is late or away is waited for."""
        while not self._done:
            try:
                await self._prepare()
            except Unavailable as error:
                log.info("waiting: %s", error.detail)
                await asyncio.sleep(RETRY_SECONDS)
        while True:
            try:
                async with self._database.transaction() as connection:
                    await sessions.delete_expired_sessions(connection, TOKEN_LIFE_SECONDS)
                    await sessions.delete_signing_keys(connection)
                    await resets.delete_expired(connection)
                    await oidc.forget_round_trips(connection)
                    await provider.forget_codes(connection)
            except Unavailable as error:
                log.warning("expired sessions are kept for now: %s", error.detail)
            await asyncio.sleep(HOUSEKEEPING_SECONDS)

    async def _prepare(self) -> None:
        await self._key.signer()
        try:
            await ensure_admin(self._database, self._passwords, self._settings, _print)
        except ConfigurationError as error:
            log.critical("%s", error.detail)
            raise
        self._done = True


def _print(line: str) -> None:
    print(line, flush=True)
