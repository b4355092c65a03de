"""Jobs on real PostgreSQL: which files they ask for, at which pace, and what ends, stops and resumes them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Connection
from libs.common.events import FileRequested
from libs.common.permissions import ORDINARY
from services.results.keys import JOBS as JOBS_KEY
from services.results.processing import requests_store
from services.results.processing.requests_store import Answer
from tests.accounts_support import require_agreement
from tests.results_support import Results, bearer, running_results
from tests.unit.services.results.events import failed, processed, received
from tests.waiting import eventually

OPERATING = ORDINARY | {"view_job", "add_job", "change_job", "reprocess_dicomresult"}
OPERATOR = 20
AT_ONCE = 3
JOBS = "/api/processing/jobs"


class Workers:
    """Take what is requested and, once they may, measure it by a newer method."""

    def __init__(self) -> None:
        self.taken: list[FileRequested] = []
        self.most = self.busy = 0
        self.places = asyncio.Semaphore(0)
        self.open = asyncio.Event()
        self.results: Results | None = None
        self.failing: set[UUID] = set()

    async def __call__(self, delivery: Delivery) -> None:
        data = delivery.event.data
        assert isinstance(data, FileRequested)
        assert self.results is not None
        self.taken.append(data)
        self.busy += 1
        self.most = max(self.most, self.busy)
        await self.open.wait()
        self.busy -= 1
        answer = failed if data.file_id in self.failing else processed
        told: dict[str, Any] = {} if answer is failed else {"version": 2}
        await self.results.publish(answer(data.file_id, request=data.request, **told))

    @property
    def asked(self) -> list[UUID]:
        return [of.file_id for of in self.taken]


@pytest.fixture
def workers() -> Workers:
    return Workers()


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path, workers: Workers) -> AsyncIterator[Results]:
    async with running_results(
        role_url("results"),
        tmp_path,
        work=workers,
        outbox_poll=0.05,
        reprocess_at_once=AT_ONCE,
        jobs_running=3,
    ) as running:
        workers.results = running
        yield running
        workers.open.set()


async def files(results: Results, count: int, **told: Any) -> list[UUID]:
    """So many processed files."""
    found = [await results.upload(received(**told)) for _ in range(count)]
    for file_id in found:
        await results.publish(processed(file_id))
    return found


async def ask(
    results: Results,
    method: str,
    path: str = "",
    status: int = 200,
    permissions: Any = OPERATING,
    **sent: Any,
) -> Any:
    headers = bearer(OPERATOR, permissions=permissions)
    async with results.client.request(method, JOBS + path, headers=headers, **sent) as answer:
        assert answer.status == status, f"{answer.status}: {await answer.text()}"
        return await answer.json(content_type=None)


async def start(results: Results, **where: Any) -> str:
    job = await ask(results, "POST", status=201, json={"where": where})
    assert (job["state"], job["where"].keys(), job["created_by"]) == ("running", where.keys(), OPERATOR)
    return str(job["id"])


async def reached(results: Results, job_id: str, **values: Any) -> dict[str, Any]:
    """The job, once it has these values."""
    found: list[dict[str, Any]] = []

    async def has() -> bool:
        found.append(await ask(results, "GET", f"/{job_id}"))
        return values.items() <= found[-1].items()

    await eventually(has)
    return found[-1]


async def test_old_results_are_measured_anew_at_a_pace(
    results: Results, workers: Workers, sql: Connection
) -> None:
    old = await files(results, 8)
    (new,) = await files(results, 1)
    await results.publish(processed(new, version=2))
    broken = await results.upload()
    await results.publish(failed(broken))
    await results.upload()
    job_id = await start(results, method_below=2)
    await eventually(lambda: len(workers.taken) == AT_ONCE)
    # Nobody notices while they are measured anew, but for the one that failed.
    assert {row["state"] for row in await sql.fetch("SELECT state FROM results.change_feed")} <= {
        "received",
        "processed",
        "failed",
    }
    assert (await results.json(f"/api/results/{old[0]}"))["state"] == "processed"
    workers.open.set()
    job = await reached(results, job_id, state="done")
    assert (job["total"], job["requested"], job["processed"], job["failed"]) == (9, 9, 9, 0)
    assert workers.asked == sorted([*old, broken])
    assert workers.most <= AT_ONCE
    assert {(of.priority, of.reason) for of in workers.taken} == {("low", "reprocess"), ("low", "retry")}
    assert {of.requested_by for of in workers.taken} == {OPERATOR}
    versions = await sql.fetch(
        "SELECT DISTINCT method_version FROM results.upload_dicomresult WHERE state = 'processed'"
    )
    assert [row[0] for row in versions] == [2]
    assert await sql.fetchval("SELECT count(*) FROM results.request") == 0
    await require_agreement(sql)


async def test_what_cannot_be_measured_anew_keeps_its_result(results: Results, workers: Workers) -> None:
    one, other = await files(results, 2)
    workers.failing.add(one)
    workers.open.set()
    job = await reached(results, await start(results, state="processed"), state="done")
    assert (job["processed"], job["failed"]) == (1, 1)
    assert [(await results.json(f"/api/results/{i}"))["method_version"] for i in (one, other)] == [1, 2]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ({"modality": "MR"}, [1]),
        ({"collection": "user:9"}, [2]),
        ({"study": "1.9"}, [3]),
        ({"state": "failed", "reason": "worker-lost"}, [4]),
        ({"state": "failed"}, [4, 5]),
        ({"device": "ACME Scanner 3000", "modality": "CT", "collection": "user:7"}, [0, 3]),
        ({"to": "2000-01-01"}, []),
    ],
)
async def test_which_files(
    results: Results, workers: Workers, where: dict[str, str], wanted: list[int]
) -> None:
    workers.open.set()
    told: Sequence[dict[str, Any]] = ({}, {"modality": "MR"}, {"owner_id": 9}, {"study_instance_uid": "1.9"})
    found = [(await files(results, 1, **of))[0] for of in told]
    for reason in ("worker-lost", "decode-failed"):
        file_id = await results.upload()
        await results.publish(failed(file_id, reason=reason))
        found.append(file_id)
    job = await reached(results, await start(results, **where), state="done")
    assert job["total"] == len(wanted)
    assert sorted(workers.asked) == sorted(found[n] for n in wanted)


async def test_cancel_and_resume(results: Results, workers: Workers) -> None:
    old = await files(results, 7)
    job_id = await start(results, state="processed")
    await eventually(lambda: len(workers.taken) == AT_ONCE)
    job = await ask(results, "POST", f"/{job_id}/cancel")
    assert (job["state"], job["under_way"]) == ("cancelled", AT_ONCE)
    await ask(results, "POST", f"/{job_id}/cancel", 409)
    workers.open.set()
    job = await reached(results, job_id, under_way=0)
    assert (job["state"], job["requested"], job["processed"]) == ("cancelled", AT_ONCE, AT_ONCE)
    # Later files are none of it, whenever it goes on.
    await files(results, 2)
    await ask(results, "POST", f"/{job_id}/resume")
    job = await reached(results, job_id, state="done")
    assert (job["requested"], job["processed"]) == (7, 7)
    assert workers.asked == old
    await ask(results, "POST", f"/{job_id}/resume", 409)
    await ask(results, "POST", f"/{job_id}/raise", 409)


async def test_files_of_a_cancelled_job_that_never_end_are_noticed(
    results: Results, workers: Workers, sql: Connection
) -> None:
    await files(results, 1)
    job_id = await start(results, state="processed")
    await eventually(lambda: len(workers.taken) == 1)
    await ask(results, "POST", f"/{job_id}/cancel")
    await sql.execute("UPDATE results.job SET changed_at = now() - interval '1 hour'")

    async def shown() -> bool:
        async with results.client.get("/metrics") as response:
            text = await response.text()
        return any(
            float(line.split()[-1]) >= 3600
            for line in text.splitlines()
            if line.startswith("results_job_idle_seconds ")
        )

    await eventually(shown)


async def test_a_raised_job_goes_first(results: Results, workers: Workers) -> None:
    first, second = await files(results, 6), await files(results, 3, modality="MR")
    await start(results, modality="CT")
    await eventually(lambda: len(workers.taken) == AT_ONCE)
    raised = await start(results, modality="MR")
    assert (await ask(results, "POST", f"/{raised}/raise"))["raised_at"] is not None
    await reached(results, raised, total=3)
    workers.open.set()
    await reached(results, raised, state="done")
    await eventually(lambda: len(workers.taken) == 9)
    assert set(workers.asked[3:6]) == set(second)
    assert {of.priority for of in workers.taken[3:6]} == {"normal"}
    assert sorted(workers.asked) == sorted(first + second)


async def test_lists_and_limits(results: Results) -> None:
    # More than may be under way, and none of them ends: no job does.
    await files(results, 2 * AT_ONCE)
    made = [await start(results, state="processed") for _ in range(3)]
    problem = await ask(results, "POST", status=409, json={"where": {"state": "failed"}})
    assert "JOBS_RUNNING" in problem["detail"]
    page = await ask(results, "GET", "?limit=2")
    rest = await ask(results, "GET", f"?limit=2&cursor={page['next_cursor']}")
    assert [job["id"] for job in (*page["jobs"], *rest["jobs"])] == made[::-1]
    assert rest["next_cursor"] is None
    await ask(results, "POST", f"/{made[0]}/cancel")
    assert [job["id"] for job in (await ask(results, "GET", "?state=cancelled"))["jobs"]] == made[:1]
    made.append(await start(results, state="processed"))
    assert "JOBS_RUNNING" in (await ask(results, "POST", f"/{made[0]}/resume", 409))["detail"]
    await ask(results, "POST", f"/{made[1]}/cancel")
    assert (await ask(results, "POST", f"/{made[0]}/resume"))["state"] == "running"
    await ask(results, "GET", f"/{uuid4()}", 404)
    await ask(results, "GET", "/none", 404)
    await ask(results, "POST", f"/{uuid4()}/cancel", 404)
    wrongs: list[dict[str, Any]] = [
        {},
        {"where": {}},
        {"where": {"state": None}},
        {"where": {"patient_id": "1"}},
        {"kind": "x", "where": {"state": "failed"}},
    ]
    for wrong in wrongs:
        await ask(results, "POST", status=400, json=wrong)


async def test_each_act_on_a_job_leaves_its_entry(results: Results, sql: Connection) -> None:
    await files(results, 2 * AT_ONCE)
    job_id = await start(results, state="processed")
    for act, status in (("raise", 200), ("cancel", 200), ("resume", 200), ("resume", 409)):
        await ask(results, "POST", f"/{job_id}/{act}", status)

    async def noted() -> list[tuple[str, str]]:
        rows = await sql.fetch(
            "SELECT entry->>'action' AS action, entry->>'ending' AS ending FROM auth.audit_pending WHERE "
            "entry->>'object_type' = 'job' AND entry->'objects' = to_jsonb(ARRAY[$1::text]) ORDER BY id",
            job_id,
        )
        return [(row["action"], row["ending"]) for row in rows]

    done = [(f"{act}_job", "success") for act in ("create", "raise", "cancel", "resume")]

    async def all_noted() -> bool:
        return await noted() == [*done, ("resume_job", "refused")]

    await eventually(all_noted)


async def test_permissions(results: Results) -> None:
    body: dict[str, Any] = {"json": {"where": {"state": "failed"}}}
    problem = await ask(
        results, "POST", status=403, permissions=OPERATING - {"reprocess_dicomresult"}, **body
    )
    assert problem["permission"] == "reprocess_dicomresult"
    await ask(results, "POST", status=403, permissions=OPERATING - {"add_job"}, **body)
    await ask(results, "GET", status=403, permissions=ORDINARY)
    await ask(results, "POST", f"/{uuid4()}/cancel", 403, permissions=OPERATING - {"change_job"})


async def test_replicas_share_the_jobs(
    results: Results, workers: Workers, role_url: Callable[[str], str], tmp_path: Path
) -> None:
    """Each file is asked for once, and both together stay within the pace."""
    old = await files(results, 12)
    workers.open.set()
    async with running_results(
        role_url("results"), tmp_path, work=workers, outbox_poll=0.05, reprocess_at_once=AT_ONCE
    ):
        await reached(results, await start(results, state="processed"), state="done")
    assert sorted(workers.asked) == old


async def test_who_looked_before_another_replica_asked_takes_no_place_of_its(
    results: Results, workers: Workers
) -> None:
    await files(results, 3 * AT_ONCE)
    job_id = await start(results, state="processed")
    await eventually(lambda: len(workers.taken) == AT_ONCE)
    jobs = results.client.app[JOBS_KEY]
    # As if it had seen places a moment ago.
    assert await jobs._ask(UUID(job_id)) is False
    job = await ask(results, "GET", f"/{job_id}")
    assert job["requested"] == AT_ONCE


async def test_a_filter_of_a_newer_release_stops_nobody(
    results: Results, workers: Workers, sql: Connection
) -> None:
    await files(results, 1)
    workers.open.set()
    other = await start(results, modality="MR")
    await reached(results, other, state="done")
    await sql.execute(
        """UPDATE results.job SET state = 'running', finished_at = NULL, wanted = '{"colour": "red"}'"""
    )
    await reached(results, await start(results, state="processed"), state="done")
    assert (await ask(results, "GET", f"/{other}"))["state"] == "running"


async def test_the_command_is_killed_and_another_one_resumes(
    results: Results, workers: Workers, database_url: str, tmp_path: Path
) -> None:
    """The job is the service's; Ctrl-C cancels it."""
    await files(results, 7)

    async def command(*arguments: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services", "reprocess", *arguments),
            env={**os.environ, "DATABASE_ADMIN_URL": database_url, "DATA_DIR": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            # Whoever runs the tests in the background has it ignored, and so would the command.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    killed = await command("--where", "state=processed", "--yes")
    await eventually(lambda: len(workers.taken) == AT_ONCE)
    killed.kill()
    await killed.wait()
    (job,) = (await ask(results, "GET"))["jobs"]
    assert (job["state"], job["under_way"], job["created_by"]) == ("running", AT_ONCE, None)
    stopped = await command("--resume", job["id"])
    assert stopped.stderr is not None
    assert job["id"].encode() in await stopped.stderr.readline()
    stopped.send_signal(signal.SIGINT)
    _, told = await stopped.communicate()
    assert b"--resume" in told
    assert stopped.returncode == 130
    await reached(results, job["id"], state="cancelled")
    workers.open.set()
    resumed = await command("--resume", job["id"])
    said, _ = await resumed.communicate()
    assert (resumed.returncode, said) == (0, b"done: 7 measured, 0 failed, of 7 asked for.\n")
    refused = await command("--where", "patient=1")
    _, told = await refused.communicate()
    assert refused.returncode == 2
    assert b"no condition" in told


async def test_answers_of_two_replicas_are_both_counted(
    results: Results, workers: Workers, sql: Connection, database_url: str
) -> None:
    first, second = await files(results, 2)
    job_id = await start(results, state="processed")
    await eventually(lambda: len(workers.taken) == 2)
    other = await asyncpg.connect(database_url)
    try:
        begun = sql.transaction()
        await begun.start()
        await requests_store.answer(sql, {first: Answer(1, "processed")})
        waiting = asyncio.create_task(requests_store.answer(other, {second: Answer(1, "failed")}))
        await eventually(
            lambda: sql.fetchval("SELECT cardinality(pg_blocking_pids($1)) > 0", other.get_server_pid())
        )
        await begun.commit()
        await waiting
    finally:
        await other.close()
    job = await reached(results, job_id, state="done")
    assert (job["processed"], job["failed"]) == (1, 1)
