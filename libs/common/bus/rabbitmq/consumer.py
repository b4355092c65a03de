"""Consuming one queue: worker slots, settlement of each delivery, and coming back after any loss."""

from __future__ import annotations

import asyncio
import logging
from itertools import count

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from libs.common.backoff import backoff
from libs.common.bus.background import Background
from libs.common.bus.handling import Handling
from libs.common.bus.rabbitmq.connection import Connection
from libs.common.bus.rabbitmq.message import Incoming, dead_properties, incoming_of, retry_properties
from libs.common.bus.rabbitmq.publisher import Publisher
from libs.common.bus.rabbitmq.session import BrokerSession
from libs.common.bus.retry import Ack, Dead, Leave, Retry, Settling
from libs.common.bus.topology import Topology, dead_queue, retry_queue
from libs.common.errors import Reject, Unavailable
from libs.common.events import parse_event
from libs.common.telemetry.tracing import within

log = logging.getLogger(__name__)


class Consumer:
    """Feeds the deliveries of one queue to `concurrency` workers; the broker sends no more ahead."""

    def __init__(
        self,
        connection: Connection,
        publisher: Publisher,
        topology: Topology,
        handling: Handling,
        *,
        concurrency: int,
        watchdog: float,
    ) -> None:
        """`publisher` carries the copies for `.retry` and `.dead`.

        `watchdog` in seconds: how often an idle consumer makes sure that the broker still knows it.
        """
        self._connection = connection
        self._publisher = publisher
        self._topology = topology
        self._handling = handling
        self._queue = handling.queue
        self._concurrency = concurrency
        self._watchdog = watchdog
        self._inbox: asyncio.Queue[tuple[BrokerSession, DeliveredMessage]] = asyncio.Queue()
        self._session: BrokerSession | None = None
        self._draining = False

    def start(self, background: Background) -> list[asyncio.Task[None]]:
        """Start the subscription and the workers as background tasks."""
        workers = [
            background.start(f"{self._queue} worker {number}", self._work())
            for number in range(self._concurrency)
        ]
        return [background.start(f"{self._queue} consumer", self._consume()), *workers]

    @property
    def consuming(self) -> bool:
        """Whether the broker has this consumer's subscription now."""
        return self._session is not None and not self._session.lost.is_set()

    async def drain(self) -> None:
        """Take no more deliveries and wait until the running handlers are settled. Cancel to give up."""
        self._draining = True
        if self._session is not None:
            await self._session.stop_deliveries()
        await self._inbox.join()

    async def _consume(self) -> None:
        """Subscribe, watch, and subscribe again after a loss, until cancelled."""
        failures = 0
        while True:
            connection = await self._connection.opened()
            if self._draining:
                return
            session = BrokerSession(
                connection, self._queue, self._inbox.put_nowait, timeout=self._connection.timeout
            )
            try:
                await session.open(prefetch=self._concurrency)
                self._session, failures = session, 0
                await self._watch(session)
                log.warning("%s: the subscription was lost", self._queue)
            except Unavailable as error:
                log.warning("%s: cannot subscribe: %s", self._queue, error)
            finally:
                self._session = None
                await session.close()
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
                log.warning("%s: cannot declare the queues: %s", self._queue, error)

    async def _watch(self, session: BrokerSession) -> None:
        """Return when the session is lost, or has gone quiet while messages wait."""
        suspicious = False
        while True:
            arrivals = session.arrivals
            try:
                async with asyncio.timeout(self._watchdog):
                    await session.lost.wait()
                return
            except TimeoutError:
                quiet = session.arrivals == arrivals and session.in_flight == 0 and not self._draining
            waiting = await session.waiting() if quiet else 0
            # Once may be a message that is just on its way; twice is a subscription that nobody serves.
            if waiting and suspicious and session.arrivals == arrivals:
                log.error("%s: %d messages wait but none arrives", self._queue, waiting)
                return
            suspicious = waiting > 0

    async def _work(self) -> None:
        """One worker slot: handle deliveries until cancelled."""
        while True:
            session, message = await self._inbox.get()
            try:
                # A lost session's deliveries come again; what is left while draining goes to another process.
                if not session.lost.is_set() and not self._draining:
                    await self._handle(session, incoming_of(message))
            finally:
                session.in_flight -= 1
                self._inbox.task_done()

    async def _handle(self, session: BrokerSession, incoming: Incoming) -> None:
        decision = await self._decide(incoming)
        match decision:
            case Ack():
                settled = True
            case Retry(counted, note):
                target = retry_queue(self._queue, self._topology.delay(incoming.retries))
                properties = retry_properties(incoming, counted=counted, note=note)
                settled = await self._put_off(session, incoming.body, properties, target)
            case Dead(reason):
                properties = dead_properties(incoming, queue=self._queue, reason=reason)
                settled = await self._put_off(session, incoming.body, properties, dead_queue(self._queue))
            case Leave():
                settled = False
        if settled:
            session.acknowledge(incoming.tag)

    async def _decide(self, incoming: Incoming) -> Settling:
        try:
            event = parse_event(incoming.body)
        except Reject as error:
            with within(incoming.traceparent):
                log.error("%s: unreadable message %s: %s", self._queue, incoming.message_id, error)
            decision = Dead(error.detail)
            self._handling.note(decision)
            return decision
        return await self._handling.run(
            event,
            incoming.attempt,
            earlier=incoming.earlier,
            traceparent=incoming.traceparent,
            tag=incoming.tag,
        )

    async def _put_off(
        self, session: BrokerSession, body: bytes, properties: Basic.Properties, queue: str
    ) -> bool:
        """Store a copy in `queue`; True once confirmed. Until then the delivery stays unacknowledged."""
        for failures in count(1):
            try:
                await self._publisher.publish(body, properties, exchange="", routing_key=queue)
            except Unavailable as error:
                # Giving the delivery back instead would have the broker send it again at once, in a circle.
                log.warning("%s: no copy in %s yet: %s", self._queue, queue, error)
                if session.lost.is_set():
                    return False
                await asyncio.sleep(backoff(failures))
            else:
                return True
        return False
