"""What becomes of a delivery: acknowledged, or a confirmed copy elsewhere and then acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from itertools import count

from pamqp.commands import Basic

from libs.common.backoff import backoff
from libs.common.bus.contract import Subscription, Work
from libs.common.bus.rabbitmq.message import Incoming, dead_properties, moved_properties, retry_properties
from libs.common.bus.rabbitmq.publisher import Publisher
from libs.common.bus.rabbitmq.session import BrokerSession
from libs.common.bus.retry import Ack, Dead, Leave, Move, Retry, Settling, full_jitter, nearest
from libs.common.bus.topology import Topology, dead_queue, retry_queue
from libs.common.errors import Unavailable

log = logging.getLogger(__name__)


class Settler:
    """Settles the deliveries of one subscription, or of one work."""

    def __init__(
        self, publisher: Publisher, topology: Topology, of: Subscription | Work, share: Callable[[], float]
    ) -> None:
        """`publisher` carries the copies, and nothing else; `share` draws a retry's part of its delay."""
        self._publisher = publisher
        self._copies = topology.copies
        self._delays = topology.delays(of)
        self._share = share
        self._work = of if isinstance(of, Work) else None
        self._waits = isinstance(of, Work) or not (of.fleeting or of.broadcast)
        self._name = of.name

    async def settle(self, session: BrokerSession, incoming: Incoming, decision: Settling) -> None:
        """Do what was decided; what cannot be done before the session is lost is delivered again."""
        match decision:
            case Ack():
                settled = True
            case Retry(counted, note, attempt):
                delay = full_jitter(self._delays, incoming.retries, self._share())
                target = retry_queue(self._name, nearest(self._delays, delay))
                properties = retry_properties(incoming, counted=counted, note=note, attempt=attempt)
                settled = await self._copy(session, incoming.body, properties, self._copies, target)
            case Dead(reason):
                properties = dead_properties(incoming, reason=reason)
                target = dead_queue(self._name)
                settled = await self._copy(session, incoming.body, properties, self._copies, target)
            case Move(lane):
                settled = await self._move(session, incoming, lane)
            case Leave():
                settled = False
        if settled:
            session.acknowledge(incoming.tag)

    async def hand_back(self, session: BrokerSession, incoming: Incoming) -> None:
        """Let somebody else have a delivery that was not begun.

        By a copy: a quorum queue counts what is only returned, as if its worker had been lost. What is
        fleeting, or read by all, is left.
        """
        if not self._waits:
            return
        if self._work is None:
            properties = moved_properties(incoming, incoming.lane)
            target = retry_queue(self._name, self._delays[0])
            done = await self._copy(session, incoming.body, properties, self._copies, target)
        else:
            done = await self._move(session, incoming, incoming.lane)
        if done:
            session.acknowledge(incoming.tag)

    async def _move(self, session: BrokerSession, incoming: Incoming, lane: str | None) -> bool:
        if self._work is None:
            raise AssertionError(f"{self._name} has no lanes")
        properties = moved_properties(incoming, lane)
        return await self._copy(session, incoming.body, properties, self._work.exchange, incoming.type or "")

    async def _copy(
        self, session: BrokerSession, body: bytes, properties: Basic.Properties, exchange: str, key: str
    ) -> bool:
        """Store a copy; True once confirmed. Until then the delivery stays unacknowledged."""
        for failures in count(1):
            if session.lost.is_set():
                # It comes again by itself: a copy beside it would have the event handled twice from then on.
                return False
            try:
                await self._publisher.publish(body, properties, exchange=exchange, routing_key=key)
            except Unavailable as error:
                # Giving the delivery back instead would have the broker send it again at once, in a circle.
                log.warning("%s: no copy for %s by %s yet: %s", self._name, key, exchange, error)
                await asyncio.sleep(backoff(failures))
            else:
                return True
        return False
