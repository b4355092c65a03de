"""Publishing with confirms: many in flight on one channel, each returning once the broker holds it."""

from __future__ import annotations

import asyncio
from typing import cast

from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import DeliveryError, PublishError
from aiormq.channel import Channel as DriverChannel
from pamqp.commands import Basic

from libs.common.bus.rabbitmq.connection import Connection, as_unavailable
from libs.common.errors import NoRoom, Unavailable


class Publisher:
    """A confirm channel on a connection, opened when needed and again when lost.

    A returned message is matched by its message id, so one publisher must not have the same id in flight for
    different queues: events and each subscription's copies have a publisher of their own.
    """

    def __init__(self, connection: Connection, *, timeout: float) -> None:
        """`timeout` in seconds bounds each publish, waiting for a connection included."""
        self._connection = connection
        self._timeout = timeout
        self._channel: AbstractChannel | None = None
        self._driver: DriverChannel | None = None
        self._opening = asyncio.Lock()
        self._incomplete = False

    async def publish(
        self, body: bytes, properties: Basic.Properties, *, exchange: str, routing_key: str
    ) -> None:
        """Return when every queue that takes the message has stored it. Raises Unavailable.

        After a failure the broker may hold the message all the same.
        """
        with as_unavailable("did not confirm"):
            async with asyncio.timeout(self._timeout):
                driver = await self._open_channel()
                try:
                    await driver.basic_publish(
                        body,
                        exchange=exchange,
                        routing_key=routing_key,
                        properties=properties,
                        mandatory=True,
                        # The confirm is waited for: waiting for the socket as well, with the channel
                        # locked, would have each event written alone.
                        wait=False,
                    )
                except PublishError as error:
                    # A queue or binding was deleted under us: declare the table before the next publish.
                    self._incomplete = True
                    raise Unavailable(f"RabbitMQ has no queue for {routing_key}.") from error
                except DeliveryError as error:
                    raise NoRoom(f"RabbitMQ refused {routing_key}: a queue is full or broken.") from error

    async def _open_channel(self) -> DriverChannel:
        connection = await self._connection.opened()
        driver = self._driver
        if driver is not None and not driver.is_closed and not self._incomplete:
            return driver
        async with self._opening:
            if self._incomplete:
                await self._connection.declare(connection)
                self._incomplete = False
            if self._driver is None or self._driver.is_closed:
                # The client library's own default lets a returned message pass for a confirmed one.
                channel = connection.channel(publisher_confirms=True, on_return_raises=True)
                await channel.initialize()
                self._channel = channel
                self._driver = cast(DriverChannel, await channel.get_underlay_channel())
            return self._driver
