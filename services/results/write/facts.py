"""What one event tells about a file: its header, or the outcome of an attempt, and a line for the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import orjson

from libs.common.errors import Reject
from libs.common.events import Event, FileFailed, FileProcessed, FileReceived

State = Literal["received", "processed", "failed", "superseded", "erased"]

UNREADABLE = "The stored object could not be read when the file was received; its header is not known."


class HeaderColumns(NamedTuple):
    """What `received` and the sealed trailer tell. Field order is that of the SQL; JSON stays text."""

    file_name: str | None
    raw_data: str | None
    warnings: str
    size_bytes: int
    sha256: str
    sop_class_uid: str | None
    sop_instance_uid: str | None
    series_instance_uid: str | None
    study_instance_uid: str | None
    modality: str | None
    transfer_syntax_uid: str
    rows: int | None
    columns: int | None
    frames: int | None
    received_at: datetime


class Outcome(NamedTuple):
    """How an attempt ended. Field order is that of the SQL; JSON stays text."""

    device_name: str | None
    average_before_normalization: float | None
    average_after_normalization: float | None
    data_size: int | None
    statistics: str | None
    thumbnail_key: str | None
    failure_reason: str | None
    failure_detail: str | None
    method_version: int | None
    attempts: int
    processed_at: datetime | None

    @property
    def state(self) -> State:
        """`failed` with a reason, else `processed`."""
        return "processed" if self.failure_reason is None else "failed"


class LogEntry(NamedTuple):
    """A row of the processing log. Field order is that of the SQL."""

    event_id: UUID
    file_id: UUID
    event: str
    attempt: int | None
    worker: str | None
    started_at: datetime | None
    finished_at: datetime
    outcome: State
    reason: str | None


class Facts(NamedTuple):
    """What is known of one file, from one event or from several merged."""

    file_id: UUID
    owner_id: int
    trace_id: str | None
    header: HeaderColumns | None
    outcome: Outcome | None


class Reported(NamedTuple):
    """One event, read: its facts and its line in the log."""

    facts: Facts
    entry: LogEntry

    @property
    def weight(self) -> int:
        """Characters of JSON it carries, to bound what one transaction sends."""
        header, outcome = self.facts.header, self.facts.outcome
        return len((header and header.raw_data) or "") + len((outcome and outcome.statistics) or "")


def report_of(event: Event, trailer: Mapping[str, Any] | None) -> Reported:
    """Read `event`; `trailer` is that of the object of a `received`, None when it cannot be read.

    Raises Reject when the trailer holds what JSON cannot say.
    """
    data = event.data
    header: HeaderColumns | None = None
    outcome: Outcome | None = None
    if isinstance(data, FileReceived):
        header, entry = _header(data, event.time, trailer), _received_entry(event)
    elif isinstance(data, FileProcessed):
        outcome, entry = _processed(data), _processed_entry(event, data)
    else:
        outcome, entry = _failed(data), _failed_entry(event, data)
    return Reported(
        Facts(data.file_id, data.owner_id, trace_id_of(event.traceparent), header, outcome), entry
    )


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace id, second field of a W3C `traceparent`; None without one."""
    parts = (traceparent or "").split("-")
    return parts[1] if len(parts) >= 4 and len(parts[1]) == 32 else None


def _header(data: FileReceived, received_at: datetime, trailer: Mapping[str, Any] | None) -> HeaderColumns:
    known = {"warnings": [UNREADABLE]} if trailer is None else trailer
    file_name, dicom = known.get("file_name"), known.get("dicom")
    return HeaderColumns(
        file_name=None if file_name is None else str(file_name),
        raw_data=None if dicom is None else _json(dicom),
        warnings=_json(known.get("warnings") or []),
        size_bytes=data.size_bytes,
        sha256=data.sha256,
        sop_class_uid=data.sop_class_uid,
        sop_instance_uid=data.sop_instance_uid,
        series_instance_uid=data.series_instance_uid,
        study_instance_uid=data.study_instance_uid,
        modality=data.modality,
        transfer_syntax_uid=data.transfer_syntax_uid,
        rows=data.rows,
        columns=data.columns,
        frames=data.frames,
        received_at=received_at,
    )


def _processed(data: FileProcessed) -> Outcome:
    return Outcome(
        device_name=data.device_name,
        average_before_normalization=data.averages.before_normalization,
        average_after_normalization=data.averages.after_normalization,
        data_size=data.data_size,
        statistics=_json(data.statistics),
        thumbnail_key=data.thumbnail_key,
        failure_reason=None,
        failure_detail=None,
        method_version=data.method_version,
        attempts=data.attempt,
        processed_at=data.finished_at,
    )


def _failed(data: FileFailed) -> Outcome:
    return Outcome(
        device_name=None,
        average_before_normalization=None,
        average_after_normalization=None,
        data_size=None,
        statistics=None,
        thumbnail_key=None,
        failure_reason=data.reason,
        failure_detail=data.detail,
        method_version=None,
        attempts=data.attempts,
        processed_at=None,
    )


def _received_entry(event: Event) -> LogEntry:
    return LogEntry(event.id, event.data.file_id, event.type, None, None, None, event.time, "received", None)


def _processed_entry(event: Event, data: FileProcessed) -> LogEntry:
    return LogEntry(
        event.id,
        data.file_id,
        event.type,
        data.attempt,
        data.worker,
        data.started_at,
        data.finished_at,
        "processed",
        None,
    )


def _failed_entry(event: Event, data: FileFailed) -> LogEntry:
    return LogEntry(
        event.id,
        data.file_id,
        event.type,
        data.attempts,
        data.worker,
        None,
        data.finished_at,
        "failed",
        data.reason,
    )


def _json(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise Reject(f"no JSON: {error}") from error
