"""What the results service tells of the files that pass through it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from libs.common.ids import new_file_id
from services.results.processing.waiting import Waiting, read_waiting
from tests.exposition import Exposition
from tests.results_support import Results, running_results
from tests.unit.services.results.events import failed, processed, received


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def scrape(results: Results) -> Exposition:
    async with results.client.get("/metrics") as answer:
        return Exposition(await answer.text())


async def test_a_file_takes_from_acceptance_to_its_first_outcome(results: Results) -> None:
    event = received().model_copy(update={"time": datetime.now(UTC) - timedelta(seconds=50)})
    file_id = await results.upload(event)
    assert (await scrape(results)).value("results_file_seconds_count") == 0
    await results.publish(failed(file_id))
    found = await scrape(results)
    assert found.value("results_file_seconds_bucket", le="45.0") == 0
    assert found.value("results_file_seconds_bucket", le="+Inf") == 1
    assert found.value("results_file_seconds_sum") >= 50
    assert "60.0" in {s.labels["le"] for s in found.samples if s.name == "results_file_seconds_bucket"}
    # Processed in the end: another outcome, but not the file's first.
    await results.publish(processed(file_id))
    found = await scrape(results)
    assert found.value("results_file_seconds_count") == 1
    assert found.value("results_files_total", outcome="failed") == 1
    assert found.value("results_files_total", outcome="processed") == 1


async def test_an_outcome_that_overtakes_its_file_is_timed_by_the_files_id(results: Results) -> None:
    await results.publish(processed(new_file_id()))
    found = await scrape(results)
    assert found.value("results_file_seconds_count") == 1
    assert 0 <= found.value("results_file_seconds_sum") < 3600


async def test_events_that_change_nothing_are_counted(results: Results) -> None:
    event = received()
    file_id = await results.upload(event)
    outcome = processed(file_id)
    await results.publish(outcome)
    found = await scrape(results)
    assert "results_repeated_events_total" in found.names
    assert found.value("results_repeated_events_total") == 0
    await results.publish(event, outcome, processed(file_id), failed(file_id))
    found = await scrape(results)
    repeated = {
        kind: found.value("results_repeated_events_total", type=f"dicom.file.{kind}.v1")
        for kind in ("received", "processed", "failed")
    }
    assert repeated == {"received": 1, "processed": 2, "failed": 1}


async def test_waiting_files_and_the_age_of_the_oldest(results: Results, database_url: str) -> None:
    connection = await asyncpg.connect(database_url)
    assert await read_waiting(connection) == Waiting(0, 0.0)
    for seconds in (300, 20):
        time = datetime.now(UTC) - timedelta(seconds=seconds)
        await results.upload(received().model_copy(update={"time": time}))
    done = await results.upload()
    await results.publish(processed(done))
    waiting = await read_waiting(connection)
    assert waiting.files == 2
    assert 300 <= waiting.oldest_seconds < 3600
    await connection.close()
    found = await scrape(results)
    assert {"results_waiting_files", "results_oldest_waiting_seconds"} <= found.names
