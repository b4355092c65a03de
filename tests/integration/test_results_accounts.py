"""Studies, series, counters and analyses agree with the files, whatever came in whatever order to whom."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.database.postgres import Connection
from libs.common.events import Event
from libs.common.ids import file_key, new_file_id
from services.results.write import store
from services.results.write.accounts import Accounts, Tally
from services.results.write.accounts_store import apply_accounts
from tests.accounts_support import require_agreement
from tests.results_support import Results, running_results
from tests.unit.services.results.events import failed, processed, received, trailer
from tests.waiting import eventually

HEADER = {
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller^Jane"}]},
    "00100020": {"vr": "LO", "Value": ["P1"]},
    "00100030": {"vr": "DA", "Value": ["19800229"]},
    "00080020": {"vr": "DA", "Value": ["20260131"]},
    "0008103E": {"vr": "LO", "Value": ["axial"]},
    "00200011": {"vr": "IS", "Value": [4]},
}


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def one(sql: Connection, table: str) -> dict[str, Any]:
    (row,) = await sql.fetch(f"SELECT * FROM results.{table}")
    return dict(row)


async def state_of(sql: Connection, file_id: UUID) -> str:
    state: str = await sql.fetchval(
        "SELECT state FROM results.upload_dicomresult WHERE file_id = $1", file_id
    )
    return state


async def test_the_first_file_makes_its_study_and_series(results: Results, sql: Connection) -> None:
    event = received()
    file_id = await results.upload(event, dicom=HEADER)
    study = await one(sql, "study")
    assert (study["patient_name"], study["patient_id"]) == ("Müller^Jane", "P1")
    assert (str(study["patient_birth_date"]), str(study["study_date"])) == ("1980-02-29", "2026-01-31")
    assert (study["search"], study["modalities"]) == ("muller jane p1", ["CT"])
    assert (study["series"], study["instances"], study["files_received"]) == (1, 1, 1)
    assert study["first_received_at"] == study["last_received_at"] == event.time
    assert study["cover_file_id"] is None
    await results.publish(processed(file_id))
    study, series = await one(sql, "study"), await one(sql, "series")
    assert (study["files_received"], study["files_processed"], study["cover_file_id"]) == (0, 1, file_id)
    assert (series["modality"], series["series_number"], series["series_description"]) == ("CT", 4, "axial")
    assert (series["instances"], series["files_processed"], series["cover_file_id"]) == (1, 1, file_id)
    await require_agreement(sql)


async def test_a_study_has_the_modalities_and_series_of_all_its_files(
    results: Results, sql: Connection
) -> None:
    for modality, series in (("CT", "1.1"), ("SR", "1.2"), ("CT", "1.1"), (None, None)):
        await results.upload(received(modality=modality, series_instance_uid=series))
    study = await one(sql, "study")
    assert (study["modalities"], study["series"], study["instances"]) == (["CT", "SR"], 2, 4)
    await require_agreement(sql)


async def test_collections_do_not_notice_each_other(results: Results, sql: Connection) -> None:
    await results.upload(received())
    await results.upload(received(owner_id=8))
    await results.upload(received(collection="group:3"))
    rows = await sql.fetch("SELECT collection, instances FROM results.study ORDER BY collection")
    assert [tuple(row) for row in rows] == [("group:3", 1), ("user:7", 1), ("user:8", 1)]
    await require_agreement(sql)


async def test_analyses_hold_one_outcome_a_file(results: Results, sql: Connection) -> None:
    file_id = await results.upload()
    await results.publish(failed(file_id))
    analysis = await one(sql, "analysis")
    assert (analysis["analyzer"], analysis["state"], analysis["reason"]) == (
        "pixels",
        "failed",
        "decode-failed",
    )
    await results.publish(processed(file_id, version=2), processed(file_id, version=1))
    analysis = await one(sql, "analysis")
    assert (analysis["version"], analysis["state"], analysis["reason"]) == (2, "processed", None)
    assert (analysis["attempt"], analysis["worker"], analysis["precedence"]) == (1, "worker-1", 4)


@pytest.mark.parametrize("order", ["replaced first", "replaced last", "replaced between"])
async def test_a_replaced_file_is_superseded_whenever_it_comes(
    results: Results, sql: Connection, order: str
) -> None:
    old, new = new_file_id(), new_file_id()
    for file_id in (old, new):
        await results.storage.put(file_key(file_id), b"DICM", trailer(dicom=HEADER), durable=False)
    uid: dict[str, Any] = {"sop_instance_uid": "2.25.1"}
    its = [received(old, **uid), failed(old)]
    replacing = received(new, supersedes=old, **uid)
    history = {
        "replaced first": [*its, replacing],
        "replaced last": [replacing, *its],
        "replaced between": [its[0], replacing, its[1]],
    }[order]
    await results.publish(*history, processed(new), processed(old))
    row = await sql.fetchrow("SELECT * FROM results.upload_dicomresult WHERE file_id = $1", old)
    assert row is not None
    assert (row["state"], row["patient_id"], row["failure_reason"]) == ("superseded", "P1", None)
    assert await state_of(sql, new) == "processed"
    study = await one(sql, "study")
    assert (study["files_superseded"], study["files_processed"], study["instances"]) == (1, 1, 1)
    assert study["cover_file_id"] == new
    feed = await sql.fetch("SELECT state FROM results.change_feed WHERE file_id = $1 ORDER BY xid, seq", old)
    assert "superseded" in [row["state"] for row in feed]
    await require_agreement(sql)


async def test_a_superseded_file_keeps_why_it_failed(results: Results, sql: Connection) -> None:
    old = await results.upload()
    await results.publish(failed(old))
    await results.upload(received(supersedes=old))
    row = await sql.fetchrow(
        "SELECT state, failure_reason FROM results.upload_dicomresult WHERE file_id = $1", old
    )
    assert row is not None
    assert tuple(row) == ("superseded", "decode-failed")


async def test_nobody_replaces_a_file_of_another_collection(results: Results, sql: Connection) -> None:
    old = await results.upload()
    await results.upload(received(owner_id=8, supersedes=old))
    assert await state_of(sql, old) == "received"
    await require_agreement(sql)


async def test_a_cover_that_is_replaced_gives_way_to_another(results: Results, sql: Connection) -> None:
    cover, other = await results.upload(), await results.upload()
    await results.publish(processed(cover), processed(other))
    assert (await one(sql, "study"))["cover_file_id"] == cover
    await results.upload(received(supersedes=cover))
    assert (await one(sql, "study"))["cover_file_id"] == other
    assert (await one(sql, "series"))["cover_file_id"] == other


async def test_what_was_made_from_other_bytes_is_only_logged(results: Results, sql: Connection) -> None:
    file_id = await results.upload()
    await results.publish(processed(file_id, sha256="cd" * 32))
    assert await state_of(sql, file_id) == "received"
    logged = await sql.fetchval(
        "SELECT reason FROM results.processing_log WHERE file_id = $1 AND outcome = 'processed'", file_id
    )
    assert logged == "made-from-other-bytes"
    early = new_file_id()
    await results.publish(processed(early, sha256="cd" * 32))
    assert await state_of(sql, early) == "processed"
    await results.upload(received(early))
    assert await state_of(sql, early) == "received"
    await require_agreement(sql)
    await results.publish(processed(file_id, sha256="ab" * 32), processed(early, sha256="ab" * 32))
    assert await state_of(sql, file_id) == await state_of(sql, early) == "processed"
    await require_agreement(sql)


async def test_the_first_trace_id_stands(results: Results, sql: Connection) -> None:
    """One trace per file: a retry hours later has another, and the result shows the upload's."""
    file_id = await results.upload()
    later = processed(file_id).model_copy(update={"traceparent": f"00-{'b' * 32}-b7ad6b7169203331-01"})
    await results.publish(later)
    first = "0af7651916cd43dd8448eb211c80319c"
    held = "SELECT trace_id FROM results.upload_dicomresult WHERE file_id = $1"
    assert await sql.fetchval(held, file_id) == first
    early = new_file_id()
    await results.publish(later.model_copy(update={"data": processed(early).data}))
    await results.upload(received(early))
    assert await sql.fetchval(held, early) == "b" * 32


