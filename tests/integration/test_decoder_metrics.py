"""What the processor tells of its files and of its decoder processes, read as Prometheus reads it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.common.bus.contract import Delivery
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import INGEST_OUTCOMES, RESULTS_FILES
from libs.common.encryption.keyring import Keyring
from libs.common.ids import file_key
from libs.common.storage import FileStorage
from libs.dicom.measure.analysis import AnalysisLimits
from services.processor.handlers import Attempts, Received
from services.processor.metrics import ProcessorMetrics
from services.processor.pool import DecoderPool
from services.processor.usage import DecoderUsage
from tests.builders import ct_instance
from tests.bus_support import make_telemetry, received
from tests.waiting import eventually

MIB = 1 << 20
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


class Kit:
    """The processor's handler on a real pool and a real folder; nobody cares for what it publishes."""

    def __init__(self, folder: Path) -> None:
        telemetry = make_telemetry()
        self._registry = telemetry.metrics.registry
        self._storage = FileStorage(folder / "objects", Keyring.create(folder / "keyring.json"))
        self.pool = DecoderPool(slots=1, timeout=60.0, memory_bytes=1024 * MIB, limits=AnalysisLimits())
        self._registry.register(DecoderUsage(self.pool))
        self._bus = InProcessBus(telemetry)
        metrics = ProcessorMetrics(self._registry)
        self._handler = Received(
            self._bus, self._storage, self.pool, Attempts(10, 1), "worker", telemetry, metrics
        )

    async def open(self) -> None:
        """Subscribe whoever takes outcomes."""

        async def ignore(_: Delivery) -> None:
            return

        for subscription in (RESULTS_FILES, INGEST_OUTCOMES):
            await self._bus.subscribe(subscription, ignore, concurrency=1)

    def value(self, name: str, **labels: str) -> float:
        found = self._registry.get_sample_value(name, labels)
        return 0.0 if found is None else found

    async def handle(
        self, content: bytes | None, *, transfer_syntax: str = EXPLICIT_LITTLE, attempt: int = 1
    ) -> None:
        event = received()
        if content is not None:
            await self._storage.put(file_key(event.data.file_id), content, {"dicom": {}}, durable=False)
        data = event.data.model_copy(update={"transfer_syntax_uid": transfer_syntax})
        await self._handler(Delivery(event.model_copy(update={"data": data}), attempt))


@pytest.fixture
async def kit(tmp_path: Path) -> AsyncIterator[Kit]:
    made = Kit(tmp_path)
    await made.open()
    yield made
    await made.pool.close()


async def test_files_by_outcome_and_transfer_syntax(kit: Kit) -> None:
    assert kit.value("processor_files_total", outcome="failed", reason="worker-lost") == 0
    await kit.handle(ct_instance(rows=300, columns=200))
    await kit.handle(ct_instance(seed=2), transfer_syntax="1.2.3.4.private")
    await kit.handle(None)
    await kit.handle(None, attempt=11)

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


async def test_decoders_by_what_they_cost(kit: Kit) -> None:
    await kit.handle(ct_instance())
    assert kit.value("processor_slots") == 1
    assert kit.value("processor_slots_busy") == 0
    assert kit.value("processor_decoder_resident_bytes") > 10 * MIB
    assert kit.value("processor_decoder_restarts_total") == 0

    before = kit.value("processor_decoder_cpu_seconds_total")
    work = asyncio.create_task(kit.handle(ct_instance(rows=1024, columns=1024, frames=64, seed=1)))
    await eventually(lambda: kit.value("processor_slots_busy") == 1)
    await eventually(lambda: kit.value("processor_decoder_cpu_seconds_total") > before, 20)
    (victim,) = multiprocessing.active_children()
    assert victim.pid is not None
    spent = kit.value("processor_decoder_cpu_seconds_total")
    os.kill(victim.pid, signal.SIGKILL)
    await work
    assert kit.value("processor_files_total", outcome="failed", reason="decoder-crashed") == 1
    assert kit.value("processor_decoder_restarts_total") == 1
    assert kit.value("processor_slots_busy") == 0
    assert kit.value("processor_decoder_cpu_seconds_total") >= spent > 0
