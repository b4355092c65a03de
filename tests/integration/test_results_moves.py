"""Moved files in results: rows, studies, series, counters, changes and streams, in every order of events."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from itertools import permutations
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.common.database.postgres import Connection
from libs.common.events import Event
from libs.common.ids import file_key, new_file_id
from tests.accounts_support import require_agreement
from tests.results_support import MEMBER, OWNER, STRANGER, Results, running_results
from tests.unit.services.results.events import failed, moved, processed, received, trailer
from tests.waiting import PATIENCE, eventually


def header(patient: str) -> dict[str, Any]:
    return {"00100020": {"vr": "LO", "Value": [patient]}, "00200011": {"vr": "IS", "Value": [4]}}


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def place_of(sql: Connection, file_id: UUID) -> tuple[Any, ...]:
    row = await sql.fetchrow(
        "SELECT collection, moves, moved_to, state FROM results.upload_dicomresult WHERE file_id = $1",
        file_id,
    )
    assert row is not None
    return tuple(row)


@pytest.mark.parametrize("outcome", [processed, failed])
async def test_every_order_of_events_ends_in_the_same_place_with_exact_counts(
    results: Results, sql: Connection, outcome: Callable[..., Event]
) -> None:
    for order in permutations(range(4)):
        file_id = new_file_id()
        await results.storage.put(file_key(file_id), b"DICM", trailer(dicom=header("P1")), durable=False)
        history = [
            received(file_id),
            outcome(file_id),
            moved(file_id, "group:3", 1),
            moved(file_id, "group:4", 2, source="group:3"),
        ]
        await results.publish(*(history[index] for index in order), *history)
        state = "processed" if outcome is processed else "failed"
        assert await place_of(sql, file_id) == ("group:4", 2, "group:4", state), order
        await require_agreement(sql)
    studies = await sql.fetch("SELECT collection, instances, patient_id, search FROM results.study")
    assert [tuple(row) for row in studies] == [("group:4", 24, "P1", "p1")]
    counted = await sql.fetch("SELECT collection, files FROM results.counter WHERE files <> 0")
    assert [tuple(row) for row in counted] == [("group:4", 24)]


async def test_what_only_a_moved_file_told_leaves_with_it(results: Results, sql: Connection) -> None:
    """A misfiled image: neither its patient's name nor its picture stays behind."""
    wrong = await results.upload(received(modality="MR"), dicom=header("WRONG"))
    right = await results.upload(received(), dicom=header("RIGHT"))
    alone = await results.upload(received(series_instance_uid="9.9"), dicom=header("WRONG"))
    await results.publish(processed(wrong), processed(right), processed(alone))
    await results.publish(moved(wrong, "group:4"), moved(alone, "group:4"))
    study = await sql.fetchrow("SELECT * FROM results.study WHERE collection = 'user:7'")
    assert study is not None
    assert (study["patient_id"], study["search"], study["modalities"]) == ("RIGHT", "right", ["CT"])
    assert (study["cover_file_id"], study["series"], study["instances"]) == (right, 1, 1)
    (series,) = await sql.fetch("SELECT * FROM results.series WHERE collection = 'user:7'")
    assert (series["cover_file_id"], series["modality"]) == (right, "CT")
    study = await sql.fetchrow("SELECT * FROM results.study WHERE collection = 'group:4'")
    assert study is not None
    assert (study["patient_id"], study["search"], study["modalities"]) == ("WRONG", "wrong", ["CT", "MR"])
    assert (study["series"], study["instances"]) == (2, 2)
    await require_agreement(sql)
    await results.publish(moved(right, "group:4"))
    assert await sql.fetchval("SELECT count(*) FROM results.study WHERE collection = 'user:7'") == 0
    assert await sql.fetchval("SELECT count(*) FROM results.series WHERE collection = 'user:7'") == 0
    await require_agreement(sql)


async def test_a_moved_file_is_superseded_where_it_lies_now(results: Results, sql: Connection) -> None:
    old, new = new_file_id(), new_file_id()
    for file_id in (old, new):
        await results.storage.put(file_key(file_id), b"DICM", trailer(), durable=False)
    heir = received(new, collection="group:4", supersedes=old, supersedes_moves=1)
    for order in permutations([received(old), failed(old), moved(old, "group:4"), heir]):
        await sql.execute(
            "TRUNCATE results.upload_dicomresult, results.study, results.series, results.counter"
        )
        await sql.execute("TRUNCATE results.analysis")
        await results.publish(*order)
        assert (await place_of(sql, old))[::3] == ("group:4", "superseded"), order
        await require_agreement(sql)


async def test_nobody_replaces_a_file_that_has_left_their_collection(
    results: Results, sql: Connection
) -> None:
    old = await results.upload()
    await results.publish(failed(old), moved(old, "group:4"))
    await results.upload(received(supersedes=old))
    assert (await place_of(sql, old))[::3] == ("group:4", "failed")
    await require_agreement(sql)


