"""Consumers on one channel: from `basic.consume` until the channel or one of them is lost."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
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


ON_ITS_WAY = 0.1
"""Seconds within which a queue sends what the last acknowledgements let it send."""
Deliver = Callable[["BrokerSession", DeliveredMessage, str], None]


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
        self._arguments: dict[str, FieldValue] | None = dict(LATEST) if latest else None
        self._channel = connection.channel(publisher_confirms=False)
        self._driver: DriverChannel | None = None
        self._tags: list[str] = []
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
                    self._tags.append(await self._consume(queue))

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
                self._tags.append(await self._consume(queue))
                self._let(queue, prefetch)

    async def narrow(self) -> None:
        """End what `widen` began; what it brought stays in hand. Raises Unavailable."""
        if self._widened is None or self._driver is None:
            return
        with as_unavailable("does not answer"):
            await self._driver.basic_cancel(self._tags[-1], timeout=self._timeout)
            await self._all_has_come(self._driver)
        # Not before: asked once more after a failure, it must not end the consumer of another lane.
        del self._driver.consumers[self._tags.pop()]
        self._let(None, 0)

    async def waiting(self, name: str) -> int:
        """How many messages are ready in a queue and not delivered to anybody. Raises Unavailable."""
        with as_unavailable("does not answer"):
            async with asyncio.timeout(self._timeout):
                async with self._connection.channel(publisher_confirms=False) as channel:
                    queue = await channel.declare_queue(name, passive=True)
                    return queue.declaration_result.message_count or 0

    async def stop_deliveries(self) -> None:
        """Cancel the consumers and keep the channel, so that what runs can still be acknowledged.

        A quorum queue keeps what is on its way to a consumer that ends, and counts it as lost. So nothing is
        acknowledged for a moment before, and nothing more is on its way.
        """
        if self._driver is None or self.lost.is_set():
            return
        try:
            with as_unavailable("does not answer"):
                await self._acknowledger.hold()
                await asyncio.sleep(ON_ITS_WAY)
                await self._all_has_come(self._driver)
                for tag in self._tags:
                    await self._driver.basic_cancel(tag, timeout=self._timeout)
                await self._all_has_come(self._driver)
        except Unavailable as error:
            log.warning("%s: cannot end the subscription: %s", self._name, error)
        finally:
            self._acknowledger.resume()

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

    async def _all_has_come(self, driver: DriverChannel) -> None:
        """Wait for what was on its way: a channel answers in order, whatever is asked."""
        await driver.queue_declare(self._queues[0], passive=True, timeout=self._timeout)

    async def _consume(self, queue: str) -> str:
        if self._driver is None:
            raise Unavailable("The channel is not open.")
        consuming = await self._driver.basic_consume(
            queue, partial(self._on_message, queue), arguments=self._arguments
        )
        return consuming.consumer_tag or ""

    async def _on_message(self, queue: str, message: DeliveredMessage) -> None:
        self.arrivals[queue] += 1
        self.in_flight[queue] += 1
        self._deliver(self, message, queue)

    async def _send_acks(self) -> None:
        try:
            await self._acknowledger.run()
        except Unavailable:
            self.lost.set()

    async def _send_ack(self, tag: int, multiple: bool) -> None:
        if self._driver is None:
            raise Unavailable("The channel is not open.")
        with as_unavailable("takes no acknowledgement"):
            # Waits until the bytes are written: closing a connection drops what is still queued.
            await self._driver.basic_ack(tag, multiple=multiple, wait=True)
