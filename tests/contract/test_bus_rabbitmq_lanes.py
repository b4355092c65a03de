"""Work on a real broker: between workers, between releases, and where messages lie meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, HeadersType
from pamqp.common import FieldTable

from libs.common.bus.contract import Delivery, Handler
from libs.common.bus.inspection import depth
from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.bus.rabbitmq.message import Incoming
from libs.common.bus.rabbitmq.retirement import Retirement
from libs.common.bus.rabbitmq.session import BrokerSession
from libs.common.bus.rabbitmq.settling import Settler
from libs.common.bus.retry import Dead
from libs.common.bus.topology import PROCESSOR_WORK, RESULTS_FILES
from libs.common.bus.turns import Turns
from libs.common.errors import NoRoom, Unavailable
from libs.common.events import RECEIVED
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import FAST, LANE_QUEUE, make_telemetry, received
from tests.contract.bus_carriers import Recorder, ignore, messages_in, rabbitmq_bus, ready, wait_for
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

QUORUM: dict[str, str] = {"x-queue-type": "quorum"}


@asynccontextmanager
async def channel_to(url: str) -> AsyncIterator[AbstractChannel]:
    """An operator's, or another release's."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        yield channel


async def taking(bus: RabbitMQBus, handler: Handler, *, ahead: int = 40, places: int = 8) -> None:
    """Take the processor's work, of which `ahead` are held."""
    await bus.take(PROCESSOR_WORK, handler, Turns(places), ahead=ahead)
    await ready(bus)


async def test_a_message_lies_in_the_queue_of_its_lane(amqp_url: str, telemetry: Telemetry) -> None:
    """One of the release before, which names none, in the first."""
    events = {
        "processor.lane.0": received(collection="user:11"),
        "processor.lane.1": received(),
        "processor.urgent": received(priority="urgent"),
    }
    large = received()
    large = large.model_copy(update={"data": large.data.model_copy(update={"decoded_bytes": 1 << 30})})
    events["processor.large"] = large
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        for event in events.values():
            await bus.publish(event)
        for queue, event in events.items():
            (message,) = await messages_in(amqp_url, queue)
            assert message.message_id == str(event.id)
        async with channel_to(amqp_url) as channel:
            exchange = await channel.get_exchange(FAST.exchange)
            await exchange.publish(aio_pika.Message(received().to_json()), RECEIVED)
        assert len(await messages_in(amqp_url, "processor.lane.0")) == 2
        assert len(await messages_in(amqp_url, "results.files")) == 5


