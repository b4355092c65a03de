"""Consuming one queue: worker slots, and settlement of each delivery."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from aiormq.abc import DeliveredMessage

from libs.common.bus.background import Background
from libs.common.bus.contract import Delivery
from libs.common.bus.handling import Handling
from libs.common.bus.rabbitmq.connection import Connection
from libs.common.bus.rabbitmq.message import Incoming, incoming_of
from libs.common.bus.rabbitmq.session import BrokerSession
from libs.common.bus.rabbitmq.settling import Settler
from libs.common.bus.rabbitmq.subscribing import Subscribing
from libs.common.bus.retry import Ack, Dead, Settling
from libs.common.errors import Reject
from libs.common.events import Event, parse_event
from libs.common.telemetry.tracing import within

log = logging.getLogger(__name__)


class Consumer:
    """Feeds the deliveries of one queue to `concurrency` workers; the broker sends no more ahead."""

    def __init__(
        self,
        connection: Connection,
        settler: Settler,
        handling: Handling,
        *,
        concurrency: int,
        watchdog: float,
    ) -> None:
        """`watchdog` in seconds: how often an idle consumer makes sure that the broker still knows it."""
        self._settler = settler
        self._handling = handling
        self._queue = handling.queue
        self._concurrency = concurrency
        self._inbox: asyncio.Queue[tuple[BrokerSession, DeliveredMessage]] = asyncio.Queue()
        self._subscribing = Subscribing(
            connection,
            self._queue,
            (self._queue,),
            self._deliver,
            prefetch=concurrency,
            watchdog=watchdog,
            latest=handling.broadcast,
        )
        self._draining = False

    def start(self, background: Background) -> list[asyncio.Task[None]]:
        """Start the subscription and the workers as background tasks."""
        workers = [
            background.start(f"{self._queue} worker {number}", self._work())
            for number in range(self._concurrency)
        ]
        return [background.start(f"{self._queue} consumer", self._subscribing.run()), *workers]

    @property
    def running(self) -> Iterable[asyncio.Task[None]]:
        """The workers are among what `start` returned."""
        return ()

    def close(self) -> None:
        """Nothing is begun by the end of something else."""

    @property
    def consuming(self) -> bool:
        """Whether the broker has this consumer's subscription now."""
        return self._subscribing.consuming

    async def drain(self) -> None:
        """Take no more deliveries and wait until the running handlers are settled. Cancel to give up."""
        self._draining = True
        await self._subscribing.stop()
        await self._inbox.join()

    def _deliver(self, session: BrokerSession, message: DeliveredMessage, _: str) -> None:
        self._inbox.put_nowait((session, message))

    async def _work(self) -> None:
        """One worker slot: handle deliveries until cancelled."""
        while True:
            session, message = await self._inbox.get()
            try:
                incoming = incoming_of(message, self._queue)
                # A lost session's deliveries come again; what is left while draining goes to another process.
                if not session.lost.is_set() and not self._draining:
                    await self._settler.settle(session, incoming, await self._decide(incoming))
                elif not session.lost.is_set():
                    await self._settler.hand_back(session, incoming)
            finally:
                session.settle(self._queue)
                self._inbox.task_done()

    async def _decide(self, incoming: Incoming) -> Settling:
        event = readable(incoming, self._handling)
        if not isinstance(event, Event):
            return event
        delivery = delivery_of(event, incoming, self._handling)
        return await self._handling.run(delivery, traceparent=incoming.traceparent, tag=incoming.tag)


def readable(incoming: Incoming, handling: Handling) -> Event | Dead | Ack:
    """The event of a delivery; what becomes of one that nobody can read is noted."""
    try:
        return parse_event(incoming.body)
    except Reject as error:
        with within(incoming.traceparent):
            log.error("%s: unreadable message %s: %s", incoming.queue, incoming.message_id, error)
        decision: Dead | Ack = Ack() if handling.fleeting else Dead(error.detail)
        handling.note(decision)
        return decision


def delivery_of(event: Event, incoming: Incoming, handling: Handling) -> Delivery:
    """What the handler gets."""
    return Delivery(
        event,
        incoming.attempt,
        handling.attempts,
        earlier=incoming.earlier,
        lane=incoming.lane,
        charged=incoming.charged,
        redelivered=incoming.redelivered,
    )
