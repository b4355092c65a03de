"""Consuming from a real broker at the worst moment: put off, cut off, draining."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.common.bus.contract import Delivery
from libs.common.bus.dead_letters import REASON_LENGTH
from libs.common.bus.rabbitmq.acks import Acknowledger
from libs.common.bus.rabbitmq.message import REASON, Incoming, dead_properties
from libs.common.bus.rabbitmq.publisher import Publisher
from libs.common.bus.rabbitmq.session import BrokerSession
from libs.common.bus.topology import COPIES, PROCESSOR_WORK, RESULTS_FILES
from libs.common.errors import Unavailable
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import LANE_QUEUE, processed, received
from tests.contract.bus_carriers import Recorder, messages_in, rabbitmq_bus, subscribe_all
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Copies:
    """Notes where copies go; refuses them while `refuses`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.refuses = False
        self.sent: list[str] = []
        self.traces: set[str] = set()
        publish = Publisher.publish

        async def noted(
            publisher: Publisher, body: bytes, properties: Any, *, exchange: str, routing_key: str
        ) -> None:
            if exchange == COPIES:
                self.sent.append(routing_key)
                self.traces.add(properties.headers.get("traceparent", ""))
                if self.refuses:
                    raise Unavailable("no room")
            await publish(publisher, body, properties, exchange=exchange, routing_key=routing_key)

        monkeypatch.setattr(Publisher, "publish", noted)


@pytest.fixture
def copies(monkeypatch: pytest.MonkeyPatch) -> Copies:
    return Copies(monkeypatch)


def fail_until(attempt: int) -> Recorder:
    def fail(delivery: Delivery) -> None:
        if delivery.attempt < attempt:
            raise OSError

    return Recorder(fail)


async def test_a_worker_whose_copy_finds_no_room_takes_what_the_broker_delivers_again(
    rabbitmq_node: RabbitMQNode, vhost: str, telemetry: Telemetry, copies: Copies
) -> None:
    """Its session is lost, so nobody waits for the copy any more; and nothing was acknowledged before it."""
    recorder = fail_until(2)
    async with rabbitmq_bus(rabbitmq_node.url(vhost), telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder}, concurrency=1)
        copies.refuses = True
        await bus.publish(received())
        await eventually(lambda: len(copies.sent) >= 2)
        rabbitmq_node.close_connections(vhost)
        await eventually(lambda: recorder.attempts == [1, 2])


async def test_each_retry_waits_in_the_next_queue_and_keeps_its_trace(
    amqp_url: str, telemetry: Telemetry, copies: Copies
) -> None:
    recorder = fail_until(4)
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        await bus.publish(received(TRACEPARENT))
        await eventually(lambda: recorder.attempts == [1, 2, 3, 4])
    assert {trace.split("-")[1] for trace in copies.traces} == {TRACEPARENT.split("-")[1]}
    assert copies.sent == [f"processor.retry.{delay}s" for delay in ("0.05", "0.1", "0.1")]


@pytest.mark.parametrize("queue", [LANE_QUEUE, "results.files"])
async def test_what_arrives_while_a_consumer_begins_to_drain_is_left_to_others(
    amqp_url: str, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch, queue: str
) -> None:
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry, drain_timeout=30.0) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder, RESULTS_FILES: recorder})
        stop = BrokerSession.stop_deliveries

        async def late(session: BrokerSession) -> None:
            if queue in session._queues:
                await bus.publish(received() if queue == LANE_QUEUE else processed(received()))
                await eventually(lambda: session.arrivals[queue] == 1)
            await stop(session)

        monkeypatch.setattr(BrokerSession, "stop_deliveries", late)
        await bus.drain()
        assert [d for d in recorder.deliveries if (d.lane is None) == (queue != LANE_QUEUE)] == []
    # By a copy, which a subscription's retry queue leads back: the broker counts what is only returned.
    (message,) = await eventually(lambda: messages_in(amqp_url, queue))
    assert message.headers["x-attempt"] == 0
    assert not message.headers.get("x-lost")
    assert not message.headers.get("x-delivery-count")


async def test_what_was_handled_last_is_acknowledged_before_the_channel_closes(
    amqp_url: str, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(_: Acknowledger) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(Acknowledger, "run", never)
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        await bus.publish(received())
        await eventually(lambda: recorder.deliveries)
    assert await messages_in(amqp_url, LANE_QUEUE) == []


def test_the_reason_of_a_dead_letter_is_short() -> None:
    incoming = Incoming(1, "x", b"{}", 0, 0, 0, None, None, None, None)
    headers = dead_properties(incoming, reason="r" * 10_000).headers
    assert headers is not None
    assert headers[REASON] == "r" * REASON_LENGTH