@pytest.mark.parametrize("seed", range(2))
async def test_replicas_that_meet_the_same_studies_in_any_order_neither_wait_in_a_circle_nor_miscount(
    role_url: Callable[[str], str], tmp_path: Path, sql: Connection, seed: int
) -> None:
    """Each replica gets every event, in reversed orders, so that their batches lock the same rows."""
    chance = random.Random(seed)
    events: list[Event] = []
    studies = [(owner, f"1.2.{study}") for owner in (7, 8, 9) for study in range(6)]
    url = role_url("results")
    async with running_results(url, tmp_path) as here, running_results(url, tmp_path) as there:
        last: UUID | None = None
        for index in range(120):
            owner, study = chance.choice(studies)
            file_id = new_file_id()
            await here.storage.put(file_key(file_id), b"DICM", trailer(dicom=HEADER), durable=False)
            supersedes = last if index % 10 == 9 else None
            events.append(
                received(
                    file_id,
                    owner,
                    study_instance_uid=study,
                    series_instance_uid=f"{study}.{index % 3}",
                    supersedes=supersedes,
                )
            )
            events.append(failed(file_id, owner) if index % 4 == 3 else processed(file_id, owner))
            last = file_id
        before = await deadlocks(sql)
        await asyncio.gather(
            *(here.publish(event) for event in events), *(there.publish(event) for event in reversed(events))
        )
    assert await deadlocks(sql) == before
    await require_agreement(sql)


