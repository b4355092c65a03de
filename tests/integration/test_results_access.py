"""Who sees which results: everything that lies in one of the caller's collections, everywhere alike."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import pytest

from libs.common.ids import thumbnail_key
from tests.results_support import MEMBER, OWNER, STAFF, STRANGER, Results, running_results
from tests.unit.services.results.events import failed, processed, received

# MEMBER looks into group 3 and manages group 4; STRANGER is in no group.
PLACES = {"user:7": OWNER, "group:3": OWNER, "group:4": MEMBER, "group:5": OWNER, "user:9": MEMBER}
VISIBLE = {
    OWNER: {"user:7"},
    MEMBER: {"group:3", "group:4", "user:9"},
    STRANGER: set[str](),
    STAFF: set(PLACES),
}


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


@pytest.fixture
async def placed(results: Results) -> dict[str, str]:
    """A processed file in each collection, with its objects; ids by collection."""
    files: dict[str, str] = {}
    for collection, owner in PLACES.items():
        event = received(owner_id=owner, collection=collection, study_instance_uid=f"1.2.{len(files)}")
        file_id = await results.upload(event, file_name=f"{collection}.dcm")
        await results.storage.put(thumbnail_key(file_id), b"picture", {}, durable=False)
        statistics = {"frame_means": [1.0]}
        await results.publish(processed(file_id, owner, collection=collection, statistics=statistics))
        files[collection] = str(file_id)
    return files


def seen_by(user: int, placed: dict[str, str]) -> set[str]:
    return {placed[collection] for collection in VISIBLE[user]}


@pytest.mark.parametrize("user", VISIBLE)
async def test_lists_and_changes_show_every_collection_of_the_caller(
    results: Results, placed: dict[str, str], user: int
) -> None:
    rows = (await results.json("/api/results", user))["results"]
    assert {row["file_id"]: row["collection"] for row in rows} == {
        placed[collection]: collection for collection in VISIBLE[user]
    }
    assert [row["file_id"] for row in rows] == sorted(seen_by(user, placed), reverse=True)
    assert all(row["owner_id"] == PLACES[row["collection"]] for row in rows)
    changes = (await results.json("/api/changes", user))["changes"]
    assert {(change["file_id"], change["state"]) for change in changes} == {
        (file_id, state) for file_id in seen_by(user, placed) for state in ("received", "processed")
    }
    assert all(placed[change["collection"]] == change["file_id"] for change in changes)


@pytest.mark.parametrize("user", VISIBLE)
async def test_counts_are_those_of_the_callers_collections(
    results: Results, placed: dict[str, str], user: int
) -> None:
    summary = await results.json("/api/results/summary", user)
    assert (summary["processed"], summary["total"]) == (len(VISIBLE[user]),) * 2


@pytest.mark.parametrize("user", VISIBLE)
@pytest.mark.parametrize("part", ["", "/file", "/thumbnail", "/frame-means", "/neighbours"])
async def test_a_result_and_its_objects_are_there_or_unknown(
    results: Results, placed: dict[str, str], user: int, part: str
) -> None:
    for collection, file_id in placed.items():
        async with await results.get(f"/api/results/{file_id}{part}", user) as response:
            assert response.status == (200 if collection in VISIBLE[user] else 404), collection


@pytest.mark.parametrize("asked", ["q=group", "q=2.25.", "study=1.2.1", "series=1.2.3.4", "state=processed"])
async def test_no_filter_finds_what_is_not_visible(
    results: Results, placed: dict[str, str], asked: str
) -> None:
    everything = {row["file_id"] for row in (await results.json(f"/api/results?{asked}", STAFF))["results"]}
    assert everything
    for user in VISIBLE:
        found = [row["file_id"] for row in (await results.json(f"/api/results?{asked}", user))["results"]]
        assert found == sorted(everything & seen_by(user, placed), reverse=True)


async def test_pages_across_collections_are_in_order_and_miss_nothing(results: Results) -> None:
    """Neighbours of different collections, more than a page of each."""
    expected = []
    for number in range(30):
        collection = ("group:3", "group:4", "user:9", "group:5")[number % 4]
        file_id = await results.upload(received(owner_id=MEMBER, collection=collection))
        if collection != "group:5":
            expected.append(str(file_id))
    pages: dict[str, list[str]] = {"results": [], "changes": []}
    for name, entries, after in (("results", "next_cursor", "cursor"), ("changes", "next", "after")):
        cursor = ""
        while True:
            body = await results.json(f"/api/{name}?limit=4{cursor}", MEMBER)
            pages[name] += [entry["file_id"] for entry in body[name]]
            if len(body[name]) < 4:
                break
            cursor = f"&{after}={body[entries]}"
    assert pages == {"results": expected[::-1], "changes": expected}


async def test_a_file_found_in_several_ways_is_listed_once(results: Results) -> None:
    """By its name, by each of its UIDs and by nothing twice."""
    uid = "1.2.77"
    event = received(study_instance_uid=uid, series_instance_uid=f"{uid}.1", sop_instance_uid=f"{uid}.1.1")
    file_id = await results.upload(event, file_name=f"{uid}.1.1.dcm")
    assert [row["file_id"] for row in (await results.json(f"/api/results?q={uid}"))["results"]] == [
        str(file_id)
    ]


async def test_a_failed_file_of_a_group_is_counted_for_the_group(results: Results) -> None:
    event = received(owner_id=OWNER, collection="group:3")
    file_id = await results.upload(event)
    await results.publish(failed(file_id, OWNER, collection="group:3"))
    assert (await results.json("/api/results/summary", MEMBER))["failed"] == 1
    assert (await results.json("/api/results/summary", OWNER))["total"] == 0


async def test_entries_name_study_and_series(results: Results) -> None:
    file_id: UUID = await results.upload(received(study_instance_uid="1.2.7", series_instance_uid="1.2.7.1"))
    await results.publish(processed(file_id))
    for change in (await results.json("/api/changes"))["changes"]:
        assert (change["study_instance_uid"], change["series_instance_uid"]) == ("1.2.7", "1.2.7.1")
