"""The processor's handler on a real pool, a real folder and a real bus; what it publishes is recorded."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from libs.common.bus.contract import Bus, Delivery, Handler
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import (
    INGEST_OUTCOMES,
    PROCESSOR_PAUSES,
    PROCESSOR_WORK,
    RESULTS_FILES,
    RESULTS_MOVES,
    RESULTS_WORKERS,
)
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable
from libs.common.events import Event, FileData, FileReceived, LanesPaused, WorkerBeat
from libs.common.ids import ObjectKey, file_key
from libs.common.storage import FileStorage
from libs.common.telemetry.tracing import Telemetry
from libs.dicom.measure.analysis import AnalysisLimits
from services.processor.admission.machine import Machine, Reading
from services.processor.attempts import Attempts, Counted
from services.processor.circuit import Circuits
from services.processor.gate import WorkerGate
from services.processor.handlers import Received
from services.processor.metrics import ProcessorMetrics
from services.processor.outcomes import Outcomes
from services.processor.outlook import GateLimits
from services.processor.pool import DecoderPool
from services.processor.under_way import UnderWay
from services.processor.usage import DecoderUsage, resident
from tests.bus_support import FAST, make_telemetry, received

MIB = 1 << 20
LIMITS = GateLimits(slots=1, per_slot=4, reserve=256 * MIB, decode_memory=1024 * MIB, largest=None)
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


class FullStorage(FileStorage):
    """A folder that has no room while `full`."""

    full = False

    async def put(
        self, key: ObjectKey, data: bytes, trailer: Mapping[str, Any], *, durable: bool = True
    ) -> None:
        """Refuse as a full disk does."""
        if self.full:
            raise Unavailable("The object store is full.")
        await super().put(key, data, trailer, durable=durable)


class Processor:
    """One worker process without its HTTP server."""

    def __init__(
        self,
        folder: Path,
        bus: Bus,
        telemetry: Telemetry,
        *,
        storage: FullStorage | None = None,
        crashes: int = 2,
        cpu: float = 60.0,
        circuits: Circuits | None = None,
        limits: GateLimits | None = None,
        read: Callable[[], Reading] | None = None,
    ) -> None:
        """Nothing is subscribed yet; `storage` None: a folder of its own; `read` looks at the machine."""
        self.registry = telemetry.metrics.registry
        self.storage = storage or FullStorage(folder / "objects", Keyring.create(folder / "keyring.json"))
        self.bus = bus
        self.published: list[FileData] = []
        """Outcomes in order of publication, as the results service got them."""
        limits = limits or LIMITS
        self.pool = DecoderPool(
            slots=limits.slots,
            cpu_seconds=cpu,
            wall_seconds=60.0,
            memory_bytes=1024 * MIB,
            limits=AnalysisLimits(),
        )
        self.registry.register(DecoderUsage(self.pool))
        metrics = ProcessorMetrics(self.registry)
        circuits = circuits or Circuits(3, 60.0)
        metrics.show(circuits)
        self.outcomes = Outcomes(bus, self.storage, metrics, kept=8)
        self.attempts = Attempts(self.storage)
        residents = partial(resident, self.pool)
        self.gate = WorkerGate(
            limits, read or Machine().read, residents, self.attempts, metrics, use=self.pool.use
        )
        self.under_way = UnderWay()
        self.handler = Received(
            self.outcomes,
            self.storage,
            self.pool,
            telemetry,
            metrics,
            circuits,
            self.gate,
            self.under_way,
            crashes=crashes,
            worker="worker",
        )

    async def open(self, *, attempts: int = 10, concurrency: int = 4, beats: Handler | None = None) -> None:
        """Subscribe the handler, who takes outcomes, and who hears beats."""
        await self.take_work(concurrency, attempts)
        await self.bus.subscribe(RESULTS_FILES, self.take, concurrency=8)
        await self.bus.subscribe(INGEST_OUTCOMES, self._ignore, concurrency=1)
        await self.bus.subscribe(RESULTS_MOVES, self._ignore, concurrency=1)
        await self.bus.subscribe(RESULTS_WORKERS, beats or self._ignore, concurrency=1)
        await self.bus.subscribe(PROCESSOR_PAUSES, self._ignore, concurrency=1)

    async def take_work(self, concurrency: int = 4, attempts: int = 10) -> None:
        """Take the processor's work, as the wiring does."""
        handler = Counted(self.handler, self.attempts)
        await self.bus.take(PROCESSOR_WORK, handler, self.gate, ahead=concurrency, attempts=attempts)

    async def store(self, content: bytes) -> Event:
        """Put a file where ingest would; returns its `received`."""
        event = received()
        await self.storage.put(file_key(event.file_id), content, {"dicom": {}}, durable=False)
        return event

    async def handle(self, event: Event, attempt: int = 1, attempts: int = 10) -> FileData:
        """Call the handler as a bus does; returns what it published."""
        await self.handler(Delivery(event, attempt, attempts))
        return self.published[-1]

    def value(self, name: str, **labels: str) -> float:
        """A metric, as Prometheus reads it."""
        found = self.registry.get_sample_value(name, labels)
        return 0.0 if found is None else found

    async def take(self, delivery: Delivery) -> None:
        """Record an outcome."""
        data = delivery.event.data
        if not isinstance(data, FileReceived | WorkerBeat | LanesPaused):
            self.published.append(data)

    async def _ignore(self, _: Delivery) -> None:
        return


@asynccontextmanager
async def inprocess_processor(
    folder: Path,
    *,
    attempts: int = 10,
    storage: FullStorage | None = None,
    crashes: int = 2,
    cpu: float = 60.0,
    circuits: Circuits | None = None,
    beats: Handler | None = None,
) -> AsyncIterator[Processor]:
    """A processor on the in-process bus."""
    telemetry = make_telemetry()
    bus = InProcessBus(telemetry, topology=FAST, drain_timeout=5.0)
    made = Processor(folder, bus, telemetry, storage=storage, crashes=crashes, cpu=cpu, circuits=circuits)
    await made.open(attempts=attempts, beats=beats)
    try:
        yield made
    finally:
        await bus.drain()
        await made.pool.close()
