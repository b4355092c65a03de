"""What was taken back before its time: ended sessions, and accounts whose access has changed.

Access tokens are verified without asking their issuer, so every service reads the issuer's list every few
seconds. The list holds what tokens that still live might speak of, so it stays small. While it cannot be
read, the last one holds, and the life of a token is the bound.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable

from pydantic import BaseModel, ConfigDict, ValidationError

from libs.common.errors import Unavailable
from libs.common.security.principal import Principal

log = logging.getLogger(__name__)

POLL_SECONDS = (6.0, 9.0)
"""Shortest and longest pause: replicas that started together do not ask together."""
MAX_REVOCATION_BYTES = 8 * 1024 * 1024


class RevocationDocument(BaseModel):
    """What is refused. `sessions` and `keys` (the `client_id` of an API key) with the time at which the last
    token that names them ends, in seconds since 1970; `users` with the least version of access that counts;
    `signing_keys` by `kid`, whatever they have signed.
    """

    model_config = ConfigDict(frozen=True)

    sessions: dict[str, int]
    users: dict[str, int]
    keys: dict[str, int] = {}
    signing_keys: frozenset[str] = frozenset()


class Revocations:
    """The list as it was last read."""

    def __init__(
        self, fetch: Callable[[], Awaitable[bytes]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`fetch` gives the document or raises Unavailable; `clock` counts seconds and never goes back."""
        self._fetch = fetch
        self._clock = clock
        self._read_at = clock()
        self._failing = False
        self._document = RevocationDocument(sessions={}, users={})
        self._changed = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since the list was last read, or since the start while it never was."""
        return self._clock() - self._read_at

    def revoked(self, caller: Principal) -> bool:
        """Whether the caller's token is worth nothing any more."""
        if caller.session_id in self._document.sessions or caller.client_id in self._document.keys:
            return True
        if caller.signing_key in self._document.signing_keys:
            return True
        least = self._document.users.get(str(caller.user_id))
        return least is not None and caller.access_version < least

    async def wait(self, caller: Principal) -> None:
        """Return when the caller's token is revoked."""
        while not self.revoked(caller):
            await self._changed.wait()

    async def refresh(self) -> None:
        """Read the list. Raises Unavailable; the one before holds."""
        body = await self._fetch()
        try:
            document = RevocationDocument.model_validate_json(body)
        except ValidationError as error:
            raise Unavailable("The list of revoked tokens is not what this release reads.") from error
        self._read_at = self._clock()
        if document != self._document:
            self._document = document
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    async def run(self) -> None:
        """Read it for ever."""
        while True:
            try:
                await self.refresh()
            except Unavailable as error:
                if not self._failing:
                    log.warning("revoked tokens are let in until their end: %s", error.detail)
                self._failing = True
            else:
                self._failing = False
            await asyncio.sleep(random.uniform(*POLL_SECONDS))  # noqa: S311  no secret
