"""A broker whose release before had one account for all: both releases beside each other, and its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.exceptions import AMQPError

from infra import deployment_secrets
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.rabbitmq.message import properties_of
from libs.common.bus.topology import TOPOLOGY, Topology, retry_queue
from libs.common.events import Event
from services.operator import broker
from tests.bus_support import processed, received
from tests.deployed_broker import DeployedNode

SHARED = "of-the-release-before"
RIGHTS = r"^(dicom\.(events|work(\.unlaned)?)|(processor|results|ingest)\..+)$"


class BeforeCopies(Topology):
    """The table without the exchange that has come since."""

    __slots__ = ()

    def exchanges(self) -> Any:
        """All but that one."""
        return tuple(exchange for exchange in super().exchanges() if exchange.name != self.copies)

    def bindings(self) -> Any:
        """All but those of that one."""
        return tuple(binding for binding in super().bindings() if binding.source != self.copies)


BEFORE = BeforeCopies(
    TOPOLOGY.exchange, TOPOLOGY.subscriptions, TOPOLOGY.retry_delays, TOPOLOGY.works, TOPOLOGY.work_delays
)


def definitions_before() -> dict[str, Any]:
    """One user for all services, which may do everything with the names of this system."""
    hashing = {"hashing_algorithm": "rabbit_password_hashing_sha256"}
    user = {"name": "dicom", "password_hash": deployment_secrets.rabbitmq_hash(SHARED), **hashing, "tags": []}
    rights = {"configure": RIGHTS, "write": RIGHTS.replace("^(", r"^(amq\.default|"), "read": RIGHTS}
    return {
        "users": [user],
        "vhosts": [{"name": "dicom"}],
        "permissions": [{"user": "dicom", "vhost": "dicom", **rights}],
    }


@pytest.fixture
def node(tmp_path: Path) -> Iterator[DeployedNode]:
    """With data of the release before; not started."""
    node = DeployedNode(tmp_path)
    try:
        yield node
    finally:
        node.close()


async def as_before(node: DeployedNode) -> aio_pika.abc.AbstractConnection:
    """As every service of the release before connects."""
    url = f"amqps://dicom:{SHARED}@localhost:{node.ports[5671]}/dicom"
    return await aio_pika.connect(url, ssl_context=node.trust)


async def publish(connection: aio_pika.abc.AbstractConnection, exchange: str, key: str, event: Event) -> None:
    """Confirmed, and mandatory."""
    channel = await connection.channel(on_return_raises=True)
    target = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
    headers = properties_of(event, None, TOPOLOGY.lane_of(event)).headers
    message = aio_pika.Message(event.to_json(), headers=headers, message_id=str(event.id), type=event.type)
    await target.publish(message, key, mandatory=True)
    await channel.close()


async def taken(connection: aio_pika.abc.AbstractConnection, queue: str) -> list[str]:
    """Ids of what waits in a queue, which is empty then."""
    found = []
    async with connection.channel() as channel:
        source = await channel.get_queue(queue, ensure=False)
        while (message := await source.get(fail=False)) is not None:
            found.append(message.message_id or "")
            await message.ack()
    return found


@pytest.mark.faults
async def test_accounts_come_with_a_restart_and_the_shared_one_goes_when_it_is_told_to(
    node: DeployedNode,
) -> None:
    rendered = node.folder / "secrets" / deployment_secrets.RENDERED
    released = rendered.read_text()
    rendered.unlink()
    rendered.write_text(json.dumps(definitions_before()))
    node.start()
    with pytest.raises(AMQPError):
        await aio_pika.connect(node.amqps_url("ingest"), ssl_context=node.trust)
    waiting = received()
    async with await as_before(node) as old:
        await declare(await old.channel(), BEFORE)
        await publish(old, "dicom.events", waiting.type, waiting)

    # `make up` of this release: the container is replaced, and reads what was rendered.
    node.stop()
    rendered.write_text(released)
    node.start()
    await asyncio.to_thread(broker.declare, node.amqps_url("operator"), node.ca_file, TOPOLOGY)
    lane = TOPOLOGY.works[0].queue_of(TOPOLOGY.lane_of(waiting) or "")
    async with (
        await as_before(node) as old,
        await aio_pika.connect(node.amqps_url("ingest"), ssl_context=node.trust) as ingest,
        await aio_pika.connect(node.amqps_url("processor"), ssl_context=node.trust) as processor,
        await aio_pika.connect(node.amqps_url("results"), ssl_context=node.trust) as results,
    ):
        # What the old release sent is the new one's to take, and the other way round.
        assert await taken(processor, lane) == [str(waiting.id)]
        assert await taken(results, "results.files") == [str(waiting.id)]
        of_new, of_old = processed(waiting), processed(waiting)
        await publish(processor, "dicom.events", of_new.type, of_new)
        await publish(old, "dicom.events", of_old.type, of_old)
        assert await taken(old, "results.files") == [str(of_new.id), str(of_old.id)]
        # The old release declares its table on each connection, and puts copies where it always did.
        await declare(await old.channel(), BEFORE)
        await publish(old, "", "results.files.dead", of_old)
        assert await taken(results, "results.files.dead") == [str(of_old.id)]
        again = received()
        await publish(ingest, "dicom.events", again.type, again)
        await publish(processor, "dicom.copies", retry_queue("processor", 1.0), again)

    node.evaluate('ok = rabbit_auth_backend_internal:delete_user(<<"dicom">>, <<"tests">>)')
    with pytest.raises(AMQPError):
        await as_before(node)
