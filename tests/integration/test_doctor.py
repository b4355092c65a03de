"""The doctor beside real servers, each of its findings provoked."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
import asyncpg
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from libs.common.bus.topology import PROCESSOR_WORK, RESULTS_FILES, TOPOLOGY, dead_queue
from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable
from services.auth.sessions.signing import key_set_of
from services.operator import programs
from services.operator.doctor.checks import Check, examine
from services.operator.doctor.command import doctor
from services.operator.doctor.report import Finding
from tests.audit_support import entries, note, sealer_of
from tests.certificates import Certificates
from tests.oidc_support import LyingProvider, providers_file
from tests.postgres_tls import TlsPostgres
from tests.results_support import SIGNER

ROOT = Path(__file__).parents[2]
ROLES = ("auth", "ingest", "results")
SECRET = "not-to-be-shown"


class Findings:
    """What one examination said."""

    def __init__(self, code: int, document: dict[str, Any]) -> None:
        self.code = code
        self.all = [Finding(**finding) for finding in document["findings"]]
        assert (code == 0) == document["ok"]
        assert SECRET not in str(document)

    def of(self, check: str, level: str = "problem") -> list[str]:
        """What was found of this level; each problem and warning comes with advice, or is one."""
        return [finding.what for finding in self.all if (finding.check, finding.level) == (check, level)]

    @property
    def problems(self) -> list[str]:
        """Names of the checks that found one."""
        return [finding.check for finding in self.all if finding.level == "problem"]


Examine = Callable[..., Any]


@pytest.fixture
def examined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Examine:
    """Run the doctor with these variables: `await examined(AMQP_URL=…)`."""

    async def run(**environment: object) -> Findings:
        with monkeypatch.context() as patched:
            patched.setenv("DATA_DIR", str(tmp_path))
            for name, value in environment.items():
                patched.setenv(name, str(value))
            capsys.readouterr()
            code = await asyncio.to_thread(doctor, ["--json"])
        return Findings(code, orjson.loads(capsys.readouterr().out))

    return run


@pytest.fixture
def keyring(tmp_path: Path) -> Path:
    """The keyring of DATA_DIR."""
    Keyring.create(tmp_path / "keyring.json")
    return tmp_path / "keyring.json"


@pytest.fixture
def database_urls(role_url: Callable[[str], str], database_url: str) -> dict[str, str]:
    """A login for each service, and the administrator's."""
    return {
        "DATABASE_ADMIN_URL": database_url,
        **{f"{role.upper()}_DATABASE_URL": role_url(role) for role in ROLES},
    }


@asynccontextmanager
async def http_server(context: ssl.SSLContext | None = None, **headers: str) -> AsyncIterator[str]:
    """A server that gives token keys and takes traces."""

    async def keys(_: web.Request) -> web.Response:
        return web.json_response(text=key_set_of([SIGNER]).model_dump_json(), headers=headers)

    async def traces(request: web.Request) -> web.Response:
        assert request.content_type == "application/x-protobuf"
        return web.Response()

    app = web.Application()
    app.add_routes([web.get("/api/auth/jwks.json", keys), web.post("/v1/traces", traces)])
    server = TestServer(app, scheme="https" if context else "http")
    await server.start_server(ssl=context)
    try:
        yield str(server.make_url("")).rstrip("/")
    finally:
        await server.close()


async def declare(channel: aio_pika.abc.AbstractChannel) -> None:
    """The topology's queues, as any service declares them."""
    for queue in TOPOLOGY.queues():
        await channel.declare_queue(queue.name, durable=True, arguments=dict(queue.arguments))


