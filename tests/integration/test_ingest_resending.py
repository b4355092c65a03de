"""Sending again on real PostgreSQL and real storage: what is cured, replaced or refused, also all at once."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from uuid import UUID

import pytest

from libs.common.encryption.keyring import Keyring
from libs.common.errors import Conflict, ObjectCorrupt, Unavailable
from libs.common.events import FileReceived
from libs.common.ids import ObjectKey, UserId, file_key
from libs.common.storage import FileStorage
from libs.common.storage.bucket import Bucket
from libs.common.storage.gridfs import GridFSStorage
from services.ingest.resending import Accepted
from tests.builders import ct_instance
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import Kit, failed_event

UID = "1.2.3.4"
FIRST = ct_instance(rows=900, columns=900, seed=1, sop_instance_uid=UID)
"""More than one segment."""
OTHERS = [ct_instance(seed=10 + n, sop_instance_uid=UID) for n in range(8)]


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest", size=10))


@pytest.fixture
async def other_process(kit: Kit, tmp_path: Path, open_database: OpenDatabase) -> Kit:
    """A second replica on the same database and folder."""
    return Kit(tmp_path, await open_database("ingest", size=10))


def lose(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip_in_the_middle(path: Path) -> None:
    """In the first segment: whoever only opens the object does not notice."""
    with path.open("r+b") as file:
        file.seek(500_000)
        file.write(os.urandom(16))


DAMAGES = [lose, empty, flip_in_the_middle]


async def content_of(kit: Kit, file_id: UUID) -> bytes:
    reader = await kit.storage.open(file_key(file_id))
    try:
        return b"".join([piece async for piece in reader.chunks()])
    finally:
        await reader.close()


@pytest.mark.parametrize("damage", DAMAGES)
async def test_a_broken_object_is_replaced_under_its_id_and_queued_again(kit: Kit, damage: object) -> None:
    assert callable(damage)
    first = await kit.send(FIRST, "first.dcm")
    trailer = await kit.storage.read_trailer(file_key(first.id))
    damage(kit.path(first.id))
    again = await kit.send(FIRST, "second.dcm", owner=UserId(7))
    assert (again.id, again.duplicate) == (first.id, True)
    assert kit.objects() == [str(first.id)]
    assert await content_of(kit, first.id) == FIRST
    assert await kit.storage.read_trailer(file_key(first.id)) == trailer
    announced = await kit.events()
    assert len(announced) == 2
    assert announced[0] == announced[1]
    assert kit.woken == 2
    # Cured: the next one is a duplicate like any other.
    await kit.send(FIRST)
    assert len(await kit.events()) == 2
    assert kit.woken == 2


async def test_objects_in_gridfs_are_cured_as_well(
    tmp_path: Path, open_database: OpenDatabase, mongodb_url: str
) -> None:
    store = GridFSStorage(
        Bucket(mongodb_url, None), Keyring.create(tmp_path / "keyring.json"), spool=tmp_path
    )
    kit = Kit(tmp_path, await open_database("ingest"), storage=store)
    try:
        first = await kit.send(FIRST)
        await store.delete(file_key(first.id))
        again = await kit.send(FIRST)
        assert (again.id, again.duplicate) == (first.id, True)
        assert await content_of(kit, first.id) == FIRST
        assert [stored.key async for stored in store.keys()] == [file_key(first.id)]
        assert len(await kit.events()) == 2
    finally:
        await store.close()


async def test_a_good_object_is_kept(kit: Kit) -> None:
    first = await kit.send(FIRST)
    before = kit.path(first.id).stat()
    assert (await kit.send(FIRST)).duplicate
    after = kit.path(first.id).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert kit.objects() == [str(first.id)]
    assert len(await kit.events()) == 1


async def test_a_failed_files_object_is_made_anew(kit: Kit) -> None:
    """Its trailer may be what an older release's reader made of the header."""
    first = await kit.send(FIRST)
    await kit.storage.put(file_key(first.id), FIRST, {"dicom": {"of": "before"}})
    await kit.fail(first.id)
    assert (await kit.send(FIRST)).id == first.id
    trailer = await kit.storage.read_trailer(file_key(first.id))
    assert "00080018" in trailer["dicom"]
    assert trailer["owner_id"] == 7
    assert (await kit.row(first.id))["failed_at"] is None
    assert len(await kit.events()) == 2


async def test_a_store_that_is_away_loses_nothing(kit: Kit) -> None:
    """No answer is not `lost`: nothing is replaced, nothing queued."""
    first = await kit.send(FIRST)

    class Away(FileStorage):
        async def verify(self, key: ObjectKey) -> dict[str, object]:
            raise Unavailable("away")

    assert isinstance(kit.storage, FileStorage)
    kit.storage.__class__ = Away
    with pytest.raises(Unavailable):
        await kit.send(FIRST)
    assert kit.objects() == [str(first.id)]
    assert len(await kit.events()) == 1


@pytest.mark.parametrize("damage", DAMAGES)
async def test_many_at_once_cure_once(kit: Kit, damage: object) -> None:
    assert callable(damage)
    content = ct_instance(rows=800, columns=800, seed=2)
    first = await kit.send(content)
    damage(kit.path(first.id))
    answers = await asyncio.gather(*(kit.send(content) for _ in range(30)))
    assert {(a.id, a.duplicate) for a in answers} == {(first.id, True)}
    assert kit.objects() == [str(first.id)]
    assert await content_of(kit, first.id) == content
    assert len(await kit.events()) == 2


