"""`python -m services`: migrate, psql, and what stops a start: one sentence, no password, exit code 1."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import aio_pika
import asyncpg
import pytest

from libs.common.bus.inspection import depths
from libs.common.bus.lanes import DEFAULT_LARGE_BYTES
from libs.common.bus.topology import TOPOLOGY, with_lanes
from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError
from libs.postgresql import folder
from libs.postgresql.embedded import EmbeddedPostgres
from services.allinone.running import prepare_auth_keyring
from services.operator.settings import DATABASE, OperatorSettings
from tests.audit_support import entries, note, sealer_of
from tests.broker_accounts import make_accounts
from tests.bus_support import received
from tests.fixtures_postgres import PostgresServer
from tests.rabbitmq_node import RabbitMQNode

ROOT = Path(__file__).parents[2]
SECRET = "not-to-be-shown"


def command(*arguments: str, stdin: str = "", **environment: object) -> subprocess.CompletedProcess[str]:
    """Run `python -m services` with nothing of this process's settings but PATH and `environment`."""
    return subprocess.run(
        [sys.executable, "-m", "services", *arguments],
        env={"PATH": os.environ["PATH"], **{name: str(value) for name, value in environment.items()}},
        cwd=ROOT,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )


def refused(done: subprocess.CompletedProcess[str], expected: str) -> None:
    """The command ended with code 1 and one sentence that has `expected` in it."""
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert expected in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert SECRET not in done.stderr


@pytest.fixture
def missing_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a database that does not exist yet; dropped at the end if it does then."""
    name = "test_made_by_migrate"
    yield name
    postgres_server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def busy_port() -> Iterator[int]:
    """A port of the loopback interface that somebody listens on."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener.getsockname()[1]


def test_migrate_makes_the_database_and_applies_everything_once(
    postgres_server: PostgresServer, missing_database: str
) -> None:
    url = postgres_server.url(missing_database)
    done = command("migrate", DATABASE_ADMIN_URL=url)
    assert done.returncode == 0, done.stderr
    applied = done.stdout.splitlines()
    assert "applied results/0001_results" in applied
    assert {line.split()[1].split("/")[0] for line in applied} == {"results", "ingest", "auth"}
    assert command("migrate", DATABASE_URL=url).stdout == "nothing to apply\n"


async def test_migrate_declares_the_queues_of_the_broker(
    postgres_server: PostgresServer, missing_database: str, amqp_url: str
) -> None:
    """As many lanes as the deployment has, bound, so that nothing that is published then gets lost."""
    url = postgres_server.url(missing_database)
    done = await asyncio.to_thread(command, "migrate", DATABASE_ADMIN_URL=url, AMQP_URL=amqp_url, LANES=10)
    assert done.returncode == 0, done.stderr
    topology = with_lanes(TOPOLOGY, 10, DEFAULT_LARGE_BYTES)
    assert done.stdout.splitlines()[0] == f"declared {len(topology.queues())} queues"
    async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
        assert None not in {depth.messages for depth in await depths(connection, topology)}
        events = await channel.get_exchange(topology.exchange, ensure=False)
        copies = await channel.get_exchange(topology.copies, ensure=False)
        event = received(collection="user:7")
        for exchange, key in ((events, event.type), (copies, "processor.lane.9")):
            await exchange.publish(aio_pika.Message(event.to_json()), key, mandatory=True)
        waiting = {depth.queue for depth in await depths(connection, topology) if depth.messages}
    assert waiting == {"processor.lane.0", "processor.lane.9", "results.files"}


async def test_migrate_without_the_right_to_declare_changes_nothing(
    postgres_server: PostgresServer, missing_database: str, rabbitmq_node: RabbitMQNode, vhost: str
) -> None:
    urls = await asyncio.to_thread(make_accounts, rabbitmq_node, vhost)
    url = postgres_server.url(missing_database)
    for amqp_url, expected in (
        (urls["results"], f"user results.{vhost} may not declare the queues"),
        (f"amqp://guest:{SECRET}@127.0.0.1:1/", "Start RabbitMQ at 127.0.0.1:1"),
    ):
        done = await asyncio.to_thread(command, "migrate", DATABASE_ADMIN_URL=url, AMQP_URL=amqp_url)
        refused(done, expected)
        with pytest.raises(asyncpg.InvalidCatalogNameError):
            await asyncpg.connect(url)


def test_migrate_needs_a_url() -> None:
    refused(command("migrate"), "Set DATABASE_ADMIN_URL or DATABASE_URL")


def test_migrate_explains_a_login_without_the_right_to_make_databases(
    postgres_server: PostgresServer, template_database: str, missing_database: str
) -> None:
    url = postgres_server.url(missing_database, "ingest")
    refused(command("migrate", DATABASE_ADMIN_URL=url), "Create the database first: user ingest may not")


def test_migrate_explains_a_login_without_rights(role_url: Callable[[str], str]) -> None:
    done = command("migrate", DATABASE_ADMIN_URL=role_url("ingest"))
    refused(done, "must be a superuser, or own database")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/db", "Start PostgreSQL at 127.0.0.1:1"),
        (f"postgresql://u:{SECRET}@no-such-host.invalid/db", "unknown host name"),
        (f"mysql://u:{SECRET}@127.0.0.1/db", "the form is postgresql://"),
        (f"postgresql://u:{SECRET}/x@127.0.0.1/db", "percent-encoded"),
    ],
)
def test_migrate_explains_a_wrong_url(url: str, expected: str) -> None:
    refused(command("migrate", DATABASE_ADMIN_URL=url), expected)


def test_migrate_explains_an_unknown_user(postgres_server: PostgresServer) -> None:
    done = command("migrate", DATABASE_URL=postgres_server.url("postgres", "nobody"))
    refused(done, "does not let user nobody in")