async def deadlocks(sql: Connection) -> int:
    found: int = await sql.fetchval(
        "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )
    return found


async def waiting(sql: Connection, connection: Connection) -> bool:
    """Whether `connection` waits for a lock."""
    pid = connection.get_server_pid()
    found: bool = await sql.fetchval(
        "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1", pid
    )
    return found


@pytest.fixture
async def other(database_url: str) -> AsyncIterator[Connection]:
    """Another connection."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def watcher(database_url: str) -> AsyncIterator[Connection]:
    """A third one, which locks nothing."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_files_are_locked_in_one_order_whatever_the_order_of_their_events(
    sql: Connection, other: Connection, watcher: Connection
) -> None:
    """Who waits for the first holds none of the later ones."""
    low, high = sorted((new_file_id(), new_file_id()), key=lambda f: int.from_bytes(f.bytes[8:], signed=True))
    holding = sql.transaction()
    await holding.start()
    await store.lock_files(sql, [low])
    async with other.transaction():
        locking = asyncio.create_task(store.lock_files(other, [high, low]))
        await eventually(lambda: waiting(watcher, other))
        free = await watcher.fetchval(
            "SELECT pg_try_advisory_xact_lock($1)", int.from_bytes(high.bytes[8:], signed=True)
        )
        await holding.rollback()
        await locking
    assert free is True


@pytest.mark.parametrize(("first", "second"), [("1.1", "1.2"), ("1.2", "1.1")])
async def test_studies_are_locked_in_one_order_whatever_the_order_of_their_files(
    sql: Connection, other: Connection, watcher: Connection, first: str, second: str
) -> None:
    keys = [("user:7", first), ("user:7", second)]

    def tallies() -> Accounts:
        return Accounts(studies={key: Tally(files={"files_received": 1}) for key in keys})

    await apply_accounts(sql, tallies())
    async with sql.transaction():
        await sql.execute("SELECT FROM results.study WHERE study_instance_uid = '1.1' FOR UPDATE")
        applying = asyncio.create_task(apply_accounts(other, tallies()))
        await eventually(lambda: waiting(watcher, other))
        # Raises where the other holds it.
        await watcher.execute("SELECT FROM results.study WHERE study_instance_uid = '1.2' FOR UPDATE NOWAIT")
    await applying
    rows = await sql.fetch("SELECT files_received FROM results.study")
    assert [row["files_received"] for row in rows] == [2, 2]
