"""Events in: a file is measured in a child; its outcome is published before settling."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

import orjson

from libs.common.bus.contract import Delivery
from libs.common.errors import (
    AttemptFailed,
    EventTooLarge,
    HandOn,
    ObjectCorrupt,
    ObjectNotFound,
    ObjectUnreadable,
    Reject,
    Unavailable,
    Undelivered,
)
from libs.common.events import (
    FAILURE_DETAILS,
    Averages,
    EventData,
    FailureReason,
    FileFailed,
    FileProcessed,
    FileReceived,
    FileRequested,
    WorkData,
    new_event,
)
from libs.common.ids import ObjectKey, analysis_key, thumbnail_key
from libs.common.storage import Storage
from libs.common.telemetry.tracing import Telemetry, current_traceparent
from libs.dicom.measure.measures import METHOD_VERSION
from services.processor.answers import Measured, Refused
from services.processor.circuit import Circuits
from services.processor.gate import WorkerGate
from services.processor.metrics import ProcessorMetrics, label_of
from services.processor.outcomes import HOLD_SECONDS, Finished, Outcomes, ResultObject
from services.processor.pool import DecoderCrashed, DecoderPool, DecodeTimeout
from services.processor.stages import Stages
from services.processor.under_way import UnderWay

log = logging.getLogger(__name__)
EVENT_SOURCE = "/processor"


class Received:
    """Handler of the processor's work."""

    def __init__(
        self,
        outcomes: Outcomes,
        storage: Storage,
        pool: DecoderPool,
        telemetry: Telemetry,
        metrics: ProcessorMetrics,
        circuits: Circuits,
        gate: WorkerGate,
        under_way: UnderWay,
        *,
        crashes: int,
        worker: str,
    ) -> None:
        """After `crashes` attempts one more lost decoder ends a file; `worker` names this process."""
        self._outcomes = outcomes
        self._storage = storage
        self._pool = pool
        self._telemetry = telemetry
        self._metrics = metrics
        self._circuits = circuits
        self._gate = gate
        self._crashes = crashes
        self._worker = worker
        self._under_way = under_way

    async def __call__(self, delivery: Delivery) -> None:
        """Every accepted file ends processed or failed, at its last attempt whatever goes wrong.

        Raises Reject, Unavailable, Undelivered, HandOn, and before the last attempt AttemptFailed.
        """
        data = delivery.event.data
        if not isinstance(data, FileReceived | FileRequested):
            raise Reject(f"the processor does not listen to {delivery.event.type}")
        self._metrics.begun(delivery)
        until = asyncio.get_running_loop().time() + HOLD_SECONDS
        with self._under_way.during(data.file_id, delivery):
            await self._end(data, delivery, until)

    async def _end(self, data: WorkData, delivery: Delivery, until: float) -> None:
        stages = Stages(delivery, self._worker)
        try:
            finished = self._outcomes.take_kept(delivery.event.id)
            if finished is None:
                finished = await self._finish(data, delivery, stages, until)
            await self._deliver(data, delivery, finished, until)
        except (Unavailable, Undelivered, HandOn):
            raise
        except EventTooLarge as error:
            log.error("file %s: %s", data.file_id, error.detail)
            failed = self._failed(data, delivery, stages, "result-too-large")
            await self._deliver(data, delivery, failed, until)
        except Exception as error:  # the edge: what nobody foresaw ends the file, too
            if not delivery.last:
                raise AttemptFailed(stages.note(error)) from error
            log.exception("file %s fails at its last attempt, %d", data.file_id, delivery.attempt)
            failed = self._failed(data, delivery, stages, "worker-lost")
            await self._deliver(data, delivery, failed, until)

    async def _deliver(self, data: WorkData, delivery: Delivery, finished: Finished, until: float) -> None:
        await self._outcomes.deliver(delivery.event.id, finished, until)
        self._metrics.ended(data.transfer_syntax_uid, finished.event.data)

    async def _finish(self, data: WorkData, delivery: Delivery, stages: Stages, until: float) -> Finished:
        if delivery.spent:
            # Decided before the file is touched again: whatever ended the workers may lie in the file.
            return self._failed(data, delivery, stages, "worker-lost")
        if (reason := self._gate.check(delivery)) is not None:
            log.warning("file %s failed: %s (more than any worker may use)", data.file_id, reason)
            return self._failed(data, delivery, stages, reason)
        await self._outcomes.room(until)
        self._require_closed(data)
        started = stages.begin()
        try:
            result = await self._measure(data, delivery, stages)
        finally:
            self._circuits.left(label_of(data.transfer_syntax_uid), data.file_id)
        self._gate.learn(data, result)
        if isinstance(result, Refused):
            self._gate.refused(delivery, result)
            log.warning("file %s failed: %s (%s)", data.file_id, result.reason, result.diagnosis)
            self._metrics.refused(data.transfer_syntax_uid, result)
            return self._failed(data, delivery, stages, result.reason)
        self._metrics.measured(data.transfer_syntax_uid, result)
        return self._processed(data, delivery, stages, result, started)

    def _require_closed(self, data: WorkData) -> None:
        """Raises Unavailable while the codec is paused, which uses up no attempt."""
        codec = label_of(data.transfer_syntax_uid)
        if wait := self._circuits.begin(codec, data.file_id, time.monotonic()):
            raise Unavailable(
                f"Decoders crashed on the last files of transfer syntax {codec}: "
                f"it is paused here for {wait:.0f} s more."
            )

    async def _measure(self, data: WorkData, delivery: Delivery, stages: Stages) -> Measured | Refused:
        with self._telemetry.detail("decode"):
            try:
                async with self._pool.place():
                    stages.placed()
                    async with self._storage.child_access(ObjectKey(data.storage_key)) as access:
                        stages.fetched()
                        result = await self._pool.measure(access)
                        stages.decoded(result)
                        self._circuits.answered(label_of(data.transfer_syntax_uid))
                        return result
            except ObjectNotFound as error:
                return Refused("object-missing", str(error))
            except ObjectUnreadable:
                raise  # a disk may recover
            except ObjectCorrupt as error:
                return Refused("object-corrupt", str(error))
            except (DecodeTimeout, DecoderCrashed) as error:
                seconds = stages.lost()
                self._circuits.crashed(label_of(data.transfer_syntax_uid), data.file_id, time.monotonic())
                # The machine may have been short of memory, or busy beyond measure: no fault of the file.
                if delivery.attempt < self._crashes and not delivery.last:
                    raise
                reason: FailureReason = (
                    "decode-timeout" if isinstance(error, DecodeTimeout) else "decoder-crashed"
                )
                return Refused(reason, str(error), seconds)

    def _processed(
        self,
        data: WorkData,
        delivery: Delivery,
        stages: Stages,
        measured: Measured,
        started: datetime,
    ) -> Finished:
        analysis = measured.analysis
        objects = []
        key: ObjectKey | None = None
        if analysis.thumbnail is not None:
            key = thumbnail_key(data.file_id)
            # Not fsynced: a lost thumbnail is noticed, and can be made again from the file.
            objects.append(ResultObject(key, analysis.thumbnail, "image/jpeg", durable=False))
        if analysis.statistics.get("frame_means_stored"):
            content = orjson.dumps({"frame_means": analysis.frame_means})
            key_of_means = analysis_key(data.file_id, "statistics")
            objects.append(ResultObject(key_of_means, content, "application/json", durable=True))
        outcome = FileProcessed(
            file_id=data.file_id,
            owner_id=data.owner_id,
            collection=data.collection,
            sha256=data.sha256,
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
            request=data.request,
            run=stages.run(),
            earlier=stages.earlier,
        )
        return _finished(outcome, *objects)

    def _failed(self, data: WorkData, delivery: Delivery, stages: Stages, reason: FailureReason) -> Finished:
        return _finished(
            FileFailed(
                file_id=data.file_id,
                owner_id=data.owner_id,
                collection=data.collection,
                sha256=data.sha256,
                reason=reason,
                detail=FAILURE_DETAILS[reason],
                attempts=min(delivery.attempt, delivery.attempts),
                worker=self._worker,
                finished_at=datetime.now(UTC),
                started_at=stages.started,
                run=None if stages.started is None else stages.run(),
                earlier=stages.earlier,
                request=data.request,
                requested=data.reason if isinstance(data, FileRequested) else None,
            )
        )


def _finished(outcome: EventData, *objects: ResultObject) -> Finished:
    return Finished(new_event(EVENT_SOURCE, outcome, current_traceparent()), objects)
