"""Answers that last end soon after the link that they go by."""

from __future__ import annotations

import asyncio
import logging

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from services.results.links import store

log = logging.getLogger(__name__)

LOOK_SECONDS = 5.0


class SessionWatch:
    """Tells who waits that a session is over, whichever way; one query for all of a process."""

    def __init__(self, database: Database) -> None:
        """The database is shared with the rest of the service."""
        self._database = database
        self._waiting: dict[bytes, set[asyncio.Event]] = {}

    async def wait(self, session: bytes) -> None:
        """Return when a session (its hash) is over."""
        over = asyncio.Event()
        events = self._waiting.setdefault(session, set())
        events.add(over)
        try:
            await over.wait()
        finally:
            events.discard(over)
            if not events and self._waiting.get(session) is events:
                del self._waiting[session]

    async def run(self) -> None:
        """Look every LOOK_SECONDS while anybody waits, for ever."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._waiting:
                continue
            try:
                async with self._database.connection() as connection:
                    over = await store.which_are_over(connection, self._waiting)
            except Unavailable as error:
                log.warning("open links not looked at: %s", error.detail)
                continue
            for session in over:
                for event in self._waiting.get(session, ()):
                    event.set()