async def test_both_sides_are_told_and_the_old_one_not_whereto(results: Results, sql: Connection) -> None:
    file_id = await results.upload()
    await results.publish(processed(file_id))
    own = await results.json("/api/changes", OWNER)
    group = await results.json("/api/changes", MEMBER)
    await results.publish(moved(file_id, "group:4"), moved(file_id, "group:4"))
    (left,) = (await results.json(f"/api/changes?after={own['next']}", OWNER))["changes"]
    assert (left["file_id"], left["collection"], left["state"]) == (str(file_id), "user:7", "moved")
    assert "group:4" not in str(left)
    (came,) = (await results.json(f"/api/changes?after={group['next']}", MEMBER))["changes"]
    assert (came["file_id"], came["collection"], came["state"]) == (str(file_id), "group:4", "processed")
    assert "user:7" not in str(came)
    # The release before, which knows no moves, reads the same rows.
    fed = await sql.fetch("SELECT collection, state FROM results.change_feed ORDER BY xid, seq OFFSET 2")
    assert [tuple(row) for row in fed] == [("user:7", "erased"), ("group:4", "processed")]
    await results.json(f"/api/results/{file_id}", OWNER, status=404)
    assert (await results.json(f"/api/results/{file_id}", MEMBER))["collection"] == "group:4"
    for path in ("", "/summary"):
        assert str(file_id) not in str(await results.json(f"/api/results{path}", OWNER))
    assert (await results.json("/api/results/summary", OWNER))["total"] == 0
    assert (await results.json("/api/results/summary", MEMBER))["processed"] == 1


async def test_streams_of_both_sides_are_told(results: Results) -> None:
    file_id = await results.upload()

    async def next_change(user: int, started: asyncio.Event) -> str:
        async with await results.get("/api/events", user) as stream:
            started.set()
            while line := (await stream.content.readline()).decode():
                if line.startswith("data: "):
                    return line
        raise AssertionError("the stream has ended")

    starts = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
    async with asyncio.timeout(PATIENCE):
        left, came, foreign = (
            asyncio.create_task(next_change(user, start))
            for user, start in zip((OWNER, MEMBER, STRANGER), starts, strict=True)
        )
        for start in starts:
            await start.wait()
        await results.publish(moved(file_id, "group:4"))
        told = await left
        assert '"state":"moved"' in told
        assert "group:4" not in told
        assert '"state":"received"' in await came
        assert not foreign.done()
        foreign.cancel()


async def test_a_move_that_the_release_before_has_undone_is_done_again(
    results: Results, sql: Connection
) -> None:
    """It takes a row that a move has made for one of an outcome, and puts it where its `received` says."""
    file_id = new_file_id()
    await results.publish(moved(file_id, "group:4"))
    async with sql.transaction():
        await sql.execute("UPDATE results.upload_dicomresult SET collection = 'user:7'")
        await sql.execute("UPDATE results.counter SET collection = 'user:7'")

    async def back() -> bool:
        return bool((await place_of(sql, file_id))[0] == "group:4")

    await eventually(back)
    await require_agreement(sql)
    await results.upload(received(file_id))
    assert (await place_of(sql, file_id))[0] == "group:4"
    await require_agreement(sql)


async def test_replicas_that_move_the_same_files_neither_wait_in_a_circle_nor_miscount(
    role_url: Callable[[str], str], tmp_path: Path, sql: Connection
) -> None:
    """Each gets every event, in orders of its own: studies are emptied by one while another fills them."""
    chance = random.Random(7)
    url = role_url("results")
    async with running_results(url, tmp_path) as here, running_results(url, tmp_path) as there:
        events: list[Event] = []
        places: dict[UUID, str] = {}
        for index in range(60):
            file_id = new_file_id()
            study = f"1.2.{index % 5}"
            await here.storage.put(
                file_key(file_id), b"DICM", trailer(dicom=header(f"P{index}")), durable=False
            )
            events.append(
                received(file_id, study_instance_uid=study, series_instance_uid=f"{study}.{index % 3}")
            )
            events.append(processed(file_id))
            places[file_id] = "user:7"
            for moves in range(1, chance.randrange(5)):
                places[file_id] = chance.choice(["user:7", "group:3", "group:4"])
                events.append(moved(file_id, places[file_id], moves))
        deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        before = await sql.fetchval(deadlocks)
        orders = [chance.sample(events, k=len(events)) for _ in range(2)]
        await asyncio.gather(
            *(here.publish(event) for event in orders[0]), *(there.publish(event) for event in orders[1])
        )
    assert await sql.fetchval(deadlocks) == before
    rows = await sql.fetch("SELECT file_id, collection FROM results.upload_dicomresult")
    assert {row["file_id"]: row["collection"] for row in rows} == places
    await require_agreement(sql)
