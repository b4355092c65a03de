"""Workers killed and stopped again and again: every file ends once, and no stop costs an attempt."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.faults_support import FaultySystem, faulty_system
from tests.waiting import eventually

KILLS, INTERVAL = 40, 3.0
"""Two minutes."""
STOPS = 20


@asynccontextmanager
async def load(system: FaultySystem, pause: float, **elements: Any) -> AsyncIterator[None]:
    """Files are sent, one after the other, while it lasts."""
    stop = asyncio.Event()

    async def send() -> None:
        for number in count():
            if stop.is_set():
                return
            await system.send(number, **elements)
            await asyncio.sleep(pause)

    async with asyncio.TaskGroup() as sending:
        sending.create_task(send())
        yield
        stop.set()


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_a_worker_is_killed_every_three_seconds(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    async with faulty_system(tmp_path, role_url, amqp_url, workers=2) as system:
        for worker in system.workers:
            worker.start()
        async with load(system, 0.2, rows=256, columns=256):
            for kill in range(KILLS):
                await asyncio.sleep(INTERVAL)
                worker = system.workers[kill % 2]
                worker.kill()
                worker.start()
        found = await system.all_ended(120)
        assert len(found) > KILLS
        assert {result["state"] for result in found.values()} == {"processed"}


@pytest.mark.faults
@pytest.mark.timeout(300)
async def test_a_worker_that_is_stopped_charges_nothing_and_exits_well(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    async with faulty_system(tmp_path, role_url, amqp_url, workers=2) as system:
        for worker in system.workers:
            worker.start()
        async with load(system, 0.05, rows=1024, columns=1024, frames=4):
            for number in range(STOPS):
                worker = system.workers[number % 2]
                await eventually(partial(system.busy, worker), 60)
                assert await asyncio.to_thread(worker.stop) == 0, worker.output()[-4000:]
                worker.start()
        found = await system.all_ended(120)
        assert len(found) > STOPS
        assert {result["state"] for result in found.values()} == {"processed"}
        charged = {file_id: r["attempts"] for file_id, r in found.items() if r["attempts"] != 1}
        assert charged == {}
