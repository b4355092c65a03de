"""What ingest believes of a failed file that is tried again, whichever it hears of first."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from uuid import UUID

import pytest

from libs.common.bus.contract import Delivery
from libs.common.errors import Conflict
from libs.common.events import Event
from services.ingest.handlers import RequestedFiles
from tests.builders import ct_instance
from tests.fixtures_postgres import OpenDatabase
from tests.ingest_support import Kit, failed_event
from tests.unit.services.results.events import requested

UID = "1.2.3.4"
FIRST, OTHER = ct_instance(seed=1, sop_instance_uid=UID), ct_instance(seed=2, sop_instance_uid=UID)


@pytest.fixture
async def kit(tmp_path: Path, open_database: OpenDatabase) -> Kit:
    return Kit(tmp_path, await open_database("ingest", size=10))


async def hear(kit: Kit, *events: Event) -> None:
    for event in events:
        if event.type == "dicom.file.requested.v1":
            await RequestedFiles(kit.database)(Delivery(event, 1))
        else:
            await kit.hear(event)


async def believed(kit: Kit, file_id: UUID) -> tuple[bool, int]:
    row = await kit.row(file_id)
    return row["failed_at"] is not None, row["request"]


async def test_nobody_takes_the_place_of_a_file_that_is_tried_again(kit: Kit) -> None:
    first = await kit.send(FIRST)
    old = failed_event(first.id)
    await hear(kit, old, requested(first.id), old)
    assert await believed(kit, first.id) == (False, 1)
    with pytest.raises(Conflict):
        await kit.send(OTHER)
    await hear(kit, failed_event(first.id, request=1))
    assert (await kit.send(OTHER)).supersedes == first.id


async def test_the_second_failure_counts_whatever_comes_first_and_whatever_clocks_say(kit: Kit) -> None:
    """Workers' clocks differ: the later failure may bear the earlier time."""
    early = datetime.now(UTC) - timedelta(hours=1)
    for order in permutations(range(3)):
        first = await kit.send(ct_instance(seed=sum(n * 10**p for p, n in enumerate(order)) + 100))
        failures = failed_event(first.id), requested(first.id), failed_event(first.id, request=1)
        data = failures[2].data.model_copy(update={"finished_at": early})
        history = [*failures[:2], failures[2].model_copy(update={"data": data})]
        await hear(kit, *(history[index] for index in order), *history)
        assert await believed(kit, first.id) == (True, 1), order


async def test_a_result_that_stands_is_no_failure(kit: Kit) -> None:
    """It was to be made anew, and that did not go well: the old one is kept."""
    first = await kit.send(FIRST)
    await hear(kit, requested(first.id, reason="reprocess"))
    await hear(kit, failed_event(first.id, request=1, requested="reprocess"))
    assert await believed(kit, first.id) == (False, 0)
    with pytest.raises(Conflict):
        await kit.send(OTHER)


async def test_the_same_bytes_sent_again_say_which_request_is_the_latest(kit: Kit) -> None:
    first = await kit.send(FIRST)
    await hear(kit, failed_event(first.id), requested(first.id), failed_event(first.id, request=1))
    assert (await kit.send(FIRST)).duplicate
    assert [event.request for event in await kit.events()] == [0, 1]
    assert await believed(kit, first.id) == (False, 1)
    await hear(kit, failed_event(first.id, request=1))
    assert await believed(kit, first.id) == (True, 1)


async def test_requests_and_failures_at_once(kit: Kit) -> None:
    first = await kit.send(FIRST)
    events = [failed_event(first.id), requested(first.id), failed_event(first.id, request=1)]
    await asyncio.gather(*(hear(kit, event) for event in events * 3))
    assert await believed(kit, first.id) == (True, 1)
