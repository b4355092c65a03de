"""The two running systems of the end-to-end tests, each started once."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from libs.common.encryption.keyring import Keyring
from libs.postgresql import folder as postgres_folder
from tests.broker_accounts import make_accounts
from tests.chromium import chromium
from tests.commands import run_command
from tests.e2e.processes import (
    PASSWORD,
    Client,
    Process,
    client_of,
    embedded,
    one_url,
    separate,
    start_all,
    stop_all,
    urls_of,
)
from tests.fixtures_postgres import PostgresServer, run_apart
from tests.rabbitmq_node import RabbitMQNode

E2E_VHOST = "e2e"


@dataclass(frozen=True)
class System:
    """A running system: where it listens, what it keeps, and how its database is reached."""

    urls: Mapping[str, str]
    processes: Mapping[str, Process]
    data_dir: Path
    database_url: Callable[[str], str]
    """By role."""
    tls: ssl.SSLContext | None = None
    """Where a private CA signed."""

    def create_user(self, name: str, *, staff: bool = False, more: Sequence[str] = ()) -> None:
        """Make an account the way an operator does; `more` arguments of the command."""
        options = [*(["--staff", "--permission", "view_all_dicomresult"] if staff else []), *more]
        env = {"DATABASE_URL": self.database_url("auth")}
        made = run_command("services.auth", "create-user", name, *options, env=env, given=f"{PASSWORD}\n")
        assert made.returncode == 0, made.stderr

    def outputs(self) -> list[str]:
        """What each process printed."""
        return [process.output() for process in self.processes.values()]


VIEWERS = {
    "Visor web": "{publicUrl}/help?study={studyUid}&of={collection}",
    "Weasis": "weasis://?%24dicom%3Ars%20--url%20%22{dicomwebUrl}%22%20-r%20%22studyUID%3D{studyUid}%22",
}
"""One in a tab, and one that is a program."""


@pytest.fixture(scope="session")
def embedded_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """`python -m services` on embedded defaults."""
    data_dir = tmp_path_factory.mktemp("embedded") / "var"
    process = embedded(data_dir, STORIES="true", VIEWERS=json.dumps(VIEWERS))
    try:
        run_apart(start_all([process]))
        sockets = postgres_folder.socket_folder(data_dir)
        yield System(
            one_url(process),
            {"services": process},
            data_dir,
            lambda role: postgres_folder.url(sockets, "bddicomimage", role),
        )
    finally:
        stop_all([process])


@pytest.fixture(scope="session")
def session_amqp_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """URL, with all rights, of a virtual host that the session's separate processes have for themselves."""
    given = os.environ.get("TEST_AMQP_URL")
    if given:
        yield given
        return
    node: RabbitMQNode = request.getfixturevalue("rabbitmq_node")
    node.add_vhost(E2E_VHOST)
    yield node.url(E2E_VHOST)
    node.delete_vhost(E2E_VHOST)


@pytest.fixture(scope="session")
def separate_system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    """auth, ingest, processor and results as processes of their own on RabbitMQ and PostgreSQL.

    Each has the rights in RabbitMQ that a deployment gives it.
    """
    server: PostgresServer = request.getfixturevalue("postgres_server")
    folder = tmp_path_factory.mktemp("separate")
    Keyring.create(folder / "keyring.json")
    with ExitStack() as stack:
        template = request.getfixturevalue("template_database")
        name = stack.enter_context(server.database(template))
        broker: str | Mapping[str, str] = request.getfixturevalue("session_amqp_url")
        if not os.environ.get("TEST_AMQP_URL"):
            broker = make_accounts(request.getfixturevalue("rabbitmq_node"), E2E_VHOST)
        roles = {role: server.url(name, role) for role in ("auth", "ingest", "results")}
        processes = separate(folder, roles, broker)
        try:
            run_apart(start_all(processes.values()))
            yield System(urls_of(processes), processes, folder, lambda role: server.url(name, role))
        finally:
            stop_all(processes.values())


@pytest.fixture(params=["embedded", "separate"])
def system(request: pytest.FixtureRequest) -> System:
    """Each of the two in turn."""
    found: System = request.getfixturevalue(f"{request.param}_system")
    return found


NewUser = Callable[..., Awaitable[Client]]


@pytest.fixture
async def new_user(system: System) -> AsyncIterator[NewUser]:
    """Make an account with a new name and sign it in: `await new_user(staff=True)`."""
    async with client_of(system.urls, system.tls) as shared:

        async def make(*, staff: bool = False) -> Client:
            name = f"user-{secrets.token_hex(4)}"
            await asyncio.to_thread(system.create_user, name, staff=staff)
            client = Client(shared.session, system.urls, system.tls)
            await client.login(name, PASSWORD)
            return client

        yield make


@pytest.fixture
async def client(new_user: NewUser) -> Client:
    """A signed-in ordinary user that owns nothing yet."""
    return await new_user()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of one file."""
    with chromium() as started:
        yield started


@pytest.fixture
def new_reader(browser: Browser, embedded_system: System) -> Iterator[Callable[..., Any]]:
    """Make accounts, each signed in on the embedded system (`NewReader`)."""
    from tests.e2e.portal_page import readers  # it names what stands here

    yield from readers(browser, embedded_system)
