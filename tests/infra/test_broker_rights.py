"""What each RabbitMQ account of a deployment may do, and that it may do nothing else, on a real node."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused, PublishError
from pamqp.common import FieldTable

from infra.deployment_secrets import ACCOUNTS
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.topology import LATEST, TOPOLOGY, with_lanes
from libs.common.events import BEAT, EVENT_TYPES, FAILED, LANES_PAUSED, MOVED, PROCESSED, RECEIVED, REQUESTED
from tests.deployed_broker import DeployedNode

PUBLISHES = {
    "ingest": {RECEIVED, MOVED},
    "processor": {PROCESSED, FAILED, BEAT},
    "results": {REQUESTED, LANES_PAUSED},
    "operator": set[str](),
}
"""Every account, and what it alone says."""
SERVICES = ("ingest", "processor", "results")
MANY = with_lanes(TOPOLOGY, 12, 1)
"""A deployment may have more lanes than the released definitions know of."""
QUEUES = [queue.name for queue in MANY.queues()]
RETIRED = [name for retired in TOPOLOGY.retired for name in retired.queues()]
DEAD = set(MANY.dead_queues())
REPLAYED = {origin for origins in MANY.dead_queues().values() for origin in origins}
WAITING = {queue.name for queue in MANY.queues() if queue.role in ("retry", "dead")}
EXCHANGES = [exchange.name for exchange in MANY.exchanges()]
MESSAGE = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)

Attempt = Callable[[AbstractChannel, str], Awaitable[object]]


def of(service: str, names: Iterable[str]) -> set[str]:
    """Those that belong to a service, by their name."""
    return {name for name in names if name.startswith(f"{service}.")}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedNode]:
    """Started once, with every account's password in files of its own."""
    node = DeployedNode(tmp_path_factory.mktemp("rights"))
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture
async def declared(node: DeployedNode) -> DeployedNode:
    """With the product's table, and the queues of the release before."""
    async with await connected(node, "operator") as connection:
        channel = await connection.channel()
        await declare(channel, MANY)
        for name in RETIRED:
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})
    return node


async def connected(node: DeployedNode, account: str) -> AbstractConnection:
    """As a service connects."""
    return await aio_pika.connect(node.amqps_url(account), ssl_context=node.trust)


async def allowed(node: DeployedNode, account: str, names: Iterable[str], attempt: Attempt) -> set[str]:
    """Of which names the broker lets the account do it; a channel each, since a refusal closes it."""
    found = set[str]()
    async with await connected(node, account) as connection:
        for name in names:
            channel = await connection.channel(on_return_raises=True)
            try:
                await attempt(channel, name)
            except ChannelAccessRefused:
                continue
            except PublishError:
                # It came back: nobody is bound for it, but it was let in.
                pass
            found.add(name)
            await channel.close()
    return found


def publish_to(exchange: str) -> Attempt:
    """Publish with a routing key, confirmed."""

    async def publish(channel: AbstractChannel, key: str) -> None:
        target = (
            channel.default_exchange if exchange == "" else await channel.get_exchange(exchange, ensure=False)
        )
        await target.publish(MESSAGE, key, mandatory=True)

    return publish


async def ignore(_: AbstractIncomingMessage) -> None:
    """Left unsettled: it goes back with the channel."""


async def take(channel: AbstractChannel, queue: str) -> None:
    """Subscribe, as all who take do."""
    await channel.set_qos(1)
    arguments: FieldTable | None = {**LATEST} if queue == "processor.lanes.paused" else None
    await (await channel.get_queue(queue, ensure=False)).consume(ignore, arguments=arguments)


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_each_account_publishes_its_own_events_only(declared: DeployedNode, account: str) -> None:
    strange = ["dicom.file.received.v2", "dicom.file.received.v1.x", "x.dicom.file.received.v1", "", "#"]
    asked = [*EVENT_TYPES, *strange]
    assert await allowed(declared, account, asked, publish_to("dicom.events")) == PUBLISHES[account]


@pytest.mark.parametrize("account", SERVICES)
async def test_no_service_reaches_a_queue_by_the_brokers_own_exchange(
    declared: DeployedNode, account: str
) -> None:
    assert await allowed(declared, account, [*QUEUES, *RETIRED], publish_to("")) == set()


@pytest.mark.parametrize("account", SERVICES)
async def test_copies_go_to_ones_own_retries_and_dead_letters(declared: DeployedNode, account: str) -> None:
    # Whoever an administrator asks for replays puts dead letters back to whom they belong.
    replays = DEAD | REPLAYED if account == "results" else set()
    found = await allowed(declared, account, QUEUES, publish_to("dicom.copies"))
    assert found == of(account, WAITING) | replays


