"""A real Prometheus with the product's configuration, rules and dashboards, on a running system over TLS."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
import yaml
from pynetdicom import AE

from libs.common.encryption.keyring import Keyring
from tests.builders import ct_instance
from tests.certificates import NAMES, Certificates, Files
from tests.e2e.processes import Client, Process, client_of, separate, start_all, stop_all, urls_of
from tests.fixtures_postgres import PostgresServer, run_apart
from tests.ports import free_ports
from tests.prometheus_server import SOURCE, PrometheusServer
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

pytestmark = [pytest.mark.monitoring, pytest.mark.timeout(600)]

DASHBOARDS = SOURCE.parent / "grafana" / "dashboards"
SERVICES = ("auth", "ingest", "dimse", "processor", "results", "portal")
VHOST = "dicom"
VERIFICATION = "1.2.840.10008.1.1"
_PLUGIN = """
prometheus.ssl.ip = 127.0.0.1
prometheus.ssl.port = {port}
prometheus.ssl.certfile = {certificate}
prometheus.ssl.keyfile = {key}
"""


class MeasuredNode(RabbitMQNode):
    """A node with the Prometheus plugin, over TLS."""

    def __init__(self, folder: Path, host: Files) -> None:
        super().__init__(folder)
        self._host = host
        (self.metrics_port,) = free_ports(1)

    def _prepare(self) -> None:
        super()._prepare()
        plugin = _PLUGIN.format(
            port=self.metrics_port, certificate=self._host.certificate, key=self._host.key
        )
        (self._folder / "enabled_plugins").write_text("[rabbitmq_prometheus].")
        with (self._folder / "rabbitmq.conf").open("a") as configuration:
            configuration.write(plugin)


@dataclass(frozen=True)
class Watched:
    """The services, and who watches them."""

    processes: dict[str, Process]
    dicom_port: int
    certificates: Certificates
    prometheus: PrometheusServer


@pytest.fixture(scope="module")
def watched(
    postgres_server: PostgresServer, template_database: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """Started once."""
    folder = tmp_path_factory.mktemp("watched")
    Keyring.create(folder / "keyring.json")
    certificates = Certificates(folder / "ca")
    host = certificates.issue(folder / "host", [*NAMES, *SERVICES, "rabbitmq", "prometheus"])
    node = MeasuredNode(tmp_path_factory.mktemp("watched_rabbitmq"), host)
    with ExitStack() as stack:
        stack.callback(node.close)
        node.start()
        node.add_vhost(VHOST)
        name = stack.enter_context(postgres_server.database(template_database))
        roles = {role: postgres_server.url(name, role) for role in ("auth", "ingest", "results")}
        tls = {**host.environment, "TLS_CA_FILE": str(certificates.ca_file)}
        processes = separate(folder, roles, node.url(VHOST), **tls)
        processes["portal"] = Process(
            "services.portal", {"DATA_DIR": str(folder), **tls}, folder / "portal.log"
        )
        (dicom_port,) = free_ports(1)
        beside = {**processes["ingest"].environment, "DIMSE_PORT": str(dicom_port)}
        processes["dimse"] = Process("services.ingest.dimse", beside, folder / "dimse.log")
        stack.callback(lambda: stop_all(processes.values()))
        run_apart(start_all(processes.values()))
        targets = {f"dicom-{service}": processes[service].port for service in SERVICES}
        targets |= dict.fromkeys(("rabbitmq", "rabbitmq-queues"), node.metrics_port)
        home = folder / "prometheus"
        home.mkdir()
        prometheus = stack.enter_context(PrometheusServer(home, certificates, host, targets))
        yield Watched(processes, dicom_port, certificates, prometheus)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """For questions to Prometheus."""
    async with aiohttp.ClientSession() as made:
        yield made


@pytest.fixture
async def client(watched: Watched) -> AsyncIterator[Client]:
    """The administrator."""
    async with client_of(urls_of(watched.processes), watched.certificates.client()) as made:
        await made.login()
        yield made


def panel_queries() -> list[str]:
    """Every query of every panel of every dashboard."""
    dashboards = [json.loads(path.read_text()) for path in sorted(DASHBOARDS.glob("*.json"))]
    return [
        target["expr"]
        for board in dashboards
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]


def recorded() -> list[str]:
    """Name of every recording rule."""
    files = [yaml.safe_load(path.read_text()) for path in sorted((SOURCE / "rules").glob("*.yml"))]
    rules = [rule for file in files for group in file["groups"] for rule in group["rules"]]
    return [rule["record"] for rule in rules if "record" in rule]


def call(port: int, title: str) -> None:
    """A DICOM association that ends in order, one that is rejected, and one that is broken off."""
    entity = AE(title)
    entity.add_requested_context(VERIFICATION)
    association = entity.associate("127.0.0.1", port, ae_title="DICOM")
    assert association.send_c_echo().Status == 0
    association.release()
    assert entity.associate("127.0.0.1", port, ae_title="ANOTHER").is_rejected
    entity.associate("127.0.0.1", port, ae_title="DICOM").abort()


async def test_every_panel_and_every_recording_rule_has_data(
    watched: Watched, client: Client, session: aiohttp.ClientSession
) -> None:
    async def value(expression: str) -> float:
        found = await watched.prometheus.query(session, expression)
        return float(found[0]["value"][1]) if found else 0.0

    async def all_are_up() -> bool:
        try:
            return await value("count(up == 1)") == len(SERVICES) + 3
        except (aiohttp.ClientConnectionError, aiohttp.ClientResponseError):
            # Prometheus itself does not listen yet, or says that it is starting.
            return False

    await eventually(all_are_up)
    _, me = await client.get("/api/auth/me")
    peer = {"ae_title": "CT", "addresses": "127.0.0.0/8", "account_id": me["user_id"]}
    url = f"{client.urls['ingest']}/api/peers"
    async with client.session.post(url, json=peer, headers=client.headers) as answer:
        assert answer.status == 201, await answer.text()
    # A rate needs two scrapes that differ: files come in as many parts.
    for part in range(10):
        if part % 2 == 0:  # more in an hour are an alert
            await asyncio.to_thread(call, watched.dicom_port, "CT")
        files = [(f"{n}.dcm", ct_instance(rows=64, columns=64, seed=part * 10 + n)) for n in range(10)]
        status, _ = await client.upload(*files)
        assert status == 202

        async def seen(least: int = part * 10 + 10) -> bool:
            return await value('sum(results_files_total{outcome="processed"})') >= least

        await eventually(seen)

    queries = panel_queries()
    assert len(queries) > 50
    assert len(recorded()) > 30

    async def without_data() -> list[str]:
        return [q for q in (*queries, *recorded()) if not await watched.prometheus.query(session, q)]

    missing: list[str] = []

    async def complete() -> bool:
        missing[:] = await without_data()
        return not missing

    try:
        await eventually(complete)
    except AssertionError:
        pytest.fail("no data for:\n" + "\n".join(missing))
    assert await value("dicom:files_accepted:rate5m") > 0

    async def calm() -> bool:
        # Both are looked up every few seconds only: by the results service and by the broker.
        return await value("dicom:waiting_files") == await value("dicom:processor_backlog_seconds") == 0

    await eventually(calm)
    firing = await watched.prometheus.query(session, 'ALERTS{alertstate="firing"}')
    assert [alert["metric"]["alertname"] for alert in firing] == []


async def test_a_killed_consumer_with_messages_waiting_makes_its_alert_fire(
    watched: Watched, client: Client, session: aiohttp.ClientSession
) -> None:
    alert = 'ALERTS{alertname="MessagesWithoutConsumer", alertstate="firing", queue=~"processor[.]lane[.].+"}'
    assert await watched.prometheus.query(session, alert) == []
    processor = watched.processes["processor"]
    processor.kill()
    files = [(f"{n}.dcm", ct_instance(rows=64, columns=64, seed=500 + n)) for n in range(5)]
    status, body = await client.upload(*files)
    assert status == 202
    (fired,) = await eventually(lambda: watched.prometheus.query(session, alert), 120)
    assert fired["metric"]["severity"] == "critical"
    down = 'ALERTS{alertname="TargetDown", alertstate="firing", job="dicom-processor"}'
    await eventually(lambda: watched.prometheus.query(session, down), 120)

    processor.start()
    for file in body["files"]:
        assert (await client.ended(file["id"], 120))["state"] == "processed"

    async def resolved() -> bool:
        return await watched.prometheus.query(session, alert) == []

    await eventually(resolved)
