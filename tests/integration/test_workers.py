"""Who works: what processors tell, what results makes of it, and when somebody counts as lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Connection
from libs.common.events import MOST_TOLD, FileUnderWay, WorkerBeat
from libs.common.ids import new_file_id
from services.processor.beats import Beats, BudgetUse
from services.processor.under_way import UnderWay
from services.results.workers import store
from services.results.workers.models import WorkerList
from tests.bus_support import beat, received
from tests.processor_support import inprocess_processor
from tests.results_support import Results, bearer, running_results
from tests.waiting import eventually


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """A results service."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def listed(results: Results) -> dict[str, Any]:
    """The workers by name, as an operator sees them."""
    headers = bearer(5, permissions=["view_worker"])
    async with results.client.get("/api/processing/workers", headers=headers) as response:
        assert response.status == 200
        body = await response.json()
    WorkerList.model_validate(body, strict=False, extra="forbid")
    return {worker.pop("worker"): worker for worker in body["workers"]}


async def silence(sql: Connection, worker: str, seconds: float) -> None:
    """Let a worker have been silent for so long."""
    await sql.execute(
        "UPDATE results.worker SET heard_at = now() - $2 * interval '1 second' WHERE worker = $1",
        worker,
        seconds,
    )


async def test_a_worker_is_shown_by_its_last_word(results: Results) -> None:
    file = FileUnderWay(file_id=new_file_id(), since=datetime.now(UTC), attempt=2, lane="3")
    first = beat(busy=1, under_way=1, files=(file,), budget_bytes=2_000, budget_used_bytes=500)
    later = beat(busy=2)
    await results.publish(first)
    shown = (await listed(results))["worker-1"]
    assert (shown["state"], shown["busy"], shown["budget_used_bytes"]) == ("working", 1, 500)
    told = FileUnderWay.model_validate(shown["files"][0])
    assert told == file
    # Events come in any order: what was told before changes nothing.
    await results.publish(later, first)
    assert (await listed(results))["worker-1"]["busy"] == 2


async def test_silence_is_loss_unless_it_was_announced(results: Results, sql: Connection) -> None:
    began = datetime.now(UTC)
    for worker, state in (("a", "working"), ("b", "working"), ("c", "draining"), ("d", "stopped")):
        await results.publish(beat(worker=worker, state=state, seconds=60.0, started_at=began))
    await silence(sql, "a", 130.0)  # two beats are missing
    await silence(sql, "b", 190.0)
    await silence(sql, "c", 190.0)
    states = {name: worker["state"] for name, worker in (await listed(results)).items()}
    assert states == {"a": "working", "b": "lost", "c": "stopped", "d": "stopped"}
    assert await store.count_states(sql) == {"working": 1, "lost": 1, "stopped": 2}
    # A last word is the last one, and who speaks again was not lost.
    await results.publish(beat(worker="b"), beat(worker="d", started_at=began))
    states = {name: worker["state"] for name, worker in (await listed(results)).items()}
    assert (states["b"], states["d"]) == ("working", "stopped")


async def test_a_worker_that_is_started_again_is_seen_though_its_name_has_stopped(results: Results) -> None:
    began = datetime.now(UTC)
    await results.publish(beat(state="stopped", started_at=began))
    again = beat(started_at=began + timedelta(seconds=1))
    await results.publish(again)
    assert (await listed(results))["worker-1"]["state"] == "working"


async def test_who_is_silent_for_long_is_forgotten(results: Results, sql: Connection) -> None:
    await results.publish(beat(worker="old"), beat(worker="new"))
    await silence(sql, "old", store.KEPT_SECONDS + 1)
    await store.forget(sql)
    assert (await listed(results)).keys() == {"new"}


async def test_only_who_may_sees_workers(results: Results) -> None:
    async with await results.get("/api/processing/workers") as response:
        assert response.status == 403


async def test_a_worker_tells_what_it_does_until_it_ends(tmp_path: Path) -> None:
    told: list[WorkerBeat] = []

    async def hear(delivery: Delivery) -> None:
        assert isinstance(delivery.event.data, WorkerBeat)
        assert delivery.event.subject == "w"
        told.append(delivery.event.data)

    async with inprocess_processor(tmp_path, beats=hear) as processor:
        begun = ExitStack()
        under_way = UnderWay()
        beats = Beats(
            processor.bus,
            processor.pool,
            under_way,
            worker="w",
            seconds=0.05,
            budget=lambda: BudgetUse(1000, 300),
        )
        running = asyncio.create_task(beats.run())
        await eventually(lambda: len(told) >= 2)
        assert (told[0].state, told[0].slots, told[0].under_way, told[0].files) == ("working", 1, 0, ())
        assert (told[0].budget_bytes, told[0].budget_used_bytes) == (1000, 300)
        events = [received() for _ in range(MOST_TOLD + 1)]
        for event in events:
            begun.enter_context(under_way.during(event.file_id, Delivery(event, 3, lane="large")))
        await eventually(lambda: told[-1].under_way == MOST_TOLD + 1)
        assert [file.file_id for file in told[-1].files] == [event.file_id for event in events[:MOST_TOLD]]
        assert (told[-1].files[0].attempt, told[-1].files[0].lane) == (3, "large")
        begun.close()
        await beats.leave("draining")
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await beats.leave("stopped")
        assert [last.state for last in told[-2:]] == ["draining", "stopped"]
        assert told[-1].started_at == told[0].started_at
        assert told[-1].files == ()
        # Where nobody listens, work goes on.
        await processor.bus.drain()
        await beats.leave("stopped")


async def test_files_are_under_way_while_they_are_handled(tmp_path: Path) -> None:
    async with inprocess_processor(tmp_path) as processor:
        await processor.storage.ready()
        seen = []
        missing = received()

        async def look() -> None:
            seen.append([file.file_id for file in processor.under_way.oldest()])

        await asyncio.gather(processor.handle(missing), look())
        assert seen == [[missing.file_id]]
        assert len(processor.under_way) == 0
