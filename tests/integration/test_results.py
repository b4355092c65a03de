"""Events become results on a real PostgreSQL: in any order, twice, together with poison, through outages."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.database.migrations import migrate
from libs.common.database.postgres import Connection
from libs.common.errors import Undelivered
from libs.common.events import Event
from libs.common.ids import file_key, new_file_id
from services.operator.migrations import MIGRATIONS
from services.results.read.models import Result
from services.results.write import store
from services.results.write.outcomes import fold, settle
from services.results.write.reports import UNREADABLE, UNSTORABLE, report_of
from tests.results_support import OWNER, Results, is_ready, running_results
from tests.unit.services.results.events import MOMENT, failed, processed, received, trailer
from tests.waiting import eventually


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def count(sql: Connection, table: str, file_id: UUID | None = None) -> int:
    found: int = await sql.fetchval(
        f"SELECT count(*) FROM results.{table} WHERE $1::uuid IS NULL OR file_id = $1", file_id
    )
    return found


async def test_a_file_is_received_and_then_processed(results: Results, sql: Connection) -> None:
    event = received()
    file_id = await results.upload(event, warnings=["odd element"])
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["file_name"], body["modality"]) == ("received", "slice.dcm", "CT")
    assert body["folder"] == "CD 3/SERIES01"
    assert (body["statistics"], body["failure"], body["thumbnail"]) == (None, None, False)

    await results.publish(processed(file_id, mean=100.1))
    body = await results.json(f"/api/results/{file_id}")
    Result.model_validate(body, strict=False, extra="forbid")
    assert body["state"] == "processed"
    assert (body["average_before_normalization"], body["average_after_normalization"]) == (100.1, 0.25)
    assert (body["data_size"], body["size_bytes"], body["thumbnail"]) == (524288, 1000, True)
    assert body["device_name"] == "ACME Scanner 3000"
    assert body["raw_data"] == trailer()["dicom"]
    assert body["statistics"]["histogram"] == [1024] * 256
    assert body["warnings"] == ["odd element"]
    assert body["owner"] == {"id": OWNER}
    assert body["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert body["processed_at"] == MOMENT.isoformat().replace("+00:00", "Z")
    log = await sql.fetch(
        "SELECT * FROM results.processing_log WHERE file_id = $1 ORDER BY event_id", file_id
    )
    assert [(row["event"], row["outcome"], row["attempt"]) for row in log] == [
        ("dicom.file.received.v1", "received", None),
        ("dicom.file.processed.v1", "processed", 1),
    ]
    assert [row["state"] for row in await feed_of(sql, file_id)] == ["received", "processed"]


async def row_of(sql: Connection, file_id: UUID) -> asyncpg.Record:
    row = await sql.fetchrow("SELECT * FROM results.upload_dicomresult WHERE file_id = $1", file_id)
    assert row is not None
    return row


async def feed_of(sql: Connection, file_id: UUID) -> list[Any]:
    return await sql.fetch("SELECT * FROM results.change_feed WHERE file_id = $1 ORDER BY xid, seq", file_id)


async def test_a_failure_says_why_and_gives_way_to_a_success(results: Results, sql: Connection) -> None:
    file_id = await results.upload()
    await results.publish(failed(file_id, reason="worker-lost"))
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["failure"]["reason"]) == ("failed", "worker-lost")
    await results.publish(processed(file_id), failed(file_id))
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["failure"]) == ("processed", None)
    assert [row["state"] for row in await feed_of(sql, file_id)] == ["received", "failed", "processed"]
    assert await count(sql, "processing_log", file_id) == 4


async def test_an_outcome_before_its_file_makes_the_row(results: Results, sql: Connection) -> None:
    event = received()
    file_id = event.file_id
    await results.publish(processed(file_id))
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["file_name"], body["raw_data"]) == ("processed", None, None)
    await results.upload(event)
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["file_name"]) == ("processed", "slice.dcm")
    assert body["raw_data"] == trailer()["dicom"]
    assert len(await feed_of(sql, file_id)) == 1


async def test_the_first_measurement_stands_until_a_newer_method(results: Results) -> None:
    file_id = await results.upload()
    await results.publish(processed(file_id, mean=1.0), processed(file_id, mean=2.0))
    assert (await results.json(f"/api/results/{file_id}"))["average_before_normalization"] == 1.0
    await results.publish(processed(file_id, mean=3.0, version=2), processed(file_id, mean=4.0))
    body = await results.json(f"/api/results/{file_id}")
    assert (body["average_before_normalization"], body["method_version"]) == (3.0, 2)


async def test_the_same_event_seventy_times_at_once_has_one_effect(results: Results, sql: Connection) -> None:
    file_id = await results.upload()
    event = processed(file_id)
    await asyncio.gather(*(results.publish(event) for _ in range(70)))
    assert await count(sql, "upload_dicomresult", file_id) == 1
    assert await count(sql, "change_feed", file_id) == 2
    assert await count(sql, "processing_log", file_id) == 2


@pytest.mark.parametrize("seed", range(3))
async def test_two_replicas_and_any_order_end_as_the_rule_says(
    role_url: Callable[[str], str], tmp_path: Path, sql: Connection, seed: int
) -> None:
    """The pure rule and the SQL agree, whatever the order, the duplicates and the batches."""
    chance = random.Random(seed)
    histories: dict[UUID, list[Event]] = {}
    for _ in range(40):
        file_id: UUID = new_file_id()
        possible = [
            received(file_id),
            failed(file_id),
            *(processed(file_id, version=version) for version in (1, 1, 2)),
        ]
        histories[file_id] = chance.sample(possible, chance.randint(1, len(possible)))
    deliveries = [event for history in histories.values() for event in history for _ in range(2)]
    chance.shuffle(deliveries)
    url = role_url("results")
    async with running_results(url, tmp_path) as one, running_results(url, tmp_path) as other:
        for known in histories:
            await one.storage.put(file_key(known), b"DICM", trailer(), durable=False)
        await asyncio.gather(*(chance.choice((one, other)).publish(event) for event in deliveries))
    for file_id, history in histories.items():
        (together,) = fold(
            report_of(event, trailer() if "received" in event.type else None).facts for event in history
        )
        expected = settle(None, together)
        assert expected is not None
        row = await row_of(sql, file_id)
        assert (row["state"], row["precedence"]) == (expected.state, expected.precedence)
        assert (row["file_name"] is None) == (expected.header is None)
        feed = await feed_of(sql, file_id)
        assert feed[-1]["state"] == row["state"]
        assert len(feed) <= len({"received", "failed", 1, 2})
        assert await count(sql, "processing_log", file_id) == len(history)


async def test_a_header_that_cannot_be_stored_is_a_row_with_a_warning(
    results: Results, sql: Connection
) -> None:
    poison = received()
    good = [received() for _ in range(30)]
    for event in (poison, *good):
        dicom = {"00100020": {"vr": "LO", "Value": ["P\x001"]}} if event is poison else {"00080060": "CT"}
        key = file_key(event.file_id)
        await results.storage.put(key, b"DICM", trailer(dicom=dicom), durable=False)
    await asyncio.gather(*(results.bus.publish(event) for event in (*good[:15], poison, *good[15:])))
    assert await count(sql, "upload_dicomresult") == len(good) + 1
    row = await row_of(sql, poison.file_id)
    assert (row["state"], row["raw_data"], row["warnings"]) == ("received", None, f'["{UNSTORABLE}"]')
    assert (row["file_name"], row["patient_id"]) == ("slice.dcm", "P1")


@pytest.mark.parametrize(
    "poison",
    [
        {"device_name": "A\x00B"},
        {"statistics": {"modality": {"unit": "H\x00U"}}},
        {"data_size": 2**63},
        {"method_version": 2**31},
        {"attempt": 2**31},
        {"worker": "w\x00"},
    ],
)
async def test_an_outcome_that_cannot_be_stored_is_a_failure_with_a_reason(
    results: Results, sql: Connection, poison: dict[str, Any]
) -> None:
    file_id = await results.upload()
    others = [processed() for _ in range(5)]
    await asyncio.gather(*(results.publish(event) for event in (*others, processed(file_id, **poison))))
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["failure"]["reason"]) == ("failed", "result-unstorable")
    log = await sql.fetch("SELECT outcome, reason FROM results.processing_log WHERE file_id = $1", file_id)
    assert {tuple(row) for row in log} == {("received", None), ("failed", "result-unstorable")}
    for event in others:
        assert (await row_of(sql, event.file_id))["state"] == "processed"
    # The next measurement cures it.
    await results.publish(processed(file_id))
    assert (await results.json(f"/api/results/{file_id}"))["state"] == "processed"


@pytest.mark.parametrize("forged", [received, processed])
async def test_an_event_that_names_the_object_of_another_is_refused(
    results: Results, sql: Connection, forged: Callable[..., Event]
) -> None:
    victim = await results.upload(content=b"SECRET")
    for fields in (
        {"storage_key": file_key(victim)},
        {"thumbnail_key": file_key(victim)}
        if forged is processed
        else {"storage_key": f"{victim}.thumbnail"},
    ):
        event = forged(owner_id=8, **fields)
        with pytest.raises(Undelivered) as refused:
            await results.publish(event)
        assert "object that is not its file's own" in refused.value.reason
        assert await count(sql, "upload_dicomresult", event.file_id) == 0
    async with results.client.get("/metrics") as response:
        assert "results_refused_events_total 2.0" in await response.text()


@pytest.mark.parametrize("first", ["nothing", "outcome"])
async def test_a_file_whose_object_is_gone_has_a_row_all_the_same(results: Results, first: str) -> None:
    event = received()
    file_id = event.file_id
    if first == "outcome":
        await results.publish(failed(file_id, reason="object-missing"))
    await results.publish(event)
    body = await results.json(f"/api/results/{file_id}")
    assert (body["file_name"], body["warnings"], body["size_bytes"]) == (None, [UNREADABLE], 1000)
    assert body["sop_instance_uid"] == f"2.25.{file_id.int}"
    # The same event, delivered again when the object is back.
    await results.upload(event)
    body = await results.json(f"/api/results/{file_id}")
    assert (body["file_name"], body["warnings"]) == ("slice.dcm", [])


async def test_a_waiting_transaction_has_no_id_yet(results: Results, sql: Connection) -> None:
    """Ids order the change feed, so whoever changes a file later must get the greater one."""
    event, other = processed(), processed()
    async with sql.transaction():
        await store.lock_files(sql, [event.file_id])
        publishing = asyncio.gather(results.publish(other), results.publish(event))
        waiting = await eventually(lambda: waiting_for_a_file(sql))
        assert waiting == [None]
    await publishing
    assert await count(sql, "change_feed") == 2


async def waiting_for_a_file(sql: Connection) -> list[str | None]:
    """Transaction ids of those who wait."""
    rows = await sql.fetch(
        "SELECT backend_xid::text FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event = 'advisory'"
    )
    return [row["backend_xid"] for row in rows]


async def test_nothing_comes_back_after_an_erasure(results: Results, sql: Connection) -> None:
    event = received()
    file_id = await results.upload(event)
    await sql.execute(
        "UPDATE results.upload_dicomresult SET state = 'erased', precedence = 2147483647, file_name = NULL, "
        "raw_data = NULL WHERE file_id = $1",
        file_id,
    )
    await results.publish(event, processed(file_id, version=9), failed(file_id))
    row = await row_of(sql, file_id)
    assert (row["state"], row["file_name"], row["raw_data"], row["statistics"]) == (
        "erased",
        None,
        None,
        None,
    )
    assert len(await feed_of(sql, file_id)) == 1


async def test_events_survive_broken_connections(results: Results, sql: Connection) -> None:
    events = [processed() for _ in range(200)]
    publishing = asyncio.gather(*(results.publish(event) for event in events))
    # So often and no oftener: on a busy machine no transaction would ever reach its end.
    for _ in range(10):
        await sql.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND usename = 'results' AND application_name = 'results'"
        )
        await asyncio.sleep(0.05)
    await publishing
    assert await count(sql, "upload_dicomresult") == len(events)
    assert await count(sql, "processing_log") == len(events)
    assert await count(sql, "change_feed") == len(events)


async def test_it_waits_for_the_schema(empty_database_url: str, tmp_path: Path) -> None:
    async with running_results(empty_database_url, tmp_path, ready=False) as results:
        async with results.client.get("/readyz") as response:
            body = await response.json()
        assert response.status == 503
        assert body["checks"]["results database"] == "failed"
        async with results.client.get("/livez") as response:
            assert response.status == 200
        await migrate(empty_database_url, MIGRATIONS)
        await eventually(lambda: is_ready(results))
        file_id = await results.upload()
        assert (await results.json(f"/api/results/{file_id}"))["state"] == "received"
