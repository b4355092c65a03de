"""Consumers on one channel: from `basic.consume` until the channel or one of them is lost."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import cast

import aio_pika
from aiormq.abc import ConsumerCallback, DeliveredMessage, FieldValue
from aiormq.channel import Channel as DriverChannel

from libs.common.bus.rabbitmq.acks import Acknowledger
from libs.common.bus.rabbitmq.connection import FAILURES, as_unavailable, reason_of
from libs.common.bus.topology import LATEST
from libs.common.ending import end_task
from libs.common.errors import Unavailable

log = logging.getLogger(__name__)


ASK_AGAIN = 0.02
"""Seconds between two looks whether a queue has sent all that it may."""
MOST_LOOKS = 150
"""After which a busy broker, or a steady stream of messages, is not waited for any longer."""
FEW_LOOKS = 5
LATELY = 0.5
"""Seconds for which a queue that has sent something is likely to send more."""
Deliver = Callable[["BrokerSession", DeliveredMessage, str], None]


@dataclass(slots=True)
class _Consumer:
    queue: str
    prefetch: int
    arrived: float = -math.inf
    """When its latest delivery came, in the loop's time."""


class _Callbacks(dict[str, ConsumerCallback]):
    """The driver's consumers, by tag, which outlive their cancellation.

    A broker may send what it had taken from the queue before it heard of the end. The driver drops such a
    delivery, which would stay in nobody's hand, and count as lost once the channel closes.
    """

    def pop(self, tag: str, *_: object) -> ConsumerCallback | None:  # type: ignore[override]
        """Keep it."""
        return self.get(tag)


