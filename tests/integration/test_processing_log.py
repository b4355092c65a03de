"""The log of every attempt: what outcomes tell of it, who may read it, and what the operator makes of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from libs.common.bus.history import remember
from libs.common.database.postgres import Connection
from libs.common.events import EarlierAttempt, Run
from libs.common.ids import new_uuid
from services.processor.stages import _earlier
from services.results.read.models import ProcessingLog
from tests.results_support import STRANGER, Results, running_results
from tests.unit.services.results.events import MOMENT, failed, processed, received

RUN = Run(
    lane="3",
    waited_seconds=0.5,
    fetch_seconds=0.001,
    decode_seconds=0.02,
    measure_seconds=0.01,
    store_seconds=0.003,
    cpu_seconds=0.025,
    peak_memory_bytes=90_000_000,
)


def attempt(number: int, **changed: Any) -> EarlierAttempt:
    """An attempt whose decoder crashed, ten seconds before the next one."""
    began = MOMENT + timedelta(seconds=10 * number - 100)
    values: dict[str, Any] = {
        "id": new_uuid(),
        "attempt": number,
        "worker": f"worker-{number}",
        "started_at": began,
        "finished_at": began + timedelta(seconds=5),
        "reason": "decoder-crashed",
        "run": Run(decode_seconds=4.5),
        **changed,
    }
    return EarlierAttempt(**values)


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """A results service."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def test_every_attempt_is_logged_once_and_shown_to_who_sees_the_file(
    results: Results, sql: Connection
) -> None:
    file_id = await results.upload(received())
    before = (attempt(1), attempt(3))
    outcome = processed(file_id, attempt=4, run=RUN, earlier=before)
    # Told twice, and once more by an outcome that changes nothing.
    await results.publish(outcome, outcome, failed(file_id, earlier=before))
    body = await results.json(f"/api/results/{file_id}/log")
    ProcessingLog.model_validate(body, strict=False, extra="forbid")
    told = [(a["attempt"], a["outcome"], a["reason"], a["worker"]) for a in body["attempts"]]
    assert told == [
        (1, "retried", "decoder-crashed", "worker-1"),
        (3, "retried", "decoder-crashed", "worker-3"),
        (3, "failed", "decode-failed", "worker-1"),
        (4, "processed", None, "worker-1"),
    ]
    last = body["attempts"][-1]
    assert {name: last[name] for name in Run.model_fields} == RUN.model_dump()
    first = body["attempts"][0]
    assert (first["decode_seconds"], first["waited_seconds"], first["lane"]) == (4.5, None, None)
    assert datetime.fromisoformat(first["started_at"]) == before[0].started_at
    await results.json(f"/api/results/{file_id}/log", STRANGER, 404)
    await results.json(f"/api/results/{new_uuid()}/log", status=404)


async def test_a_file_that_waits_has_an_empty_log(results: Results) -> None:
    file_id = await results.upload()
    assert await results.json(f"/api/results/{file_id}/log") == {"attempts": []}


async def test_what_cannot_be_stored_costs_a_file_its_earlier_attempts_and_nothing_else(
    results: Results,
) -> None:
    file_id = await results.upload()
    too_much = Run(peak_memory_bytes=2**63)
    await results.publish(processed(file_id, run=too_much, earlier=(attempt(1, worker="a\0b"),)))
    body = await results.json(f"/api/results/{file_id}/log")
    assert [(a["outcome"], a["reason"]) for a in body["attempts"]] == [("failed", "result-unstorable")]


async def test_the_operator_sums_up_by_worker_device_codec_and_day(
    results: Results, role_url: Callable[[str], str]
) -> None:
    for number in range(3):
        file_id = await results.upload()
        await results.publish(
            processed(file_id, attempt=2, run=RUN, worker="fast", earlier=(attempt(1, worker="slow"),))
            if number
            else failed(file_id, run=RUN.model_copy(update={"cpu_seconds": 1.0}))
        )
    connection = await asyncpg.connect(role_url("operator"))
    try:
        rows = {
            name: await connection.fetch(f"SELECT * FROM processing_by_{name} ORDER BY 1")
            for name in ("worker", "device", "codec", "day")
        }
    finally:
        await connection.close()
    counts = ("attempts", "processed", "failed", "retried")
    assert [(row["worker"], *(row[name] for name in counts)) for row in rows["worker"]] == [
        ("fast", 2, 2, 0, 0),
        ("slow", 2, 0, 0, 2),
        ("worker-1", 1, 0, 1, 0),
    ]
    fast, slow, _ = rows["worker"]
    assert (fast["waited_p50"], fast["decode_mean"], fast["peak_memory_bytes"]) == (0.5, 0.02, 90_000_000)
    assert fast["cpu_seconds"] == pytest.approx(0.05)
    assert (slow["seconds_p50"], slow["told_mean"], slow["waited_p99"]) == (5.0, None, None)
    assert [(row["device_name"], row["attempts"]) for row in rows["device"]] == [
        ("ACME Scanner 3000", 4),
        (None, 1),
    ]
    assert [(row["transfer_syntax_uid"], row["failed"]) for row in rows["codec"]] == [
        ("1.2.840.10008.1.2.1", 1)
    ]
    assert [(row["day"], row["attempts"]) for row in rows["day"]] == [(MOMENT.date(), 5)]


async def test_the_release_before_writes_lines_without(sql: Connection) -> None:
    await sql.execute(
        "INSERT INTO results.processing_log (event_id, file_id, event, attempt, worker, started_at, "
        "finished_at, outcome, reason) VALUES ($1, $1, 'dicom.file.failed.v1', 1, 'w', NULL, now(), "
        "'failed', 'decode-failed')",
        new_uuid(),
    )
    row = await sql.fetchrow("SELECT seconds, lane, decode_seconds FROM results.processing_attempt")
    assert row is not None
    assert tuple(row) == (None, None, None)


def test_attempts_of_another_release_are_left_out() -> None:
    known = attempt(1)
    earlier = remember(None, {"attempt": 7, "odd": True})
    earlier = remember(earlier, known.model_dump(mode="json", exclude_none=True))
    assert list(_earlier(earlier)) == [known]
