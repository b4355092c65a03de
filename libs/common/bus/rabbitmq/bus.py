"""The bus on RabbitMQ (3.10 and 4.x)."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from pathlib import Path

from libs.common.bus.background import Background
from libs.common.bus.contract import Admission, Handler, Subscription, Work
from libs.common.bus.handling import Carrier, Handling, publishing
from libs.common.bus.rabbitmq.connection import Connection, amqp_url
from libs.common.bus.rabbitmq.consumer import Consumer
from libs.common.bus.rabbitmq.message import properties_of
from libs.common.bus.rabbitmq.publisher import Publisher
from libs.common.bus.rabbitmq.retirement import Retirement
from libs.common.bus.rabbitmq.settling import Settler
from libs.common.bus.rabbitmq.taker import Taker
from libs.common.bus.retry import MAX_DELIVERIES
from libs.common.bus.topology import TOPOLOGY, Topology
from libs.common.errors import Unavailable
from libs.common.events import Event
from libs.common.telemetry.tracing import Telemetry, current_traceparent

log = logging.getLogger(__name__)

_SYSTEM = "rabbitmq"
HOLD = 600.0
"""Seconds that work waits here at most; a broker closes the channel after 1800 (`consumer_timeout`)."""


class RabbitMQBus:
    """Implements `Bus` with one connection to publish and one to consume.

    A broker short of memory or disk stops reading from publishers; it still gets acknowledgements that way.
    """

    def __init__(
        self,
        url: str,
        telemetry: Telemetry,
        *,
        name: str,
        topology: Topology = TOPOLOGY,
        publish_timeout: float = 10.0,
        drain_timeout: float = 30.0,
        watchdog: float = 30.0,
        hold: float = HOLD,
        ca_file: Path | None = None,
        share: Callable[[], float] = random.random,
    ) -> None:
        """`name` is what the broker shows, e.g. the service's; times in seconds; `ca_file` is TLS_CA_FILE;
        `share` draws how much of its delay a retry waits.

        Raises ConfigurationError for a URL that no broker can mend. Call inside a running event loop.
        """
        self._telemetry = telemetry
        self._topology = topology
        address = amqp_url(url)
        self._carrier = Carrier(_SYSTEM, topology.exchange, address.host, address.port)
        self._publish_timeout = publish_timeout
        self._drain_timeout = drain_timeout
        self._watchdog = watchdog
        self._hold = hold
        self._share = share
        self._background = Background()
        self._to_publish = Connection(
            url, f"{name} publishes", topology, timeout=publish_timeout, ca_file=ca_file
        )
        self._to_consume = Connection(
            url, f"{name} consumes", topology, timeout=publish_timeout, ca_file=ca_file
        )
        self._events = Publisher(self._to_publish, timeout=publish_timeout)
        self._consumers: dict[str, Consumer | Taker] = {}
        self._consuming: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Start connecting in the background; the broker need not be there yet."""
        self._background.start("rabbitmq publishing connection", self._to_publish.run())

    async def publish(self, event: Event, *, attempt: int = 1, done: set[str] | None = None) -> None:
        """Return once every queue that takes the event has stored it. Raises Unavailable, EventTooLarge.

        `attempt` and `done` are not used: queues know by themselves.
        """
        exchange = self._topology.exchange
        with publishing(self._telemetry, event, self._carrier):
            trace, lane = event.traceparent or current_traceparent(), self._topology.lane_of(event)
            properties = properties_of(event, trace, lane)
            await self._events.publish(event.to_json(), properties, exchange=exchange, routing_key=event.type)

    async def subscribe(
        self,
        subscription: Subscription,
        handler: Handler,
        *,
        concurrency: int,
        attempts: int = MAX_DELIVERIES,
    ) -> None:
        """Start to consume in the background; comes back by itself after any loss."""
        consumer = Consumer(
            self._to_consume,
            self._settler(subscription),
            Handling(subscription, handler, self._telemetry, self._carrier, attempts=attempts),
            concurrency=concurrency,
            watchdog=self._watchdog,
        )
        self._start(subscription.queue, consumer)

    async def take(
        self,
        work: Work,
        handler: Handler,
        admission: Admission,
        *,
        ahead: int = 2,
        alone: Callable[[], int] = lambda: 0,
        attempts: int = MAX_DELIVERIES,
    ) -> None:
        """Start to take work in the background; comes back by itself after any loss."""
        work = self._topology.work(work.queue)
        taker = Taker(
            self._to_consume,
            self._settler(work),
            work,
            Handling(work, handler, self._telemetry, self._carrier, attempts=attempts),
            admission,
            self._background,
            ahead=ahead,
            alone=alone,
            watchdog=self._watchdog,
            hold=self._hold,
        )
        self._start(work.queue, taker)
        for retired in self._topology.retired:
            if retired.work == work:
                retirement = Retirement(
                    self._to_consume, self._copies(), self._topology, retired, pause=self._watchdog
                )
                self._consuming.append(self._background.start(f"end of {retired.queue}", retirement.run()))

    async def ready(self) -> None:
        """Raise Unavailable unless events can be published and every subscription is being served."""
        await self._to_publish.ready()
        if self._consumers:
            await self._to_consume.ready()
        missing = [queue for queue, consumer in self._consumers.items() if not consumer.consuming]
        if missing:
            raise Unavailable(f"RabbitMQ does not deliver from {', '.join(missing)} yet.")

    async def watch(self) -> None:
        """Wait for ever; raises what killed a background task of this bus. Made for `supervise`."""
        await self._background.watch()

    async def drain(self) -> None:
        """Take no more events; running handlers get `drain_timeout` seconds and may still publish."""
        try:
            async with asyncio.timeout(self._drain_timeout), asyncio.TaskGroup() as group:
                for consumer in self._consumers.values():
                    group.create_task(consumer.drain())
        except TimeoutError:
            log.warning("cancelling handlers that did not finish within %.0f s", self._drain_timeout)
        running = [task for consumer in self._consumers.values() for task in consumer.running]
        if ending := [*self._consuming, *running]:
            await self._background.cancel(*ending)

    async def close(self) -> None:
        """End every background task and close both connections."""
        for consumer in self._consumers.values():
            consumer.close()
        await self._background.cancel()

    def _start(self, queue: str, consumer: Consumer | Taker) -> None:
        if queue in self._consumers:
            raise ValueError(f"{queue} already has a handler")
        if not self._consumers:
            self._background.start("rabbitmq consuming connection", self._to_consume.run())
        self._consumers[queue] = consumer
        self._consuming += consumer.start(self._background)

    def _settler(self, of: Subscription | Work) -> Settler:
        return Settler(self._copies(), self._topology, of, self._share)

    def _copies(self) -> Publisher:
        # One for each: what it has in flight is told apart by the message id.
        return Publisher(self._to_publish, timeout=self._publish_timeout)
