"""An account of somebody outside who is told events: what it may do on a real node, and no more."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue
from aiormq.exceptions import ChannelAccessRefused, ChannelPreconditionFailed
from pamqp.common import FieldTable

from infra import deployment_secrets, subscriber
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.topology import TOPOLOGY
from libs.common.errors import ConfigurationError
from libs.common.events import EVENT_TYPES, FAILED, PROCESSED, RECEIVED
from tests.bus_support import processed, received
from tests.deployed_broker import DeployedNode
from tests.waiting import PATIENCE, eventually

QUEUE = "subscriber.archive.outcomes"
Attempt = Callable[[AbstractQueue, AbstractChannel], Awaitable[object]]
QUORUM: FieldTable = {"x-queue-type": "quorum"}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedNode]:
    """Started once; `archive` and `archive-2` are told two types each."""
    node = DeployedNode(tmp_path_factory.mktemp("subscribers"))
    try:
        node.start()
        for name, types in (("archive", (PROCESSED, FAILED)), ("archive-2", (RECEIVED,))):
            node.import_definitions(printed(node.folder / "secrets", name, *types))
        yield node
    finally:
        node.close()


def printed(folder: Path, *arguments: str) -> str:
    """What the command writes, with its passwords in `folder`."""
    written = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(written):
        patch.setattr(deployment_secrets, "FOLDER", folder)
        assert subscriber.main(arguments) == 0
    return written.getvalue()


async def as_subscriber(node: DeployedNode, name: str = "archive") -> AbstractConnection:
    """As somebody outside connects."""
    password = node.secret(f"subscriber_{name}_password")
    url = f"amqps://subscriber.{name}:{password}@localhost:{node.ports[5671]}/dicom"
    return await aio_pika.connect(url, ssl_context=node.trust)


@pytest.fixture
async def declared(node: DeployedNode) -> DeployedNode:
    """With the product's own table."""
    async with await aio_pika.connect(node.amqps_url("operator"), ssl_context=node.trust) as connection:
        await declare(await connection.channel(), TOPOLOGY)
    return node


async def subscribed(channel: AbstractChannel, name: str = QUEUE) -> AbstractQueue:
    """A queue of its own, bound to what it was given."""
    queue = await channel.declare_queue(name, durable=True, arguments=QUORUM)
    for key in (PROCESSED, FAILED):
        await queue.bind(TOPOLOGY.exchange, key)
    return queue


async def test_it_is_told_what_it_was_given_and_nothing_else(declared: DeployedNode) -> None:
    async with await as_subscriber(declared) as connection:
        queue = await subscribed(await connection.channel())
        file = received()
        for account, event in (("ingest", file), ("processor", processed(file))):
            async with await aio_pika.connect(
                declared.amqps_url(account), ssl_context=declared.trust
            ) as service:
                exchange = await (await service.channel()).get_exchange(TOPOLOGY.exchange, ensure=False)
                await exchange.publish(aio_pika.Message(event.to_json()), event.type)
        got = await queue.get(timeout=60)
        assert json.loads(got.body)["type"] == PROCESSED
        await got.ack()
        assert await queue.get(fail=False) is None


async def test_it_binds_no_other_type_and_no_pattern(declared: DeployedNode) -> None:
    async with await as_subscriber(declared) as connection:
        await subscribed(await connection.channel())
        for key in {*EVENT_TYPES, "dicom.#", "#", "dicom.file.*.v1", ""} - {PROCESSED, FAILED}:
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await (await channel.get_queue(QUEUE, ensure=False)).bind(TOPOLOGY.exchange, key)


@pytest.mark.parametrize("exchange", ["", "dicom.events", "dicom.copies", "dicom.work", "dicom.work.unlaned"])
async def test_it_publishes_nothing(declared: DeployedNode, exchange: str) -> None:
    async with await as_subscriber(declared) as connection:
        for key in (*EVENT_TYPES, "results.files", QUEUE):
            channel = await connection.channel()
            target = (
                await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
            )
            with pytest.raises(ChannelAccessRefused):
                await target.publish(aio_pika.Message(b"{}"), key)


async def test_the_queues_of_others_are_not_its_own(declared: DeployedNode) -> None:
    """Neither the product's, nor those of a subscriber whose name begins in the same way."""
    async with await as_subscriber(declared, "archive-2") as connection:
        channel = await connection.channel()
        others = await channel.declare_queue("subscriber.archive-2.files", durable=True, arguments=QUORUM)
        await others.bind(TOPOLOGY.exchange, RECEIVED)
    names = [*(queue.name for queue in TOPOLOGY.queues()), others.name, "subscriber.archive"]
    attempts: list[Attempt] = [
        lambda queue, _: queue.get(fail=False),
        lambda queue, _: queue.purge(),
        lambda queue, _: queue.delete(if_unused=False, if_empty=False),
        lambda queue, _: queue.bind(TOPOLOGY.exchange, PROCESSED),
        lambda queue, channel: channel.declare_queue(queue.name, durable=True, arguments=QUORUM),
    ]
    async with await as_subscriber(declared) as connection:
        for name in names:
            for attempt in attempts:
                channel = await connection.channel()
                queue = await channel.get_queue(name, ensure=False)
                with pytest.raises(ChannelAccessRefused):
                    await attempt(queue, channel)


