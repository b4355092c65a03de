"""What the processor tells of its files and of its decoder processes, read as Prometheus reads it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.builders import ct_instance
from tests.bus_support import received
from tests.processor_support import EXPLICIT_LITTLE, MIB, Processor, inprocess_processor
from tests.waiting import eventually


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Processor]:
    async with inprocess_processor(tmp_path, crashes=1) as made:
        yield made


async def handle(
    kit: Processor, content: bytes | None, *, transfer_syntax: str = EXPLICIT_LITTLE, attempt: int = 1
) -> None:
    event = received() if content is None else await kit.store(content)
    data = event.data.model_copy(update={"transfer_syntax_uid": transfer_syntax})
    await kit.handle(event.model_copy(update={"data": data}), attempt)


async def test_files_by_outcome_and_transfer_syntax(kit: Processor) -> None:
    assert kit.value("processor_files_total", outcome="failed", reason="worker-lost") == 0
    await handle(kit, ct_instance(rows=300, columns=200))
    await handle(kit, ct_instance(seed=2), transfer_syntax="1.2.3.4.private")
    await handle(kit, None)
    await handle(kit, None, attempt=11)

    known, other = {"transfer_syntax": EXPLICIT_LITTLE}, {"transfer_syntax": "other"}
    assert kit.value("processor_files_total", outcome="processed", reason="") == 2
    for reason in ("object-missing", "worker-lost"):
        assert kit.value("processor_files_total", outcome="failed", reason=reason) == 1
        assert kit.value("processor_failures_total", reason=reason, **known) == 1
    assert kit.value("processor_decoded_bytes_total", **known) == 300 * 200 * 2
    # The missing object has cost a decoder nothing; the lost worker's file was not even tried.
    assert kit.value("processor_decode_seconds_count", **known) == 2
    assert kit.value("processor_decode_seconds_count", **other) == 1
    assert kit.value("processor_measure_seconds_count", **known) == 1
    spent, measuring = (kit.value(f"processor_{part}_seconds_sum", **known) for part in ("decode", "measure"))
    assert 0 < measuring < spent


async def test_decoders_by_what_they_cost(kit: Processor) -> None:
    await handle(kit, ct_instance())
    assert kit.value("processor_slots") == 1
    assert kit.value("processor_slots_busy") == 0
    assert kit.value("processor_decoder_resident_bytes") > 10 * MIB
    assert kit.value("processor_decoder_restarts_total") == 0

    before = kit.value("processor_decoder_cpu_seconds_total")
    work = asyncio.create_task(handle(kit, ct_instance(rows=1024, columns=1024, frames=64, seed=1)))
    await eventually(lambda: kit.value("processor_slots_busy") == 1)
    await eventually(lambda: kit.value("processor_decoder_cpu_seconds_total") > before)
    (victim,) = kit.pool.pids
    spent = kit.value("processor_decoder_cpu_seconds_total")
    os.kill(victim, signal.SIGKILL)
    await work
    assert kit.value("processor_files_total", outcome="failed", reason="decoder-crashed") == 1
    assert kit.value("processor_decoder_restarts_total") == 1
    assert kit.value("processor_slots_busy") == 0
    assert kit.value("processor_decoder_cpu_seconds_total") >= spent > 0
