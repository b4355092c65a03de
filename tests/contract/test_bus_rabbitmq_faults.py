"""Broker faults, on a node that these tests may kill and starve."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from libs.common.bus.topology import PROCESSOR_WORK
from libs.common.errors import Unavailable
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import received
from tests.contract.bus_carriers import Recorder, rabbitmq_bus, ready, subscribe_all, take, unready
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually


@pytest.fixture
def starve(own_rabbitmq_node: RabbitMQNode) -> Iterator[Callable[[bool], None]]:
    """Turn the node's memory alarm on and off; off in the end."""
    yield own_rabbitmq_node.set_memory_alarm
    own_rabbitmq_node.set_memory_alarm(False)


@pytest.mark.faults
async def test_a_broker_that_is_not_there_yet(
    unstarted_rabbitmq_node: RabbitMQNode, telemetry: Telemetry
) -> None:
    """Processes start in any order: this one waits, says so, and begins when the broker has come."""
    recorder = Recorder()
    node = unstarted_rabbitmq_node
    node.kill()
    async with rabbitmq_bus(node.url(), telemetry, publish_timeout=0.5) as bus:
        await take(bus, recorder, concurrency=1)
        with pytest.raises(Unavailable):
            await bus.publish(received())
        with pytest.raises(Unavailable, match="RabbitMQ is not available"):
            await bus.ready()
        node.launch()
        await ready(bus)
        event = received()
        await bus.publish(event)
        await eventually(lambda: str(event.id) in recorder.ids)


async def test_a_blocked_publish_ends_in_time(
    own_rabbitmq_node: RabbitMQNode, starve: Callable[[bool], None], telemetry: Telemetry
) -> None:
    """A broker in need stops reading: publishes are Unavailable, consuming goes on, and all comes back."""
    recorder, url = Recorder(), own_rabbitmq_node.url()
    stored = [received() for _ in range(5)]
    async with rabbitmq_bus(url, telemetry) as patient:
        for event in stored:
            await patient.publish(event)
    async with rabbitmq_bus(url, telemetry, publish_timeout=2.0) as bus:
        await ready(bus)
        starve(True)
        with pytest.raises(Unavailable, match="no answer in time"):
            await bus.publish(received())
        with pytest.raises(Unavailable, match="blocks publishers"):
            await bus.ready()
        with pytest.raises(Unavailable):
            await bus.publish(received())
        await take(bus, recorder, concurrency=2)
        await eventually(lambda: recorder.ids == {str(event.id) for event in stored})
        starve(False)
        await ready(bus)
        event = received()

        async def published() -> bool:
            try:
                await bus.publish(event)
            except Unavailable:
                return False  # a busy machine may take as long as that
            return True

        await eventually(published)
        await eventually(lambda: str(event.id) in recorder.ids)


@pytest.mark.faults
async def test_a_killed_broker_loses_nothing_that_was_confirmed(
    own_rabbitmq_node: RabbitMQNode, telemetry: Telemetry
) -> None:
    """kill -9 and a new start in the middle of publishing and handling; the processes stay the same."""
    recorder = Recorder()
    confirmed: set[str] = set()
    stop = asyncio.Event()
    async with rabbitmq_bus(own_rabbitmq_node.url(), telemetry, publish_timeout=2.0) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})

        async def publish_on() -> None:
            while not stop.is_set():
                event = received()
                try:
                    await bus.publish(event)
                except Unavailable:
                    continue
                confirmed.add(str(event.id))

        publishers = [asyncio.create_task(publish_on()) for _ in range(10)]
        await eventually(lambda: len(confirmed) > 200)
        own_rabbitmq_node.kill()
        await unready(bus)
        before = len(confirmed)
        own_rabbitmq_node.launch()
        await eventually(own_rabbitmq_node.is_running)
        await eventually(lambda: len(confirmed) > before + 200)
        stop.set()
        await asyncio.gather(*publishers)
        await eventually(lambda: confirmed <= recorder.ids)
