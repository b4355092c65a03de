"""Intake on real PostgreSQL and real storage: what is kept when things go wrong or happen at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path

import asyncpg
import pytest

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Database
from libs.common.errors import Conflict, InvalidContent, Reject, TooLarge, Unavailable, UnsupportedType
from libs.common.events import new_event
from libs.common.ids import UserId, file_key
from services.ingest.handlers import FailedFiles
from services.ingest.resending import Accepted
from tests.builders import ct_instance
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import OWNER, Kit, pieces, sender
from tests.waiting import eventually


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest", size=10))


async def test_a_whole_file_counts_as_arriving_until_it_is_accepted_or_refused(kit: Kit) -> None:
    counted: list[int] = []
    await kit.intake.receive(
        pieces(ct_instance(rows=8, columns=8)),
        "a.dcm",
        sender(),
        check=lambda _: counted.append(kit.arrivals.accepting),
    )
    assert counted == [1]
    assert kit.arrivals.entered == 2  # while it is sealed, and while its row is written
    assert kit.arrivals.noted == 2  # its one piece, and that another file may follow
    with pytest.raises(InvalidContent):
        await kit.send(b"no DICOM")
    assert kit.arrivals.accepting == 0


async def test_accepted_means_object_row_and_event(kit: Kit) -> None:
    content = ct_instance(rows=600, columns=800, seed=1)
    assert kit.arrivals.noted == 0
    accepted = await kit.send(content)
    assert kit.arrivals.noted > 0
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
        await strict.send(ct_instance(), "")
    await strict.send(ct_instance(), "SCAN.DCM")
    # What comes over the network as an instance has no name.
    await strict.send(ct_instance(seed=2), None)


async def test_a_sender_that_vanishes_leaves_nothing(kit: Kit) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield ct_instance(rows=1000, columns=1000)[:1_500_000]
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        await kit.intake.receive(broken(), "a.dcm", sender())
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

    await kit.fail(first.id)
    woken = kit.woken
    answers = await asyncio.gather(*(kit.send(content) for _ in range(20)))
    assert all(a.duplicate and a.id == first.id for a in answers)
    events = await kit.events()
    assert len(events) == 2
    assert events[0] == events[1]
    assert kit.woken == woken + 1
    assert kit.counted() == {"accepted": 1, "duplicate": 21}


async def test_only_failures_are_listened_to(kit: Kit) -> None:
    await kit.send(ct_instance(seed=7))
    (event,) = await kit.events()
    with pytest.raises(Reject):
        await FailedFiles(kit.database)(Delivery(new_event("/ingest", event), 1))


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


async def test_the_trailer_names_collection_owner_and_time(kit: Kit) -> None:
    """So that a row that is lost can be made anew."""
    accepted = await kit.send(ct_instance(seed=8), "cd/scan.dcm", collection="group:3")
    trailer = await kit.storage.read_trailer(file_key(accepted.id))
    row = await kit.row(accepted.id)
    assert (row["collection"], row["owner_id"]) == ("group:3", OWNER)
    assert (trailer["file_name"], trailer["folder"]) == ("scan.dcm", "cd")
    assert (trailer["collection"], trailer["owner_id"]) == (
        "group:3",
        OWNER,
    )
    assert datetime.fromisoformat(trailer["uploaded_at"]) == row["uploaded_at"]
    (event,) = await kit.events()
    assert event.collection == "group:3"


async def test_two_collections_do_not_notice_each_other(kit: Kit) -> None:
    """The second sender's second time finds the second sender's file, not the first's."""
    content, other = (ct_instance(seed=seed, sop_instance_uid="1.2.3.9") for seed in (9, 10))
    first = await kit.send(content)
    second = await kit.send(content, owner=UserId(8))
    shared = await kit.send(content, owner=UserId(8), collection="group:3")
    assert len({first.id, second.id, shared.id}) == 3
    for found, owner, collection in ((first, 7, None), (second, 8, None), (shared, 9, "group:3")):
        again = await kit.send(content, owner=UserId(owner), collection=collection)
        assert (again.id, again.duplicate) == (found.id, True)
        with pytest.raises(Conflict):
            await kit.send(other, owner=UserId(owner), collection=collection)
    assert kit.objects() == sorted(str(one.id) for one in (first, second, shared))


async def test_the_object_stays_when_the_answer_is_lost(kit: Kit, database_url: str) -> None:
    """The database may have accepted the file: without its object it would be lost."""
    operator = await asyncpg.connect(database_url)
    waiting = "SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'ingest.upload_dicomfile'::regclass"
    try:
        async with operator.transaction():
            await operator.execute("LOCK TABLE ingest.upload_dicomfile IN EXCLUSIVE MODE")
            sending = asyncio.create_task(kit.send(ct_instance(seed=11)))

            async def asked() -> bool:
                return await operator.fetchval(waiting) is not None

            await eventually(asked)
            await operator.fetchval(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS found")
            with pytest.raises(Unavailable):
                await sending
    finally:
        await operator.close()
    assert len(kit.objects()) == 1
    assert kit.woken == 0
    assert kit.counted() == {"unavailable": 1}


async def test_when_every_place_is_taken_the_answer_is_unavailable(
    tmp_path: Path, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.intake.SLOT_SECONDS", 0.01)
    full = Kit(tmp_path, await open_database("ingest"), concurrency=1)
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        begun.set()
        await finish.wait()
        yield ct_instance(seed=12)

    first = asyncio.create_task(full.intake.receive(slow(), "a.dcm", sender()))
    await begun.wait()
    with pytest.raises(Unavailable, match="Too many uploads"):
        await full.send(ct_instance(seed=13))
    finish.set()
    await first
    await full.send(ct_instance(seed=13))
    assert full.counted() == {"accepted": 2, "unavailable": 1}
