"""Events in: a received file is measured in a child; its outcome is published before settling."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from libs.common.bus.contract import Bus, Delivery
from libs.common.errors import ObjectCorrupt, ObjectNotFound, Reject
from libs.common.events import (
    FAILURE_DETAILS,
    Averages,
    EventData,
    FailureReason,
    FileFailed,
    FileProcessed,
    FileReceived,
    new_event,
)
from libs.common.ids import ObjectKey, thumbnail_key
from libs.common.storage import Storage
from libs.common.telemetry.tracing import Telemetry, current_traceparent
from libs.dicom.measure.measures import METHOD_VERSION
from services.processor.child import Measured, Refused
from services.processor.metrics import ProcessorMetrics
from services.processor.pool import DecoderCrashed, DecoderPool, DecodeTimeout

log = logging.getLogger(__name__)
EVENT_SOURCE = "/processor"


@dataclass(frozen=True)
class Attempts:
    """When to give a file up."""

    deliveries: int
    crashes: int


class Received:
    """Handler of the `processor.files` queue."""

    def __init__(
        self,
        bus: Bus,
        storage: Storage,
        pool: DecoderPool,
        attempts: Attempts,
        worker: str,
        telemetry: Telemetry,
        metrics: ProcessorMetrics,
    ) -> None:
        """`worker` names this process in the results."""
        self._bus = bus
        self._storage = storage
        self._pool = pool
        self._attempts = attempts
        self._worker = worker
        self._telemetry = telemetry
        self._metrics = metrics

    async def __call__(self, delivery: Delivery) -> None:
        """Every accepted file ends processed or failed. Raises Reject, Unavailable or DecoderCrashed."""
        data = delivery.event.data
        if not isinstance(data, FileReceived):
            raise Reject(f"the processor does not listen to {delivery.event.type}")
        if delivery.attempt > self._attempts.deliveries:
            # Decided before the file is touched again: whatever ended the workers may lie in the file.
            outcome: EventData = self._failed(data, delivery, "worker-lost", attempts=delivery.attempt - 1)
        else:
            outcome = await self._measure(data, delivery)
        await self._bus.publish(new_event(EVENT_SOURCE, outcome, current_traceparent()))

    async def _measure(self, data: FileReceived, delivery: Delivery) -> EventData:
        started, clock = datetime.now(UTC), time.perf_counter()
        with self._telemetry.detail("decode"):
            try:
                async with self._storage.child_access(ObjectKey(data.storage_key)) as access:
                    result = await self._pool.measure(access)
            except ObjectNotFound as error:
                result = Refused("object-missing", str(error))
            except ObjectCorrupt as error:
                result = Refused("object-corrupt", str(error))
            except DecodeTimeout:
                result = Refused("decode-timeout", "the deadline passed", time.perf_counter() - clock)
            except DecoderCrashed as error:
                if delivery.attempt < self._attempts.crashes:
                    raise
                result = Refused("decoder-crashed", str(error), time.perf_counter() - clock)
        if isinstance(result, Refused):
            log.warning("file %s failed: %s (%s)", data.file_id, result.reason, result.diagnosis)
            self._metrics.refused(data.transfer_syntax_uid, result)
            return self._failed(data, delivery, result.reason, attempts=delivery.attempt)
        self._metrics.measured(data.transfer_syntax_uid, result)
        return await self._processed(data, delivery, result, started)

    async def _processed(
        self, data: FileReceived, delivery: Delivery, measured: Measured, started: datetime
    ) -> FileProcessed:
        analysis = measured.analysis
        key: ObjectKey | None = None
        if analysis.thumbnail is not None:
            key = thumbnail_key(data.file_id)
            # Not fsynced: a lost thumbnail can be made again from the file.
            await self._storage.put(key, analysis.thumbnail, {"media_type": "image/jpeg"}, durable=False)
        return FileProcessed(
            file_id=data.file_id,
            owner_id=data.owner_id,
            storage_key=data.storage_key,
            averages=Averages(
                before_normalization=analysis.average_before_normalization,
                after_normalization=analysis.average_after_normalization,
            ),
            data_size=analysis.data_size,
            device_name=measured.device_name,
            statistics=analysis.statistics,
            thumbnail_key=key,
            attempt=delivery.attempt,
            worker=self._worker,
            started_at=started,
            finished_at=datetime.now(UTC),
            method_version=METHOD_VERSION,
        )

    def _failed(
        self, data: FileReceived, delivery: Delivery, reason: FailureReason, *, attempts: int
    ) -> FileFailed:
        self._metrics.failed(data.transfer_syntax_uid, reason)
        return FileFailed(
            file_id=data.file_id,
            owner_id=data.owner_id,
            reason=reason,
            detail=FAILURE_DETAILS[reason],
            attempts=attempts,
            worker=self._worker,
            finished_at=datetime.now(UTC),
        )
