"""One relay for the whole database: needed where handlers run inside the dispatching process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.database.postgres import Connection, Database
from libs.common.ending import end_task
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.outbox.store import OutboxStore

log = logging.getLogger(__name__)

PATIENCE = 5.0
"""Seconds to wait for the lock: the session of a killed process may take a moment to end."""
INTERVAL = 1.0
"""Seconds between looks at the connection that holds the lock."""


class OutboxLock:
    """A session advisory lock on a connection of its own; its holder takes over every lease at start."""

    def __init__(self, database: Database, schema: str, slots: int) -> None:
        """One lock per schema of the database; `slots` as the relay's `in_process_slots`."""
        self._slots = slots
        self._database = database
        self._store = OutboxStore(schema)
        self._key = f"{schema}.outbox relay"
        self._acquired = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lock. Raises ConfigurationError when another process has it, or Unavailable."""
        keeper = self._keeper = asyncio.create_task(self._keep(), name="outbox lock")
        acquired = asyncio.create_task(self._acquired.wait())
        try:
            await asyncio.wait({keeper, acquired}, return_when=asyncio.FIRST_COMPLETED)
            if keeper.done():
                keeper.result()
            yield
        finally:
            acquired.cancel()
            await end_task(keeper)
            if not keeper.cancelled():
                keeper.exception()  # raised above or in `watch`

    async def watch(self) -> None:
        """Wait for ever while `held`; raises ConfigurationError when the lock was lost to another process."""
        if self._keeper is not None:
            await asyncio.shield(self._keeper)

    async def _keep(self) -> None:
        """A lost connection is a lost lock: take it again, and give up when somebody was faster."""
        while True:
            try:
                async with self._database.connection() as connection:
                    await self._acquire(connection)
                    if not self._acquired.is_set():
                        await self._store.take_over(connection, self._slots)
                        self._acquired.set()
                    await self._hold(connection)
            except Unavailable as error:
                task = asyncio.current_task()
                if not self._acquired.is_set() or (task is not None and task.cancelling()):
                    raise
                log.warning("outbox lock lost: %s", error.detail)
                await asyncio.sleep(INTERVAL)

    async def _acquire(self, connection: Connection) -> None:
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not await connection.fetchval(
            "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", self._key
        ):
            if asyncio.get_running_loop().time() > deadline:
                raise ConfigurationError(
                    "Another process already works on this database without RabbitMQ: stop it, "
                    "or set AMQP_URL to run several."
                )
            await asyncio.sleep(0.1)

    async def _hold(self, connection: Connection) -> None:
        try:
            while True:
                await asyncio.sleep(INTERVAL)
                await connection.execute("SELECT 1")
        finally:
            # The pool would lend the connection again, and session locks outlive a loan.
            connection.terminate()