async def test_a_healthy_system(
    examined: Examine, keyring: Path, tmp_path: Path, database_urls: dict[str, str], amqp_url: str
) -> None:
    (tmp_path / "dicom_file").mkdir()
    async with http_server() as url, await aio_pika.connect(amqp_url) as connection:
        await declare(await connection.channel())
        found = await examined(
            AMQP_URL=amqp_url,
            AUTH_JWKS_URL=f"{url}/api/auth/jwks.json",
            OTEL_EXPORTER_OTLP_ENDPOINT=url,
            **database_urls,
        )
    # How full this machine's disk is, is its own affair.
    assert set(found.problems) <= {"disk", "object store"}, found.all
    assert found.of("object store", "ok")[0] == "Objects can be written."
    well = ("configuration", "outbox", "audit log", "rabbitmq", "keyring", "token keys", "traces", "clock")
    for check in well:
        assert found.of(check, "ok"), check
    for role in ROLES:
        assert found.of(f"postgresql {role}", "ok") == [f"{role} logs in; its schema is at {version(role)}."]
    assert len(found.of("clock", "ok")) == 2
    assert not list((tmp_path / "dicom_file" / ".tmp").iterdir())


def version(schema: str) -> str:
    """Number of a schema's newest migration."""
    return max(path.name for path in (ROOT / "services" / schema / "migrations").glob("*.sql"))[:4]


def test_the_command_before_the_first_start_makes_nothing(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "services", "doctor"],
        env={"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path / "var"), "PORT": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert done.stderr == ""
    for expected in (
        "The embedded PostgreSQL is not running.",
        "-> `make run` starts it.",
        "configuration  ok",
    ):
        assert expected in done.stdout
    assert not (tmp_path / "var").exists()


async def test_a_wrong_setting_hides_nothing(examined: Examine, keyring: Path, tmp_path: Path) -> None:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "databse_url").write_text(SECRET)
    found = await examined(
        PORT="many",
        WORKER_SLOTS="0",
        DATABSE_URL=SECRET,
        SECRETS_DIR=tmp_path / "secrets",
        AMQP_URL=f"amqp://guest:{SECRET}@127.0.0.1:1/",
        DATABASE_URL=f"postgresql://ingest:{SECRET}@127.0.0.1:1/db",
        STORAGE_URL="file:///no/such/folder",
        OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1",
        AUTH_JWKS_URL="http://127.0.0.1:1/jwks.json",
    )
    wrong = found.of("configuration")
    assert {name for name in ("PORT", "WORKER_SLOTS") if any(f"{name}: " in what for what in wrong)} == {
        "PORT",
        "WORKER_SLOTS",
    }
    assert len(found.of("configuration", "warning")) == 2
    assert "Start PostgreSQL at 127.0.0.1:1" in found.of("postgresql ingest")[0]
    assert found.of("postgresql auth", "note") == ["Not looked at: DATABASE_URL is that of ingest."]
    assert "Start RabbitMQ at 127.0.0.1:1" in found.of("rabbitmq")[0]
    assert found.of("object store") == ["Mount or make /no/such/folder: STORAGE_URL names it."]
    assert "Connection refused" in found.of("token keys")[0]
    assert "Connection refused" in found.of("traces", "warning")[0]
    assert found.of("keyring", "ok")


async def test_no_password_of_an_address_is_told(examined: Examine, keyring: Path) -> None:
    address = f"http://collector:{SECRET}@127.0.0.1:1"
    found = await examined(AUTH_JWKS_URL=f"{address}/jwks.json", OTEL_EXPORTER_OTLP_ENDPOINT=address)
    told = found.of("token keys") + found.of("traces", "warning")
    assert len(told) == 2
    assert not any(SECRET in what or "collector" in what for what in told)


async def test_what_require_tls_forbids_is_examined_all_the_same(
    examined: Examine, keyring: Path, amqp_url: str
) -> None:
    found = await examined(REQUIRE_TLS="true", AMQP_URL=amqp_url)
    assert any("REQUIRE_TLS forbids" in what and "AMQP_URL" in what for what in found.of("configuration"))
    assert any("Queues are missing" in what for what in found.of("rabbitmq"))


async def test_queues_that_need_somebody(examined: Examine, keyring: Path, amqp_url: str) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await declare(channel)
        for queue in (PROCESSOR_WORK.queue_of("0"), dead_queue(RESULTS_FILES.queue)):
            await channel.default_exchange.publish(aio_pika.Message(b"{}", delivery_mode=2), queue)
        found = await examined(AMQP_URL=amqp_url)
    assert found.of("rabbitmq") == [
        "1 messages wait in processor.lane.0, and nobody takes them.",
        "results.files.dead holds 1 messages that nobody could read.",
    ]


