"""RabbitMQ as infra/rabbitmq configures it, on a real private node: TLS, users, rights, policies, metrics."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import aio_pika
import pytest
import yaml
from aio_pika.abc import HeadersType
from aiormq.exceptions import ChannelAccessRefused

from infra import certificates, deployment_secrets
from libs.common.bus.contract import Work
from libs.common.bus.rabbitmq.bus import HOLD
from libs.common.bus.rabbitmq.connection import declare
from libs.common.bus.topology import LANE, LATEST, TOPOLOGY, dead_queue
from services.processor.outcomes import HOLD_SECONDS
from services.processor.settings import ProcessorSettings
from tests.rabbitmq_node import RabbitMQNode, free_ports

CONFIGURATION = Path("infra/rabbitmq")
TLS_ALERT = 21
"""Content type of a record that ends a connection (RFC 8446, 5.1)."""
POLICIES = """
ok = file:write_file("%s", rabbit_json:encode(maps:from_list([
    {element(4, amqqueue:get_name(Q)), maps:from_list(rabbit_policy:effective_definition(Q))}
    || Q <- rabbit_amqqueue:list(<<"dicom">>), rabbit_policy:effective_definition(Q) =/= undefined])))
"""


class DeployedNode(RabbitMQNode):
    """A private node with the deployment's own configuration; paths and ports are the test's."""

    def __init__(self, folder: Path) -> None:
        """Makes certificates and secrets in `folder`."""
        super().__init__(folder)
        self.folder = folder
        certificates.make(folder / "certs")
        deployment_secrets.make(folder / "secrets")
        self.ports = dict(zip((5671, 15671, 15691), free_ports(3), strict=True))
        self.trust = ssl.create_default_context(cafile=folder / "certs" / "rabbitmq" / "ca.crt")

    def _prepare(self) -> None:
        super()._prepare()
        text = (CONFIGURATION / "rabbitmq.conf").read_text()
        replaced = {
            "/run/certs": str(self.folder / "certs" / "rabbitmq"),
            "/run/secrets": str(self.folder / "secrets"),
            "= 1GB": "= 1MB",
            "log.console = true": "log.console = false",
            **{f"= {port}\n": f"= {own}\n" for port, own in self.ports.items()},
        }
        for given, own in replaced.items():
            assert given in text
            text = text.replace(given, own)
        if any(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-3.*")):
            text = text.replace("prometheus.tcp.listener   = none\n", "")
        (self.folder / "rabbitmq.conf").write_text(text)
        plugins = (CONFIGURATION / "enabled_plugins").read_text()
        (self.folder / "enabled_plugins").write_text(plugins)

    def secret(self, name: str) -> str:
        """What a secret file holds."""
        return (self.folder / "secrets" / name).read_text()

    def amqps_url(self) -> str:
        """AMQP_URL of the deployment, at this node's address."""
        return self.secret("amqp_url").replace("rabbitmq:5671", f"localhost:{self.ports[5671]}")

    def effective_policies(self) -> dict[str, dict[str, Any]]:
        """What the policies say of each queue; the management interface knows it a few seconds later."""
        file = self.folder / "policies.json"
        self.evaluate((POLICIES % file).replace("\n", " "))
        found: dict[str, dict[str, Any]] = json.loads(file.read_text())
        return found

    def get(
        self, port: int, path: str, user: str = "monitoring", password: str | None = None
    ) -> tuple[int, str]:
        """GET over verified HTTPS; status and body."""
        given = self.secret("monitoring_password") if password is None else password
        token = base64.b64encode(f"{user}:{given}".encode()).decode()
        connection = HTTPSConnection("localhost", self.ports[port], timeout=10, context=self.trust)
        try:
            connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedNode]:
    """Started once."""
    node = DeployedNode(tmp_path_factory.mktemp("deployed"))
    try:
        node.start()
        yield node
    finally:
        node.close()


async def declare_everything(connection: aio_pika.abc.AbstractConnection) -> aio_pika.abc.AbstractChannel:
    """The product's whole table, as its processes declare it."""
    channel = await connection.channel()
    await declare(channel, TOPOLOGY)
    return channel


async def test_the_services_user_may_do_its_work_and_nothing_else(node: DeployedNode) -> None:
    async with await aio_pika.connect(node.amqps_url(), ssl_context=node.trust) as connection:
        channel = await declare_everything(connection)
        message = aio_pika.Message(b"{}", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        exchange = await channel.get_exchange(TOPOLOGY.exchange, ensure=False)
        for consumer in TOPOLOGY.consumers:
            await exchange.publish(message, consumer.binds[0])
            # Retries and dead letters go through the default exchange, what is handed on through the work's.
            if (dead := dead_queue(consumer.name)) in TOPOLOGY.dead_queues():
                await channel.default_exchange.publish(message, dead)
            name = consumer.queue_of("0") if isinstance(consumer, Work) else consumer.queue
            queue = await channel.get_queue(name, ensure=False)
            if not isinstance(consumer, Work) and consumer.broadcast:
                await channel.set_qos(1)
                async with queue.iterator(arguments=dict(LATEST), timeout=10) as messages:
                    await (await anext(messages)).ack()
                continue
            got = await queue.get(timeout=10)
            assert got is not None
            await got.ack()
        work = await channel.get_exchange(TOPOLOGY.works[0].exchange, ensure=False)
        headers: HeadersType = {LANE: "urgent"}
        await work.publish(aio_pika.Message(b"{}", headers=headers), "")
        queue = await channel.get_queue(TOPOLOGY.works[0].queue_of("urgent"), ensure=False)
        got = await queue.get(timeout=10)
        assert got is not None
        await got.ack()
        with pytest.raises(ChannelAccessRefused):
            await channel.declare_queue("elsewhere", durable=True)


async def test_policies_reach_every_queue_and_leave_the_attempts_to_us(node: DeployedNode) -> None:
    async with await aio_pika.connect(node.amqps_url(), ssl_context=node.trust) as connection:
        await declare_everything(connection)
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


def test_monitoring_sees_the_queues_as_keda_asks_for_them(node: DeployedNode) -> None:
    """Every queue that the processor takes from, and no other: retries and dead letters are no work now."""
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
    with socket.create_connection(("127.0.0.1", node.ports[port]), timeout=10) as plain:
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
