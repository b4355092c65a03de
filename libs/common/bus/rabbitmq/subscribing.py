"""Keeping consumers of some queues alive: coming back after any loss, and noticing one that went deaf."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from libs.common.backoff import backoff
from libs.common.bus.rabbitmq.connection import Connection
from libs.common.bus.rabbitmq.session import BrokerSession, Deliver
from libs.common.errors import Unavailable

log = logging.getLogger(__name__)


class Subscribing:
    """Has a consumer of each queue, all on one channel, for as long as `run` runs."""

    def __init__(
        self,
        connection: Connection,
        name: str,
        queues: Sequence[str],
        deliver: Deliver,
        *,
        prefetch: int,
        watchdog: float,
        lost: Callable[[BrokerSession], None] = lambda _: None,
        latest: bool = False,
    ) -> None:
        """`deliver` gets each message; `lost` is told of a session whose deliveries come again.

        `prefetch` deliveries of each queue are unsettled at most. `watchdog` in seconds: how often an idle
        consumer makes sure that the broker still knows it. `latest`: the queues are broadcasts.
        """
        self._connection = connection
        self._name = name
        self._queues = queues
        self._deliver = deliver
        self._lost = lost
        self._latest = latest
        self._prefetch = prefetch
        self._watchdog = watchdog
        self.session: BrokerSession | None = None
        self._stopping = False
        self._opening = asyncio.Lock()

    @property
    def consuming(self) -> bool:
        """Whether the broker has these consumers now."""
        return self.session is not None and not self.session.lost.is_set()

    async def stop(self) -> bool:
        """Take no more deliveries; those at hand can still be acknowledged. False: more may come."""
        self._stopping = True
        async with self._opening:
            return self.session is None or await self.session.stop_deliveries()

    async def favour(self, prefetch: int) -> None:
        """Let a queue that alone has deliveries here have `prefetch` more, until others have some.

        Asked with another number, what was let is ended first.
        """
        async with self._opening:
            session = self.session
            if session is None or self._stopping or session.lost.is_set():
                return
            in_hand = [queue for queue in self._queues if session.in_flight[queue]]
            if session.widened is not None and (in_hand != [session.widened] or session.more != prefetch):
                await session.narrow()
                return
            full = [queue for queue in in_hand if session.in_flight[queue] >= self._prefetch]
            if prefetch > 0 and session.widened is None and len(in_hand) == len(full) == 1:
                await session.widen(full[0], prefetch)

    async def run(self) -> None:
        """Subscribe, watch, and subscribe again after a loss, until cancelled."""
        failures = 0
        while True:
            connection = await self._connection.opened()
            if self._stopping:
                return
            session = BrokerSession(
                connection,
                self._name,
                self._queues,
                self._deliver,
                timeout=self._connection.timeout,
                latest=self._latest,
            )
            try:
                async with self._opening:
                    await session.open(prefetch=self._prefetch)
                    self.session, failures = session, 0
                await self._watch(session)
                log.warning("%s: the subscription was lost", self._name)
            except Unavailable as error:
                log.warning("%s: cannot subscribe: %s", self._name, error)
            finally:
                self.session = None
                await session.close()
                self._lost(session)
            failures += 1
            await asyncio.sleep(backoff(failures))
            await self._restore(connection)

    async def _restore(self, lost: object) -> None:
        """Declare the table again unless a new connection already did: the queue may have been deleted."""
        connection = await self._connection.opened()
        if connection is lost:
            try:
                await self._connection.declare(connection)
            except Unavailable as error:
                log.warning("%s: cannot declare the queues: %s", self._name, error)

    async def _watch(self, session: BrokerSession) -> None:
        """Return when the session is lost, or has gone quiet while messages wait."""
        if self._latest:
            # What was read stays there, so that nothing is told by how much there is.
            await session.lost.wait()
            return
        suspicious: set[str] = set()
        while True:
            arrivals = session.arrivals.copy()
            try:
                async with asyncio.timeout(self._watchdog):
                    await session.lost.wait()
                return
            except TimeoutError:
                pass
            quiet = [
                queue
                for queue in self._queues
                if session.arrivals[queue] == arrivals[queue]
                and not session.in_flight[queue]
                and not self._stopping
            ]
            waiting = {queue: count for queue in quiet if (count := await session.waiting(queue))}
            # Once may be a message that is just on its way; twice is a queue that nobody serves.
            deaf = [
                queue
                for queue in waiting
                if queue in suspicious and session.arrivals[queue] == arrivals[queue]
            ]
            if deaf:
                log.error("%s: messages wait in %s but none arrives", self._name, ", ".join(deaf))
                return
            suspicious = set(waiting)
