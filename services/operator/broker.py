"""Exchanges, queues and bindings of this release, declared for the services, whose accounts may not."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused

from libs.common.bus.rabbitmq import connection as bus
from libs.common.bus.topology import Topology
from libs.common.errors import ConfigurationError
from services.operator.preflight import Server, broker

DECLARE_SECONDS = 60.0
AGAIN_SECONDS = 1.0


def declare(url: str, ca_file: Path | None, topology: Topology) -> None:
    """Declare what is missing and say so; what is there stays. Raises ConfigurationError in one sentence."""
    asyncio.run(_declare(url, ca_file, topology))
    sys.stdout.write(f"declared {len(topology.queues())} queues\n")


async def _declare(url: str, ca_file: Path | None, topology: Topology) -> None:
    deadline = asyncio.get_running_loop().time() + DECLARE_SECONDS
    while True:
        async with broker(url, ca_file) as connection:
            try:
                async with asyncio.timeout(DECLARE_SECONDS), connection.channel() as channel:
                    await bus.declare(channel, topology)
            except ChannelAccessRefused as error:
                raise ConfigurationError(
                    "Import infra/rabbitmq/definitions.json of this release, or correct AMQP_URL: user "
                    f"{Server.of(url).user or 'guest'} may not declare the queues ({error})."
                ) from error
            except ChannelPreconditionFailed as error:
                raise ConfigurationError(
                    f"A queue exists with other arguments; remove it once it is empty ({error})."
                ) from error
            except (AMQPError, OSError, TimeoutError) as error:
                # A broker that has just started has its queues a little later than its port.
                if asyncio.get_running_loop().time() > deadline:
                    raise ConfigurationError(
                        f"RabbitMQ does not take the queues ({str(error) or type(error).__name__})."
                    ) from error
            else:
                return
        await asyncio.sleep(AGAIN_SECONDS)
