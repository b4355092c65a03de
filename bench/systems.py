"""The two systems under load: one process on embedded defaults, and separate processes on RabbitMQ."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.accounting import Usage, descendant, usage_of
from libs.common.encryption.keyring import Keyring
from libs.postgresql import folder as postgres_folder
from libs.postgresql.embedded import EmbeddedPostgres
from tests.e2e.processes import ROOT, Process, embedded, one_url, separate, start_all, stop_all, urls_of
from tests.rabbitmq_node import RabbitMQNode


@dataclass(frozen=True)
class System:
    """Base URLs by service, and the process trees to account for: name -> (pid, excluded pids)."""

    urls: Mapping[str, str]
    trees: Mapping[str, tuple[int, frozenset[int]]]
    database: str
    """URL of an administrator."""

    async def written(self) -> dict[str, int]:
        """Bytes that PostgreSQL has written so far: write-ahead log, and tables with their indexes."""
        connection = await asyncpg.connect(self.database)
        try:
            wal = await connection.fetchval("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")
            tables = await connection.fetchval(
                "SELECT sum(pg_total_relation_size(oid))::bigint FROM pg_class WHERE relkind = 'r'"
            )
        finally:
            await connection.close()
        return {"wal": int(wal), "tables": int(tables)}

    def usage(self) -> dict[str, Usage]:
        """CPU and peak memory of each tree, now."""
        return {name: usage_of(pid, without=without) for name, (pid, without) in self.trees.items()}


@asynccontextmanager
async def embedded_system(folder: Path, **environment: str) -> AsyncIterator[System]:
    """`python -m services`."""
    process = embedded(folder / "embedded", LOG_LEVEL="WARNING", **environment)
    await start_all([process])
    try:
        postgres = descendant(process.pid, "postgres")
        assert postgres is not None
        own = frozenset({postgres})
        yield System(
            one_url(process),
            {"services": (process.pid, own), "postgresql": (postgres, frozenset())},
            postgres_folder.url(
                postgres_folder.socket_folder(folder / "embedded"), "bddicomimage", "postgres"
            ),
        )
    finally:
        stop_all([process])


@contextmanager
def separate_processes(
    folder: Path, **environment: str
) -> Iterator[tuple[dict[str, Process], EmbeddedPostgres, RabbitMQNode]]:
    """The four services, not yet started, on PostgreSQL with its tables and a private RabbitMQ node."""
    (folder / "rabbitmq").mkdir(parents=True)
    rabbitmq = RabbitMQNode(folder / "rabbitmq")
    with EmbeddedPostgres(folder) as postgres, closing(rabbitmq):
        rabbitmq.start()
        Keyring.create(folder / "keyring.json")
        subprocess.run(
            [sys.executable, "-m", "services", "migrate"],
            cwd=ROOT,
            env={"DATABASE_ADMIN_URL": postgres.url("bddicomimage"), "PATH": "/usr/bin:/bin"},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        roles = {role: postgres.url("bddicomimage", role) for role in ("auth", "ingest", "results")}
        processes = separate(folder, roles, rabbitmq.url(), LOG_LEVEL="WARNING", **environment)
        yield processes, postgres, rabbitmq


@asynccontextmanager
async def separate_system(folder: Path, **environment: str) -> AsyncIterator[System]:
    """auth, ingest, processor and results on PostgreSQL and a private RabbitMQ node."""
    with separate_processes(folder / "separate", **environment) as (processes, postgres, rabbitmq):
        await start_all(processes.values())
        try:
            trees = {name: (process.pid, frozenset[int]()) for name, process in processes.items()}
            trees["postgresql"] = (postgres.pid, frozenset())
            trees["rabbitmq"] = (rabbitmq.pid, frozenset())
            yield System(urls_of(processes), trees, postgres.url("bddicomimage"))
        finally:
            stop_all(processes.values())
