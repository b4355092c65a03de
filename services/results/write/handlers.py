"""Events in: what a file holds, and how its processing ended."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from libs.common.batches import Batcher
from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Reject, StorageError
from libs.common.events import FileReceived
from libs.common.ids import ObjectKey, began_at, file_key
from libs.common.storage import Storage
from libs.common.telemetry.tracing import Telemetry
from services.results.metrics import ResultsMetrics
from services.results.processing import requests_store
from services.results.processing.requests_store import Answer
from services.results.write import accounts_store, fill_store, store
from services.results.write.accounts import account, moved
from services.results.write.facts import LogEntry, Reported
from services.results.write.outcomes import StateChange, fold, is_stale, settle
from services.results.write.reports import STALE, report_of, require_own, storable

log = logging.getLogger(__name__)

PATIENCE = 3
"""Attempts to read an object's trailer before the row is made without its header."""

# What the same statement with the same content never survives.
_FAULTY = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    orjson.JSONEncodeError,
)


class FileEvents:
    """Handles `received`, `processed`, `failed` and `moved`; returns when the effect is committed."""

    def __init__(
        self,
        storage: Storage,
        batcher: Batcher[Reported],
        telemetry: Telemetry,
        metrics: ResultsMetrics,
    ) -> None:
        """`batcher` commits with `Recorder`."""
        self._storage = storage
        self._batcher = batcher
        self._telemetry = telemetry
        self._metrics = metrics

    async def __call__(self, delivery: Delivery) -> None:
        """Apply one event. Raises Reject for one that names another's objects, else what a retry is for."""
        data = delivery.event.data
        try:
            require_own(data)
        except Reject:
            self._metrics.refused_events.inc()
            raise
        trailer = None
        if isinstance(data, FileReceived):
            trailer = await self._trailer(file_key(data.file_id), delivery.attempt)
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
    """Commits a batch of reports: rows, what they are counted in, log and change feed in one transaction."""

    def __init__(
        self, database: Database, metrics: ResultsMetrics, *, answered: Callable[[], None] = lambda: None
    ) -> None:
        """`answered` is called when requests to measure files again have been answered."""
        self._database = database
        self._metrics = metrics
        self._answered = answered

    async def __call__(self, reports: Sequence[Reported]) -> None:
        """One transaction. Raises Reject when the content is at fault, Unavailable when the database is.

        What cannot be stored spoils the batch; alone, it is stored as a failure, or without its header.
        """
        try:
            await self._commit(reports)
        except _FAULTY as error:
            if len(reports) > 1:
                raise _faulty(error) from error
            await self._commit_storable(reports[0], error)

    async def _commit_storable(self, report: Reported, fault: Exception) -> None:
        part = "outcome" if report.facts.header is None else "header"
        log.warning("%s of file %s cannot be stored: %s", part, report.facts.file_id, type(fault).__name__)
        try:
            await self._commit([storable(report)])
        except _FAULTY as error:
            raise _faulty(error) from error
        self._metrics.unstorable.labels(part).inc()

    async def _commit(self, reports: Sequence[Reported]) -> None:
        started = time.perf_counter()
        async with self._database.transaction() as connection:
            changes, entries = await record(connection, reports)
        self._metrics.batch_size.observe(len(reports))
        self._metrics.batch_seconds.observe(time.perf_counter() - started)
        self._count(reports, changes, entries)
        if answers_of(reports):
            self._answered()

    def _count(
        self, reports: Sequence[Reported], changes: Sequence[StateChange], entries: Sequence[LogEntry]
    ) -> None:
        stored, metrics = time.time(), self._metrics
        for change in changes:
            if change.outcome is not None:
                metrics.files.labels(change.outcome.state).inc()
                if change.first:
                    # An outcome may overtake its `received`; then the file's id tells when the upload began.
                    at = change.received_at
                    accepted = began_at(change.file_id) if at is None else at.timestamp()
                    metrics.file_seconds.observe(max(stored - accepted, 0.0))
            if change.state == "superseded" and (change.held is None or change.held.state != "superseded"):
                metrics.superseded_files.inc()
            if change.relocated:
                metrics.moved_files.inc()
        effective = {change.file_id for change in changes}
        seen = set()
        for report, entry in zip(reports, entries, strict=True):
            if entry.reason == STALE:
                metrics.stale_outcomes.inc()
            elif entry.file_id not in effective or entry.event_id in seen:
                metrics.repeated_events.labels(entry.event).inc()
            seen.add(report.entry.event_id)


async def record(
    connection: Connection, reports: Sequence[Reported]
) -> tuple[list[StateChange], list[LogEntry]]:
    """Store what `reports` tell, within a transaction; what changed, and what the log says of each."""
    facts = fold(known for of in reports for known in (of.facts, of.replaced) if known is not None)
    file_ids = [known.file_id for known in facts]
    await store.lock_files(connection, file_ids)
    held = await store.read_held(connection, file_ids)
    settled = [settle(held.get(known.file_id), known) for known in facts]
    changes = [change for change in settled if change is not None and change.effective]
    await store.write_changes(connection, changes)
    if behind := [change.file_id for change in changes if _is_behind(change)]:
        await fill_store.analyse(connection, behind)
    digests = {c.file_id: c.sha256 for c in settled if c is not None and c.received_at is not None}
    entries = [_entry(report, digests.get(report.facts.file_id)) for report in reports]
    lines = [*entries, *(line for report in reports for line in report.earlier)]
    await store.tell(connection, lines, [change for change in changes if change.announced])
    # What studies and series of the new collection say of a file is told by its row.
    retold = [change.file_id for change in changes if change.relocated and change.header is None]
    described = await store.read_described(connection, retold) if retold else {}
    moves = (moved(change, described.get(change.file_id)) for change in changes)
    await accounts_store.apply_accounts(connection, account(moves))
    if answers := answers_of(reports):
        await requests_store.answer(connection, answers)
    return changes, entries


def answers_of(reports: Sequence[Reported]) -> dict[UUID, Answer]:
    """By file, the latest request that these say the outcome of."""
    answers: dict[UUID, Answer] = {}
    for report in reports:
        for outcome in report.facts.outcomes:
            known = answers.get(report.facts.file_id)
            if outcome.request > (0 if known is None else known.number):
                answers[report.facts.file_id] = Answer(outcome.request, outcome.state)
    return answers


def _is_behind(change: StateChange) -> bool:
    """Whether the release before wrote the row last, which keeps no analyses."""
    return change.held is not None and change.held.counted != change.held.state


def _entry(report: Reported, sha256: str | None) -> LogEntry:
    stale = any(is_stale(outcome, sha256) for outcome in report.facts.outcomes)
    return report.entry._replace(reason=STALE) if stale else report.entry


def _faulty(error: Exception) -> Reject:
    return Reject(f"cannot be stored: {type(error).__name__}")
