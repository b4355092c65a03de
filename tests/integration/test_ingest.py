"""Intake on real PostgreSQL and real storage: what is kept when things go wrong or happen at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Conflict, InvalidContent, Reject, TooLarge, Unavailable, UnsupportedType
from libs.common.events import FileFailed, FileReceived, new_event, parse_event
from libs.common.ids import UserId
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.storage import FileStorage
from libs.common.telemetry.tracing import Telemetry
from libs.dicom.parse.header import HeaderLimits
from services.ingest.handlers import Outcomes
from services.ingest.intake import Accepted, Intake, Limits
from services.ingest.metrics import IngestMetrics
from tests.builders import ct_instance
from tests.fixtures_postgres import OpenDatabase

OWNER = UserId(7)


async def pieces(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


class Kit:
    """An intake and what it keeps."""

    def __init__(self, folder: Path, database: Database, extensions: frozenset[str] = frozenset()) -> None:
        self.root = folder / "objects"
        self.database = database
        self.woken = 0
        limits = Limits(
            max_file_bytes=3_000_000,
            max_decoded_bytes=1 << 30,
            accepted_extensions=extensions,
            header=HeaderLimits(),
        )
        storage = FileStorage(self.root, Keyring.create(folder / "keyring.json"))
        telemetry = Telemetry("ingest", TelemetrySettings())
        self.registry = telemetry.metrics.registry
        metrics = IngestMetrics(self.registry)
        self.intake = Intake(storage, database, limits, telemetry, metrics, concurrency=8, wake=self.wake)

    def wake(self) -> None:
        self.woken += 1

    async def send(self, content: bytes, name: str | None = "a.dcm", owner: UserId = OWNER) -> Accepted:
        return await self.intake.receive(pieces(content), name, owner)

    def counted(self) -> dict[str, float]:
        """Files by outcome, those that occurred."""
        (counter,) = [m for m in self.registry.collect() if m.name == "ingest_files"]
        found = {s.labels["outcome"]: s.value for s in counter.samples if s.name == "ingest_files_total"}
        assert set(found) == {"accepted", "duplicate", "conflict", "rejected", "unavailable"}
        return {outcome: value for outcome, value in found.items() if value}

    def objects(self) -> list[str]:
        return sorted(p.name for p in self.root.rglob("*") if p.is_file())

    async def events(self) -> list[FileReceived]:
        async with self.database.connection() as connection:
            rows = await connection.fetch("SELECT event::text FROM ingest.outbox ORDER BY id")
        data = [parse_event(row[0]).data for row in rows]
        assert all(isinstance(d, FileReceived) for d in data)
        return [d for d in data if isinstance(d, FileReceived)]


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest", size=10))


async def test_accepted_means_object_row_and_event(kit: Kit) -> None:
    content = ct_instance(rows=600, columns=800, seed=1)
    accepted = await kit.send(content)
    assert not accepted.duplicate
    assert kit.objects() == [str(accepted.id)]
    assert kit.woken == 1
    (event,) = await kit.events()
    assert event.file_id == accepted.id
    assert event.owner_id == OWNER
    assert event.size_bytes == len(content)
    assert (event.rows, event.columns, event.decoded_bytes) == (600, 800, 960_000)
    assert kit.counted() == {"accepted": 1}
    assert kit.registry.get_sample_value("ingest_received_bytes_total") == len(content)
    assert kit.registry.get_sample_value("ingest_header_seconds_count") == 1


async def test_refusals_leave_nothing(kit: Kit, tmp_path: Path) -> None:
    with pytest.raises(TooLarge):
        await kit.send(ct_instance(rows=1300, columns=1300))
    with pytest.raises(InvalidContent) as refused:
        await kit.send(b"no image at all" * 100)
    assert refused.value.code == "not-dicom"
    with pytest.raises(InvalidContent):
        await kit.send(ct_instance(rows=700, columns=900)[:-1000])
    assert kit.objects() == []
    assert await kit.events() == []
    assert kit.counted() == {"rejected": 3}


async def test_strict_extensions(tmp_path: Path, open_database: OpenDatabase) -> None:
    strict = Kit(tmp_path, await open_database("ingest"), frozenset({".dcm"}))
    with pytest.raises(UnsupportedType):
        await strict.send(ct_instance(), "scan")
    with pytest.raises(UnsupportedType):
        await strict.send(ct_instance(), None)
    await strict.send(ct_instance(), "SCAN.DCM")


async def test_a_sender_that_vanishes_leaves_nothing(kit: Kit) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield ct_instance(rows=1000, columns=1000)[:1_500_000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await kit.intake.receive(broken(), "a.dcm", OWNER)
    assert kit.objects() == []
    assert kit.counted() == {}


async def test_many_at_once_are_one(kit: Kit) -> None:
    content = ct_instance(seed=2)
    answers = await asyncio.gather(*(kit.send(content) for _ in range(40)))
    assert len({a.id for a in answers}) == 1
    assert sum(not a.duplicate for a in answers) == 1
    assert kit.objects() == [str(answers[0].id)]
    assert len(await kit.events()) == 1


async def test_conflict_leaves_the_first_untouched(kit: Kit) -> None:
    first = await kit.send(ct_instance(seed=3, sop_instance_uid="1.2.3.4"))
    with pytest.raises(Conflict):
        await kit.send(ct_instance(seed=4, sop_instance_uid="1.2.3.4"))
    answers = await asyncio.gather(
        *(kit.send(ct_instance(seed=5 + n, sop_instance_uid="1.2.3.5")) for n in range(10)),
        return_exceptions=True,
    )
    (winner,) = [a for a in answers if isinstance(a, Accepted)]
    assert sum(isinstance(a, Conflict) for a in answers) == 9
    assert kit.objects() == sorted([str(first.id), str(winner.id)])
    other = await kit.send(ct_instance(seed=4, sop_instance_uid="1.2.3.4"), owner=UserId(8))
    assert not other.duplicate
    assert kit.counted() == {"accepted": 3, "conflict": 10}


async def test_a_failed_file_is_queued_again_once(kit: Kit) -> None:
    content = ct_instance(seed=6)
    first = await kit.send(content)
    assert (await kit.send(content)).duplicate
    assert len(await kit.events()) == 1

    outcomes = Outcomes(kit.database)
    failed = FileFailed(
        file_id=first.id,
        owner_id=OWNER,
        reason="decoder-crashed",
        detail="x",
        attempts=2,
        worker="w",
        finished_at=datetime.now(UTC),
    )
    await outcomes(Delivery(new_event("/processor", failed), 1))
    answers = await asyncio.gather(*(kit.send(content) for _ in range(20)))
    assert all(a.duplicate and a.id == first.id for a in answers)
    events = await kit.events()
    assert len(events) == 2
    assert events[0] == events[1]
    assert kit.counted() == {"accepted": 1, "duplicate": 21}


async def test_only_failures_are_listened_to(kit: Kit) -> None:
    await kit.send(ct_instance(seed=7))
    (event,) = await kit.events()
    with pytest.raises(Reject):
        await Outcomes(kit.database)(Delivery(new_event("/ingest", event), 1))


async def test_no_database_means_not_accepted(tmp_path: Path) -> None:
    database = Database(
        "postgresql://nobody@127.0.0.1:1/nothing", size=1, timeout=1.0, application_name="test"
    )
    await database.open()
    kit = Kit(tmp_path, database)
    with pytest.raises(Unavailable):
        await kit.send(ct_instance())
    assert kit.objects() == []
    assert kit.counted() == {"unavailable": 1}
    await database.close()
