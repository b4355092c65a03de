"""What waits in the queues of the topology, asked for without declaring or taking anything."""

from __future__ import annotations

from typing import NamedTuple

from aio_pika.abc import AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity

from libs.common.bus.topology import Topology


class Depth(NamedTuple):
    """One queue: `messages` are those that wait, without those in work; None when there is no such queue."""

    queue: str
    messages: int | None
    consumers: int


async def depths(connection: AbstractConnection, topology: Topology) -> list[Depth]:
    """Every queue of `topology`, by passive declaration, in its order. Raises aio_pika's errors.

    At the end those of the release before that are still there.
    """
    found = [await depth(connection, queue.name) for queue in topology.queues()]
    old = [await depth(connection, name) for retired in topology.retired for name in retired.queues()]
    return [*found, *(one for one in old if one.messages is not None)]


async def depth(connection: AbstractConnection, name: str) -> Depth:
    """One queue, by passive declaration. Raises aio_pika's errors."""
    # A channel each: the broker closes it when the queue is missing.
    async with connection.channel(publisher_confirms=False) as channel:
        try:
            told = (await channel.declare_queue(name, passive=True)).declaration_result
        except ChannelNotFoundEntity:
            return Depth(name, None, 0)
    return Depth(name, told.message_count or 0, told.consumer_count or 0)
