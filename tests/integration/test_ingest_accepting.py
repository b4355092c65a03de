"""Group commit: many files by one statement, each as if it had come alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from libs.common.audit.entries import AuditEntry
from libs.common.database.postgres import Connection, Database
from libs.common.ids import file_key, new_file_id
from services.ingest import store
from services.ingest.accepting import Candidate
from services.ingest.models import StoredFile
from services.ingest.resending import announcement
from services.ingest.store import Acceptance
from tests.bus_support import make_telemetry
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import accepting_in


@pytest.fixture
async def database(open_database: OpenDatabase) -> Database:
    return await open_database("ingest", size=10)


def waiting(number: int, **fields: Any) -> Candidate:
    """A file of its own, unless `fields` say otherwise."""
    key = file_key(new_file_id())
    known: dict[str, Any] = {
        "id": UUID(key),
        "file": key,
        "file_name": f"{number}.dcm",
        "uploaded_at": datetime.now(UTC),
        "owner_id": 7,
        "collection": "user:7",
        "size_bytes": 1,
        "sha256": f"{number:064x}",
        "state": "accepted",
        "sop_class_uid": "1.2.3",
        "sop_instance_uid": f"1.2.3.{number}",
        "series_instance_uid": None,
        "study_instance_uid": None,
        "modality": None,
        "transfer_syntax_uid": "1.2.840.10008.1.2",
        "rows": None,
        "columns": None,
        "frames": None,
        "decoded_bytes": None,
    }
    file = StoredFile(**{**known, **fields})
    entry = AuditEntry("ingest", "upload_files", "success", "user:7", objects=[str(file.id)])
    return Candidate(Acceptance(file, announcement(file, "normal"), entry))


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many files each statement was asked to accept."""
    seen: list[int] = []
    accept = store.accept_files

    async def noted(connection: Connection, given: Sequence[Acceptance], *lease: Any) -> dict[UUID, int]:
        seen.append(len(given))
        return await accept(connection, given, *lease)

    monkeypatch.setattr(store, "accept_files", noted)
    return seen


async def count(database: Database, table: str) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table}"))


async def test_what_waits_together_is_one_statement(database: Database, statements: list[int]) -> None:
    woken: list[None] = []
    telemetry = make_telemetry()
    accepting = accepting_in(database, telemetry, lambda: woken.append(None))
    group = [waiting(number) for number in range(50)]
    await asyncio.gather(*(accepting.submit(one) for one in group))
    assert (statements, len(woken)) == ([50], 1)
    assert telemetry.metrics.registry.get_sample_value("ingest_group_size_sum") == 50
    assert all(one.accepted and one.asked for one in group)
    for table in ("ingest.upload_dicomfile", "ingest.outbox"):
        assert await count(database, table) == 50


async def test_twins_in_one_group_are_one_file(database: Database, statements: list[int]) -> None:
    accepting = accepting_in(database, make_telemetry())
    group = [waiting(1), waiting(1), waiting(2), waiting(3, sha256=f"{2:064x}")]
    await asyncio.gather(*(accepting.submit(one) for one in group))
    assert statements == [4]
    assert sorted(one.accepted for one in group) == [False, False, True, True]
    assert await count(database, "ingest.outbox") == 2


async def test_one_that_cannot_be_stored_spoils_nobody_else(
    database: Database, statements: list[int]
) -> None:
    accepting = accepting_in(database, make_telemetry())
    group = [waiting(1), waiting(2, file_name="a\0b"), waiting(3)]
    ended = await asyncio.gather(*(accepting.submit(one) for one in group), return_exceptions=True)
    assert statements == [3, 1, 1, 1]
    assert [one.accepted for one in group] == [True, False, True]
    assert [end is None for end in ended] == [True, False, True]
    assert await count(database, "ingest.outbox") == 2


async def test_groups_of_two_processes_that_hold_each_other_up_both_go_on(database: Database) -> None:
    """The unique keys of a file are two: no order of rows keeps every pair of statements apart."""
    here, there = (accepting_in(database, make_telemetry()) for _ in range(2))
    groups = [
        [waiting(n, sop_instance_uid=f"1.2.{2 * n:04}") for n in range(200)],
        [waiting(199 - n, sop_instance_uid=f"1.2.{2 * n + 1:04}") for n in range(200)],
    ]
    await asyncio.gather(*(here.submit(one) for one in groups[0]), *(there.submit(one) for one in groups[1]))
    accepted = [one for group in groups for one in group if one.accepted]
    assert await count(database, "ingest.upload_dicomfile") == len(accepted) == 200
    assert await count(database, "ingest.outbox") == len(accepted)