async def test_an_outbox_that_nobody_empties(
    examined: Examine, keyring: Path, database_url: str, database_urls: dict[str, str]
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO ingest.outbox (event, created_at, dead_at) VALUES "
            "('{}', now() - interval '1 hour', NULL), ('{}', now(), now())"
        )
    finally:
        await connection.close()
    found = await examined(**database_urls)
    assert found.of("outbox")[0] == "1 events of ingest were given up."
    assert found.of("outbox")[1].startswith("1 events of ingest wait, the oldest for 36")


async def test_an_audit_log_that_nobody_seals_or_that_lies_open(
    examined: Examine, keyring: Path, tmp_path: Path, database_url: str, database_urls: dict[str, str]
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO auth.audit_pending (entry, noted_at) VALUES ('{}', now() - interval '1 hour')"
        )
        await connection.execute("DROP TRIGGER audit_log_append_only ON auth.audit_log")
        await connection.execute(
            "INSERT INTO auth.audit_batch VALUES (0, 1, 1, '', '', now(), 'of another keyring', '')"
        )
    finally:
        await connection.close()
    path = tmp_path / "auth-keyring.json"
    Keyring.create(path)
    found = await examined(AUTH_KEYRING_FILE=str(path), **database_urls)
    guard, waiting, key = found.of("audit log")
    assert "audit_log_append_only on" in guard
    assert waiting.startswith("1 entries wait to be sealed, the oldest for 36")
    assert key == f"The log is signed with a key that is not in {path}."
    assert found.of("auth keyring", "ok")


async def test_the_audit_log_outside_of_the_database(
    examined: Examine, keyring: Path, tmp_path: Path, role_url: Any, database_url: str, database_urls: Any
) -> None:
    found = await examined(**database_urls)
    assert found.of("audit anchor", "note")
    assert found.of("audit sinks", "note")
    anchor = tmp_path / "anchors.jsonl"
    database = Database(role_url("auth"), size=2, timeout=5, application_name="test")
    await database.open()
    connection = await asyncpg.connect(database_url)
    try:
        await note(connection, *entries(2))
        await sealer_of(database, anchor).seal()
        told = dict(database_urls, AUDIT_ANCHOR_FILE=anchor, AUDIT_SINK_FILE=tmp_path / "siem.jsonl")
        found = await examined(**told)
        assert found.of("audit anchor", "ok") == [f"{anchor} notes the log up to entry 2."]
        assert len(found.of("audit sinks", "ok")) == 2
        await note(connection, *entries(1))
        await sealer_of(database).seal()
        await connection.execute("INSERT INTO auth.audit_sink VALUES ('webhook', 1, $1, now())", uuid4())
        await connection.execute("ALTER TABLE auth.audit_log DISABLE TRIGGER ALL")
        await connection.execute("UPDATE auth.audit_log SET sealed_at = sealed_at - interval '100 s'")
    finally:
        await connection.close()
        await database.close()
    told |= {"AUDIT_SINK_FILE": tmp_path / "gone" / "siem.jsonl", "AUDIT_SINK_URL": "https://127.0.0.1:1/x"}
    found = await examined(**told)
    assert found.of("audit anchor") == [f"{anchor} notes the log up to entry 2, and it is sealed up to 3."]
    file, url, lag = found.of("audit sinks")
    assert file == f"AUDIT_SINK_FILE {tmp_path}/gone/siem.jsonl cannot be written from here."
    assert url.startswith("No connection with AUDIT_SINK_URL (127.0.0.1:1): ")
    assert lag.startswith("The webhook has not taken an entry that was sealed 10")
    assert found.of("audit sinks", "ok") == ["The file has taken what is sealed."]


