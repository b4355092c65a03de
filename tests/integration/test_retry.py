"""Having a failed file measured again: row, request and event at once; who may; what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Connection
from libs.common.events import FileRequested
from libs.common.ids import file_key, new_file_id
from libs.common.permissions import ORDINARY
from services.results.processing.waiting import read_pending, read_waiting
from tests.accounts_support import require_agreement
from tests.results_support import MEMBER, OWNER, STRANGER, Results, bearer, running_results
from tests.sharing_support import ANA, BEN, SHARING, Sharing
from tests.unit.services.results.events import failed, moved, processed, received, trailer
from tests.waiting import eventually

RETRYING = ORDINARY | {"retry_dicomfile"}
HEADER = {
    "00080060": {"vr": "CS", "Value": ["CT"]},
    "00280002": {"vr": "US", "Value": [3]},
    "00280100": {"vr": "US", "Value": [8]},
}


class Work:
    """Takes requests as a processor does, and remembers them."""

    def __init__(self) -> None:
        self.taken: list[FileRequested] = []

    async def __call__(self, delivery: Delivery) -> None:
        data = delivery.event.data
        assert isinstance(data, FileRequested)
        self.taken.append(data)


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path, work: Work) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path, work=work, outbox_poll=0.05) as running:
        yield running


async def failed_file(results: Results, collection: str | None = None) -> UUID:
    """A file that could not be measured."""
    told: dict[str, Any] = {} if collection is None else {"collection": collection}
    file_id = await results.upload(received(**told), dicom=HEADER)
    await results.publish(failed(file_id, **told))
    return file_id


async def retry(
    results: Results, file_id: UUID | str, user: int = OWNER, status: int = 202, **caller: Any
) -> Any:
    """The body of the answer, which has `status`."""
    headers = bearer(user, permissions=caller.pop("permissions", RETRYING), **caller)
    async with results.client.post(f"/api/results/{file_id}/retry", headers=headers) as answer:
        assert answer.status == status, f"{answer.status}: {await answer.text()}"
        return await answer.json(content_type=None)


@pytest.mark.parametrize("samples", ["9" * 9, "9" * 30, "9" * 5000, "\u00b2", "-1"])
async def test_whatever_a_header_says_of_its_size_the_file_can_be_tried_again(
    results: Results, work: Work, samples: str
) -> None:
    header = {**HEADER, "00280002": {"vr": "LT", "Value": [samples]}}
    told = received(rows=2**31 - 1, columns=2**31 - 1)
    file_id = await results.upload(told, dicom=header)
    await results.publish(failed(file_id))
    await retry(results, file_id)
    await eventually(lambda: bool(work.taken))
    assert work.taken[0].decoded_bytes is None


async def test_a_failed_file_is_received_again_and_its_work_is_asked_for(
    results: Results, work: Work, sql: Connection
) -> None:
    file_id = await failed_file(results)
    assert await retry(results, file_id) == {"file_id": str(file_id), "state": "received", "request": 1}
    await eventually(lambda: bool(work.taken))
    (asked,) = work.taken
    first = received(file_id).data
    told = {"file_id", "owner_id", "collection", "storage_key", "size_bytes", "sha256", "sop_instance_uid"}
    told |= {"sop_class_uid", "series_instance_uid", "study_instance_uid", "modality", "transfer_syntax_uid"}
    told |= {"rows", "columns", "frames", "moves"}
    assert asked.model_dump(include=told) == first.model_dump(include=told)
    assert (asked.request, asked.reason, asked.priority, asked.requested_by) == (1, "retry", "normal", OWNER)
    assert asked.decoded_bytes == 512 * 512 * 3

    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["failure"], body["attempts"]) == ("received", None, None)
    (*_, change) = (await results.json("/api/changes"))["changes"]
    assert (change["file_id"], change["state"]) == (str(file_id), "received")
    assert await sql.fetchval("SELECT count(*) FROM results.analysis") == 0
    await require_agreement(sql)


async def test_a_late_copy_of_the_old_failure_is_none_and_the_new_one_is(
    results: Results, sql: Connection
) -> None:
    file_id = await failed_file(results)
    await retry(results, file_id)
    old = failed(file_id)
    await results.publish(old, old)
    assert (await results.json(f"/api/results/{file_id}"))["state"] == "received"
    assert await sql.fetchval("SELECT count(*) FROM results.request") == 1
    await results.publish(failed(file_id, reason="worker-lost", request=1), old)
    body = await results.json(f"/api/results/{file_id}")
    assert (body["state"], body["failure"]["reason"]) == ("failed", "worker-lost")
    assert await sql.fetchval("SELECT reason FROM results.analysis") == "worker-lost"
    assert await sql.fetchval("SELECT count(*) FROM results.request") == 0
    assert (await retry(results, file_id))["request"] == 2
    await results.publish(failed(file_id, request=1))
    assert await sql.fetchval("SELECT number FROM results.request") == 2
    await results.publish(processed(file_id, request=2), failed(file_id, request=1))
    assert (await results.json(f"/api/results/{file_id}"))["state"] == "processed"
    await require_agreement(sql)


@pytest.mark.parametrize("state", ["received", "processed", "superseded", "unknown"])
async def test_only_what_failed_is_tried_again(results: Results, state: str, sql: Connection) -> None:
    if state == "unknown":
        # Its `received` is still on its way: nobody knows what to measure.
        file_id = new_file_id()
        await results.publish(failed(file_id))
    else:
        file_id = await results.upload()
    if state == "processed":
        await results.publish(processed(file_id))
    if state == "superseded":
        await results.publish(failed(file_id))
        await results.upload(received(supersedes=file_id))
    problem = await retry(results, file_id, status=409)
    assert problem["code"] == "conflict"
    assert await sql.fetchval("SELECT count(*) FROM results.outbox") == 0
    assert await sql.fetchval("SELECT count(*) FROM results.request") == 0


async def test_who_may_have_it_tried_again(results: Results) -> None:
    file_id, of_group = await failed_file(results), await failed_file(results, "group:3")
    await retry(results, file_id, STRANGER, 404)
    await retry(results, "none", status=404)
    problem = await retry(results, file_id, status=403, permissions=ORDINARY)
    assert problem["permission"] == "retry_dicomfile"
    await retry(results, of_group, MEMBER, 403, collections={"group:3": "view"})
    await retry(results, file_id, STRANGER, 403, permissions=RETRYING | {"view_all_dicomresult"})
    await retry(results, of_group, MEMBER, collections={"group:3": "manage"})
    everything = RETRYING | {"view_all_dicomresult", "manage_all_dicomresult"}
    await retry(results, file_id, STRANGER, permissions=everything)


@pytest.mark.parametrize(("mode", "status"), [("view", 403), ("manage", 202)])
async def test_with_whom_it_is_shared_to_be_managed(results: Results, mode: Any, status: int) -> None:
    file_id = await failed_file(results)
    sharing = Sharing(results)
    await sharing.share(ANA, BEN, mode, file_id=str(file_id))
    await retry(results, file_id, BEN.id, status, permissions=SHARING | {"retry_dicomfile"})


async def test_of_many_who_ask_at_once_one_is_heard(results: Results, work: Work, sql: Connection) -> None:
    file_id = await failed_file(results)

    async def ask() -> int:
        url = f"/api/results/{file_id}/retry"
        async with results.client.post(url, headers=bearer(OWNER, permissions=RETRYING)) as answer:
            return answer.status

    statuses = await asyncio.gather(*(ask() for _ in range(6)))
    assert sorted(statuses) == [202, *[409] * 5]
    assert await sql.fetchval("SELECT count(*) FROM results.outbox") == 1
    await eventually(lambda: len(work.taken) == 1)


async def test_a_moved_file_is_measured_where_it_lies(results: Results, work: Work) -> None:
    file_id = new_file_id()
    await results.storage.put(file_key(file_id), b"DICM", trailer(), durable=False)
    await results.publish(received(file_id), failed(file_id), moved(file_id, "group:4"))
    await retry(results, file_id, MEMBER, collections={"group:4": "manage"})
    await eventually(lambda: bool(work.taken))
    assert (work.taken[0].collection, work.taken[0].moves) == ("group:4", 1)
    await results.publish(processed(file_id, collection="group:4", request=1))
    assert (await results.json(f"/api/results/{file_id}", MEMBER))["collection"] == "group:4"


async def test_how_long_a_file_waits_counts_from_when_it_was_asked_for(
    results: Results, sql: Connection
) -> None:
    file_id = await failed_file(results)
    await sql.execute("UPDATE results.upload_dicomresult SET received_at = now() - interval '9 days'")
    await retry(results, file_id)
    waiting = await read_waiting(sql)
    assert waiting.files == 1
    assert waiting.oldest_seconds < 3600
    assert await read_pending(sql) == {"retry": 1}
