"""Following a job from a shell."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from libs.common.ids import new_uuid
from services.operator import reprocess
from services.results.jobs import store
from services.results.jobs.models import Job

NOW = datetime(2026, 5, 1, tzinfo=UTC)


class Swallowing:
    """A pool whose wait for a connection ends in the moment of the cancellation, and hides it."""

    def __init__(self) -> None:
        self.waiting = asyncio.Event()
        self.swallows = True

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[None]:
        self.waiting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if not self.swallows:
                raise
        yield None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield None


async def test_ctrl_c_that_comes_with_the_answer_cancels_the_job_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    facts = {"requested": 0, "processed": 0, "failed": 0, "total": None, "changed_at": NOW}
    job = Job.model_construct(None, id=new_uuid(), state="running", **cast("Any", facts))
    changes: list[str] = []

    async def get(*_: object) -> Job:
        return job

    async def change(_: object, __: object, how: str) -> None:
        changes.append(how)

    async def noted(*_: object, **__: object) -> None:
        """Of audit entries there are tests of their own."""

    monkeypatch.setattr(store, "get", get)
    monkeypatch.setattr(store, "change", change)
    monkeypatch.setattr(reprocess, "note_done", noted)
    monkeypatch.setattr(reprocess, "LOOK_SECONDS", 0.0)
    database = Swallowing()
    following = asyncio.create_task(reprocess._follow(cast("Any", database), job))
    await database.waiting.wait()
    following.cancel()
    await asyncio.wait([following], timeout=1)
    ended = following.done()
    database.swallows = False
    following.cancel()
    await asyncio.wait([following])
    assert ended
    assert following.cancelled()
    assert changes == ["cancel"]
