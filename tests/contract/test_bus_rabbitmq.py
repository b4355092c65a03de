"""What the RabbitMQ bus promises beyond the common contract; real broker, a virtual host per test."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage, HeadersType
from aio_pika.exceptions import ChannelPreconditionFailed
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pamqp.common import FieldTable

from libs.common.bus.contract import Delivery
from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.bus.topology import INGEST_OUTCOMES, PROCESSOR_PAUSES, PROCESSOR_WORK, RESULTS_FILES
from libs.common.errors import ConfigurationError, HandOn, Unavailable
from libs.common.events import Event, LanesPaused, new_event, parse_event
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import FAST, LANE, LANE_QUEUE, processed, received
from tests.contract.bus_carriers import (
    Recorder,
    messages_in,
    rabbitmq_bus,
    ready,
    subscribe_all,
    take,
    unready,
)
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_published_event_is_stored_in_every_queue_before_publish_returns(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """Without any consumer: the whole table was declared first."""
    event = received(TRACEPARENT)
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await bus.publish(event)
        for name in (LANE_QUEUE, "results.files"):
            (message,) = await messages_in(amqp_url, name)
            assert parse_event(message.body) == event
            assert message.content_type == "application/cloudevents+json"
            assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
            assert (message.message_id, message.type) == (str(event.id), event.type)
            assert message.headers["traceparent"] == TRACEPARENT
        assert await messages_in(amqp_url, "ingest.outcomes") == []


async def test_a_broadcast_reaches_every_process_and_tells_the_latest_to_a_new_one(
    amqp_url: str, telemetry: Telemetry
) -> None:
    def told(revision: int) -> Event:
        return new_event("/results", LanesPaused(lanes=("3",), revision=revision))

    def revisions(recorder: Recorder) -> list[int]:
        found = [one.event.data for one in recorder.deliveries]
        return [data.revision for data in found if isinstance(data, LanesPaused)]

    first, second, late = Recorder(), Recorder(), Recorder()
    async with rabbitmq_bus(amqp_url, telemetry) as bus, rabbitmq_bus(amqp_url, telemetry) as other:
        for one, recorder in ((bus, first), (other, second)):
            await one.subscribe(PROCESSOR_PAUSES, recorder, concurrency=1)
            await ready(one)
        for revision in (1, 2):
            await bus.publish(told(revision))
        await eventually(lambda: revisions(first) == revisions(second) == [1, 2])
    async with rabbitmq_bus(amqp_url, telemetry) as third:
        await third.subscribe(PROCESSOR_PAUSES, late, concurrency=1)
        await eventually(lambda: revisions(late)[-1:] == [2])


async def test_the_table_is_declared_with_exactly_its_arguments(amqp_url: str, telemetry: Telemetry) -> None:
    """A broker accepts a second declaration only when every argument is the same."""
    async with (
        rabbitmq_bus(amqp_url, telemetry) as bus,
        await aio_pika.connect(amqp_url) as connection,
    ):
        await ready(bus)
        for queue in FAST.queues():
            async with connection.channel() as channel:
                await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))
            channel = await connection.channel()
            other: FieldTable = {
                k: v for k, v in queue.arguments.items() if k not in ("x-overflow", "x-max-length-bytes")
            }
            with pytest.raises(ChannelPreconditionFailed):
                await channel.declare_queue(queue.name, durable=True, arguments=other)


async def test_processes_that_start_together_may_declare_together(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """Four at once, on an empty broker."""
    async with AsyncExitStack() as stack:
        buses = [await stack.enter_async_context(rabbitmq_bus(amqp_url, telemetry)) for _ in range(4)]
        for bus in buses:
            await bus.subscribe(RESULTS_FILES, Recorder(), concurrency=2)
            await bus.subscribe(INGEST_OUTCOMES, Recorder(), concurrency=2)
        await asyncio.gather(*(ready(bus) for bus in buses))


async def test_a_queue_with_other_arguments_is_reported(amqp_url: str, telemetry: Telemetry) -> None:
    """The process neither dies nor pretends to be ready."""
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        await channel.declare_queue(
            "results.files", durable=True, arguments={"x-queue-type": "quorum", "x-max-length": 5}
        )
    async with rabbitmq_bus(amqp_url, telemetry) as bus:

        async def complaint() -> bool:
            with pytest.raises(Unavailable) as caught:
                await bus.ready()
            return "other arguments" in caught.value.detail and "results.files" in caught.value.detail

        await eventually(complaint)


async def test_an_unroutable_publish_raises_and_the_next_one_finds_the_queues_again(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """A confirm alone would have called the lost event published."""
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await bus.publish(processed(received()))
        await _delete_queue(amqp_url, "results.files")
        with pytest.raises(Unavailable, match=r"no queue for dicom\.file\.processed\.v1"):
            await bus.publish(processed(received()))
        await bus.publish(event := processed(received()))
        (message,) = await messages_in(amqp_url, "results.files")
        assert message.message_id == str(event.id)


async def test_a_message_is_acknowledged_only_after_its_handler(amqp_url: str, telemetry: Telemetry) -> None:
    """While the handler runs the broker still holds it; after a drain nothing is left."""
    started, finish = asyncio.Event(), asyncio.Event()

    async def slow(_: Delivery) -> None:
        started.set()
        await finish.wait()

    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: slow})
        await bus.publish(received())
        await started.wait()
        assert await messages_in(amqp_url, LANE_QUEUE) == [], "handed out"
        draining = asyncio.create_task(bus.drain())
        finish.set()
        await draining
        assert await messages_in(amqp_url, LANE_QUEUE) == [], "acknowledged"


async def test_unreadable_messages_are_dead_with_the_reason(amqp_url: str, telemetry: Telemetry) -> None:
    """Byte for byte what arrived; those behind them are handled."""
    recorder = Recorder()
    bodies = [b"\x00not json", b"", b'{"specversion":"1.0"}', processed(received()).to_json()[:-30]]
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
            exchange = await channel.get_exchange(FAST.exchange)
            for body in bodies:
                # Foreign publishers set any header they like.
                headers: HeadersType = {"x-attempt": "many", "x-delivery-count": -3, "traceparent": 5}
                await exchange.publish(aio_pika.Message(body, headers=headers), "dicom.file.received.v1")
        await bus.publish(received())
        await eventually(lambda: recorder.attempts == [1])

        async def all_dead() -> list[AbstractIncomingMessage] | None:
            found = await messages_in(amqp_url, "processor.dead")
            return found if len(found) == len(bodies) else None

        dead = await eventually(all_dead)
    assert dead is not None
    assert sorted(message.body for message in dead) == sorted(bodies)
    assert all(str(message.headers["x-reason"]).startswith("not a valid event") for message in dead)
    assert {message.headers["x-queue"] for message in dead} == {"processor.lane.0"}


async def test_attempts_of_lost_workers_count(
    amqp_url: str, rabbitmq_node: RabbitMQNode, vhost: str, telemetry: Telemetry
) -> None:
    """A connection lost in the middle of a handler is a used attempt, also after a retry of its own."""
    attempts: list[int] = []
    lost = asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        if delivery.attempt == 1:
            raise OSError
        if delivery.attempt == 2:
            await lost.wait()

    async with rabbitmq_bus(rabbitmq_node.url(vhost), telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: handler})
        await bus.publish(received())
        await eventually(lambda: attempts == [1, 2])
        rabbitmq_node.close_connections(vhost)
        await eventually(lambda: attempts == [1, 2, 3])
        lost.set()
        await ready(bus)
        assert attempts == [1, 2, 3], "the old delivery's acknowledgement went nowhere, and hurt nobody"


async def test_what_came_back_without_a_failure_is_no_attempt_and_not_forgotten(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """As RabbitMQ 4.3 counts; handed on and put off, the next still knows that somebody may have begun it."""
    seen: list[tuple[int, int, bool, str | None]] = []

    async def handler(delivery: Delivery) -> None:
        seen.append((delivery.attempt, delivery.charged, delivery.redelivered, delivery.lane))
        if len(seen) == 1:
            raise HandOn("large")
        if len(seen) == 2:
            raise Unavailable("not now")

    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: handler})
        async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
            exchange = await channel.get_exchange(FAST.exchange)
            headers: HeadersType = {"x-acquired-count": 3, "lane": LANE}
            event = received()
            await exchange.publish(aio_pika.Message(event.to_json(), headers=headers), event.type)
        await eventually(lambda: len(seen) == 3)
    assert seen == [(1, 0, True, LANE), (1, 0, True, "large"), (1, 0, True, "large")]


async def test_closed_connections_come_back(
    rabbitmq_node: RabbitMQNode, vhost: str, telemetry: Telemetry
) -> None:
    """Both of them, again and again; every confirmed event is handled."""
    recorder = Recorder()
    async with rabbitmq_bus(rabbitmq_node.url(vhost), telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        confirmed = set()
        for _ in range(3):
            rabbitmq_node.close_connections(vhost)
            for _ in range(20):
                event = received()
                try:
                    await bus.publish(event)
                except Unavailable:
                    continue
                confirmed.add(str(event.id))
        assert len(confirmed) >= 30
        await eventually(lambda: confirmed <= recorder.ids)


async def test_a_consumer_that_the_server_cancelled_comes_back(amqp_url: str, telemetry: Telemetry) -> None:
    """As when its queue is deleted; the queue is declared again."""
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        await _delete_queue(amqp_url, LANE_QUEUE)
        await unready(bus)
        await ready(bus)
        await bus.publish(received())
        await eventually(lambda: recorder.deliveries)


async def test_a_quiet_consumer_notices_that_messages_wait(amqp_url: str, telemetry: Telemetry) -> None:
    """When the broker forgot the consumer without a word, the watchdog subscribes again."""
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry, watchdog=0.1) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        session = bus._consumers["processor.work"]._subscribing.session
        assert session is not None
        await session.stop_deliveries()  # behind the consumer's back
        event = received()
        await bus.publish(event)
        await eventually(lambda: recorder.ids == {str(event.id)})


async def test_a_missing_retry_queue_costs_no_message(amqp_url: str, telemetry: Telemetry) -> None:
    """The delivery stays unacknowledged until its copy is confirmed."""

    def fail_once(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise OSError

    recorder = Recorder(fail_once)
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder})
        await _delete_queue(amqp_url, "processor.retry.0.05s")
        await bus.publish(received())
        await eventually(lambda: recorder.attempts == [1, 2])


async def test_what_travels_beside_an_event_says_whose_trace_it_is(
    amqp_url: str, telemetry: Telemetry, spans: InMemorySpanExporter
) -> None:
    """A message that somebody passed on belongs to their span; without one, to the event's own."""
    beside = "00-" + "1" * 32 + "-" + "2" * 16 + "-01"
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: recorder}, concurrency=1)
        async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
            exchange = await channel.get_exchange(FAST.exchange)
            cases: list[HeadersType] = [{"traceparent": beside}, {}]
            for headers in cases:
                message = aio_pika.Message(received(TRACEPARENT).to_json(), headers=headers)
                await exchange.publish(message, "dicom.file.received.v1")
        await eventually(lambda: len(recorder.deliveries) == 2)
        await bus.drain()
    parents = [s.parent for s in spans.get_finished_spans() if s.name.endswith("processor.work")]
    traces = [f"{parent.trace_id:032x}" for parent in parents if parent]
    assert traces == ["1" * 32, TRACEPARENT.split("-")[1]]