async def test_one_keyring_for_everything_is_a_problem(
    examined: Examine, keyring: Path, tmp_path: Path, database_urls: dict[str, str]
) -> None:
    path = tmp_path / "the-same.json"
    shutil.copy(keyring, path)
    found = await examined(AUTH_KEYRING_FILE=str(path), **database_urls)
    assert found.of("auth keyring") == [f"{path} is the keyring of the objects as well."]
    found = await examined(**database_urls)
    assert found.of("auth keyring", "warning")[0].startswith("AUTH_KEYRING_FILE is not set")


async def test_results_of_an_earlier_release(
    examined: Examine, keyring: Path, database_url: str, database_urls: dict[str, str]
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO results.upload_dicomresult (file_id, owner_id, state, precedence, raw_data) "
            "SELECT gen_random_uuid(), 7, 'received', 0, '{}' FROM generate_series(1, 3)"
        )
    finally:
        await connection.close()
    found = await examined(**database_urls)
    (told,) = found.of("results filled", "warning")
    assert told.startswith("3 results of an earlier release lack their study")


async def test_workers_that_went_silent(
    examined: Examine, keyring: Path, database_url: str, database_urls: dict[str, str]
) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "INSERT INTO results.worker (worker, version, state, started_at, told_at, heard_at, seconds, "
            "slots, busy, under_way, files) "
            "SELECT name, '1', 'working', now(), now(), now() - age, 10, 1, 0, 0, '[]' "
            "FROM (VALUES ('a', interval '5 s'), ('b', interval '40 s')) AS beats (name, age)"
        )
        found = await examined(**database_urls)
        (told,) = found.of("workers", "warning")
        assert told.startswith("1 went silent")
        await connection.execute("DELETE FROM results.worker WHERE worker = 'b'")
    finally:
        await connection.close()
    found = await examined(**database_urls)
    assert found.of("workers", "ok") == ["1 at work, 0 ended within the hour."]


async def test_a_database_without_schemas(examined: Examine, keyring: Path, empty_database_url: str) -> None:
    found = await examined(DATABASE_URL=empty_database_url)
    for role in ROLES:
        assert found.of(f"postgresql {role}") == [f"Schema {role} is missing."]
    assert found.of("outbox") == ["There is no ingest.outbox yet.", "There is no results.outbox yet."]


async def test_the_administrator_acts_for_services_whose_login_is_not_known(
    examined: Examine, keyring: Path, database_url: str
) -> None:
    found = await examined(DATABASE_ADMIN_URL=database_url)
    for role in ROLES:
        assert found.of(f"postgresql {role}", "ok"), found.all
    assert found.of("outbox", "ok") == ["0 events of ingest wait.", "0 events of results wait."]
    assert found.of("results filled", "ok")


async def test_exposed_and_missing_keyrings(examined: Examine, keyring: Path, tmp_path: Path) -> None:
    keyring.chmod(0o660)
    assert (await examined()).of("keyring", "warning") == [f"A group may write {keyring}."]
    keyring.chmod(0o644)
    assert "open to every user" in (await examined()).of("keyring")[0]
    keyring.unlink()
    assert (await examined()).of("keyring", "note") == [f"There is no {keyring} yet."]
    (tmp_path / "dicom_file" / "00").mkdir(parents=True)
    assert "There is no keyring at" in (await examined()).of("keyring")[0]


async def test_providers_that_do_not_answer_as_themselves(
    examined: Examine, keyring: Path, tmp_path: Path
) -> None:
    async with LyingProvider().served() as one, LyingProvider().served() as two:
        path = providers_file(tmp_path, one={"issuer": one.url}, two={"issuer": two.url})
        found = await examined(KEYRING_FILE=str(keyring), OIDC_PROVIDERS_FILE=str(path))
        assert len(found.of("providers", "ok")) == 2
        one.metadata["issuer"], two.away = two.url, True
        found = await examined(KEYRING_FILE=str(keyring), OIDC_PROVIDERS_FILE=str(path))
        assert len(found.of("providers")) == 2
        path.write_text('{"providers": [{"name": "' + SECRET + '"}]}')
        found = await examined(KEYRING_FILE=str(keyring), OIDC_PROVIDERS_FILE=str(path))
        assert len(found.of("providers")) == 1


