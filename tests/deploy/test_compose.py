"""infra/compose.yml for real: TLS only, the end-to-end scenarios, scaling under load, new certificates."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass, field

import aiohttp
import asyncpg
import pyrage
import pytest
from cryptography import x509

from tests.builders import ct_instance
from tests.deploy.podman import PodmanError
from tests.deploy.stack import Stack
from tests.e2e import test_refusals as refusals
from tests.e2e import test_way_of_a_file as way
from tests.e2e.conftest import NewUser
from tests.e2e.processes import Client
from tests.ports import free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(1800)]

SERVICES = ("auth", "ingest", "dimse", "processor", "results", "portal")
FILES = 200
"""At least so many are uploaded while the processors change."""
IN_FLIGHT = 4

# The end-to-end scenarios once more: here, `system` is the one behind the gateway.
test_upload_becomes_result = way.test_upload_becomes_result
test_many_files_in_one_request = way.test_many_files_in_one_request_each_get_an_entry_in_order
test_the_same_bytes_seventy_times_at_once = way.test_the_same_bytes_seventy_times_at_once_are_one_file
test_the_same_instance_uid_is_a_conflict = way.test_the_same_instance_uid_with_other_bytes_is_a_conflict
test_two_owners_do_not_notice_each_other = way.test_two_owners_do_not_notice_each_other
test_changes_arrive_live = way.test_changes_arrive_live
test_a_broad_sample_ends_processed = way.test_a_broad_sample_ends_processed
test_bad_content_is_refused_and_leaves_nothing = refusals.test_bad_content_is_refused_and_leaves_nothing
test_wrong_bodies_say_what_to_send = refusals.test_wrong_bodies_say_what_to_send
test_tokens = refusals.test_tokens
test_unknown_ids_and_paths = refusals.test_unknown_ids_and_paths
test_a_client_that_hangs_up_leaves_nothing = refusals.test_a_client_that_hangs_up_leaves_nothing


def test_images_hold_no_compiler_and_no_root(stack: Stack) -> None:
    for service in SERVICES:
        name = stack.name(service)
        assert stack.podman("exec", name, "id", "-u").strip() == "10001"
        for tool in ("gcc", "cc", "make", "uv"):
            found = stack.podman("exec", name, "sh", "-c", f"command -v {tool} || true")
            assert not found, (service, found)
        known = stack.inspect(service)
        assert known["HostConfig"]["ReadonlyRootfs"]
        assert known["HostConfig"]["Memory"] > 0


def test_no_container_writes_but_where_it_must(stack: Stack) -> None:
    """What compose.yml asks for, podman gives: of every container, foreign images' too."""
    found = stack.podman.inspect(*(str(one["Names"][0]) for one in stack.containers()))
    assert len(found) >= len(SERVICES) + 7
    for one in found:
        host = one["HostConfig"]
        assert host["ReadonlyRootfs"], one["Name"]
        assert min(host["Memory"], host["NanoCpus"], host["PidsLimit"]) > 0, one["Name"]
        assert "no-new-privileges" in " ".join(host["SecurityOpt"]), one["Name"]
        assert not one["EffectiveCaps"], one["Name"]
        if not one["State"]["Running"]:
            continue
        for folder in ("/", "/etc", "/usr/bin", "/var"):
            tried = f"touch {folder}/written 2>/dev/null && echo written || true"
            assert stack.podman("exec", one["Name"], "sh", "-c", tried) == "", f"{one['Name']}: {folder}"


def test_only_gateway_dicom_port_and_viewer_are_published(stack: Stack) -> None:
    published = {
        # In no particular order.
        str(one["Names"][0]): {(port["host_ip"], port["host_port"]) for port in one["Ports"] or []}
        for one in stack.containers()
    }
    assert {name: ports for name, ports in published.items() if ports} == {
        stack.name("gateway"): {("127.0.0.1", stack.port), ("127.0.0.1", stack.grafana_port)},
        stack.name("dimse"): {("127.0.0.1", stack.dimse_port)},
        stack.name("ohif"): {("127.0.0.1", int(stack.kept["OHIF_PORT"]))},
    }


async def test_grafana_is_behind_its_own_port_only(stack: Stack) -> None:
    own, portal = f"https://localhost:{stack.grafana_port}", f"https://localhost:{stack.port}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=stack.tls)) as session:
        async with session.get(f"{own}/api/health") as answer:
            assert (answer.status, await answer.text()) == (200, '{"database": "ok"}')
        async with session.get(f"{portal}/grafana/d/x", allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, f"{own}/")


