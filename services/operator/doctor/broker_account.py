"""RabbitMQ: how far the account reaches that AMQP_URL logs in with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq.exceptions import ChannelAccessRefused

from libs.common.bus.topology import Topology
from services.operator.doctor.report import Finding
from services.operator.preflight import Server

SHARED = "dicom"
"""What all services of earlier releases logged in as."""


async def look(connection: AbstractConnection, url: str, topology: Topology) -> Finding:
    """Try what only some accounts may; nothing is left. Raises aio_pika's errors."""
    anything = await _may(connection, _any_queue)
    try:
        ours = await _may(connection, lambda channel: _our_exchange(channel, topology))
    except ChannelNotFoundEntity:
        ours = None
    return judge(Server.of(url).user or "guest", anything=anything, ours=ours)


def judge(user: str, *, anything: bool, ours: bool | None) -> Finding:
    """What it means that an account may declare `anything`, or `ours` (None: there is nothing yet); pure."""
    if user == SHARED:
        return Finding(
            "rabbitmq",
            "warning",
            f"{user} is the account that all services of earlier releases shared: each could forge the "
            "others' events.",
            "Import infra/rabbitmq/definitions.json, give each service its own AMQP_URL, then "
            f"`rabbitmqctl delete_user {SHARED}`.",
        )
    if anything:
        return Finding(
            "rabbitmq",
            "note",
            f"{user} may declare whatever it likes: good for all services in one process, too much for each.",
            "infra/rabbitmq/definitions.json has an account for each service.",
        )
    reach = {
        True: "may declare the queues of this system and nothing else",
        False: "may declare nothing: `migrate` does it with another account",
        None: "may not declare whatever it likes",
    }
    return Finding("rabbitmq", "ok", f"{user} {reach[ours]}.")


async def _may(connection: AbstractConnection, attempt: Callable[[AbstractChannel], Awaitable[None]]) -> bool:
    channel = await connection.channel()
    try:
        await attempt(channel)
    except ChannelAccessRefused:
        return False
    await channel.close()
    return True


async def _any_queue(channel: AbstractChannel) -> None:
    # It is this connection's alone, and goes with it.
    queue = await channel.declare_queue(f"doctor.{uuid4()}", exclusive=True, auto_delete=True)
    await queue.delete()


async def _our_exchange(channel: AbstractChannel, topology: Topology) -> None:
    exchange = topology.exchanges()[0]
    # First whether it is there: the doctor makes nothing.
    await channel.declare_exchange(exchange.name, passive=True)
    await channel.declare_exchange(exchange.name, aio_pika.ExchangeType(exchange.type), durable=True)
