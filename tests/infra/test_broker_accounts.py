"""Every way of a message with the account that each service has in a deployment, on a real node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from libs.common.bus.contract import Delivery, Handler
from libs.common.bus.dead_letters import DeadLetter, Fate, Walked
from libs.common.bus.inspection import depth
from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.rabbitmq.dead_letters import BrokerLetters
from libs.common.bus.topology import (
    INGEST_OUTCOMES,
    INGEST_REQUESTS,
    PROCESSOR_PAUSES,
    RESULTS_FILES,
    RESULTS_MOVES,
    RESULTS_WORKERS,
)
from libs.common.errors import ConfigurationError, HandOn, Reject, Unavailable
from libs.common.events import RECEIVED, Event, FileMoved, FileRequested, LanesPaused, new_event
from services.operator import broker
from services.operator.doctor import broker_account
from tests.bus_support import FAST, beat, failed, longest, make_telemetry, processed, received
from tests.contract.bus_carriers import Recorder, ready, take
from tests.deployed_broker import DeployedNode
from tests.waiting import PATIENCE, eventually

OF_INGEST = (INGEST_OUTCOMES, INGEST_REQUESTS)
OF_RESULTS = (RESULTS_FILES, RESULTS_MOVES, RESULTS_WORKERS)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedNode]:
    """Started once, with every account's password in files of its own."""
    node = DeployedNode(tmp_path_factory.mktemp("accounts"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@asynccontextmanager
async def operator_channel(node: DeployedNode) -> AsyncIterator[AbstractChannel]:
    """Of who may declare."""
    async with await aio_pika.connect(node.amqps_url("operator"), ssl_context=node.trust) as connection:
        yield await connection.channel()


@pytest.fixture
async def declared(node: DeployedNode) -> DeployedNode:
    """With the queues that `migrate` declares, empty."""
    await asyncio.to_thread(broker.declare, node.amqps_url("operator"), node.ca_file, FAST)
    async with operator_channel(node) as channel:
        for queue in FAST.queues():
            if queue.role != "state":
                await (await channel.get_queue(queue.name, ensure=False)).purge()
    return node


@asynccontextmanager
async def bus_of(node: DeployedNode, account: str) -> AsyncIterator[RabbitMQBus]:
    """As the service of this name has it."""
    bus = RabbitMQBus(
        node.amqps_url(account),
        make_telemetry(),
        name=account,
        topology=FAST,
        drain_timeout=5.0,
        watchdog=0.2,
        ca_file=node.ca_file,
        share=longest,
    )
    await bus.open()
    try:
        yield bus
    finally:
        await bus.drain()
        await bus.close()


class Services:
    """The buses of three services with what their handlers got."""

    def __init__(self, ingest: RabbitMQBus, processor: RabbitMQBus, results: RabbitMQBus) -> None:
        self.ingest, self.processor, self.results = ingest, processor, results
        self.got: dict[str, Recorder] = {}

    def types(self, queue: str) -> list[str]:
        """What came, in order."""
        return [delivery.event.type for delivery in self.got[queue].deliveries]


@asynccontextmanager
async def services(node: DeployedNode, then: Mapping[str, Handler]) -> AsyncIterator[Services]:
    """All three, subscribed and ready; `then` says what else is done with what comes from a queue."""
    async with AsyncExitStack() as stack:
        running = Services(
            *[
                await stack.enter_async_context(bus_of(node, name))
                for name in ("ingest", "processor", "results")
            ]
        )

        def handler(queue: str) -> Handler:
            recorder = running.got[queue] = Recorder()

            async def handle(delivery: Delivery) -> None:
                await recorder(delivery)
                if queue in then:
                    await then[queue](delivery)

            return handle

        for bus, subscriptions in ((running.ingest, OF_INGEST), (running.results, OF_RESULTS)):
            for subscription in subscriptions:
                await bus.subscribe(subscription, handler(subscription.queue), concurrency=2)
        await running.processor.subscribe(PROCESSOR_PAUSES, handler(PROCESSOR_PAUSES.queue), concurrency=1)
        await take(running.processor, handler("processor"))
        for bus in (running.ingest, running.processor, running.results):
            await ready(bus)
        yield running


async def fail_once(delivery: Delivery) -> None:
    """The first attempt comes to nothing."""
    if delivery.attempt == 1:
        raise RuntimeError("not yet")


async def test_every_event_reaches_its_takers_also_after_a_failure(declared: DeployedNode) -> None:
    """Published by whose it is; each taker fails once, so that everything also waits in a retry queue."""
    then = dict.fromkeys(
        (*(s.queue for s in (*OF_INGEST, RESULTS_FILES, RESULTS_MOVES)), "processor"), fail_once
    )
    async with services(declared, then) as system:
        file = received()
        await system.ingest.publish(file)
        moved = FileMoved(file_id=file.file_id, owner_id=7, from_collection="user:7", moves=1)
        await system.ingest.publish(new_event("/ingest", moved))
        await system.processor.publish(processed(file))
        await system.processor.publish(failed(file))
        await system.processor.publish(beat())
        asked = FileRequested(**{**file.data.model_dump(), "request": 1, "reason": "retry"})
        await system.results.publish(new_event("/results", asked))
        await system.results.publish(new_event("/results", LanesPaused(lanes=("0",), revision=1)))
        expected = {
            "ingest.outcomes": 2,
            "ingest.requests": 2,
            "results.files": 6,
            "results.moves": 2,
            "results.workers": 1,
            "processor": 4,
            "processor.lanes.paused": 1,
        }
        await eventually(
            lambda: {queue: len(one.deliveries) for queue, one in system.got.items()} == expected, 20.0
        )


async def test_work_is_handed_on_between_lanes(declared: DeployedNode) -> None:
    async def only_there(delivery: Delivery) -> None:
        if delivery.lane != "large":
            raise HandOn("large")

    async with services(declared, {"processor": only_there}) as system:
        await system.ingest.publish(received())
        await eventually(lambda: [d.lane for d in system.got["processor"].deliveries][1:] == ["large"])


@pytest.mark.parametrize("account", ["results", "operator"])
async def test_dead_letters_of_all_are_seen_and_put_back(declared: DeployedNode, account: str) -> None:
    """By the portal, whose request results serves, and by the operator's command."""
    refused = list[Event]()

    async def once(delivery: Delivery) -> None:
        if delivery.event not in refused:
            refused.append(delivery.event)
            raise Reject("not today")

    then = dict.fromkeys((INGEST_OUTCOMES.queue, "processor"), once)
    async with services(declared, then) as system:
        file = received()
        await system.ingest.publish(file)
        await system.processor.publish(failed(file))
        letters = BrokerLetters(
            declared.amqps_url(account), timeout=10.0, ca_file=declared.ca_file, topology=FAST
        )
        seen: dict[str, int] = {}

        def keep(letter: DeadLetter) -> Fate:
            seen[letter.place] = seen.get(letter.place, 0) + 1
            return "keep"

        async def both() -> bool:
            seen.clear()
            await letters.walk(keep, 100, Walked())
            return seen == {"processor.dead": 1, "ingest.outcomes.dead": 1}

        await eventually(both, 20.0)
        # Often enough that a letter is renewed: by then its count would let RabbitMQ 4 drop it.
        for _ in range(12):
            assert await both()
        walked = Walked()
        await letters.walk(lambda _: "replay", 100, walked)
        assert walked.replayed == 2
        await eventually(lambda: len(system.got["processor"].deliveries) == 2)
        await eventually(lambda: len(system.got[INGEST_OUTCOMES.queue].deliveries) == 2)


async def test_a_processor_ends_the_queue_of_the_release_before(declared: DeployedNode) -> None:
    waiting = received()
    async with operator_channel(declared) as channel:
        await channel.declare_queue(
            "processor.files.dead", durable=True, arguments={"x-queue-type": "quorum"}
        )
        queue = await channel.declare_queue(
            "processor.files", durable=True, arguments={"x-queue-type": "quorum"}
        )
        await queue.bind("dicom.events", RECEIVED)
        message = aio_pika.Message(waiting.to_json(), message_id=str(waiting.id), type=waiting.type)
        await channel.default_exchange.publish(message, "processor.files")
    async with services(declared, {}) as system:
        await eventually(lambda: [d.event.id for d in system.got["processor"].deliveries] == [waiting.id])

        async def removed() -> bool:
            async with await aio_pika.connect(
                declared.amqps_url("operator"), ssl_context=declared.trust
            ) as connection:
                names = ("processor.files", "processor.files.dead")
                return {(await depth(connection, name)).messages for name in names} == {None}

        await eventually(removed, 20.0)


async def test_a_service_waits_until_its_queues_are_declared(node: DeployedNode) -> None:
    """It may not do so itself, says who does, and goes on by itself."""
    async with operator_channel(node) as channel:
        await declare(channel, FAST)
        await channel.queue_delete("results.files")
    async with bus_of(node, "ingest") as bus:

        async def told() -> bool:
            try:
                await bus.ready()
            except Unavailable as error:
                return "Run `python -m services migrate`" in error.detail and "results.files" in error.detail
            return False

        await eventually(told)
        await asyncio.to_thread(broker.declare, node.amqps_url("operator"), node.ca_file, FAST)
        await ready(bus)
        async with operator_channel(node) as channel:
            await (await channel.get_queue("results.files")).purge()
        await bus.publish(received())
        async with operator_channel(node) as channel:
            assert await (await channel.get_queue("results.files")).get(timeout=PATIENCE) is not None


@pytest.mark.parametrize(
    ("account", "reach"),
    [
        ("operator", "may declare the queues of this system and nothing else"),
        ("ingest", "may declare nothing"),
        ("processor", "may declare nothing"),
        ("results", "may declare nothing"),
    ],
)
async def test_the_doctor_tells_how_far_an_account_reaches(
    declared: DeployedNode, account: str, reach: str
) -> None:
    url = declared.amqps_url(account)
    async with await aio_pika.connect(url, ssl_context=declared.trust) as connection:
        found = await broker_account.look(connection, url, FAST)
    assert found.level == "ok"
    assert f"{account} {reach}" in found.what


async def test_migrating_with_a_services_account_is_refused_in_a_sentence(node: DeployedNode) -> None:
    with pytest.raises(ConfigurationError, match=r"Import .*definitions\.json.* user ingest may not declare"):
        await asyncio.to_thread(broker.declare, node.amqps_url("ingest"), node.ca_file, FAST)