async def test_what_was_held_and_not_begun_is_handed_back_uncharged(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """However often: another worker sees it as if nobody had had it."""
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(_: Delivery) -> None:
        begun.set()
        await finish.wait()

    events = [received() for _ in range(5)]
    for round_ in range(3):
        begun.clear()
        finish.clear()
        async with rabbitmq_bus(amqp_url, telemetry, drain_timeout=30.0) as bus:
            if round_ == 0:
                for event in events:
                    await bus.publish(event)
            await taking(bus, slow, places=1)
            await begun.wait()
            await wait_for(telemetry, 4 - round_)
            draining = asyncio.create_task(bus.drain())
            await wait_for(telemetry, 0)
            finish.set()
            await draining
    left = await messages_in(amqp_url, LANE_QUEUE)
    assert len(left) == 2
    for message in left:
        assert message.headers["x-attempt"] == 0
        assert message.headers["lane"] == "1"
        assert not message.headers.get("x-delivery-count")
        assert "x-lost" not in message.headers


@asynccontextmanager
async def stream(url: str, messages: int) -> AsyncIterator[asyncio.Task[None]]:
    """Publishes while it lasts, a few every few milliseconds."""

    async def publish() -> None:
        async with rabbitmq_bus(url, make_telemetry()) as bus:
            for _ in range(messages // 5):
                await asyncio.gather(*(bus.publish(received()) for _ in range(5)))
                await asyncio.sleep(0.005)

    publishing = asyncio.create_task(publish())
    try:
        yield publishing
        await publishing
    finally:
        publishing.cancel()


async def test_workers_that_end_in_a_stream_cost_no_attempt(amqp_url: str) -> None:
    """What is on its way to a consumer that ends comes back, and counts as if its worker had been lost."""
    recorder = Recorder()

    async def handler(delivery: Delivery) -> None:
        await asyncio.sleep(0.002)
        await recorder(delivery)

    async with stream(amqp_url, 2000) as publishing:
        while not publishing.done():
            async with rabbitmq_bus(amqp_url, make_telemetry(), drain_timeout=30.0) as bus:
                await taking(bus, handler, ahead=100)
                await asyncio.sleep(0.1)
                await bus.drain()
    async with rabbitmq_bus(amqp_url, make_telemetry()) as bus:
        await taking(bus, handler)
        await eventually(lambda: len(recorder.deliveries) >= 2000)
    assert len(recorder.ids) == 2000
    assert not any(delivery.redelivered for delivery in recorder.deliveries)


async def test_a_lane_that_is_favoured_no_more_costs_no_attempt(amqp_url: str) -> None:
    recorder = Recorder()
    ended = 0

    async def handler(delivery: Delivery) -> None:
        await asyncio.sleep(0.03)
        await recorder(delivery)

    async with stream(amqp_url, 1000) as publishing, rabbitmq_bus(amqp_url, make_telemetry()) as bus:
        await taking(bus, handler, ahead=4)
        subscribing = bus._consumers["processor.work"]._subscribing
        while not publishing.done() or len(recorder.deliveries) < 1000:
            favoured = subscribing.session is not None and subscribing.session.widened is not None
            await subscribing.favour(0 if favoured else 28)
            ended += favoured and subscribing.session is not None and subscribing.session.widened is None
            await asyncio.sleep(0.02)
    assert ended > 5
    assert len(recorder.ids) == 1000
    assert not any(delivery.redelivered for delivery in recorder.deliveries)


async def test_a_delivery_whose_worker_was_lost_may_have_been_begun(
    rabbitmq_node: RabbitMQNode, vhost: str, telemetry: Telemetry
) -> None:
    """Whoever has it next can tell what is charged for sure, also after it was handed back."""
    url = rabbitmq_node.url(vhost)
    never = asyncio.Event()

    async def endless(_: Delivery) -> None:
        await never.wait()

    async with rabbitmq_bus(url, telemetry, drain_timeout=3.0) as bus:
        await taking(bus, endless, places=1)
        for _ in range(2):
            await bus.publish(received())
        await wait_for(telemetry, 1)
        rabbitmq_node.close_connections(vhost)
        # The lost one's is still running here; both deliveries come again, and are held and handed back.
        await wait_for(telemetry, 2)
    recorder = Recorder()
    async with rabbitmq_bus(url, telemetry) as bus:
        await taking(bus, recorder)
        await eventually(lambda: len(recorder.deliveries) == 2)
    facts = {(d.attempt, d.charged, d.redelivered) for d in recorder.deliveries}
    assert facts == {(2, 0, True)}


async def test_many_events_over_all_lanes_are_each_handled_once(amqp_url: str, telemetry: Telemetry) -> None:
    """Acknowledgements of one channel name deliveries of several queues."""
    recorder = Recorder()

    async def uneven(delivery: Delivery) -> None:
        await asyncio.sleep(0.002 * (delivery.event.id.int % 5))
        await recorder(delivery)

    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await bus.take(PROCESSOR_WORK, uneven, Turns(16), ahead=4)
        events = [received(collection=f"user:{n % 40}") for n in range(400)]
        await asyncio.gather(*(bus.publish(event) for event in events))
        await eventually(lambda: len(recorder.deliveries) >= 400)
        await bus.drain()
        for queue in PROCESSOR_WORK.queues().values():
            if queue in {known.name for known in FAST.queues()}:
                assert await messages_in(amqp_url, queue) == []
    assert recorder.attempts == [1] * 400
    assert recorder.ids == {str(event.id) for event in events}


async def test_a_lane_that_the_broker_forgot_is_noticed_while_others_are_busy(
    amqp_url: str, telemetry: Telemetry
) -> None:
    recorder = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry, watchdog=0.1) as bus:
        await taking(bus, recorder)
        session = bus._consumers["processor.work"]._subscribing.session
        assert session is not None
        assert session._driver is not None
        # Behind the bus's back.
        await session._driver.basic_cancel([*session._consumers][1])
        await bus.publish(event := received())
        while str(event.id) not in recorder.ids:
            await bus.publish(received(collection="user:11"))
            await asyncio.sleep(0.01)


async def old_release(channel: AbstractChannel) -> aio_pika.abc.AbstractQueue:
    """Declare what processors of the release before take from."""
    exchange = await channel.declare_exchange(FAST.exchange, aio_pika.ExchangeType.TOPIC, durable=True)
    await channel.declare_queue("processor.files.dead", durable=True, arguments=dict(QUORUM))
    waits: FieldTable = {
        **QUORUM,
        "x-message-ttl": 1000,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "processor.files",
    }
    await channel.declare_queue("processor.files.retry.1s", durable=True, arguments=waits)
    queue = await channel.declare_queue("processor.files", durable=True, arguments=dict(QUORUM))
    await queue.bind(exchange, RECEIVED)
    return queue


async def test_what_the_release_before_left_goes_into_the_lanes_and_its_queues_go(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """With its attempts; what was dead stays dead, where the others are."""
    headers: HeadersType = {"x-attempt": 3, "x-retries": 3}
    recorder = Recorder()
    async with channel_to(amqp_url) as channel:
        queue = await old_release(channel)
        waiting, dead = received(), received()
        message = aio_pika.Message(waiting.to_json(), headers=headers, message_id=str(waiting.id))
        await channel.default_exchange.publish(message, queue.name)
        message = aio_pika.Message(
            dead.to_json(), headers={"x-reason": "no such shape"}, message_id=str(dead.id)
        )
        await channel.default_exchange.publish(message, "processor.files.dead")
        put_off = received()
        message = aio_pika.Message(put_off.to_json(), headers=headers, message_id=str(put_off.id))
        await channel.default_exchange.publish(message, "processor.files.retry.1s")
        async with rabbitmq_bus(amqp_url, telemetry, watchdog=0.2) as bus:
            await taking(bus, recorder)
            await eventually(lambda: recorder.attempts == [4, 4])
            assert recorder.ids == {str(waiting.id), str(put_off.id)}

            async def removed() -> bool:
                async with await aio_pika.connect(amqp_url) as connection:
                    names = ("processor.files", "processor.files.dead", "processor.files.retry.1s")
                    return {(await depth(connection, name)).messages for name in names} == {None}

            await eventually(removed)
    (given_up,) = await messages_in(amqp_url, "processor.dead")
    assert given_up.message_id == str(dead.id)
    assert (given_up.headers["x-reason"], given_up.headers["x-queue"]) == ("no such shape", LANE_QUEUE)


async def test_the_release_before_keeps_its_queue_while_it_consumes(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """Both get every event; only when the old one is gone its queue goes, and nothing in it is lost."""
    recorder, old = Recorder(), list[str]()
    async with rabbitmq_bus(amqp_url, telemetry, watchdog=0.1) as bus:
        await ready(bus)
        async with channel_to(amqp_url) as channel:
            queue = await old_release(channel)

            async def note(message: aio_pika.abc.AbstractIncomingMessage) -> None:
                old.append(message.message_id or "")

            await channel.set_qos(prefetch_count=1)
            await queue.consume(note)
            await taking(bus, recorder)
            events = [received() for _ in range(3)]
            for event in events:
                await bus.publish(event)
            await eventually(lambda: len(recorder.deliveries) == 3)
            assert old == [str(events[0].id)], "not acknowledged: the others wait"
        # Its channel closed: its deliveries return to the queue, and from there to the lanes.
        await eventually(lambda: len(recorder.deliveries) == 6)
        assert recorder.ids == {str(event.id) for event in events}

        async def unbound() -> bool:
            async with await aio_pika.connect(amqp_url) as connection:
                return (await depth(connection, "processor.files")).messages is None

        await eventually(unbound)
        await bus.publish(received())
        await eventually(lambda: len(recorder.deliveries) == 7)


async def test_what_the_release_before_still_holds_at_its_end_is_not_removed_with_its_queue(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """A process that ends takes no more, and gives back only at last what it could not finish."""
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await ready(bus)
        async with channel_to(amqp_url) as channel:
            queue, held = await old_release(channel), asyncio.Event()

            async def hold(_: aio_pika.abc.AbstractIncomingMessage) -> None:
                held.set()

            consumer = await queue.consume(hold)
            event = received()
            await channel.default_exchange.publish(
                aio_pika.Message(event.to_json(), message_id=str(event.id)), queue.name
            )
            await held.wait()
            await queue.cancel(consumer)
            retirement = Retirement(bus._to_publish, bus._copies(), FAST, FAST.retired[0], pause=0.1)
            for _ in range(3):
                await retirement._look()
        await eventually(lambda: left_in(amqp_url, "processor.files"))
        await retirement._look()
    (message,) = await messages_in(amqp_url, LANE_QUEUE)
    assert message.message_id == str(event.id)


async def left_in(url: str, queue: str) -> int:
    """How many messages wait; none where there is no such queue."""
    async with await aio_pika.connect(url) as connection:
        return (await depth(connection, queue)).messages or 0


async def test_a_lane_that_is_alone_may_fill_every_place_until_another_has_work(
    amqp_url: str, telemetry: Telemetry
) -> None:
    running, go = Counter[str](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        running[delivery.lane or ""] += 1
        await go.wait()

    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await bus.take(PROCESSOR_WORK, handler, Turns(8), ahead=2, alone=lambda: 6)
        await ready(bus)
        for _ in range(20):
            await bus.publish(received())
        await eventually(lambda: running["1"] == 6)
        session = bus._consumers["processor.work"]._subscribing.session
        assert session is not None
        await bus.publish(received(collection="user:11"))
        await eventually(lambda: running["0"] == 1 and session.widened is None)
        assert running["1"] == 6
        go.set()
        await eventually(lambda: running["1"] == 20)
        await bus.drain()
    assert await messages_in(amqp_url, LANE_QUEUE) == []


async def test_what_lies_here_beyond_what_it_is_worth_goes_to_others(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """Files that take long could begin elsewhere."""
    worth, begun, go = [12], list[Delivery](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        begun.append(delivery)
        await go.wait()

    other = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await bus.take(PROCESSOR_WORK, handler, Turns(1), ahead=2, alone=lambda: worth[0])
        await ready(bus)
        for _ in range(12):
            await bus.publish(received())
        await wait_for(telemetry, 11)
        worth[0] = 4
        await wait_for(telemetry, 3)
        async with rabbitmq_bus(amqp_url, make_telemetry()) as free:
            await taking(free, other)
            await eventually(lambda: len(other.deliveries) == 8)
            go.set()
            await eventually(lambda: len(begun) == 4)
    assert {(d.attempt, d.charged, d.redelivered) for d in other.deliveries} == {(1, 0, False)}


async def test_while_a_copy_waits_for_its_confirm_no_more_go_back(
    amqp_url: str, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    worth, go, looked = [12], asyncio.Event(), list[int]()

    async def handler(_: Delivery) -> None:
        await go.wait()

    async def slow(self: Settler, session: BrokerSession, incoming: Incoming) -> None:
        await go.wait()
        await hand_back(self, session, incoming)

    hand_back = Settler.hand_back
    monkeypatch.setattr(Settler, "hand_back", slow)

    def alone() -> int:
        looked.append(worth[0])
        return worth[0]

    async with rabbitmq_bus(amqp_url, telemetry, drain_timeout=30.0) as bus:
        await bus.take(PROCESSOR_WORK, handler, Turns(1), ahead=2, alone=alone)
        await ready(bus)
        for _ in range(12):
            await bus.publish(received())
        await wait_for(telemetry, 11)
        worth[0] = 6
        await eventually(lambda: looked.count(6) >= 3)
        await wait_for(telemetry, 5)
        go.set()


async def test_a_lane_that_was_favoured_is_drained_like_the_others(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """Its second consumer ends with the first: what is handed back does not come here again."""
    begun, go = list[Delivery](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        begun.append(delivery)
        await go.wait()

    async with rabbitmq_bus(amqp_url, telemetry, drain_timeout=30.0) as bus:
        await bus.take(PROCESSOR_WORK, handler, Turns(1), ahead=2, alone=lambda: 6)
        await ready(bus)
        for _ in range(6):
            await bus.publish(received())
        await wait_for(telemetry, 5)
        draining = asyncio.create_task(bus.drain())
        await wait_for(telemetry, 0)
        go.set()
        await draining
    assert len(begun) == 1
    left = await messages_in(amqp_url, LANE_QUEUE)
    assert [message.headers["x-attempt"] for message in left] == [0] * 5


async def test_what_is_held_too_long_goes_back_before_the_broker_misses_it(
    amqp_url: str, telemetry: Telemetry
) -> None:
    """A broker closes the channel of who keeps a delivery for half an hour; and another may have room."""
    begun, never = list[Delivery](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        begun.append(delivery)
        await never.wait()

    other = Recorder()
    async with rabbitmq_bus(amqp_url, telemetry, hold=0.2, drain_timeout=0.5) as bus:
        await taking(bus, handler, ahead=4, places=1)
        for _ in range(4):
            await bus.publish(received())
        await eventually(lambda: begun)
        async with rabbitmq_bus(amqp_url, make_telemetry()) as free:
            await taking(free, other)
            await eventually(lambda: len(other.deliveries) == 3)
    assert {(d.attempt, d.charged, d.redelivered) for d in other.deliveries} == {(1, 0, False)}


async def test_of_a_lost_delivery_no_copy_is_made(amqp_url: str, telemetry: Telemetry) -> None:
    """It comes again by itself, and would be two from then on."""
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await taking(bus, ignore)
        session = bus._consumers["processor.work"]._subscribing.session
        assert session is not None
        event = received()
        incoming = Incoming(1, LANE_QUEUE, event.to_json(), 0, 0, 0, None, None, str(event.id), event.type)
        settler = bus._settler(FAST.work(PROCESSOR_WORK.queue))
        session.lost.set()
        await settler.settle(session, incoming, Dead("no such shape"))
    assert await messages_in(amqp_url, "processor.dead") == []


async def test_a_favour_that_cannot_be_ended_at_once_costs_no_other_lane(
    amqp_url: str, telemetry: Telemetry, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        recorder = Recorder()
        await taking(bus, recorder)
        session = bus._consumers["processor.work"]._subscribing.session
        assert session is not None
        await session.widen(LANE_QUEUE, 4)

        async def silent(*_: object, **__: object) -> None:
            raise TimeoutError

        with monkeypatch.context() as patched:
            patched.setattr(session._driver, "basic_cancel", silent)
            with pytest.raises(Unavailable):
                await session.narrow()
        await session.narrow()
        assert session.widened is None
        await bus.publish(received(priority="urgent"))
        await eventually(lambda: len(recorder.deliveries) == 1)


@pytest.mark.parametrize("queue", [LANE_QUEUE, "results.files"])
async def test_no_more_is_taken_ahead_than_was_asked_for(
    amqp_url: str, telemetry: Telemetry, queue: str
) -> None:
    """What lies in the queue is there for other workers."""
    begun, go = list[Delivery](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        begun.append(delivery)
        await go.wait()

    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await ready(bus)
        for _ in range(5):
            await bus.publish(received())
        if queue == LANE_QUEUE:
            await bus.take(PROCESSOR_WORK, handler, Turns(8), ahead=2)
        else:
            await bus.subscribe(RESULTS_FILES, handler, concurrency=2)
        await eventually(lambda: len(begun) == 2)
        async with await aio_pika.connect(amqp_url) as connection:
            assert (await depth(connection, queue)).messages == 3
        go.set()
        await eventually(lambda: len(begun) == 5)


async def test_what_a_lost_session_brought_is_not_begun(
    rabbitmq_node: RabbitMQNode, vhost: str, telemetry: Telemetry
) -> None:
    """It comes again: begun twice, it would be done twice."""
    attempts, go = list[int](), asyncio.Event()

    async def handler(delivery: Delivery) -> None:
        attempts.append(delivery.attempt)
        await go.wait()

    async with rabbitmq_bus(rabbitmq_node.url(vhost), telemetry) as bus:
        await bus.subscribe(RESULTS_FILES, handler, concurrency=1)
        await ready(bus)
        await bus.publish(received())
        await eventually(lambda: attempts == [1])
        subscribing = bus._consumers["results.files"]._subscribing
        before = subscribing.session

        def came_again() -> bool:
            session = subscribing.session
            return session is not None and session is not before and session.arrivals["results.files"] == 1

        for _ in range(2):
            before = subscribing.session
            rabbitmq_node.close_connections(vhost)
            await eventually(came_again)
        go.set()
        await eventually(lambda: attempts[-1] == 3)
        assert attempts == [1, 3]


async def test_a_full_lane_refuses_its_own_only(amqp_url: str, telemetry: Telemetry) -> None:
    full: FieldTable = {"x-max-length": 1, "x-overflow": "reject-publish"}
    async with rabbitmq_bus(amqp_url, telemetry) as bus:
        await ready(bus)
        async with channel_to(amqp_url) as channel:
            queue = await channel.declare_queue("processor.lane.full", durable=True, arguments=full)
            await queue.bind(PROCESSOR_WORK.exchange, arguments={"x-match": "all", "lane": "1"})
        await bus.publish(received())
        with pytest.raises(NoRoom):
            await bus.publish(received())
        await bus.publish(received(collection="user:11"))
