"""Everything over verified TLS: the way of a file, and who is refused on it."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import aiohttp
import asyncpg
import pytest
from aio_pika.exceptions import AMQPError
from aiohttp import web

from libs.common.bus.rabbitmq.bus import RabbitMQBus
from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, Unavailable
from libs.common.security.certificates import load, server_context
from libs.common.security.tls_rules import trusting
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.telemetry.tracing import Telemetry
from services.operator.preflight import check_broker, check_roles
from services.operator.programs import program
from tests.builders import ct_instance
from tests.certificates import Certificates, Files
from tests.e2e.processes import ROOT, client_of, separate, start_all, stop_all, urls_of
from tests.fixtures_postgres import run_apart
from tests.postgres_tls import PASSWORD, TlsPostgres
from tests.rabbitmq_node import RabbitMQNode
from tests.waiting import eventually

SERVICES = ("auth", "ingest", "results")


@dataclass(frozen=True)
class Deployment:
    """Broker and database that take TLS only; their certificates name 127.0.0.1, not localhost."""

    certificates: Certificates
    foreign: Certificates
    """An authority that signed nothing here."""
    host: Files
    broker: RabbitMQNode
    database: TlsPostgres

    def environment(self) -> dict[str, str]:
        """What a process of the deployment is given."""
        return {
            "REQUIRE_TLS": "true",
            "TLS_CA_FILE": str(self.certificates.ca_file),
            **self.host.environment,
        }


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Started once; the database is migrated by the operator's command."""
    folder = tmp_path_factory.mktemp("tls")
    certificates = Certificates(folder / "ca")
    host = certificates.issue(folder / "host", ["127.0.0.1"])
    broker = RabbitMQNode(tmp_path_factory.mktemp("tls_rabbitmq"), host)
    try:
        broker.launch()
        with TlsPostgres(tmp_path_factory.mktemp("tls_postgres"), host) as database:
            made = Deployment(certificates, Certificates(folder / "foreign"), host, broker, database)
            command(made, "migrate", DATABASE_ADMIN_URL=database.url())
            run_apart(give_passwords(trusting(database.url(), certificates.ca_file)))
            broker.await_running()
            yield made
    finally:
        broker.close()