async def test_a_cancelled_handler_settles_nothing(amqp_url: str, telemetry: Telemetry) -> None:
    """After the drain timeout; another process gets the event as its second attempt."""
    started, ended = asyncio.Event(), []

    async def endless(_: Delivery) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    event = received()
    async with rabbitmq_bus(amqp_url, telemetry, drain_timeout=0.1) as bus:
        await subscribe_all(bus, {PROCESSOR_WORK: endless})
        await bus.publish(event)
        await started.wait()
        await bus.drain()
        assert ended == ["cancelled"]
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await take(bus, recorder, concurrency=1)
        await eventually(lambda: recorder.deliveries == [Delivery(event, 2, lane=LANE, redelivered=True)])
        assert await messages_in(amqp_url, "processor.dead") == []


async def test_many_events_at_once_are_each_handled_once(amqp_url: str, telemetry: Telemetry) -> None:
    """Batched acknowledgements name every delivery and no other: nothing is left and nothing comes twice."""
    recorder = Recorder()

    async def uneven(delivery: Delivery) -> None:
        await asyncio.sleep(0.002 * (delivery.event.id.int % 5))
        await recorder(delivery)

    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await subscribe_all(bus, {RESULTS_FILES: uneven}, concurrency=64)
        events = [received() for _ in range(600)]
        await asyncio.gather(*(bus.publish(event) for event in events))
        await eventually(lambda: len(recorder.deliveries) >= 600)
        await bus.drain()
        assert await messages_in(amqp_url, "results.files") == []
    assert recorder.attempts == [1] * 600
    assert recorder.ids == {str(event.id) for event in events}


async def test_a_dead_background_task_is_reported(amqp_url: str, telemetry: Telemetry) -> None:
    """`watch` is what lets the process stop instead of living on deaf."""
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        watching = asyncio.create_task(bus.watch())

        async def broken() -> None:
            raise ZeroDivisionError

        bus._background.start("broken", broken())
        with pytest.raises(ZeroDivisionError):
            await watching


@pytest.mark.parametrize("url", ["", "http://localhost", "amqp:///x", "localhost:5672"])
async def test_a_url_that_cannot_work_is_refused(url: str, telemetry: Telemetry) -> None:
    """At once, with one sentence."""
    with pytest.raises(ConfigurationError, match="AMQP_URL must have the form"):
        RabbitMQBus(url, telemetry, name="test")


async def _delete_queue(url: str, name: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.queue_delete(name)
