"""Outcomes on their way out, on a real folder and bus: what comes first, and what is kept for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.common.bus.contract import Delivery
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import RESULTS_FILES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable
from libs.common.ids import thumbnail_key
from services.processor.metrics import ProcessorMetrics
from services.processor.outcomes import Finished, Outcomes, ResultObject
from tests.bus_support import FAST, make_telemetry, processed, received
from tests.processor_support import FullStorage

KEPT = 2


@dataclass
class Kit:
    storage: FullStorage
    outcomes: Outcomes
    seen: list[bool]
    """Whether the thumbnail was there when results heard of it."""


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    telemetry = make_telemetry()
    bus = InProcessBus(telemetry, topology=FAST, drain_timeout=5.0)
    storage = FullStorage(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))
    await storage.ready()
    seen = []

    async def take(delivery: Delivery) -> None:
        seen.append(await storage.exists(thumbnail_key(delivery.event.file_id)))

    await bus.subscribe(RESULTS_FILES, take, concurrency=1)
    metrics = ProcessorMetrics(telemetry.metrics.registry)
    yield Kit(storage, Outcomes(bus, storage, metrics, kept=KEPT), seen)
    await bus.drain()


def finished() -> Finished:
    event = processed(received())
    thumbnail = ResultObject(thumbnail_key(event.file_id), b"jpeg", "image/jpeg", durable=False)
    return Finished(event, (thumbnail,))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_what_an_outcome_speaks_of_is_there_when_it_is_heard(kit: Kit) -> None:
    outcome = finished()
    await kit.outcomes.deliver(outcome.event.id, outcome, now() + 30)
    assert kit.seen == [True]


async def test_only_the_newest_outcomes_are_kept_for_the_next_delivery(kit: Kit) -> None:
    outcomes = [finished() for _ in range(KEPT + 1)]
    kit.storage.full = True
    for outcome in outcomes:
        with pytest.raises(Unavailable):
            await kit.outcomes.deliver(outcome.event.id, outcome, now())
    oldest, *newest = outcomes
    assert kit.outcomes.take_kept(oldest.event.id) is None
    assert [kit.outcomes.take_kept(one.event.id) for one in newest] == newest
    assert kit.outcomes.take_kept(newest[0].event.id) is None
