"""The end of a queue that the release before took from.

While processes of that release run, their consumers take what is there: it gets the same events as the work
that replaces it, and who reads outcomes tells the second of a file from the first. Once the last of them is
gone, what is left goes to the work, and the queue is removed.
"""

from __future__ import annotations

import asyncio
import logging

from aiormq.abc import AbstractChannel as DriverChannel
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from libs.common.bus.inspection import depth
from libs.common.bus.rabbitmq.connection import Connection, as_unavailable
from libs.common.bus.rabbitmq.message import REASON, dead_properties, incoming_of, moved_properties
from libs.common.bus.rabbitmq.publisher import Publisher
from libs.common.bus.topology import Retired, Topology, dead_queue
from libs.common.errors import Reject, Unavailable
from libs.common.events import parse_event

log = logging.getLogger(__name__)


class Retirement:
    """Looks after one retired queue from time to time; several processes may do so at once."""

    def __init__(
        self,
        connection: Connection,
        publisher: Publisher,
        topology: Topology,
        retired: Retired,
        *,
        pause: float,
    ) -> None:
        """`pause` in seconds between two looks; longer than one publish may take."""
        self._connection = connection
        self._publisher = publisher
        self._topology = topology
        self._retired = retired
        self._pause = pause
        self._empty = False

    async def run(self) -> None:
        """Look until cancelled: a process of the release before may declare the queue again."""
        while True:
            try:
                await self._look()
            except Unavailable as error:
                log.info("%s: %s", self._retired.queue, error.detail)
            await asyncio.sleep(self._pause)

    async def _look(self) -> None:
        """Move what waits, if nobody else takes it; remove what was found empty twice."""
        queue = self._retired.queue
        connection = await self._connection.opened()
        with as_unavailable("does not let us end a queue"):
            async with asyncio.timeout(self._connection.timeout):
                found = await depth(connection, queue)
        if found.messages is None or found.consumers:
            self._empty = False
            return
        with as_unavailable("does not let us end a queue"):
            async with connection.channel(publisher_confirms=False) as channel:
                driver = await channel.get_underlay_channel()
                for key in self._retired.binds:
                    await driver.queue_unbind(queue, self._topology.exchange, key)
                moved = await self._move(driver, queue)
            depths = [await depth(connection, name) for name in self._retired.queues()]
            dead = next(found for found in depths if found.queue == dead_queue(queue))
            if dead.messages:
                async with connection.channel(publisher_confirms=False) as channel:
                    moved += await self._move(await channel.get_underlay_channel(), dead.queue)
            empty = not moved and not any(found.messages for found in depths)
            # Another process may have had a message in hand at the first look.
            if empty and self._empty:
                async with connection.channel(publisher_confirms=False) as channel:
                    for found in depths:
                        await channel.queue_delete(found.queue)
                log.info("%s is removed: nobody uses it any more", queue)
            self._empty = empty

    async def _move(self, driver: DriverChannel, queue: str) -> int:
        """Give each message to the work by a confirmed copy; how many."""
        moved = 0
        while isinstance((message := await driver.basic_get(queue)).delivery, Basic.GetOk):
            properties, exchange, key = self._copy_of(message, queue)
            await self._publisher.publish(message.body, properties, exchange=exchange, routing_key=key)
            await driver.basic_ack(message.delivery.delivery_tag or 0)
            moved += 1
        if moved:
            log.info("%d messages went from %s to %s", moved, queue, self._retired.work.queue)
        return moved

    def _copy_of(self, message: DeliveredMessage, queue: str) -> tuple[Basic.Properties, str, str]:
        work = self._retired.work
        try:
            lane = self._topology.lane_of(parse_event(message.body))
        except Reject:
            lane = None
        incoming = incoming_of(message, work.queue_of(lane or "0"), lane)
        if queue == self._retired.queue:
            return moved_properties(incoming, lane), work.exchange, incoming.type or ""
        reason = (message.header.properties.headers or {}).get(REASON)
        return dead_properties(incoming, reason=str(reason)), self._topology.copies, dead_queue(work.name)
