"""RabbitMQ as infra/rabbitmq configures it, on a real private node: TLS, users, rights, policies, metrics."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import aio_pika
import pytest
import yaml

from libs.common.bus.rabbitmq.bus import HOLD
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.topology import TOPOLOGY
from services.processor.outcomes import HOLD_SECONDS
from services.processor.settings import ProcessorSettings
from tests.deployed_broker import CONFIGURATION, DeployedNode

TLS_ALERT = 21
"""Content type of a record that ends a connection (RFC 8446, 5.1)."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedNode]:
    """Started once."""
    node = DeployedNode(tmp_path_factory.mktemp("deployed"))
    try:
        node.start()
        yield node
    finally:
        node.close()


async def declare_everything(node: DeployedNode) -> None:
    """The product's whole table, as `migrate` declares it."""
    async with await aio_pika.connect(node.amqps_url("operator"), ssl_context=node.trust) as connection:
        await declare(await connection.channel(), TOPOLOGY)


async def test_policies_reach_every_queue_and_leave_the_attempts_to_us(node: DeployedNode) -> None:
    await declare_everything(node)
    effective = node.effective_policies()
    # A stream is bounded by its arguments: lengths of policies are not for it.
    assert effective.keys() == {queue.name for queue in TOPOLOGY.queues() if queue.role != "state"}
    for name, definition in effective.items():
        assert definition["max-length"] > 0
        if name in {queue.name for queue in TOPOLOGY.queues() if queue.role == "main"}:
            # Beyond it the broker itself would put a file aside, and nobody would publish its failure.
            assert definition["delivery-limit"] >= 5 * ProcessorSettings.model_fields["max_attempts"].default
        else:
            assert "delivery-limit" not in definition


async def test_monitoring_sees_the_queues_as_keda_asks_for_them(node: DeployedNode) -> None:
    """Every queue that the processor takes from, and no other: retries and dead letters are no work now."""
    await declare_everything(node)
    manifest = yaml.safe_load(Path("infra/k8s/components/keda/processor.yaml").read_text())
    asked = next(t["metadata"] for t in manifest["spec"]["triggers"] if t["type"] == "rabbitmq")
    assert (asked["useRegex"], asked["operation"]) == ("true", "sum")
    query = urlencode({"name": asked["queueName"], "page_size": asked["pageSize"]})
    status, body = node.get(15671, f"/api/queues/dicom?page=1&use_regex=true&pagination=false&{query}")
    assert status == 200
    found = json.loads(body)["items"]
    assert {queue["name"] for queue in found} == set(TOPOLOGY.works[0].queues().values())
    assert {queue["type"] for queue in found} == {"quorum"}
    retired = TOPOLOGY.retired[0].queues()
    assert [name for name in retired if re.search(asked["queueName"], name)] == [TOPOLOGY.retired[0].queue]


async def test_no_user_but_ours_gets_in(node: DeployedNode) -> None:
    assert node.get(15671, "/api/whoami", "guest", "guest")[0] == 401
    assert node.get(15671, "/api/whoami", "monitoring", "monitoring")[0] == 401
    status, body = node.get(15671, "/api/whoami")
    assert status == 200
    assert json.loads(body)["tags"] == ["monitoring"]
    with pytest.raises(aio_pika.exceptions.AMQPError):
        await aio_pika.connect(
            f"amqps://guest:guest@localhost:{node.ports[5671]}/dicom", ssl_context=node.trust
        )


def test_metrics_are_served_per_queue(node: DeployedNode) -> None:
    query = "vhost=dicom&family=queue_coarse_metrics&family=queue_consumer_count"
    status, body = node.get(15691, f"/metrics/detailed?{query}")
    assert status == 200
    assert "rabbitmq_detailed_queue_" in body


@pytest.mark.parametrize("port", [5671, 15671, 15691])
def test_plaintext_is_refused(node: DeployedNode, port: int) -> None:
    with socket.create_connection(("127.0.0.1", node.ports[port]), timeout=60) as plain:
        plain.sendall(b"AMQP\x00\x00\x09\x01" if port == 5671 else b"GET /api/overview HTTP/1.0\r\n\r\n")
        try:
            answer = plain.recv(64)
        except ConnectionResetError:
            answer = b""
    assert not answer or answer[0] == TLS_ALERT


def test_no_other_port_is_open(node: DeployedNode) -> None:
    """No plaintext listener of AMQP, management or metrics."""
    listeners = node.evaluate(
        "[{P, Port} || {listener, _, P, _, _, Port, _} <- rabbit_networking:active_listeners()]"
    )
    assert "amqp/ssl" in listeners
    for name in ("{amqp,", "{http,", "{'http/prometheus',"):
        assert name not in listeners


def test_no_delivery_is_kept_for_as_long_as_the_broker_waits() -> None:
    """Unbegun and begun together: what the broker takes away counts as lost with its worker."""
    told = re.search(
        r"^consumer_timeout = (\d+)$", (CONFIGURATION / "rabbitmq.conf").read_text(), re.MULTILINE
    )
    assert told is not None
    assert int(told[1]) / 1000 > HOLD + HOLD_SECONDS