async def test_an_operator_puts_dead_letters_back_and_renews_them(declared: DeployedNode) -> None:
    found = await allowed(declared, "operator", QUEUES, publish_to("dicom.copies"))
    assert found == DEAD | REPLAYED


@pytest.mark.parametrize("account", ACCOUNTS)
async def test_only_processors_hand_work_on(declared: DeployedNode, account: str) -> None:
    """The operator alone could as well: who declares a queue that dead-letters there must be able to."""
    exchanges = ["dicom.work", "dicom.work.unlaned"]
    found = set()
    for exchange in exchanges:
        if await allowed(declared, account, [""], publish_to(exchange)):
            found.add(exchange)
    assert found == {"processor": {"dicom.work"}, "operator": set(exchanges)}.get(account, set())


@pytest.mark.parametrize("account", SERVICES)
async def test_each_service_reads_its_own_queues_only(declared: DeployedNode, account: str) -> None:
    own = of(account, (queue.name for queue in MANY.queues() if queue.role in ("main", "state")))
    more = {"results": DEAD, "processor": {"processor.files", "processor.files.dead"}}.get(account, set())
    assert await allowed(declared, account, [*QUEUES, *RETIRED], take) == own | more


@pytest.mark.parametrize("account", SERVICES)
async def test_no_service_declares_binds_empties_or_removes(declared: DeployedNode, account: str) -> None:
    retired = set(RETIRED) if account == "processor" else set()
    names = [*QUEUES, *RETIRED, "elsewhere", f"{account}.more"]

    async def queue(channel: AbstractChannel, name: str) -> None:
        await channel.declare_queue(name, durable=True, arguments={"x-queue-type": "quorum"})

    async def exchange(channel: AbstractChannel, name: str) -> None:
        await channel.declare_exchange(name, aio_pika.ExchangeType.TOPIC, durable=True)

    async def delete(channel: AbstractChannel, name: str) -> None:
        await channel.queue_delete(name)

    async def delete_exchange(channel: AbstractChannel, name: str) -> None:
        await channel.exchange_delete(name)

    async def purge(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_queue(name, ensure=False)).purge()

    async def bind(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_queue(name, ensure=False)).bind("dicom.events", RECEIVED)

    async def bind_exchange(channel: AbstractChannel, name: str) -> None:
        await (await channel.get_exchange(name, ensure=False)).bind("dicom.events", RECEIVED)

    assert await allowed(declared, account, names, queue) == retired
    assert await allowed(declared, account, [*EXCHANGES, "elsewhere", f"{account}.more"], exchange) == set()
    assert await allowed(declared, account, EXCHANGES, delete_exchange) == set()
    # What a service takes from it may empty: its messages are its own.
    assert await allowed(declared, account, set(names) - of(account, names) - DEAD, purge) == set()
    assert await allowed(declared, account, [*QUEUES, *RETIRED], bind) == (
        {"processor.files"} if account == "processor" else set()
    )
    assert await allowed(declared, account, EXCHANGES, bind_exchange) == (
        # One key, which leads from there to what the processor is sent anyway; the next test knows no other.
        {"dicom.work", "dicom.copies", "dicom.events"} if account == "processor" else set()
    )
    assert await allowed(declared, account, names, delete) == retired


@pytest.mark.parametrize("account", SERVICES)
async def test_no_service_subscribes_to_what_others_are_told(declared: DeployedNode, account: str) -> None:
    async def bind(channel: AbstractChannel, key: str) -> None:
        await (await channel.get_queue("processor.files", ensure=False)).bind("dicom.events", key)

    found = await allowed(declared, account, [*EVENT_TYPES, "dicom.#", "#"], bind)
    assert found == ({RECEIVED} if account == "processor" else set())


@pytest.mark.parametrize("account", [*ACCOUNTS, "monitoring"])
async def test_no_account_but_that_of_monitoring_sees_the_management(
    node: DeployedNode, account: str
) -> None:
    password = node.secret("monitoring_password" if account == "monitoring" else f"{account}_amqp_password")
    status, _ = node.get(15671, "/api/queues/dicom", account, password)
    assert status == (200 if account == "monitoring" else 401)
    # Users, rights and definitions are an administrator's: nobody is one.
    for path in ("/api/users", "/api/permissions", "/api/definitions"):
        assert node.get(15671, path, account, password)[0] == 401