async def test_a_clock_that_differs(examined: Examine, keyring: Path) -> None:
    async with http_server(Date="Wed, 21 Oct 2015 07:28:00 GMT") as url:
        found = await examined(AUTH_JWKS_URL=f"{url}/api/auth/jwks.json")
    (what,) = found.of("clock")
    assert what.startswith("The clock differs from that of auth by ")


async def test_certificates_of_peers(
    examined: Examine, keyring: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The embedded server's pg_dump speaks no TLS.
    monkeypatch.setattr(programs, "DEBIAN", tmp_path / "none")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    certificates = Certificates(tmp_path / "ca")
    now = datetime.now(UTC)
    good = certificates.issue(tmp_path / "good")
    soon = certificates.issue(tmp_path / "soon", life=timedelta(days=5))
    expired = certificates.issue(tmp_path / "expired", start=now - timedelta(days=9), life=timedelta(days=8))
    foreign = certificates.issue(tmp_path / "foreign", ["elsewhere.example"])
    with TlsPostgres(tmp_path, good) as postgres:
        async with (
            http_server(served(expired.certificate, expired.key)) as expired_url,
            http_server(served(foreign.certificate, foreign.key)) as foreign_url,
        ):
            found = await examined(
                TLS_CA_FILE=certificates.ca_file,
                DATABASE_ADMIN_URL=postgres.url().replace("/bddicomimage", "/postgres"),
                INGEST_DATABASE_URL=postgres.url("postgres").replace("dicom-tests-only", SECRET),
                AUTH_JWKS_URL=f"{expired_url}/api/auth/jwks.json",
                OTEL_EXPORTER_OTLP_ENDPOINT=foreign_url,
                RESULTS_PASSWORD=SECRET,
                **soon.environment,
            )
    told = found.of("certificates")
    assert any("refused: certificate has expired" in what for what in told), told
    assert any("refused: IP address mismatch" in what for what in told), told
    assert len(told) == 2
    assert [what.partition(" ends")[0] for what in found.of("certificates", "warning")] == [
        f"TLS_CERT_FILE {soon.certificate}"
    ]
    assert any(f"127.0.0.1:{postgres.port}" in what for what in found.of("certificates", "ok"))
    assert found.of("postgresql administrator", "ok") == ["DATABASE_ADMIN_URL logs in as postgres."]
    (missing,) = found.of("postgresql pg_dump", "warning")
    assert re.match(r"Install postgresql-client-\d+: ", missing)
    assert "does not let user postgres in" in found.of("postgresql ingest")[0]
    assert "does not let user results in" in found.of("postgresql results")[0]
    assert found.of("postgresql auth") == ["Run `python -m services migrate`: there is no role auth yet."]
    assert "certificate has expired" in found.of("token keys")[0]


def served(certificate: Path, key: Path) -> ssl.SSLContext:
    """A server's side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Opened at the end, for threads that hang until then."""
    event = threading.Event()
    yield event
    event.set()


async def test_a_check_that_hangs_or_fails_hides_no_other(gate: threading.Event) -> None:
    async def well() -> list[Finding]:
        return [Finding("well", "ok", "fine")]

    async def broken() -> list[Finding]:
        raise ZeroDivisionError("surprise")

    async def away() -> list[Finding]:
        raise Unavailable("It does not answer.")

    async def hangs() -> list[Finding]:
        await asyncio.Event().wait()
        return []

    async def stuck() -> list[Finding]:
        future = asyncio.get_running_loop().run_in_executor(None, gate.wait)
        while not future.done():
            try:
                await asyncio.shield(future)
            except asyncio.CancelledError:
                continue
        return []

    ends = [Check(run.__name__, run) for run in (broken, away, hangs, stuck, well)]
    findings, is_stuck = await examine(ends, limit=0.2)
    assert is_stuck
    assert [(finding.check, finding.level) for finding in findings] == [
        *((name, "problem") for name in ("broken", "away", "hangs", "stuck")),
        ("well", "ok"),
    ]
    assert findings[0].what == "The check itself failed: ZeroDivisionError: surprise"
    gate.set()