async def test_two_processes_cure_a_failed_file_once(kit: Kit, other_process: Kit) -> None:
    first = await kit.send(FIRST)
    await kit.fail(first.id)
    answers = await asyncio.gather(*(one.send(FIRST) for one in (kit, other_process) for _ in range(10)))
    assert {a.id for a in answers} == {first.id}
    assert len(await kit.events()) == 2
    assert await content_of(kit, first.id) == FIRST


async def test_other_bytes_take_the_place_of_a_failed_file(kit: Kit) -> None:
    first = await kit.send(FIRST)
    with pytest.raises(Conflict):
        await kit.send(OTHERS[0])
    await kit.fail(first.id)
    second = await kit.send(OTHERS[0])
    assert not second.duplicate
    assert second.id != first.id
    assert second.supersedes == first.id
    assert await kit.states() == {first.id: "superseded", second.id: "accepted"}
    events = await kit.events()
    assert [(e.file_id, e.supersedes) for e in events] == [(first.id, None), (second.id, first.id)]
    assert kit.objects() == sorted([str(first.id), str(second.id)])
    assert kit.woken == 2
    # It stands now; and the first bytes are no duplicate of a file that is no longer shown.
    for content in (OTHERS[1], FIRST):
        with pytest.raises(Conflict):
            await kit.send(content)
    assert kit.counted() == {"accepted": 2, "conflict": 3}


async def test_after_a_second_failure_the_first_bytes_may_come_again(kit: Kit) -> None:
    first = await kit.send(FIRST)
    await kit.fail(first.id)
    second = await kit.send(OTHERS[0])
    await kit.fail(second.id)
    third = await kit.send(FIRST)
    assert third.id not in (first.id, second.id)
    assert third.supersedes == second.id
    assert await kit.states() == {first.id: "superseded", second.id: "superseded", third.id: "accepted"}


async def test_many_superseding_at_once_leave_one(kit: Kit, other_process: Kit) -> None:
    first = await kit.send(FIRST)
    await kit.fail(first.id)
    kits = (kit, other_process)
    answers = await asyncio.gather(
        *(kits[n % 2].send(content) for n, content in enumerate([*OTHERS, *OTHERS, FIRST])),
        return_exceptions=True,
    )
    accepted = [a for a in answers if isinstance(a, Accepted) and not a.duplicate]
    assert all(isinstance(a, Accepted | Conflict) for a in answers), answers
    states = await kit.states()
    if accepted:
        (winner,) = accepted
        assert states == {first.id: "superseded", winner.id: "accepted"}
        assert [e.supersedes for e in await kit.events()][-1] == first.id
        assert sum(isinstance(a, Accepted) for a in answers) == 2  # and its duplicate
    else:
        # The same bytes were first, and the file waits again.
        assert states == {first.id: "accepted"}
    assert kit.objects() == sorted(str(file_id) for file_id in states)
    await each_row_was_announced(kit)


async def each_row_was_announced(kit: Kit) -> None:
    announced: list[FileReceived] = await kit.events()
    assert {event.file_id for event in announced} == (await kit.states()).keys()
    assert len(announced) == 2


async def test_two_superseding_with_the_same_bytes_are_one(kit: Kit, other_process: Kit) -> None:
    first = await kit.send(FIRST)
    await kit.fail(first.id)
    answers = await asyncio.gather(*(one.send(OTHERS[0]) for one in (kit, other_process) for _ in range(10)))
    assert len({a.id for a in answers}) == 1
    assert sum(not a.duplicate for a in answers) == 1
    await each_row_was_announced(kit)


async def test_a_failure_of_other_bytes_is_none_of_this_file(kit: Kit) -> None:
    first = await kit.send(FIRST)
    await kit.fail(first.id, sha256="0" * 64)
    assert (await kit.row(first.id))["failed_at"] is None
    with pytest.raises(Conflict):
        await kit.send(OTHERS[0])
    await kit.fail(first.id, sha256=(await kit.row(first.id))["sha256"])
    assert (await kit.row(first.id))["failed_at"] is not None
    await kit.send(OTHERS[0])
    before = await kit.row(first.id)
    await kit.fail(first.id)
    assert await kit.row(first.id) == before


async def test_a_failure_that_was_cured_is_old_news(kit: Kit) -> None:
    """The broker may tell it again, even after the file was processed."""
    first = await kit.send(FIRST)
    failure = failed_event(first.id)
    await kit.hear(failure)
    await kit.send(FIRST)
    await kit.hear(failure)
    with pytest.raises(Conflict):
        await kit.send(OTHERS[0])
    await kit.fail(first.id)
    assert (await kit.send(OTHERS[0])).supersedes == first.id


async def test_a_broken_object_stays_broken_for_readers_of_before(kit: Kit) -> None:
    """Who had the damaged object open keeps it; the new one is another file of the folder."""
    first = await kit.send(FIRST)
    flip_in_the_middle(kit.path(first.id))
    reader = await kit.storage.open(file_key(first.id))
    await kit.send(FIRST)
    with pytest.raises(ObjectCorrupt):
        await reader.read(0, 1)
    await reader.close()
    assert await content_of(kit, first.id) == FIRST