def test_no_log_of_the_gateway_holds_what_is_asked(stack: Stack) -> None:
    """In the real container, too, where the lines of errors take the way through start.sh."""
    for path in (
        "/api/results?q=Gesuchte^Person",
        "/%00?q=Gesuchte^Person",
        f"/api/auth/{'x' * 20_000}?q=Gesuchte",
    ):
        first_answer_over_tls(stack, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    said = stack.podman.logs(stack.name("gateway"), lines=100_000)
    assert '"path":"/api/results"' in said
    assert "Gesuchte" not in said


def first_answer_over_tls(stack: Stack, sent: str) -> bytes:
    """What the gateway says to a request as it stands."""
    with (
        socket.create_connection(("127.0.0.1", stack.port), timeout=30) as connection,
        stack.tls.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        secured.sendall(sent.encode())
        return secured.recv(4096)


async def test_the_gateway_shows_a_certificate_and_modern_tls_only(stack: Stack) -> None:
    url = f"https://localhost:{stack.port}/"
    async with aiohttp.ClientSession() as session:
        async with session.get(url, ssl=stack.tls) as answer:
            assert answer.status == 200
            assert "max-age" in answer.headers["Strict-Transport-Security"]
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(url)
        async with session.get(f"http://localhost:{stack.port}/", allow_redirects=False) as answer:
            assert answer.status == 400
            assert "HTTPS" in await answer.text()
    assert handshake(stack, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert handshake(stack, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    with pytest.raises((ssl.SSLError, ConnectionError)), pytest.deprecated_call():
        handshake(stack, ssl.TLSVersion.TLSv1_1)


def handshake(stack: Stack, version: ssl.TLSVersion) -> str | None:
    """The version agreed on with the gateway by a client that knows only one."""
    context = ssl.create_default_context(cafile=stack.certificates / "ca" / "ca.crt")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", stack.port), timeout=10) as connection,
        context.wrap_socket(connection, server_hostname="localhost") as secured,
    ):
        return secured.version()


async def test_plaintext_is_refused_inside_too(stack: Stack) -> None:
    for service in SERVICES:
        said = await asyncio.to_thread(
            first_answer, stack.address(service), 8443, b"GET /livez HTTP/1.1\r\n\r\n"
        )
        assert b"200" not in said, (service, said)
    broker = stack.address("rabbitmq")
    assert [port for port in (5672, 15672, 15692) if listens(broker, port)] == []
    assert b"AMQP" not in await asyncio.to_thread(first_answer, broker, 5671, b"AMQP\x00\x00\x09\x01")
    url = (
        f"postgresql://postgres:{stack.secret('postgres_password')}@{stack.address('postgres')}/bddicomimage"
    )
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError, match="no encryption"):
        await asyncpg.connect(url, ssl=False)
    # It is the missing TLS, and nothing else.
    context = ssl.create_default_context(cafile=stack.certificates / "ca" / "ca.crt")
    context.check_hostname = False
    connection = await asyncpg.connect(url, ssl=context)
    await connection.close()


def listens(host: str, port: int) -> bool:
    """Whether a connection is accepted."""
    try:
        socket.create_connection((host, port), timeout=10).close()
    except ConnectionRefusedError:
        return False
    return True


def first_answer(host: str, port: int, sent: bytes) -> bytes:
    """What comes back for `sent` in clear; empty when the connection is closed instead."""
    # RabbitMQ waits 10 s for a handshake before it closes.
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.sendall(sent)
        try:
            return connection.recv(4096)
        except ConnectionResetError:
            return b""


async def test_prometheus_reaches_every_service(stack: Stack) -> None:
    url = f"https://{stack.address('prometheus')}:9090/api/v1/query"

    async def up() -> set[str]:
        async with (
            aiohttp.ClientSession() as session,
            session.get(
                url, params={"query": "up == 1"}, ssl=stack.tls, server_hostname="prometheus"
            ) as answer,
        ):
            found = json.loads(await answer.text())["data"]["result"]
        return {series["metric"]["job"] for series in found}

    expected = {*(f"dicom-{service}" for service in SERVICES), "rabbitmq", "rabbitmq-queues", "prometheus"}

    async def all_up() -> bool:
        missing = expected - await up()
        assert not missing, missing
        return True

    await eventually(all_up, 120)


@dataclass
class Load:
    """Uploads that go on until told to end; keeps the id of every accepted file."""

    client: Client
    accepted: list[str] = field(default_factory=list)
    stopped: bool = False

    async def run(self) -> None:
        """IN_FLIGHT at a time."""
        await asyncio.gather(*(self._one_after_the_other(number) for number in range(IN_FLIGHT)))

    async def _one_after_the_other(self, number: int) -> None:
        sent = 0
        while not self.stopped:
            content = ct_instance(rows=128, columns=128, seed=1_000_000 + number * 100_000 + sent)
            status, body = await self.client.upload_raw(content)
            assert status == 202, body
            self.accepted.append(body["files"][0]["id"])
            sent += 1


async def test_processors_scale_up_and_down_under_load(
    stack: Stack, new_user: NewUser, figures: dict[str, str]
) -> None:
    client = await new_user()
    load = Load(client)
    started = time.monotonic()
    uploading = asyncio.create_task(load.run())
    try:
        await eventually(lambda: len(load.accepted) >= FILES // 8, 120)
        await scale(stack, 4)
        scaled = time.monotonic() - started
        await eventually(lambda: workers(stack, load) >= 4, 180)
        await eventually(lambda: len(load.accepted) >= FILES // 2, 180)

        # As in a power cut: podman starts it again, which it does not after `podman kill`.
        victim = str(stack.containers("processor")[1]["Names"][0])
        os.kill(stack.podman.inspect(victim)[0]["State"]["Pid"], signal.SIGKILL)
        await eventually(lambda: stack.podman.inspect(victim)[0]["RestartCount"] == 1, 60)
        ask = ("python", "-m", "libs.common.http.probe", "/readyz")
        await eventually(lambda: "ready" in stack.podman("exec", victim, *ask), 120)
        killed_after = len(load.accepted)
        await eventually(lambda: len(load.accepted) >= killed_after + FILES // 8, 180)

        await scale(stack, 1)
        left_alone = len(load.accepted)
        await eventually(lambda: len(load.accepted) >= max(FILES, left_alone + FILES // 8), 180)
    finally:
        load.stopped = True
        await uploading
    uploaded = time.monotonic() - started
    summary = await client.all_ended(len(load.accepted), 600)
    ended = time.monotonic() - started
    assert len(set(load.accepted)) == len(load.accepted)
    assert summary["total"] == summary["processed"] == len(load.accepted), summary

    ids = ",".join(f"'{file_id}'" for file_id in load.accepted)
    rows = stack.sql(f"SELECT file_id, state FROM results.upload_dicomresult WHERE file_id IN ({ids})")
    assert sorted(rows) == sorted([file_id, "processed"] for file_id in load.accepted)
    changes = stack.sql(
        "SELECT file_id, count(*) FILTER (WHERE state = 'processed') FROM results.change_feed"
        f" WHERE file_id IN ({ids}) GROUP BY file_id"
    )
    assert sorted(changes) == sorted([file_id, "1"] for file_id in load.accepted), "one outcome each"
    # The last acknowledgements come after the results that they are for.
    await eventually(lambda: not any(stack.queues().values()), 60)
    repeated = stack.sql(
        f"SELECT count(*) - count(DISTINCT file_id) FROM results.processing_log"
        f" WHERE outcome = 'processed' AND file_id IN ({ids})"
    )
    figures["scaling 1 -> 4 -> 1 under load"] = (
        f"{len(load.accepted)} files accepted in {uploaded:.0f} s, all processed after {ended:.0f} s; "
        f"4 running after {scaled:.0f} s, 1 killed, 0 lost, {repeated[0][0]} measured twice, one result each"
    )


async def scale(stack: Stack, number: int) -> None:
    """What `docker compose up --scale processor=N` does; podman-compose starts more, but never ends any."""
    running = stack.containers("processor")
    if number > len(running):
        await asyncio.to_thread(
            stack.compose,
            *("up", "--detach", "--no-recreate", "--no-deps", "--scale", f"processor={number}", "processor"),
        )
    for one in running[number:]:
        name = str(one["Names"][0])
        await asyncio.to_thread(stack.podman, "stop", "--time=60", name, timeout=90)
        state = stack.podman.inspect(name)[0]["State"]
        assert state["ExitCode"] == 0, f"{name} was killed:\n{stack.podman.logs(name)}"
        await asyncio.to_thread(stack.podman, "rm", name)
    assert len(stack.containers("processor")) == number


def workers(stack: Stack, load: Load) -> int:
    """How many different processors have measured files of the load."""
    ids = ",".join(f"'{file_id}'" for file_id in list(load.accepted))
    counted = stack.sql(
        "SELECT count(DISTINCT worker) FROM results.processing_log"
        f" WHERE worker IS NOT NULL AND file_id IN ({ids})"
    )
    return int(counted[0][0])


async def test_new_certificates_are_served_without_a_restart(stack: Stack, client: Client) -> None:
    servers = {"gateway": 8443, "ohif": 8446, "rabbitmq": 5671, "postgres": 5432}
    served = (*dict.fromkeys(SERVICES, 8443).items(), *servers.items())
    before = {name: await asyncio.to_thread(serial, stack, name, port) for name, port in served}
    running = {str(one["Names"][0]): one["StartedAt"] for one in stack.containers()}
    stack.python("infra.certificates", "--force", timeout=60)
    on_disk = {
        name: x509.load_pem_x509_certificate(
            (stack.certificates / name / "tls.crt").read_bytes()
        ).serial_number
        for name, _ in served
    }
    assert all(on_disk[name] != before[name] for name in before)

    async def shows_new_one(name: str, port: int) -> None:
        await eventually(lambda: serial(stack, name, port) == on_disk[name], 240)

    for name, port in served:
        # RabbitMQ keeps a certificate for two minutes, PostgreSQL looks every half.
        await shows_new_one(name, port)
    status, body = await client.upload_raw(ct_instance(seed=77))
    assert status == 202, body
    assert (await client.ended(body["files"][0]["id"]))["state"] == "processed"
    assert {str(one["Names"][0]): one["StartedAt"] for one in stack.containers()} == running


def serial(stack: Stack, service: str, port: int) -> int:
    """The serial number of the certificate that a container shows, verified against the CA."""
    context = ssl.create_default_context(cafile=stack.certificates / "ca" / "ca.crt")
    with closing(socket.create_connection((stack.address(service), port), timeout=10)) as connection:
        if service == "postgres":
            # SSLRequest; PostgreSQL's protocol, "SSL Session Encryption".
            connection.sendall(bytes.fromhex("0000000804d2162f"))
            assert connection.recv(1) == b"S"
        with context.wrap_socket(connection, server_hostname=service) as secured:
            shown = secured.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_the_operator_can_ask_the_doctor(stack: Stack) -> None:
    """`docker compose run --rm migrate doctor`, as docs/operations.md says it."""
    said = stack.compose("run", "--rm", "-T", "migrate", "doctor", timeout=180)
    assert "database" in said.lower(), said


def test_the_operators_image_speaks_tls_with_the_database(stack: Stack) -> None:
    """psql and pg_dump: the server lets nobody in without. /tmp has too little room for a backup."""
    run = ("run", "--rm", "-T", "migrate")
    assert "operator" in stack.compose(*run, "psql", "-Atc", "SELECT current_user", timeout=180)
    said = stack.compose(*run, "backup", "/var/lib/dicom/backups", timeout=180)
    made = re.search(r"(\S+): \d+ files, \d+ objects of ", said)
    assert made, said
    # For the key that `make up` has made; no container has the other half, it comes by standard input.
    identity = (stack.folder / "var" / "deploy" / "backup-identity.txt").read_bytes()
    restore = ("restore", made[1], "--replace", "--identity", "-")
    # The dump is decrypted to its end before it is noticed that services run.
    with pytest.raises(PodmanError, match="Stop the services first"):
        stack.compose(*run, *restore, timeout=180, input=identity)
    other = re.sub(rb"AGE-SECRET-KEY-\S+", str(pyrage.x25519.Identity.generate()).encode(), identity)
    with pytest.raises(PodmanError, match="does not open this backup"):
        stack.compose(*run, *restore, timeout=180, input=other)


async def test_make_down_keeps_what_make_up_finds_again(
    stack: Stack, client: Client, figures: dict[str, str]
) -> None:
    content = ct_instance(seed=99)
    _, body = await client.upload_raw(content)
    file_id = body["files"][0]["id"]
    await client.ended(file_id)
    await asyncio.to_thread(stack.python, "infra.down", timeout=600)
    assert stack.containers() == []
    started = time.monotonic()
    # The viewer comes again as well, at another address: test_compose_ohif goes there.
    await asyncio.to_thread(stack.up, "--no-build", "--ohif", OHIF_PORT=str(free_port()))
    figures["make up with what is there, to ready"] = f"{time.monotonic() - started:.0f} s"
    status, original = await client.get(f"/api/results/{file_id}/file")
    assert (status, original) == (200, content)