async def give_passwords(url: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for role in (*SERVICES, "operator"):
            await connection.execute(f"ALTER ROLE \"{role}\" PASSWORD '{PASSWORD}'")
    finally:
        await connection.close()


def command(deployment: Deployment, *arguments: str, **environment: str) -> str:
    """Run `python -m services …` as the deployment's operator; what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **deployment.environment(), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def receiver(files: Files) -> AsyncIterator[tuple[str, list[int]]]:
    """An OTLP endpoint over HTTPS: its URL, and the sizes of what it was sent."""
    sizes: list[int] = []

    async def traces(request: web.Request) -> web.Response:
        sizes.append(len(await request.read()))
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", traces)
    runner = web.AppRunner(app)
    await runner.setup()
    context = server_context()
    load(context, files.key.read_bytes() + files.certificate.read_bytes())
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}", sizes
    await runner.cleanup()


async def test_a_file_goes_all_the_way_over_verified_tls(deployment: Deployment, tmp_path: Path) -> None:
    Keyring.create(tmp_path / "keyring.json")
    roles = {role: deployment.database.url(role) for role in SERVICES}
    async with receiver(deployment.host) as (endpoint, spans):
        processes = separate(
            tmp_path,
            roles,
            deployment.broker.url(),
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            **deployment.environment(),
        )
        try:
            await start_all(processes.values())
            async with client_of(urls_of(processes), deployment.certificates.client()) as client:
                await client.login()
                status, body = await client.upload_raw(ct_instance())
                assert status == 202, body
                result = await client.ended(body["files"][0]["id"])
                assert result["state"] == "processed"
                async with client.session.get(f"{processes['results'].url}/metrics") as answer:
                    assert "tls_certificate_not_after_timestamp_seconds{file=" in await answer.text()
            for process in processes.values():
                async with aiohttp.ClientSession() as session:
                    with pytest.raises(aiohttp.ClientError):
                        await session.get(f"http://127.0.0.1:{process.port}/livez")
                    with pytest.raises(aiohttp.ClientConnectorCertificateError):
                        await session.get(f"{process.url}/livez")
        finally:
            await asyncio.to_thread(stop_all, processes.values())
    assert spans


async def test_the_broker_takes_no_plaintext(deployment: Deployment) -> None:
    with pytest.raises((AMQPError, OSError)):
        await aio_pika.connect(deployment.broker.url().replace("amqps:", "amqp:"), timeout=5)


async def test_the_database_takes_no_plaintext(deployment: Deployment) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(deployment.database.url(options="?sslmode=disable"))


WRONG = pytest.mark.parametrize(
    ("host", "right_authority", "reason"),
    [
        ("127.0.0.1", False, "unable to get local issuer certificate|self-signed"),
        ("localhost", True, "Hostname mismatch"),
    ],
)
"""Whom every client must refuse: somebody else's authority, another host's certificate."""


@WRONG
async def test_the_bus_verifies_the_broker(
    deployment: Deployment, host: str, right_authority: bool, reason: str
) -> None:
    url = deployment.broker.url().replace("127.0.0.1", host)
    ca_file = (deployment.certificates if right_authority else deployment.foreign).ca_file
    bus = RabbitMQBus(url, Telemetry("test", TelemetrySettings()), name="test", ca_file=ca_file)
    await bus.open()

    async def refused() -> bool:
        with pytest.raises(Unavailable, match=f"its certificate is refused, ({reason})"):
            await bus.ready()
        return True

    await eventually(refused)
    await bus.close()
    with pytest.raises(ConfigurationError, match=reason):
        await check_broker(url, ca_file)


@WRONG
async def test_the_pool_verifies_the_database(
    deployment: Deployment, host: str, right_authority: bool, reason: str
) -> None:
    ca_file = (deployment.certificates if right_authority else deployment.foreign).ca_file
    url = trusting(deployment.database.url("results").replace("127.0.0.1", host), ca_file)
    database = Database(url, size=1, timeout=5, application_name="test")
    await database.open()
    with pytest.raises(Unavailable) as caught:
        await database.ready()
    assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    await database.close()
    with pytest.raises(ConfigurationError, match=reason):
        await check_roles(url, ())


async def test_psql_verifies_the_database(deployment: Deployment) -> None:
    url = deployment.database.url()
    # More than the buffers on the way hold.
    statements = "SELECT current_user; SELECT repeat('x', 5000000)"
    told = await asyncio.to_thread(command, deployment, "psql", "-Atc", statements, DATABASE_URL=url)
    assert told.split("\n")[0] == "operator"
    assert len(told) > 5_000_000


@WRONG
def test_psql_refuses_another_server_than_the_url_names(
    deployment: Deployment, host: str, right_authority: bool, reason: str
) -> None:
    ca_file = (deployment.certificates if right_authority else deployment.foreign).ca_file
    url = trusting(deployment.database.url().replace("127.0.0.1", host), ca_file)
    done = subprocess.run([program("psql", url), "-c", "SELECT 1", url], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"certificate verify failed|does not match host name", done.stderr), done.stderr


async def test_another_authority_counts_from_the_next_connection_on(
    deployment: Deployment, tmp_path: Path
) -> None:
    ca_file = tmp_path / "ca.crt"
    shutil.copy(deployment.foreign.ca_file, ca_file)
    bus = RabbitMQBus(
        deployment.broker.url(), Telemetry("test", TelemetrySettings()), name="test", ca_file=ca_file
    )
    database = Database(
        trusting(deployment.database.url("results"), ca_file), size=1, timeout=5, application_name="test"
    )
    await bus.open()
    await database.open()
    with pytest.raises(Unavailable):
        await database.ready()
    shutil.copy(deployment.certificates.ca_file, ca_file)
    await database.ready()

    async def connected() -> bool:
        try:
            await bus.ready()
        except Unavailable:
            return False
        return True

    await eventually(connected)
    await bus.close()
    await database.close()
