"""The two buses behind one face, so that one suite can ask both for the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Protocol

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from libs.common.bus.contract import Bus, Delivery, Handler, Subscription, Work
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.bus.retry import MAX_DELIVERIES
from libs.common.bus.topology import PROCESSOR_WORK, dead_queue
from libs.common.bus.turns import Turns
from libs.common.errors import Unavailable, Undelivered
from libs.common.events import Event
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import FAST, longest
from tests.waiting import eventually


class Carrier(Protocol):
    """A bus, and where its given-up events end."""

    @property
    def bus(self) -> Bus:
        """The bus itself."""

    async def send(self, event: Event) -> None:
        """Publish, without waiting for handlers."""

    async def dead(self, consumer: Subscription | Work) -> list[str]:
        """Reasons of what was given up so far."""


class InProcessCarrier:
    """Root events as a relay would dispatch them; what comes back Undelivered is dead."""

    def __init__(self, bus: InProcessBus) -> None:
        self._bus = bus
        self._given_up: list[Undelivered] = []
        self._sent: set[asyncio.Task[None]] = set()

    @property
    def bus(self) -> Bus:
        return self._bus

    async def send(self, event: Event) -> None:
        self._sent.add(asyncio.create_task(self._publish(event)))

    async def dead(self, consumer: Subscription | Work) -> list[str]:
        return [error.reason for error in self._given_up if error.subscription == consumer.queue]

    async def close(self) -> None:
        for task in self._sent:
            task.cancel()
        await asyncio.gather(*self._sent, return_exceptions=True)

    async def _publish(self, event: Event) -> None:
        try:
            await self.bus.publish(event)
        except Undelivered as error:
            self._given_up.append(error)
        except Unavailable:
            return


class RabbitMQCarrier:
    """Reads the `.dead` queues."""

    def __init__(self, bus: RabbitMQBus, url: str) -> None:
        self._bus = bus
        self._url = url

    @property
    def bus(self) -> Bus:
        return self._bus

    async def send(self, event: Event) -> None:
        await self.bus.publish(event)

    async def dead(self, consumer: Subscription | Work) -> list[str]:
        dead = await messages_in(self._url, dead_queue(consumer.name))
        return [str(message.headers["x-reason"]) for message in dead]


@asynccontextmanager
async def inprocess_carrier(telemetry: Telemetry) -> AsyncIterator[InProcessCarrier]:
    """An in-process bus of this test."""
    bus = InProcessBus(telemetry, topology=FAST, drain_timeout=5.0)
    carrier = InProcessCarrier(bus)
    try:
        yield carrier
    finally:
        await bus.drain()
        await carrier.close()
        await bus.close()


@asynccontextmanager
async def rabbitmq_bus(
    url: str,
    telemetry: Telemetry,
    *,
    publish_timeout: float = 30.0,
    drain_timeout: float = 5.0,
    watchdog: float = 600.0,
    hold: float = 600.0,
) -> AsyncIterator[RabbitMQBus]:
    """A bus on RabbitMQ, opened; not waited for."""
    bus = RabbitMQBus(
        url,
        telemetry,
        name="test",
        topology=FAST,
        publish_timeout=publish_timeout,
        drain_timeout=drain_timeout,
        watchdog=watchdog,
        hold=hold,
        share=longest,
    )
    await bus.open()
    try:
        yield bus
    finally:
        await bus.drain()
        await bus.close()


async def subscribe_all(
    bus: Bus,
    handlers: Mapping[Subscription | Work, Handler],
    *,
    concurrency: int = 8,
    attempts: int = MAX_DELIVERIES,
) -> None:
    """Give everybody of the table a handler (those not named do nothing); wait until ready.

    `attempts` are those of the work.
    """
    for subscription in FAST.subscriptions:
        await bus.subscribe(subscription, handlers.get(subscription, ignore), concurrency=concurrency)
    work = handlers.get(PROCESSOR_WORK, ignore)
    await take(bus, work, concurrency=concurrency, attempts=attempts)
    await ready(bus)


async def take(bus: Bus, handler: Handler, *, concurrency: int = 8, attempts: int = MAX_DELIVERIES) -> None:
    """Take the processor's work in turns."""
    await bus.take(PROCESSOR_WORK, handler, Turns(concurrency), ahead=max(2, concurrency), attempts=attempts)


async def wait_for(telemetry: Telemetry, count: int) -> None:
    """Until so many deliveries are held and have not begun."""
    registry = telemetry.metrics.registry
    await eventually(lambda: registry.get_sample_value("bus_waiting", {"queue": "processor.work"}) == count)


async def ready(bus: Bus) -> None:
    """Wait until the bus says it is ready."""
    await eventually(lambda: is_ready(bus))


async def unready(bus: Bus) -> None:
    """Wait until the bus says that it is not ready."""

    async def complains() -> bool:
        return not await is_ready(bus)

    await eventually(complains)


async def is_ready(bus: Bus) -> bool:
    """Whether the bus says it is ready."""
    try:
        await bus.ready()
    except Unavailable:
        return False
    return True


async def ignore(_: Delivery) -> None:
    """Handle an event by doing nothing."""


class Recorder:
    """A handler that keeps its deliveries and then does what `then` says."""

    def __init__(self, then: Callable[[Delivery], None] = lambda _: None) -> None:
        self.deliveries: list[Delivery] = []
        self._then = then

    async def __call__(self, delivery: Delivery) -> None:
        self.deliveries.append(delivery)
        self._then(delivery)

    @property
    def attempts(self) -> list[int]:
        """Attempt numbers in order of arrival."""
        return [delivery.attempt for delivery in self.deliveries]

    @property
    def ids(self) -> set[str]:
        """Ids of the events seen."""
        return {str(delivery.event.id) for delivery in self.deliveries}


@asynccontextmanager
async def open_queue(url: str, name: str) -> AsyncIterator[AbstractQueue]:
    """The queue `name` as an operator's tool sees it."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield await channel.get_queue(name)


async def messages_in(url: str, name: str) -> list[AbstractIncomingMessage]:
    """What waits in a queue; it stays there."""
    messages: list[AbstractIncomingMessage] = []
    async with open_queue(url, name) as queue:
        while (message := await queue.get(fail=False)) is not None:
            messages.append(message)
    return messages