@pytest.mark.parametrize("target", ["", "dicom.events", "dicom.copies", "dicom.work"])
async def test_its_queues_and_exchanges_hand_nothing_on_to_ours(declared: DeployedNode, target: str) -> None:
    """What dies in them, or is bound nowhere, would be published without asking for rights any more."""
    async with await as_subscriber(declared) as connection:
        arguments: FieldTable = {**QUORUM, "x-dead-letter-exchange": target}
        channel = await connection.channel()
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue("subscriber.archive.trap", durable=True, arguments=arguments)
        if target:
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await channel.declare_exchange(
                    "subscriber.archive.trap", durable=True, arguments={"alternate-exchange": target}
                )
            channel = await connection.channel()
            with pytest.raises(ChannelAccessRefused):
                await (await channel.get_exchange(target, ensure=False)).bind(TOPOLOGY.exchange, PROCESSED)


async def test_what_nobody_takes_is_bounded_and_what_nobody_uses_goes(declared: DeployedNode) -> None:
    """Whatever the subscriber asks for: a policy's number holds where it is less."""
    async with await as_subscriber(declared) as connection:
        channel = await connection.channel()
        await subscribed(channel)
        greedy: FieldTable = {**QUORUM, "x-expires": 2**31, "x-max-length": 2**31}
        await channel.declare_queue("subscriber.archive.greedy", durable=True, arguments=greedy)
        await channel.declare_queue("subscriber.archive.classic", durable=True)
        with pytest.raises(ChannelPreconditionFailed):
            await channel.declare_queue("subscriber.archive.greedy", durable=True, arguments=QUORUM)
    bounds = {"max-length": 100_000, "max-length-bytes": 256 << 20, "expires": 604_800_000}
    effective = declared.effective_policies()
    for name in (QUEUE, "subscriber.archive.greedy", "subscriber.archive.classic"):
        assert effective[name] == bounds


async def test_a_forgotten_queue_keeps_the_latest_and_ends(declared: DeployedNode) -> None:
    """With the released policy's numbers made small."""
    async with await as_subscriber(declared) as connection:
        queue = await subscribed(await connection.channel(), "subscriber.archive.forgotten")
    policy: dict[str, Any] = {
        "vhost": "dicom",
        "name": "small",
        "pattern": r"^subscriber\.archive\.forgotten$",
        "apply-to": "queues",
        "priority": 9,
        "definition": {"max-length": 3},
    }
    declared.import_definitions(json.dumps({"policies": [policy]}))
    operator = await aio_pika.connect(declared.amqps_url("operator"), ssl_context=declared.trust)
    processor = await aio_pika.connect(declared.amqps_url("processor"), ssl_context=declared.trust)
    async with operator, processor:
        exchange = await (await processor.channel()).get_exchange(TOPOLOGY.exchange, ensure=False)
        for _ in range(5):
            event = processed(received())
            # Confirmed: a full queue of somebody else never stops ours.
            await exchange.publish(aio_pika.Message(event.to_json()), event.type, timeout=PATIENCE)

        async def waiting() -> int | None:
            channel = await operator.channel()
            try:
                found = await channel.declare_queue(queue.name, passive=True)
            except aio_pika.exceptions.ChannelNotFoundEntity:
                return None
            return found.declaration_result.message_count

        await eventually(lambda: _is(waiting, 3))
        policy["definition"] = {"max-length": 3, "expires": 3000}
        declared.import_definitions(json.dumps({"policies": [policy]}))
        await eventually(lambda: _is(waiting, None))


async def _is(ask: Any, value: int | None) -> bool:
    return bool(await ask() == value)


async def test_queues_have_an_end(declared: DeployedNode) -> None:
    """Names are free below its own, disk and memory of the broker are not."""
    limits = json.loads(Path("infra/rabbitmq/definitions.json").read_text())["parameters"]
    (limit,) = [one["value"]["max-queues"] for one in limits if one["component"] == "vhost-limits"]
    assert limit > 5 * len(TOPOLOGY.queues())
    assert declared.evaluate('rabbit_vhost_limit:is_over_queue_limit(<<"dicom">>)') == "false"
    declared.evaluate('ok = rabbit_vhost_limit:set(<<"dicom">>, [{<<"max-queues">>, 1}], <<"tests">>)')
    try:
        async with await as_subscriber(declared) as connection:
            channel = await connection.channel()
            with pytest.raises(ChannelPreconditionFailed):
                await channel.declare_queue("subscriber.archive.more", durable=True, arguments=QUORUM)
    finally:
        declared.evaluate(
            f'ok = rabbit_vhost_limit:set(<<"dicom">>, [{{<<"max-queues">>, {limit}}}], <<"tests">>)'
        )


@pytest.mark.parametrize("name", ["", "Archive", "a.b", "archive*", "2nd", "a" * 33, "archive\n"])
def test_a_name_that_would_reach_into_others_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="Choose another name"):
        subscriber.check(name, [PROCESSED])


def test_only_events_that_exist_can_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert subscriber.main(["archive", PROCESSED, "dicom.#"]) == 1
    assert "There are no events dicom.#" in capsys.readouterr().err


def test_the_password_is_made_once_and_never_printed(tmp_path: Path) -> None:
    first = printed(tmp_path, "archive", PROCESSED)
    password = (tmp_path / "subscriber_archive_password").read_text()
    assert password not in first
    assert printed(tmp_path, "archive", PROCESSED) == first
    assert (tmp_path / "subscriber_archive_password").read_text() == password