def test_psql_is_the_operators_on_database_url(database_url: str) -> None:
    for setting in ("DATABASE_URL", "DATABASE_ADMIN_URL"):
        done = command("psql", "-At", "-c", "SELECT current_user", **{setting: database_url})
        assert (done.returncode, done.stdout) == (0, "operator\n"), done.stderr
    done = command("psql", "-c", "SELECT nonsense", DATABASE_URL=database_url)
    assert done.returncode == 1


def test_psql_starts_the_embedded_server_for_the_session(data_dir: Path) -> None:
    statements = "\\dt\nSELECT * FROM upload_dicomfile;\n\\d upload_dicomresult\nSELECT current_user;\n"
    done = command("psql", stdin=statements, DATA_DIR=data_dir)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for expected in ("upload_dicomresult", "(0 rows)", "operator"):
        assert expected in done.stdout
    assert folder.read_status(data_dir) is None


def test_psql_joins_the_server_that_runs_already(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir) as server:
        made = command("migrate", DATABASE_ADMIN_URL=server.url(DATABASE))
        assert made.returncode == 0, made.stderr
        done = command("psql", "-At", "-c", "SELECT current_user, pg_backend_pid() > 0", DATA_DIR=data_dir)
        assert (done.returncode, done.stdout) == (0, "operator|t\n"), done.stderr
        assert folder.read_status(data_dir) is not None


def test_accounts_are_made_on_the_embedded_server_running_or_not(data_dir: Path) -> None:
    made = command("create-user", "ana", "--staff", stdin="a good password\n", DATA_DIR=data_dir)
    assert (made.returncode, made.stderr) == (0, "")
    with EmbeddedPostgres(data_dir):
        made = command("create-user", "beto", stdin="a good password\n", DATA_DIR=data_dir)
        assert (made.returncode, made.stderr) == (0, "")
        refused(command("create-user", "ANA", stdin="a good password\n", DATA_DIR=data_dir), "ANA")
        query = "SELECT username, is_staff FROM auth.auth_user ORDER BY 1"
        done = command("psql", "-At", "-c", query, DATA_DIR=data_dir)
        assert done.stdout == "ana|t\nbeto|f\n", done.stderr


def test_an_unknown_command_shows_the_usage() -> None:
    done = command("dance")
    assert done.returncode == 2
    assert "usage: python -m services" in done.stderr


def test_a_busy_port_stops_the_start_before_anything_is_made(data_dir: Path, busy_port: int) -> None:
    refused(command(PORT=busy_port, DATA_DIR=data_dir), f"Port {busy_port} on 127.0.0.1 is in use")
    assert not folder.log_file(data_dir).exists()


def test_a_folder_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused(command(PORT=0, DATA_DIR=tmp_path / "file" / "var"), "set DATA_DIR to another folder")


def test_objects_without_their_keyring_stop_the_start(data_dir: Path) -> None:
    (data_dir / "dicom_file" / "0").mkdir(parents=True)
    refused(command(PORT=0, DATA_DIR=data_dir), "There is no keyring at")
    assert not (data_dir / "keyring.json").exists()


def test_a_folder_in_use_stops_the_start(data_dir: Path) -> None:
    with EmbeddedPostgres(data_dir):
        refused(command(PORT=0, DATA_DIR=data_dir), f"is in use by process {os.getpid()}")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"postgresql://u:{SECRET}@127.0.0.1:1/db", "Start PostgreSQL at 127.0.0.1:1, or correct DATABASE_"),
        (f"postgres//u:{SECRET}@127.0.0.1/db", "the form is postgresql://"),
    ],
)
def test_a_wrong_database_url_stops_the_start(tmp_path: Path, url: str, expected: str) -> None:
    refused(command(PORT=0, DATA_DIR=tmp_path, DATABASE_URL=url), expected)


def test_a_login_that_cannot_act_for_the_services_stops_the_start(
    tmp_path: Path, database_url: str, role_url: Callable[[str], str]
) -> None:
    done = command(
        PORT=0, DATA_DIR=tmp_path, DATABASE_ADMIN_URL=database_url, DATABASE_URL=role_url("ingest")
    )
    refused(done, 'GRANT "results" TO "ingest"')


def test_a_broker_that_is_not_there_stops_the_start(data_dir: Path) -> None:
    done = command(PORT=0, DATA_DIR=data_dir, AMQP_URL=f"amqp://guest:{SECRET}@127.0.0.1:1/")
    refused(done, "Start RabbitMQ at 127.0.0.1:1, or correct or unset AMQP_URL")
    assert folder.read_status(data_dir) is None


async def test_a_missing_keyring_of_auth_is_made_only_where_nothing_needs_it(
    tmp_path: Path, database_url: str
) -> None:
    settings = OperatorSettings(data_dir=tmp_path)
    made = settings.auth_keyring_path
    await prepare_auth_keyring(settings, database_url)
    assert Keyring.load(made)
    before = made.read_bytes()
    connection = await asyncpg.connect(database_url)
    try:
        await note(connection, *entries(1))
    finally:
        await connection.close()
    database = Database(database_url, size=2, timeout=5, application_name="test")
    await database.open()
    assert await sealer_of(database).seal() == 1
    await database.close()
    await prepare_auth_keyring(settings, database_url)
    assert made.read_bytes() == before
    made.unlink()
    with pytest.raises(ConfigurationError, match=r"Put .*auth-keyring.json back from its copy"):
        await prepare_auth_keyring(settings, database_url)
    assert not made.exists()
    # Whoever names a keyring has one.
    await prepare_auth_keyring(settings.model_copy(update={"auth_keyring_file": made}), database_url)
    assert not made.exists()