class BrokerSession:
    """A channel with a consumer per queue. Its deliveries can be acknowledged on this channel only."""

    def __init__(
        self,
        connection: aio_pika.Connection,
        name: str,
        queues: Sequence[str],
        deliver: Deliver,
        *,
        timeout: float,
        latest: bool = False,
    ) -> None:
        """`deliver` gets each message, and the queue it is from. `latest`: the queues are broadcasts.

        `timeout` in seconds bounds each question to the broker; `name` is for the log.
        """
        self.lost = asyncio.Event()
        self.arrivals: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self._connection = connection
        self._name = name
        self._queues = queues
        self._deliver = deliver
        self._timeout = timeout
        self._latest = latest
        self._arguments: dict[str, FieldValue] | None = dict(LATEST) if latest else None
        self._channel = connection.channel(publisher_confirms=False)
        self._driver: DriverChannel | None = None
        self._consumers: dict[str, _Consumer] = {}
        """By consumer tag."""
        self._unacknowledged: dict[int, str] = {}
        """The consumer tag of each delivery, by delivery tag, which ascends."""
        self._widened: str | None = None
        self.more = 0
        """Deliveries that `widen` lets the widened queue have beyond the others."""
        self._prefetch = 1
        self._acknowledger = Acknowledger(self._send_ack)
        self._sender: asyncio.Task[None] | None = None

    async def open(self, *, prefetch: int) -> None:
        """Subscribe; of each queue at most `prefetch` deliveries are on their way or unsettled.

        Raises Unavailable.
        """
        with as_unavailable("does not let us consume"):
            async with asyncio.timeout(self._timeout):
                await self._channel.initialize()
                await self._channel.set_qos(prefetch_count=prefetch)
                self._prefetch = prefetch
                self._let(None, 0)
                driver = self._driver = cast(DriverChannel, await self._channel.get_underlay_channel())
                driver.consumers = _Callbacks(driver.consumers)
                driver.closing.add_done_callback(lambda _: self.lost.set())
                driver.on_consumer_cancel_callbacks.add(lambda _: self.lost.set())
                self._sender = asyncio.create_task(self._send_acks(), name=f"{self._name} acknowledger")
                for queue in self._queues:
                    await self._consume(queue, prefetch)

    def acknowledge(self, tag: int) -> None:
        """Acknowledge soon; without effect once the channel is lost, since the broker delivers again."""
        self._acknowledger.add(tag)

    @property
    def widened(self) -> str | None:
        """The queue that has a second consumer."""
        return self._widened

    async def widen(self, queue: str, prefetch: int) -> None:
        """Take up to `prefetch` deliveries of a queue beyond the others. Raises Unavailable."""
        with as_unavailable("does not let us consume"):
            async with asyncio.timeout(self._timeout):
                await self._channel.set_qos(prefetch_count=prefetch)
                await self._consume(queue, prefetch)
                self._let(queue, prefetch)

    async def narrow(self) -> None:
        """End what `widen` began, unless its queue may still send; what it brought stays in hand.

        Raises Unavailable.
        """
        if self._widened is None or self._driver is None:
            return
        tag = [*self._consumers][-1]
        async with self._holding():
            if not await self._gets_no_more(self._driver, tag):
                return
            await self._driver.basic_cancel(tag, timeout=self._timeout)
            await self._all_has_come(self._driver)
        # Not before: asked once more after a failure, it must not end the consumer of another lane.
        del self._driver.consumers[tag], self._consumers[tag]
        self._let(None, 0)

    async def waiting(self, name: str) -> int:
        """How many messages are ready in a queue and not delivered to anybody. Raises Unavailable."""
        with as_unavailable("does not answer"):
            async with asyncio.timeout(self._timeout):
                async with self._connection.channel(publisher_confirms=False) as channel:
                    queue = await channel.declare_queue(name, passive=True)
                    return queue.declaration_result.message_count or 0

    async def stop_deliveries(self) -> bool:
        """Cancel the consumers and keep the channel, so that what runs can still be acknowledged.

        False: the broker did not hear of it.
        """
        if self._driver is None or self.lost.is_set():
            return True
        try:
            async with self._holding():
                await self._all_sent(self._driver)
                for tag in self._consumers:
                    await self._driver.basic_cancel(tag, timeout=self._timeout)
                await self._all_has_come(self._driver)
        except Unavailable as error:
            log.warning("%s: cannot end the subscription: %s", self._name, error)
            return False
        return True

    async def close(self) -> None:
        """Send the last acknowledgements and close the channel; what is unsettled is delivered again."""
        try:
            async with asyncio.timeout(self._timeout):
                if not self.lost.is_set():
                    await self._acknowledger.flush()
                if self._channel.is_initialized:
                    await self._channel.close()
        except (Unavailable, *FAILURES) as error:
            log.warning("%s: closing the channel: %s", self._name, reason_of(error))
        self.lost.set()
        if self._sender is not None:
            await end_task(self._sender)
            if not self._sender.cancelled():
                self._sender.result()

    def settle(self, queue: str) -> None:
        """A delivery is no longer in hand, acknowledged or not."""
        self.in_flight[queue] -= 1

    def _let(self, queue: str | None, more: int) -> None:
        """Note which queue may have `more` deliveries than the others, and when to acknowledge so."""
        self._widened, self.more = queue, more
        self._acknowledger.enough = max(1, (self._prefetch + more) // 2)

    @asynccontextmanager
    async def _holding(self) -> AsyncIterator[None]:
        """Nothing is acknowledged during the block, so that a consumer that has all it may have gets no more.

        What a quorum queue sends to a consumer that ends meanwhile comes back, and counts as lost. Raises
        Unavailable.
        """
        try:
            with as_unavailable("does not answer"):
                await self._acknowledger.hold()
                yield
        finally:
            self._acknowledger.resume()

    async def _gets_no_more(self, driver: DriverChannel, tag: str) -> bool:
        """Whether a consumer has all it may have, for which acknowledgements take a moment, or is at rest."""
        for _ in range(FEW_LOOKS):
            if not self._may_have_more(tag):
                return True
            if not await self._ready(driver, tag):
                return not self._lately(tag)
            await asyncio.sleep(ASK_AGAIN)
        return False

    async def _all_sent(self, driver: DriverChannel) -> None:
        """Wait until each consumer has all it may have, or its queue is at rest."""
        if self._latest:
            return  # what was read stays in the queue, and nobody counts it
        for _ in range(MOST_LOOKS):
            if not await self._more_to_come(driver):
                return
            await asyncio.sleep(ASK_AGAIN)
        log.warning("%s: messages still arrive where the subscription ends", self._name)

    async def _more_to_come(self, driver: DriverChannel) -> bool:
        busy = [
            tag
            for tag in self._consumers
            if self._may_have_more(tag) and (self._lately(tag) or await self._ready(driver, tag))
        ]
        await self._all_has_come(driver)
        return any(map(self._may_have_more, busy))

    def _lately(self, tag: str) -> bool:
        """Whether a consumer got something a moment ago."""
        return asyncio.get_running_loop().time() - self._consumers[tag].arrived < LATELY

    def _may_have_more(self, tag: str) -> bool:
        in_hand = sum(of == tag for of in self._unacknowledged.values())
        return in_hand < self._consumers[tag].prefetch

    async def _ready(self, driver: DriverChannel, tag: str) -> int:
        queue = self._consumers[tag].queue
        declared = await driver.queue_declare(queue, passive=True, timeout=self._timeout)
        return declared.message_count or 0

    async def _all_has_come(self, driver: DriverChannel) -> None:
        """Wait for what was on its way: a channel answers in order, whatever is asked."""
        await driver.queue_declare(self._queues[0], passive=True, timeout=self._timeout)

    async def _consume(self, queue: str, prefetch: int) -> None:
        if self._driver is None:
            raise Unavailable("The channel is not open.")
        consuming = await self._driver.basic_consume(
            queue, partial(self._on_message, queue), arguments=self._arguments
        )
        self._consumers[consuming.consumer_tag or ""] = _Consumer(queue, prefetch)

    async def _on_message(self, queue: str, message: DeliveredMessage) -> None:
        self.arrivals[queue] += 1
        self.in_flight[queue] += 1
        tag = message.consumer_tag or ""
        self._unacknowledged[message.delivery_tag or 0] = tag
        if consumer := self._consumers.get(tag):
            consumer.arrived = asyncio.get_running_loop().time()
        self._deliver(self, message, queue)

    async def _send_acks(self) -> None:
        try:
            await self._acknowledger.run()
        except Unavailable:
            self.lost.set()

    async def _send_ack(self, tag: int, multiple: bool) -> None:
        if self._driver is None:
            raise Unavailable("The channel is not open.")
        self._forget(tag, multiple)
        with as_unavailable("takes no acknowledgement"):
            # Waits until the bytes are written: closing a connection drops what is still queued.
            await self._driver.basic_ack(tag, multiple=multiple, wait=True)

    def _forget(self, last: int, multiple: bool) -> None:
        if not multiple:
            self._unacknowledged.pop(last, None)
            return
        while self._unacknowledged and (tag := next(iter(self._unacknowledged))) <= last:
            del self._unacknowledged[tag]
