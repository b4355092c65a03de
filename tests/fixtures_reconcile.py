"""A system to reconcile: ingest and results on one database and one folder."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from uuid import UUID

import asyncpg
import pytest

from libs.common.access import Viewer
from libs.common.arrivals import Arrivals
from libs.common.database.postgres import Connection, Database
from libs.common.encryption.keyring import Keyring
from libs.common.events import FileReceived, new_event, parse_event
from libs.common.ids import UserId, thumbnail_key
from libs.common.permissions import ALL
from libs.common.storage import FileStorage, Storage
from libs.dicom.parse.header import HeaderLimits
from services.ingest.intake import Intake, Limits
from services.ingest.metrics import IngestMetrics
from services.ingest.moving import Moving
from services.operator.reconcile.findings import Discrepancy, Options
from services.operator.reconcile.reconciliation import Reconciliation
from tests.builders import ct_instance
from tests.bus_support import make_telemetry
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import accepting_in, sender
from tests.results_support import Results, running_results
from tests.unit.services.results.events import processed

OWNER = UserId(7)
TWO_DAYS = 2 * 86_400.0


@dataclass
class World:
    """Ingest and results on one database and one folder, and an operator's connection."""

    folder: Path
    storage: Storage
    ingest: Database
    intake: Intake
    results: Results
    operator: Database
    sql: Connection
    url: str
    seed: int = 0

    async def accept_in(self, storage: Storage) -> UUID:
        """Accept a file whose object goes to another store."""
        self.intake = make_intake(storage, self.ingest)
        return await self.accept()

    async def accept(self, content: bytes | None = None, collection: str | None = None) -> UUID:
        """Accept a file, a new one unless it is given; its event is published, so nothing waits."""
        self.seed += 1
        made = ct_instance(seed=self.seed) if content is None else content

        async def pieces() -> AsyncIterator[bytes]:
            yield made

        accepted = await self.intake.receive(pieces(), f"cd/{self.seed}.dcm", sender(OWNER, collection))
        await self.quiet()
        return accepted.id

    async def quiet(self) -> None:
        """Have every event be passed on a minute ago."""
        await self.sql.execute("UPDATE ingest.outbox SET published_at = now() - interval '1 minute'")

    async def move(self, file_id: UUID, to: str, *, told: bool = True) -> None:
        """Move a file, and tell results."""
        viewer = Viewer(OWNER, MappingProxyType({"user:7": "manage", to: "manage"}), ALL)
        await Moving(self.storage, self.ingest, wake=lambda: None).move(file_id, to, viewer)
        event = await self.sql.fetchval("SELECT event::text FROM ingest.outbox ORDER BY id DESC LIMIT 1")
        await self.quiet()
        if told:
            await self.results.publish(parse_event(event))

    async def forget(self, file_id: UUID, *schemas: str) -> None:
        """Have ingest or results, or both, lose their row of a file."""
        for schema in schemas or ("ingest", "results"):
            table, column = {
                "ingest": ("ingest.upload_dicomfile", "id"),
                "results": ("results.upload_dicomresult", "file_id"),
            }[schema]
            await self.sql.execute(f"DELETE FROM {table} WHERE {column} = $1", file_id)

    async def row(self, file_id: UUID) -> dict[str, object]:
        """Ingest's row."""
        found = await self.sql.fetchrow("SELECT * FROM ingest.upload_dicomfile WHERE id = $1", file_id)
        assert found is not None
        return dict(found)

    async def announced(self, file_id: UUID) -> list[FileReceived]:
        """What the outbox says of a file, oldest first."""
        rows = await self.sql.fetch(
            "SELECT event::text FROM ingest.outbox WHERE event->>'subject' = $1 ORDER BY id", str(file_id)
        )
        data = [parse_event(row[0]).data for row in rows]
        return [one for one in data if isinstance(one, FileReceived)]

    async def process(self, file_id: UUID) -> UUID:
        """Have a file received and processed, with a thumbnail."""
        (data, *_) = await self.announced(file_id)
        await self.storage.put(thumbnail_key(file_id), b"JPEG", {}, durable=False)
        await self.results.publish(new_event("/ingest", data), processed(file_id, OWNER))
        return file_id

    async def look(self, **options: bool | float) -> list[Discrepancy]:
        """Reconcile; every file counts as old unless `older_than` says otherwise."""
        backlog = bool(options.pop("backlog", False))
        chosen = Options(**{"older_than": 0.0, **options})  # type: ignore[arg-type]
        run = Reconciliation(self.operator, self.storage, chosen, backlog=backlog)
        found = [finding async for finding in run.findings()]
        assert run.tally.found.total() == len(found)
        return found

    async def kinds(self, **options: bool | float) -> set[tuple[str, str]]:
        """Kind and subject of each finding."""
        return {(finding.kind, finding.subject) for finding in await self.look(**options)}

    def path(self, key: str) -> Path:
        """Where an object lies."""
        (found,) = (self.folder / "dicom_file").glob(f"*/{key}")
        return found

    def make_old(self, key: str) -> None:
        """Have an object be two days old."""
        then = time.time() - TWO_DAYS
        os.utime(self.path(key), (then, then))


def make_intake(storage: Storage, database: Database) -> Intake:
    """What receives uploads, with nobody to wake."""
    limits = Limits(
        max_file_bytes=3_000_000,
        max_decoded_bytes=1 << 30,
        accepted_extensions=frozenset(),
        header=HeaderLimits(),
    )
    telemetry = make_telemetry()
    metrics = IngestMetrics(telemetry.metrics.registry)
    accepting = accepting_in(database, telemetry, metrics=metrics)
    return Intake(
        storage, database, limits, telemetry, metrics, accepting, Arrivals(), concurrency=2, wake=lambda: None
    )


@pytest.fixture
async def world(
    tmp_path: Path, open_database: OpenDatabase, role_url: Callable[[str], str], database_url: str
) -> AsyncIterator[World]:
    async with (
        running_results(role_url("results"), tmp_path) as results,
        contextlib.AsyncExitStack() as stack,
    ):
        storage = FileStorage(tmp_path / "dicom_file", Keyring.load(tmp_path / "keyring.json"))
        ingest = await open_database("ingest")
        intake = make_intake(storage, ingest)
        operator = Database(database_url, size=2, timeout=10.0, application_name="reconcile")
        await operator.open()
        stack.push_async_callback(operator.close)
        sql = await asyncpg.connect(database_url)
        stack.push_async_callback(sql.close)
        yield World(tmp_path, storage, ingest, intake, results, operator, sql, database_url)
