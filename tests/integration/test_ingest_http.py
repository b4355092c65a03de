"""HTTP of ingest: into which collection a file goes, and who sees what lies there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp import FormData

from libs.common.database.postgres import Connection
from libs.common.ids import new_file_id
from libs.common.keys import BUS
from services.ingest import store
from services.ingest.models import IntakeState
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


class Explaining:
    """A connection that explains what it is asked for, in place of doing it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.plan = ""
        self.statement = ""

    async def prepare(self, statement: str, *, name: str) -> Explaining:
        assert name == ""
        self.statement = statement
        return self

    async def fetch(self, *arguments: object) -> list[Any]:
        rows = await self.connection.fetch(f"EXPLAIN (ANALYZE, TIMING OFF) {self.statement}", *arguments)
        self.plan = "\n".join(row[0] for row in rows)
        return []


@pytest.mark.parametrize("state", [None, "accepted", "superseded"])
@pytest.mark.parametrize("collections", [["user:7"], ["group:3", "user:7", "user:9"], None])
async def test_a_list_reads_no_more_than_its_pages(
    sql: Connection, collections: list[str] | None, state: IntakeState | None
) -> None:
    """Somebody who sees little among many rows: each branch walks an index, and stops at the limit."""
    await sql.execute(
        """
        INSERT INTO ingest.upload_dicomfile (id, file, file_name, owner_id, size_bytes, sha256, state,
            sop_class_uid, sop_instance_uid, transfer_syntax_uid)
        SELECT uuid, uuid::text, 'a.dcm', CASE WHEN n % 4000 = 1 THEN 7 ELSE 8 + n % 3 END, 1,
            md5(n::text) || md5(n::text), CASE WHEN n % 1000 = 0 THEN 'superseded' ELSE 'accepted' END,
            '1.2', '1.2.' || n, '1.2'
        FROM generate_series(1, 20000) AS n, LATERAL (
            SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '7' || lpad(to_hex(n), 19, '0'))::uuid AS uuid
        ) AS made
        """
    )
    await sql.execute("ANALYZE ingest.upload_dicomfile")
    explaining = Explaining(sql)
    await store.list_files(explaining, collections, state, new_file_id(), 51)  # type: ignore[arg-type]
    assert "Seq Scan" not in explaining.plan, explaining.plan
    read = [
        int(float(part.split("rows=")[1].split()[0]))
        for part in explaining.plan.splitlines()
        if "Scan" in part and "actual" in part
        for part in [part.partition("actual")[2]]
    ]
    assert read
    assert max(read) <= 60, explaining.plan
    removed = [int(n) for n in re.findall(r"Rows Removed by \w+: (\d+)", explaining.plan)]
    assert sum(removed) <= 10 * 60, explaining.plan


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


async def test_limits_are_told_to_those_who_may_send(ingest: Ingest) -> None:
    status, told = await ingest.get("/limits", ALICE)
    assert status == 200
    assert told["max_file_bytes"] == 8 << 30
    assert told["max_request_files"] == 1000
    assert told["accepted_extensions"] == []
    assert told["media_types"] == ["multipart/form-data", "application/dicom"]
    assert told["free_bytes"] > 0
