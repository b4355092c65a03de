"""The primary's position, asked for once by all who want to know it at the same moment."""

from __future__ import annotations

import asyncio
import logging

import asyncpg

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from services.results.standby.store import WalMark, read_mark

log = logging.getLogger(__name__)


class Marks:
    """Tells where the primary is. Who comes while somebody asks shares the next question, never that one."""

    def __init__(self, primary: Database) -> None:
        self._primary = primary
        self._asking = asyncio.Lock()
        self._begun = 0
        self._answered = 0
        self._mark: WalMark | None = None
        self._silent = False

    async def after_now(self) -> WalMark | None:
        """A mark that was read after this call began; None: the primary does not tell."""
        # A question under way may have been answered already, before what the caller has seen.
        wanted = self._begun + 1
        async with self._asking:
            if self._answered < wanted:
                self._begun += 1
                asked = self._begun
                self._mark = await self._read()
                self._answered = asked
            return self._mark

    async def _read(self) -> WalMark | None:
        try:
            async with self._primary.connection() as connection:
                mark = await read_mark(connection)
        except (Unavailable, asyncpg.PostgresError) as error:
            # Away, a standby itself, or not migrated yet: the read finds out what can be had of it.
            if not self._silent:
                log.warning("no position of the primary: %s", type(error).__name__)
            self._silent = True
            return None
        self._silent = False
        return mark
