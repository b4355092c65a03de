"""An intake for tests: real database and object store, and what it keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from libs.common.access import user_collection
from libs.common.arrivals import Arrivals
from libs.common.batches import Batcher
from libs.common.bus.contract import Delivery
from libs.common.bus.inprocess import InProcessBus
from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.events import Event, FileFailed, FileMoved, FileReceived, new_event, parse_event
from libs.common.ids import UserId
from libs.common.outbox.relay import OutboxRelay
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.storage import FileStorage, Storage
from libs.common.telemetry.tracing import Telemetry
from libs.dicom.parse.header import HeaderLimits
from services.ingest.accepting import Candidate, group_commit
from services.ingest.handlers import FailedFiles
from services.ingest.intake import Intake, Limits, Sender
from services.ingest.metrics import IngestMetrics
from services.ingest.moving import Moving
from services.ingest.resending import Accepted
from services.ingest.store import SCHEMA

OWNER = UserId(7)


def sender(owner: UserId = OWNER, collection: str | None = None) -> Sender:
    """Who sends into `collection`, else among their own."""
    return Sender(owner, collection or user_collection(owner))


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def failed_event(file_id: UUID, sha256: str | None = None, **fields: Any) -> Event:
    """What a processor says of a file that it cannot measure."""
    data = FileFailed(
        file_id=file_id,
        owner_id=OWNER,
        reason="decoder-crashed",
        detail="x",
        attempts=2,
        worker="w",
        finished_at=datetime.now(UTC),
        sha256=sha256,
        **fields,
    )
    return new_event("/processor", data)


_RUNNING: set[asyncio.Task[None]] = set()
"""Group commits, until the event loop of their test ends."""


class _Idle(OutboxRelay):
    """Never runs: what is accepted stays in the outbox."""

    def __init__(self, database: Database, telemetry: Telemetry, wake: Callable[[], None]) -> None:
        super().__init__(database, InProcessBus(telemetry), SCHEMA, telemetry)
        self._woken = wake

    def wake(self) -> None:
        self._woken()


def accepting_in(
    database: Database,
    telemetry: Telemetry,
    wake: Callable[[], None] = lambda: None,
    metrics: IngestMetrics | None = None,
) -> Batcher[Candidate]:
    """A group commit that runs, beside a relay that does not."""
    metrics = metrics or IngestMetrics(telemetry.metrics.registry)
    accepting = group_commit(database, _Idle(database, telemetry, wake), metrics)
    _RUNNING.add(task := asyncio.get_running_loop().create_task(accepting.run()))
    task.add_done_callback(_RUNNING.discard)
    return accepting


class CountedArrivals(Arrivals):
    """Knows how many pieces came, and how often a file began to be accepted."""

    noted = 0
    entered = 0

    def note(self) -> None:
        self.noted += 1
        super().note()

    def __enter__(self) -> None:
        self.entered += 1
        super().__enter__()


class Kit:
    """An intake and what it keeps; a second one in the same folder is another process's."""

    def __init__(
        self,
        folder: Path,
        database: Database,
        extensions: frozenset[str] = frozenset(),
        *,
        concurrency: int = 8,
        storage: Storage | None = None,
    ) -> None:
        self.root = folder / "objects"
        self.database = database
        self.woken = 0
        limits = Limits(
            max_file_bytes=3_000_000,
            max_decoded_bytes=1 << 30,
            accepted_extensions=extensions,
            header=HeaderLimits(),
        )
        keyring = folder / "keyring.json"
        self.storage: Storage = storage or FileStorage(
            self.root, Keyring.load(keyring) if keyring.exists() else Keyring.create(keyring)
        )
        telemetry = Telemetry("ingest", TelemetrySettings())
        self.registry = telemetry.metrics.registry
        metrics = IngestMetrics(self.registry)
        self.arrivals = CountedArrivals()
        self.intake = Intake(
            self.storage,
            database,
            limits,
            telemetry,
            metrics,
            accepting_in(database, telemetry, self.wake, metrics),
            self.arrivals,
            concurrency=concurrency,
            wake=self.wake,
        )
        self.moving = Moving(self.storage, database, wake=self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def send(
        self,
        content: bytes,
        name: str | None = "a.dcm",
        owner: UserId = OWNER,
        collection: str | None = None,
    ) -> Accepted:
        return await self.intake.receive(pieces(content), name, sender(owner, collection))

    async def fail(self, file_id: UUID, sha256: str | None = None) -> None:
        """Have ingest hear that a file could not be measured; `sha256` as newer releases tell it."""
        await self.hear(failed_event(file_id, sha256))

    async def hear(self, event: Event) -> None:
        """Handle an outcome."""
        await FailedFiles(self.database)(Delivery(event, 1))

    def counted(self) -> dict[str, float]:
        """Files by outcome, those that occurred."""
        (counter,) = [m for m in self.registry.collect() if m.name == "ingest_files"]
        found = {s.labels["outcome"]: s.value for s in counter.samples if s.name == "ingest_files_total"}
        assert set(found) == {"accepted", "duplicate", "conflict", "rejected", "unavailable"}
        return {outcome: value for outcome, value in found.items() if value}

    def objects(self) -> list[str]:
        """Names of all files, unfinished ones too."""
        return sorted(p.name for p in self.root.rglob("*") if p.is_file())

    def path(self, file_id: UUID) -> Path:
        """Where a file's object lies."""
        return self.root / str(file_id)[-2:] / str(file_id)

    async def events(self) -> list[FileReceived]:
        """What was accepted or queued again, oldest first."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT event::text FROM ingest.outbox ORDER BY id")
        data = [parse_event(row[0]).data for row in rows]
        assert all(isinstance(d, FileReceived | FileMoved) for d in data)
        return [d for d in data if isinstance(d, FileReceived)]

    async def moved(self) -> list[FileMoved]:
        """Moves that were announced, oldest first."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT event::text FROM ingest.outbox ORDER BY id")
        return [d for row in rows if isinstance(d := parse_event(row[0]).data, FileMoved)]

    async def row(self, file_id: UUID) -> Any:
        """A file's row."""
        async with self.database.connection() as connection:
            return await connection.fetchrow("SELECT * FROM ingest.upload_dicomfile WHERE id = $1", file_id)

    async def states(self) -> dict[UUID, str]:
        """State by id."""
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT id, state FROM ingest.upload_dicomfile")
        return {row["id"]: row["state"] for row in rows}
