"""Pausing lanes over HTTP: who may, what is told to processors, and what is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.common.database.postgres import Connection
from libs.common.events import LanesPaused
from services.results.keys import DATABASE, METRICS
from services.results.pauses.routes import WORK
from services.results.pauses.telling import PauseTeller
from tests.results_support import Results, bearer, running_results
from tests.waiting import eventually

OPERATOR = bearer(5, permissions=["view_queue", "pause_queue"])


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def post(results: Results, path: str, status: int = 200, headers: Any = OPERATOR) -> Any:
    async with results.client.post(f"/api/processing/queues/{path}", headers=headers) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json(content_type=None)


async def paused(results: Results) -> list[str]:
    """As the list of queues tells it."""
    async with results.client.get("/api/processing/queues", headers=OPERATOR) as answer:
        return [lane["lane"] for lane in (await answer.json())["lanes"] if lane["paused"]]


class Listener:
    """A bus that notes what is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, tuple[str, ...]]] = []

    async def publish(self, event: Any, **_: Any) -> None:
        assert isinstance(event.data, LanesPaused)
        self.told.append((event.data.revision, event.data.lanes))


async def test_lanes_are_paused_and_go_on(results: Results, sql: Connection) -> None:
    made = await post(results, "processor.large/pause")
    assert (made["lane"], made["paused"], made["paused_by"]) == ("large", True, 5)
    assert await post(results, "processor.large/pause") == made
    await post(results, "processor.lane.3/pause")
    assert await paused(results) == ["3", "large"]
    gone = await post(results, "processor.large/resume")
    assert (gone["paused"], gone["paused_at"]) == (False, None)
    await post(results, "processor.large/resume")
    assert await paused(results) == ["3"]
    rows = await sql.fetch("SELECT entry FROM auth.audit_pending ORDER BY id")
    noted = [row["entry"] for row in rows if "pause_queue" in row["entry"] or "resume_queue" in row["entry"]]
    assert len(noted) == 5
    for name in ("results.files", "processor.lane.99", "nonsense"):
        assert (await post(results, f"{name}/pause", 404))["code"] == "not-found"
    viewing = bearer(6, permissions=["view_queue"])
    assert (await post(results, "processor.large/pause", 403, viewing))["permission"] == "pause_queue"


async def test_processors_are_told_what_is_new_and_at_the_start(results: Results) -> None:
    app, bus = results.client.app, Listener()

    def replica() -> PauseTeller:
        return PauseTeller(app[DATABASE], bus, app[WORK], app[METRICS])  # type: ignore[arg-type]

    teller = replica()
    await teller.tell()
    await teller.tell()
    assert bus.told == [(0, ())]
    await post(results, "processor.lane.3/pause")
    await post(results, "processor.urgent/pause")
    await teller.tell()
    assert bus.told[1:] == [(2, ("3", "urgent"))]
    await replica().tell()
    assert bus.told[2:] == bus.told[1:2]
    gauge = app[METRICS].lane_paused.labels("urgent")
    await eventually(lambda: gauge._value.get() > 0)
    await post(results, "processor.urgent/resume")
    await teller.tell()
    assert gauge._value.get() == 0
