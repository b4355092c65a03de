"""Moving files: who may, what stands in the way, and what is told of it, on real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.common.errors import Conflict, ObjectNotFound, Unavailable
from libs.common.events import FileReceived
from libs.common.ids import ObjectKey, new_file_id, place_key
from libs.common.keys import BUS
from libs.common.permissions import ALL, Permission
from libs.common.storage import FileStorage
from services.ingest.moving import Moving
from tests.builders import ct_instance
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_http_support import Ingest, running_ingest, token
from tests.ingest_support import Kit, failed_event

NEWEST = "SELECT event::text FROM ingest.outbox ORDER BY id DESC LIMIT 1"
MOVE: tuple[Permission, ...] = ("move_dicomfile",)
ALICE = token(7, more=MOVE, group_3="manage", group_4="view", group_5="manage")
BORIS = token(8, more=MOVE, group_3="view")
HEAD_OF_3 = token(9, more=MOVE, group_3="manage", group_4="manage")
POWERLESS = token(7, group_3="manage")
STAFF = token(1, more=(*MOVE, "view_all_dicomresult"))
ADMINISTRATOR = token(2, more=(*MOVE, "view_all_dicomresult", "manage_all_dicomresult"))
BLIND = token(3, more=(*MOVE, "manage_all_dicomresult"))

OWNER = Viewer(7, MappingProxyType({"user:7": "manage", "group:3": "manage", "group:4": "manage"}), ALL)


@pytest.fixture
async def ingest(tmp_path: Path, role_url: Callable[[str], str]) -> AsyncIterator[Ingest]:
    async with running_ingest(role_url("ingest"), tmp_path) as running:
        yield running


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest", size=10))


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def send(
    ingest: Ingest, content: bytes, collection: str | None = None, headers: dict[str, str] = ALICE
) -> str:
    status, body = await ingest.send(headers, content, collection)
    assert status == 202, body
    return str(body["files"][0]["id"])


async def events(sql: Connection) -> int:
    found: int = await sql.fetchval("SELECT count(*) FROM ingest.outbox WHERE event->>'type' LIKE '%moved%'")
    return found


async def test_a_file_is_moved_and_it_is_told_once(ingest: Ingest, sql: Connection) -> None:
    file_id = await send(ingest, ct_instance(seed=1))
    status, file = await ingest.move(ALICE, file_id, {"collection": "group:3"})
    assert (status, file["collection"], file["moves"], file["owner_id"]) == (200, "group:3", 1, 7)
    assert await ingest.get(f"/{file_id}", BORIS) == (200, file)
    assert await ingest.listed(BORIS) == [file_id]
    event = orjson.loads(await sql.fetchval(NEWEST))
    assert (event["type"], event["subject"]) == ("dicom.file.moved.v1", file_id)
    assert event["data"] == {
        "file_id": file_id,
        "owner_id": 7,
        "collection": "group:3",
        "from_collection": "user:7",
        "moves": 1,
        "moved_by": 7,
    }
    # It lies there: nothing changes, and nobody is told.
    assert await ingest.move(ALICE, file_id, {"collection": "group:3"}) == (200, file)
    assert await events(sql) == 1
    status, file = await ingest.move(ALICE, file_id, {"collection": "user:7"})
    assert (status, file["collection"], file["moves"]) == (200, "user:7", 2)
    assert (await ingest.get(f"/{file_id}", BORIS))[0] == 404


@pytest.mark.parametrize(
    ("caller", "start", "target", "status", "told"),
    [
        (ALICE, "user:7", "group:4", 403, "group:4, not add"),
        (ALICE, "user:7", "group:9", 404, "group:9"),
        (ALICE, "user:7", "user:8", 404, "user:8"),
        (BORIS, "group:3", "user:8", 403, "group:3, not take"),
        (BORIS, "user:7", "user:8", 404, "no file"),
        (HEAD_OF_3, "user:7", "group:3", 404, "no file"),
        (POWERLESS, "user:7", "group:3", 403, "move_dicomfile"),
        (STAFF, "user:7", "user:1", 403, "user:7, not take"),
        (STAFF, "user:7", "group:3", 403, "group:3, not add"),
        (BLIND, "user:7", "user:3", 404, "no file"),
        (BLIND, "user:7", "group:3", 404, "group:3"),
        (ALICE, "user:7", "group:03", 400, "collection"),
        (ALICE, "user:7", "group:3\n", 400, "collection"),
        (ALICE, "user:7", "", 400, "collection"),
    ],
)
async def test_nobody_moves_what_they_do_not_manage(
    ingest: Ingest, sql: Connection, caller: dict[str, str], start: str, target: str, status: int, told: str
) -> None:
    file_id = await send(ingest, ct_instance(), None if start == "user:7" else start)
    got, problem = await ingest.move(caller, file_id, {"collection": target})
    assert (got, told in problem["detail"]) == (status, True), problem
    row = await sql.fetchrow("SELECT collection, moves FROM ingest.upload_dicomfile")
    assert row is not None
    assert tuple(row) == (start, 0)
    assert await events(sql) == 0


async def test_what_is_not_there_cannot_be_moved(ingest: Ingest) -> None:
    for unknown in (str(new_file_id()), "none"):
        status, problem = await ingest.move(ALICE, unknown, {"collection": "group:3"})
        assert (status, problem["code"]) == (404, "not-found")
    file_id = await send(ingest, ct_instance())
    wrong: list[Any] = [{}, {"collection": 3}, {"collection": "group:3", "owner_id": 8}, []]
    for body in wrong:
        assert (await ingest.move(ALICE, file_id, body))[0] == 400
    async with ingest.client.patch(f"/api/files/{file_id}", data=b"x", headers=ALICE) as answer:
        assert answer.status == 415
    long = {"collection": "group:3" + " " * 20_000}
    assert (await ingest.move(ALICE, file_id, long))[0] == 413


async def test_who_manages_everything_may_move_anything(ingest: Ingest) -> None:
    file_id = await send(ingest, ct_instance())
    status, file = await ingest.move(ADMINISTRATOR, file_id, {"collection": "group:4"})
    assert (status, file["collection"]) == (200, "group:4")


async def test_a_place_that_is_taken_is_named(ingest: Ingest, sql: Connection) -> None:
    uid = "1.2.3"
    first = await send(ingest, ct_instance(seed=1, sop_instance_uid=uid))
    for seed, target in ((1, "group:3"), (2, "group:5")):
        other = await send(ingest, ct_instance(seed=seed, sop_instance_uid=uid), target)
        status, problem = await ingest.move(ALICE, first, {"collection": target})
        assert (status, problem["code"], problem["file_id"]) == (409, "conflict", other)
    assert (await ingest.get(f"/{first}", ALICE))[1]["collection"] == "user:7"
    assert await events(sql) == 0


async def test_identity_moves_along(ingest: Ingest) -> None:
    """The old collection takes the bytes as new, the new one knows them."""
    content = ct_instance(seed=1)
    first = await send(ingest, content)
    assert (await ingest.move(ALICE, first, {"collection": "group:3"}))[0] == 200
    _, body = await ingest.send(ALICE, content, "group:3")
    assert (body["files"][0]["id"], body["files"][0]["duplicate"]) == (first, True)
    again = await send(ingest, content)
    assert again != first
    status, problem = await ingest.move(ALICE, first, {"collection": "user:7"})
    assert (status, problem["file_id"]) == (409, again)


async def test_a_failed_file_moves_and_a_superseded_or_erased_one_does_not(
    ingest: Ingest, sql: Connection
) -> None:
    failed = await send(ingest, ct_instance(seed=1, sop_instance_uid="1.2.3"))
    await ingest.client.app[BUS].publish(failed_event(UUID(failed)))
    assert (await ingest.move(ALICE, failed, {"collection": "group:3"}))[0] == 200
    # It waits for its cure where it lies now, and nowhere else.
    elsewhere = await send(ingest, ct_instance(seed=2, sop_instance_uid="1.2.3"))
    _, body = await ingest.send(ALICE, ct_instance(seed=3, sop_instance_uid="1.2.3"), "group:3")
    assert body["files"][0]["supersedes"] == failed
    event = orjson.loads(await sql.fetchval(NEWEST))
    assert (event["data"]["supersedes"], event["data"]["supersedes_moves"]) == (failed, 1)
    status, problem = await ingest.move(ALICE, failed, {"collection": "group:5"})
    assert (status, problem["code"], "taken its place" in problem["detail"]) == (409, "conflict", True)
    await sql.execute("UPDATE ingest.upload_dicomfile SET state = 'erased' WHERE id = $1", UUID(elsewhere))
    status, problem = await ingest.move(ALICE, elsewhere, {"collection": "group:5"})
    assert (status, "erased" in problem["detail"]) == (409, True)


async def test_the_place_is_sealed_beside_the_object(kit: Kit) -> None:
    file_id = (await kit.send(ct_instance(seed=1))).id
    with pytest.raises(ObjectNotFound):
        await kit.storage.read_trailer(place_key(file_id))
    for target in ("group:3", "group:4"):
        await kit.moving.move(file_id, target, OWNER)
    sealed = await kit.storage.read_trailer(place_key(file_id))
    assert (sealed["collection"], sealed["moves"]) == ("group:4", 2)
    assert kit.woken == 3


async def test_what_is_sealed_anew_says_where_it_lies_now(kit: Kit) -> None:
    content = ct_instance(seed=1)
    file_id = (await kit.send(content)).id
    await kit.moving.move(file_id, "group:3", OWNER)
    kit.path(file_id).unlink()
    await kit.send(content, collection="group:3")
    sealed = await kit.storage.read_trailer(ObjectKey(str(file_id)))
    assert (sealed["collection"], sealed["moves"]) == ("group:3", 1)
    announced = (await kit.events())[-1]
    assert isinstance(announced, FileReceived)
    assert (announced.file_id, announced.collection, announced.moves) == (file_id, "group:3", 1)


class _NoRoom(FileStorage):
    async def put(self, *_: Any, **__: Any) -> None:
        raise Unavailable("The object store is full.")


async def test_what_cannot_be_sealed_is_not_moved(kit: Kit, tmp_path: Path) -> None:
    file_id = (await kit.send(ct_instance(seed=1))).id
    assert isinstance(kit.storage, FileStorage)
    full = _NoRoom(kit.root, kit.storage._keyring)
    with pytest.raises(Unavailable):
        await Moving(full, kit.database, wake=kit.wake).move(file_id, "group:3", OWNER)
    row = await kit.row(file_id)
    assert (row["collection"], row["moves"], await kit.moved()) == ("user:7", 0, [])


async def test_moves_all_at_once_are_numbered_one_after_another(kit: Kit) -> None:
    file_id = (await kit.send(ct_instance(seed=1))).id
    targets = ["group:3", "group:4"] * 5
    await asyncio.gather(*(kit.moving.move(file_id, target, OWNER) for target in targets))
    told = await kit.moved()
    assert [event.moves for event in told] == list(range(1, len(told) + 1))
    places = ["user:7", *(event.collection for event in told)]
    assert [event.from_collection for event in told] == places[:-1]
    assert all(one != other for one, other in pairwise(places))
    row, sealed = await kit.row(file_id), await kit.storage.read_trailer(place_key(file_id))
    assert (row["collection"], row["moves"]) == (places[-1], len(told))
    assert (sealed["collection"], sealed["moves"]) == (places[-1], len(told))


async def test_the_same_bytes_sent_and_moved_at_once_lie_there_once(kit: Kit) -> None:
    content = ct_instance(seed=1)
    for _ in range(5):
        mine = (await kit.send(content)).id
        sent, moved = await asyncio.gather(
            kit.send(content, collection="group:3"),
            kit.moving.move(mine, "group:3", OWNER),
            return_exceptions=True,
        )
        assert not isinstance(sent, BaseException), sent
        if isinstance(moved, BaseException):
            assert isinstance(moved, Conflict), moved
            assert moved.members == {"file_id": str(sent.id)}
        else:
            assert (sent.id, sent.duplicate) == (mine, True)
        async with kit.database.connection() as connection:
            await connection.execute("DELETE FROM ingest.upload_dicomfile")
