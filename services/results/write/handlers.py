"""Events in: what a file holds, and how its processing ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Database
from libs.common.errors import Reject, StorageError
from libs.common.events import FileReceived
from libs.common.ids import ObjectKey, began_at
from libs.common.storage import Storage
from libs.common.telemetry.tracing import Telemetry
from services.results.metrics import ResultsMetrics
from services.results.write import store
from services.results.write.batches import Batcher
from services.results.write.facts import Reported, report_of
from services.results.write.outcomes import fold
from services.results.write.store import Applied

log = logging.getLogger(__name__)

PATIENCE = 3
"""Attempts to read an object's trailer before the row is made without its header."""

# What the same statement with the same content never survives.
_FAULTY = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError, asyncpg.ProgramLimitExceededError)


class FileEvents:
    """Handles `received`, `processed` and `failed`; returns when the effect is committed."""

    def __init__(self, storage: Storage, batcher: Batcher[Reported], telemetry: Telemetry) -> None:
        """`batcher` commits with `Recorder`."""
        self._storage = storage
        self._batcher = batcher
        self._telemetry = telemetry

    async def __call__(self, delivery: Delivery) -> None:
        """Apply one event. Raises Reject for content that cannot be stored, else what is worth a retry."""
        data = delivery.event.data
        trailer = None
        if isinstance(data, FileReceived):
            trailer = await self._trailer(ObjectKey(data.storage_key), delivery.attempt)
        report = report_of(delivery.event, trailer)
        with self._telemetry.detail("store result"):
            await self._batcher.submit(report)

    async def _trailer(self, key: ObjectKey, attempt: int) -> Mapping[str, Any] | None:
        """Read the sealed trailer; None once it is clear that this object cannot be read.

        The file was accepted, so it has a row whatever became of the object: the processor says what.
        """
        try:
            return await self._storage.read_trailer(key)
        except StorageError as error:
            if attempt < PATIENCE:
                raise
            log.warning("file %s gets a row without its header: %s", key, error.detail)
            return None


class Recorder:
    """Commits a batch of reports: rows, processing log and change feed in one transaction."""

    def __init__(self, database: Database, metrics: ResultsMetrics) -> None:
        self._database = database
        self._metrics = metrics

    async def __call__(self, reports: Sequence[Reported]) -> None:
        """One transaction. Raises Reject when the content is at fault, Unavailable when the database is."""
        started = time.perf_counter()
        try:
            async with self._database.transaction() as connection:
                await store.lock_files(connection, [report.facts.file_id for report in reports])
                applied = await store.apply_facts(connection, fold(report.facts for report in reports))
                if any(row.changed for row in applied):
                    await store.notify(connection)
                await store.log_attempts(connection, [report.entry for report in reports])
        except _FAULTY as error:
            raise Reject(f"cannot be stored: {type(error).__name__}") from error
        self._metrics.batch_size.observe(len(reports))
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        self._count(reports, applied)

    def _count(self, reports: Sequence[Reported], applied: Sequence[Applied]) -> None:
        stored, metrics = time.time(), self._metrics
        for row in applied:
            if row.changed and row.state != "received":
                metrics.files.labels(row.state).inc()
                if row.first:
                    # An outcome may overtake its `received`; then the file's id tells when the upload began.
                    accepted = (
                        began_at(row.file_id) if row.received_at is None else row.received_at.timestamp()
                    )
                    metrics.file_seconds.observe(max(stored - accepted, 0.0))
        if len(applied) == len(reports):
            return
        effective, seen = {row.file_id for row in applied}, set[UUID]()
        for report in reports:
            if report.facts.file_id not in effective or report.entry.event_id in seen:
                metrics.repeated_events.labels(report.entry.event).inc()
            seen.add(report.entry.event_id)
