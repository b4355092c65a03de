"""RabbitMQ for tests: a private node for the session and a virtual host per test.

TEST_AMQP_URL names a broker to use instead; around each test this system's queues are removed from it.
Tests that restart or starve a broker have a private node in any case.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator

import aio_pika
import pytest

from libs.common.bus.topology import TOPOLOGY
from tests.bus_support import FAST
from tests.fixtures_postgres import run_apart
from tests.rabbitmq_node import RabbitMQNode


@pytest.fixture(scope="session")
def rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQNode]:
    """The session's private node."""
    node = RabbitMQNode(tmp_path_factory.mktemp("rabbitmq"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module")
def unstarted_rabbitmq_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQNode]:
    """A node that this module's tests may kill, restart and starve; not started before they do."""
    node = RabbitMQNode(tmp_path_factory.mktemp("own_rabbitmq"))
    yield node
    node.close()


@pytest.fixture
def own_rabbitmq_node(unstarted_rabbitmq_node: RabbitMQNode) -> RabbitMQNode:
    """The same, running."""
    if not unstarted_rabbitmq_node.launched:
        unstarted_rabbitmq_node.start()
    return unstarted_rabbitmq_node


@pytest.fixture
def vhost(rabbitmq_node: RabbitMQNode) -> Iterator[str]:
    """Name of this test's own virtual host on the session's private node."""
    name = f"test-{secrets.token_hex(6)}"
    rabbitmq_node.add_vhost(name)
    yield name
    rabbitmq_node.delete_vhost(name)


@pytest.fixture
def amqp_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL of a virtual host without any of this system's queues."""
    given = os.environ.get("TEST_AMQP_URL")
    if given:
        run_apart(_remove_queues(given))
        yield given
        run_apart(_remove_queues(given))
        return
    name: str = request.getfixturevalue("vhost")
    node: RabbitMQNode = request.getfixturevalue("rabbitmq_node")
    yield node.url(name)


async def _remove_queues(url: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        for topology in (TOPOLOGY, FAST):
            for queue in topology.queues():
                await channel.queue_delete(queue.name)
            for name in (name for retired in topology.retired for name in retired.queues()):
                await channel.queue_delete(name)
            for exchange in topology.exchanges():
                await channel.exchange_delete(exchange.name)
