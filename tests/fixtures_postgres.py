"""PostgreSQL for tests: a server for the session, and a database per test, copied from a migrated template.

The server is the embedded one, made for the session and thrown away, or the one that TEST_DATABASE_URL names
(its user must be a superuser; the services' roles get the password ROLE_PASSWORD there).
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
import pytest

from libs.common.database.postgres import Connection, Database
from libs.common.database.roles import OPERATOR
from libs.postgresql.embedded import EmbeddedPostgres
from libs.postgresql.folder import cluster
from services.operator.migrations import MIGRATIONS, bring_up_to_date

ROLE_PASSWORD = "dicom-tests-only"
ROLES = (*(source.schema for source in MIGRATIONS), OPERATOR)

# Nothing here has to survive a power cut.
FAST = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off", "max_connections": "300"}

T = TypeVar("T")


@dataclass(frozen=True)
class PostgresServer:
    """A server; `admin_url` logs in as superuser on its maintenance database."""

    admin_url: str

    def url(self, database: str, user: str | None = None) -> str:
        """URL of `database`, as superuser or as one of ROLES."""
        parts = urlsplit(self.admin_url)
        if user is not None:
            host = parts.netloc.rpartition("@")[2]
            parts = parts._replace(netloc=f"{quote(user)}:{ROLE_PASSWORD}@{host}")
        return urlunsplit(parts._replace(path=f"/{database}"))

    def execute(self, *statements: str) -> None:
        """Run statements as superuser, each on its own, from anywhere."""

        async def run() -> None:
            connection = await asyncpg.connect(self.admin_url)
            try:
                for statement in statements:
                    await connection.execute(statement)
            finally:
                await connection.close()

        run_apart(run())

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """A new database, by name; dropped at the end."""
        name = f"test_{secrets.token_hex(6)}"
        # Settings of a database are not copied with it.
        search_path = ", ".join([OPERATOR, *(source.schema for source in MIGRATIONS)])
        self.execute(
            f'CREATE DATABASE "{name}" TEMPLATE "{template}"',
            f'ALTER DATABASE "{name}" SET search_path = {search_path}, public',
        )
        try:
            yield name
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def filled_database(server: PostgresServer, template: str, *statements: tuple[Any, ...]) -> Iterator[str]:
    """A copy of `template`, by name, filled by these statements and their values on one connection."""

    async def fill(url: str) -> None:
        connection = await asyncpg.connect(url)
        try:
            for statement, *values in statements:
                await connection.execute(statement, *values)
        finally:
            await connection.close()

    with server.database(template) as name:
        run_apart(fill(server.url(name)))
        yield name


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end beside whatever event loop this thread has."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(asyncio.run, work).result()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """The session's server."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield PostgresServer(given)
        return
    folder: Path = tmp_path_factory.mktemp("postgres")
    with EmbeddedPostgres(folder, FAST) as server:
        yield PostgresServer(server.url("postgres"))


@pytest.fixture(scope="session")
def fresh_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cluster as the first start leaves it, to be copied: making one takes seconds on a busy disk."""
    folder = tmp_path_factory.mktemp("cluster")
    with EmbeddedPostgres(folder):
        pass
    return cluster(folder)


@pytest.fixture
def data_dir(tmp_path: Path, fresh_cluster: Path) -> Path:
    """A DATA_DIR for an embedded server of the test's own."""
    folder = tmp_path / "var"
    folder.mkdir(mode=0o700)
    shutil.copytree(fresh_cluster, cluster(folder))
    return folder


@pytest.fixture(scope="session")
def template_database(postgres_server: PostgresServer) -> Iterator[str]:
    """Name of a database with every migration applied."""
    with postgres_server.database() as name:
        run_apart(bring_up_to_date(postgres_server.url(name)))
        if os.environ.get("TEST_DATABASE_URL"):
            postgres_server.execute(*(f"ALTER ROLE \"{role}\" PASSWORD '{ROLE_PASSWORD}'" for role in ROLES))
        yield name


@pytest.fixture
def database_name(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """Name of this test's own migrated database."""
    with postgres_server.database(template_database) as name:
        yield name


@pytest.fixture
def database_url(postgres_server: PostgresServer, database_name: str) -> str:
    """URL of this test's own migrated database, as superuser."""
    return postgres_server.url(database_name)


@pytest.fixture
def role_url(postgres_server: PostgresServer, database_name: str) -> Callable[[str], str]:
    """URL of this test's database as a service's own role, e.g. `role_url("ingest")`."""
    return lambda role: postgres_server.url(database_name, role)


@pytest.fixture
def empty_database_url(postgres_server: PostgresServer) -> Iterator[str]:
    """URL of a database without any schema, as superuser."""
    with postgres_server.database() as name:
        yield postgres_server.url(name)


OpenDatabase = Callable[..., Awaitable[Database]]


@pytest.fixture
async def open_database(role_url: Callable[[str], str]) -> AsyncIterator[OpenDatabase]:
    """Open a pool as a service's role: `await open_database("ingest")`; closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_as(role: str, *, size: int = 5, timeout: float = 10.0) -> Database:
            database = Database(role_url(role), size=size, timeout=timeout, application_name=f"test-{role}")
            await database.open()
            stack.push_async_callback(database.close)
            return database

        yield open_as


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    """A superuser's connection to the test's database."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()
