"""What services refuse before its time: the public list that they read every few seconds."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import orjson

from libs.common.database.migrations import require_current
from libs.common.database.postgres import Database
from services.auth.schema import MIGRATIONS
from services.auth.sessions import store

TOKEN_LIFE_SECONDS = 960.0
"""How long an entry stays: longer than any token lives, also by the defaults of the release before."""
HELD_SECONDS = 1.0
"""How long one reading of the database serves everybody who asks."""


@dataclass(frozen=True)
class Published:
    """The document and its entity tag, which changes with it only."""

    body: bytes
    etag: str


class RevocationList:
    """Read from the database at most once in HELD_SECONDS, however many ask: anybody may."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds and never goes back."""
        self._database = database
        self._clock = clock
        self._reading = asyncio.Lock()
        self._held: Published | None = None
        self._until = float("-inf")

    async def current(self) -> Published:
        """Raises Unavailable."""
        async with self._reading:
            if self._held is None or self._clock() >= self._until:
                self._held = await self._read()
                self._until = self._clock() + HELD_SECONDS
            return self._held

    async def body(self) -> bytes:
        """The document, for a verifier in this process."""
        return (await self.current()).body

    async def _read(self) -> Published:
        if self._held is None:
            await require_current(self._database, MIGRATIONS)
        async with self._database.connection() as connection:
            sessions = await store.revoked_sessions(connection, TOKEN_LIFE_SECONDS)
            keys = await store.revoked_keys(connection, TOKEN_LIFE_SECONDS)
            users = await store.changed_users(connection, TOKEN_LIFE_SECONDS)
            signing = await store.revoked_signing_keys(connection)
        body = orjson.dumps({"sessions": sessions, "users": users, "keys": keys, "signing_keys": signing})
        return Published(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')
