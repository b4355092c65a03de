"""The keys that all replicas sign with, kept in the database: which one signs, and which are published.

A key is published before it signs, and after it did, for longer than verifiers remember and tokens live. The
times are the database's, so that replicas agree; each reads them every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from libs.common.database.migrations import require_current, wait_until_current
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Unavailable
from services.auth.metrics import AuthMetrics
from services.auth.schema import MIGRATIONS
from services.auth.sessions import store
from services.auth.sessions.models import KeySetResponse
from services.auth.sessions.signing import TokenSigner, generate_seed, key_set_of

log = logging.getLogger(__name__)

READ_SECONDS = 5.0
"""How long a replica may not know of a key that was added or revoked."""


@dataclass(frozen=True)
class HeldKey:
    """A key, and when it signs and ends by the clock of this replica, in seconds."""

    signer: TokenSigner
    signs_at: float
    ends_at: float
    made_at: float


def published_at(keys: Sequence[HeldKey], now: float) -> list[HeldKey]:
    """Those that are published, the one that signs first; pure.

    That is the one that has begun last. Where none has, by clocks that were set, it is the first to begin.
    """
    living = [key for key in keys if key.ends_at > now]
    begun = [key for key in living if key.signs_at <= now]
    if not living:
        return []
    signs = max(begun, key=_begin) if begun else min(living, key=_begin)
    return [signs, *(key for key in living if key is not signs)]


def _begin(key: HeldKey) -> float:
    return key.signs_at


class SigningKey:
    """The first is made by whichever replica comes first."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Nothing is read yet; `clock` counts seconds and never goes back."""
        self._database = database
        self._clock = clock
        self._keys: list[HeldKey] = []
        self._reading = asyncio.Lock()

    async def signer(self) -> TokenSigner:
        """What signs. Raises Unavailable, also while the schema is not there."""
        return (await self.published())[0]

    async def published(self) -> list[TokenSigner]:
        """All whose signatures are good, the one that signs first. Raises Unavailable."""
        found = published_at(self._keys, self._clock())
        if not found:
            # The first use, or a replica that could not read for longer than its key was good.
            await self.refresh()
            found = published_at(self._keys, self._clock())
        if not found:
            raise Unavailable("The signing key is not there yet.")
        return [key.signer for key in found]

    async def key_set(self) -> KeySetResponse:
        """The public halves, for verifiers. Raises Unavailable."""
        return key_set_of(await self.published())

    async def refresh(self) -> None:
        """Read the keys. Raises Unavailable; those that were read before hold."""
        async with self._reading:
            if not self._keys:
                await require_current(self._database, MIGRATIONS)
            async with self._database.transaction() as connection:
                self._keys = await self._read(connection)
                if not self._keys:
                    fresh = generate_seed()
                    await store.insert_signing_key(connection, TokenSigner(fresh).kid, fresh)
                    self._keys = await self._read(connection)

    async def run(self, metrics: AuthMetrics) -> None:
        """Follow what is added, revoked and retired, for ever."""
        await wait_until_current(self._database, MIGRATIONS)
        while True:
            try:
                await self.refresh()
            except Unavailable as error:
                log.info("signing keys stay as they are for now: %s", error.detail)
            now = self._clock()
            found = published_at(self._keys, now)
            metrics.show_signing_keys(len(found), now - found[0].made_at if found else math.nan)
            await asyncio.sleep(READ_SECONDS)

    async def _read(self, connection: Connection) -> list[HeldKey]:
        known = {key.signer.kid: key.signer for key in self._keys}
        now = self._clock()
        return [
            HeldKey(
                known.get(row.kid) or TokenSigner(row.private_key),
                signs_at=now + row.signs_in,
                ends_at=math.inf if row.ends_in is None else now + row.ends_in,
                made_at=now - row.age,
            )
            for row in await store.published_keys(connection)
        ]
