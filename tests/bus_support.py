"""What tests of buses and of the outbox share: a table with short delays, telemetry, and events."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from opentelemetry.sdk.trace.export import SpanExporter

from libs.common.bus.contract import Subscription
from libs.common.bus.lanes import DEFAULT_LARGE_BYTES
from libs.common.bus.topology import TOPOLOGY, with_lanes
from libs.common.events import (
    MAX_EVENT_BYTES,
    RECEIVED,
    Averages,
    Event,
    FileFailed,
    FileProcessed,
    FileReceived,
    Priority,
    WorkerBeat,
    new_event,
)
from libs.common.ids import new_file_id
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.telemetry.tracing import Telemetry

_SHORT = (0.05, 0.1)
FAST = replace(with_lanes(TOPOLOGY, 3, DEFAULT_LARGE_BYTES), retry_delays=_SHORT, work_delays=_SHORT)
"""The product's own queues, but retries do not keep a test waiting, and fewer lanes are to be declared."""

FILES = Subscription("processor.files", (RECEIVED,))
"""A subscription beside the product's own."""
LANE = "1"
"""Where `received()` waits, in that table."""
LANE_QUEUE = "processor.lane.1"


def longest() -> float:
    """The share of a retry's delay that is waited where a test must know how long."""
    return 1.0


def make_telemetry(exporter: SpanExporter | None = None) -> Telemetry:
    """Telemetry that records spans only when asked to."""
    return Telemetry("test", TelemetrySettings(), span_exporter=exporter)


def received(
    traceparent: str | None = None, *, collection: str = "user:7", priority: Priority = "normal"
) -> Event:
    """A `dicom.file.received` of a new file."""
    file_id = new_file_id()
    data = FileReceived(
        file_id=file_id,
        owner_id=7,
        collection=collection,
        priority=priority,
        storage_key=str(file_id),
        size_bytes=525_312,
        sha256="0" * 64,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )
    return new_event("/ingest", data, traceparent)


def processed(of: Event, traceparent: str | None = None) -> Event:
    """The `dicom.file.processed` that answers `of`."""
    now = datetime.now(UTC)
    data = FileProcessed(
        file_id=of.file_id,
        owner_id=7,
        storage_key=str(of.file_id),
        averages=Averages(before_normalization=1.5, after_normalization=0.25),
        data_size=524_288,
        device_name="ACME One",
        statistics={"count": 262_144},
        thumbnail_key=None,
        attempt=1,
        worker="test",
        started_at=now,
        finished_at=now,
        method_version=1,
    )
    return new_event("/processor", data, traceparent)


def beat(**changed: Any) -> Event:
    """The `dicom.worker.beat` of a worker that has nothing to do."""
    values: dict[str, Any] = {
        "worker": "worker-1",
        "version": "1.2.3",
        "state": "working",
        "started_at": datetime.now(UTC),
        "seconds": 10.0,
        "slots": 2,
        "busy": 0,
        "under_way": 0,
        **changed,
    }
    return new_event("/processor", WorkerBeat(**values))


def too_large() -> Event:
    """A `dicom.file.processed` of more than MAX_EVENT_BYTES."""
    event = processed(received())
    data = event.data.model_copy(update={"statistics": {"frame_means": [0.1] * (MAX_EVENT_BYTES // 4 + 1)}})
    return event.model_copy(update={"data": data})


def failed(of: Event) -> Event:
    """The `dicom.file.failed` that answers `of`."""
    data = FileFailed(
        file_id=of.file_id,
        owner_id=7,
        reason="decode-failed",
        detail="The decoder refused the pixel data.",
        attempts=1,
        worker="test",
        finished_at=datetime.now(UTC),
    )
    return new_event("/processor", data)
