"""HTTP of ingest: into which collection a file goes, and who sees what lies there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from aiohttp import FormData

from libs.common.database.postgres import Connection
from libs.common.keys import BUS
from tests.builders import ct_instance
from tests.ingest_http_support import Ingest, running_ingest, token
from tests.ingest_support import failed_event

ALICE = token(7, group_3="manage", group_4="view")
BORIS = token(8, group_3="view")
STRANGER = token(9)
STAFF = token(1, staff=True)


@pytest.fixture
async def ingest(tmp_path: Path, role_url: Callable[[str], str]) -> AsyncIterator[Ingest]:
    async with running_ingest(role_url("ingest"), tmp_path) as running:
        yield running


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def test_a_file_lies_where_it_was_sent(ingest: Ingest) -> None:
    own, shared = ct_instance(seed=1), ct_instance(seed=2)
    status, body = await ingest.send(ALICE, own)
    assert status == 202
    own_id = body["files"][0]["id"]
    status, body = await ingest.send(ALICE, shared, "group:3")
    assert status == 202
    shared_id = body["files"][0]["id"]
    for file_id, collection in ((own_id, "user:7"), (shared_id, "group:3")):
        status, file = await ingest.get(f"/{file_id}", ALICE)
        assert (status, file["collection"], file["owner_id"]) == (200, collection, 7)
    # The same bytes elsewhere are another file.
    status, body = await ingest.send(ALICE, own, "group:3")
    assert (status, body["files"][0].get("duplicate")) == (202, None)
    both = [body["files"][0]["id"], shared_id]
    assert await ingest.listed(ALICE) == [*both, own_id]
    assert await ingest.listed(BORIS) == both
    assert await ingest.listed(STRANGER) == []
    assert await ingest.listed(STAFF) == [*both, own_id]
    assert await ingest.listed(ALICE, limit="1") == [*both, own_id]
    for file_id, readers in ((own_id, (ALICE, STAFF)), (shared_id, (ALICE, BORIS, STAFF))):
        for reader in (ALICE, BORIS, STRANGER, STAFF):
            status, _ = await ingest.get(f"/{file_id}", reader)
            assert status == (200 if reader in readers else 404)


@pytest.mark.parametrize(
    ("caller", "collection", "status", "code"),
    [
        (ALICE, "group:4", 403, "permission-denied"),
        (BORIS, "group:3", 403, "permission-denied"),
        (STAFF, "group:3", 403, "permission-denied"),
        (STAFF, "user:7", 403, "permission-denied"),
        (STRANGER, "group:3", 404, "not-found"),
        (STRANGER, "user:7", 404, "not-found"),
        (ALICE, "group:03", 400, "invalid-request"),
        (ALICE, "room:3", 400, "invalid-request"),
        (ALICE, "group:3\n", 400, "invalid-request"),
        (ALICE, "", 400, "invalid-request"),
    ],
)
async def test_who_may_not_send_there(
    ingest: Ingest, sql: Connection, caller: dict[str, str], collection: str, status: int, code: str
) -> None:
    got, body = await ingest.send(caller, ct_instance(), collection)
    assert (got, body["code"]) == (status, code)
    assert await sql.fetchval("SELECT count(*) FROM ingest.upload_dicomfile") == 0


async def test_superseded_files_are_shown_on_request(ingest: Ingest, sql: Connection) -> None:
    first, second = (ct_instance(seed=seed, sop_instance_uid="1.2.3") for seed in (1, 2))
    _, body = await ingest.send(ALICE, first)
    old = body["files"][0]["id"]
    assert "supersedes" not in body["files"][0]
    await ingest.client.app[BUS].publish(failed_event(UUID(old)))  # as processors tell it
    status, body = await ingest.send(ALICE, second)
    (file,) = body["files"]
    assert (status, file["supersedes"], file["state"]) == (202, old, "accepted")
    new = file["id"]
    assert await ingest.listed(ALICE) == [new]
    assert await ingest.listed(ALICE, state="superseded") == [old]
    assert await ingest.listed(STAFF, state="superseded") == [old]
    assert await ingest.listed(ALICE, state="accepted") == [new]
    assert await ingest.listed(ALICE, state="") == [new]
    status, file = await ingest.get(f"/{old}", ALICE)
    assert (status, file["state"]) == (200, "superseded")
    assert (await ingest.get("", ALICE, state="lost"))[0] == 400


async def test_files_are_searched_by_name_owner_and_id(ingest: Ingest) -> None:
    names = ("Thorax 1.dcm", "thorax_2.dcm", "Knie 100%.dcm")
    ids = []
    for seed, name in enumerate(names):
        caller, collection = (ALICE, "group:3") if seed else (ALICE, None)
        _, body = await ingest.send(caller, ct_instance(seed=seed + 1), collection, name)
        ids.append(body["files"][0]["id"])
    _, body = await ingest.send(STAFF, ct_instance(seed=9), None, "thorax 3.dcm")
    of_staff = body["files"][0]["id"]
    assert await ingest.listed(ALICE, q="THORAX") == [ids[1], ids[0]]
    assert await ingest.listed(ALICE, q="thorax", sort="uploaded", limit="1") == ids[:2]
    assert await ingest.listed(ALICE, q="1 dcm tho") == [ids[0]]
    assert await ingest.listed(ALICE, q="100%") == [ids[2]]
    assert await ingest.listed(ALICE, q="x_2") == [ids[1]]
    assert await ingest.listed(ALICE, q=ids[0]) == [ids[0]]
    assert await ingest.listed(BORIS, q="thorax") == [ids[1]]
    assert await ingest.listed(BORIS, q=ids[0]) == []
    assert await ingest.listed(STAFF, q="thorax") == [of_staff, ids[1], ids[0]]
    assert await ingest.listed(STAFF, q="thorax", owner="7", state="accepted") == [ids[1], ids[0]]
    assert await ingest.listed(BORIS, owner="7") == [ids[2], ids[1]]
    assert await ingest.listed(BORIS, owner="1") == []
    assert await ingest.listed(ALICE, q="", owner="") == ids[::-1]
    for wrong in ({"sort": "size"}, {"owner": "ana"}, {"q": "x" * 201}, {"q": "a\0"}):
        assert (await ingest.get("", ALICE, **wrong))[0] == 400


async def test_what_is_urgent_says_so_and_takes_a_permission(ingest: Ingest, sql: Connection) -> None:
    hurried = token(7, more=["prioritise_dicomfile"])
    status, problem = await ingest.send({**ALICE, "X-Priority": "urgent"}, ct_instance(seed=1))
    assert (status, problem["permission"]) == (403, "prioritise_dicomfile")
    status, problem = await ingest.send({**hurried, "X-Priority": "low"}, ct_instance(seed=1))
    assert (status, problem["code"]) == (422, "invalid-content")
    assert await ingest.listed(ALICE) == []
    for caller, asked in ((hurried, "urgent"), (hurried, "normal"), (ALICE, "normal"), (hurried, None)):
        headers = caller if asked is None else {**caller, "X-Priority": asked}
        status, body = await ingest.send(headers, ct_instance(seed=len(await ingest.listed(ALICE)) + 1))
        assert status == 202, body
    told = await sql.fetch("SELECT event->'data'->>'priority' FROM ingest.outbox ORDER BY id")
    assert [row[0] for row in told] == ["urgent", "normal", "normal", "normal"]


def form_of(*files: tuple[str, bytes]) -> FormData:
    """A form as browsers send folders."""
    form = FormData(quote_fields=False)
    for name, content in files:
        form.add_field("file", content, filename=name, content_type="application/dicom")
    return form


async def test_the_relative_path_of_a_file_is_kept(ingest: Ingest, sql: Connection) -> None:
    content = ct_instance(seed=21, StudyInstanceUID="1.2.3.21")
    form = form_of(("CD 3/SERIES01/IM1", content), ("IM2", ct_instance(seed=22)))
    async with ingest.client.post("/api/files", data=form, headers=ALICE) as answer:
        sent, plain = (await answer.json())["files"]
    assert (sent["file_name"], sent["folder"]) == ("IM1", "CD 3/SERIES01")
    assert sent["study_instance_uid"] == "1.2.3.21"
    assert "folder" not in plain
    for file, folder in ((sent, "CD 3/SERIES01"), (plain, None)):
        status, stored = await ingest.get(f"/{file['id']}", ALICE)
        assert (status, stored["folder"]) == (200, folder)
    # No event tells of it: it may name a patient.
    assert "SERIES01" not in str(await sql.fetch("SELECT event FROM ingest.outbox"))
    # The same bytes from elsewhere are the first file, where it lay.
    async with ingest.client.post("/api/files", data=form_of(("copy/IM9", content)), headers=ALICE) as answer:
        (again,) = (await answer.json())["files"]
    assert (again["id"], again["duplicate"], again["folder"]) == (sent["id"], True, "CD 3/SERIES01")
    assert again["study_instance_uid"] == "1.2.3.21"
    assert "queued_again" not in again
    await ingest.client.app[BUS].publish(failed_event(UUID(sent["id"])))  # as processors tell it
    async with ingest.client.post("/api/files", data=form_of(("IM1", content)), headers=ALICE) as answer:
        (cured,) = (await answer.json())["files"]
    assert (cured["id"], cured["duplicate"], cured["queued_again"]) == (sent["id"], True, True)


async def test_limits_are_told_to_those_who_may_send(ingest: Ingest) -> None:
    status, told = await ingest.get("/limits", ALICE)
    assert status == 200
    assert told["max_file_bytes"] == 8 << 30
    assert told["max_request_files"] == 1000
    assert (told["uploads_at_once"], told["bytes_at_once"]) == (32, 64 << 30)
    assert told["min_bytes_per_second"] == 2048
    assert told["accepted_extensions"] == []
    assert told["media_types"] == ["multipart/form-data", "application/dicom"]
    assert told["free_bytes"] > 0


async def test_a_service_tells_what_it_is_made_of(ingest: Ingest) -> None:
    status, part = await ingest.get("/system", token(5, more=["view_setting"]))
    assert (status, part["service"], part["storage"]["kind"]) == (200, "ingest", "folder")
    assert 0 < part["storage"]["free_bytes"] <= part["storage"]["total_bytes"]
    assert (part["schema_state"]["name"], part["schema_state"]["pending"]) == ("ingest", [])
    assert part["schema_state"]["version"] > "0010"
    (database,) = [one for one in part["settings"] if one["name"] == "DATABASE_URL"]
    assert (database["value"], database["secret"], database["is_set"]) == (None, True, True)
    status, refusal = await ingest.get("/system", ALICE)
    assert (status, refusal["permission"]) == (403, "view_setting")
