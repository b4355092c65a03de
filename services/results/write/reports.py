"""Reading an event: what it tells of a file, and the same without what the database cannot store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import orjson

from libs.common.errors import Reject
from libs.common.events import (
    EarlierAttempt,
    Event,
    EventData,
    FileData,
    FileFailed,
    FileMoved,
    FileProcessed,
    FileReceived,
    FileRequested,
    LanesPaused,
    Run,
    WorkerBeat,
)
from libs.common.ids import file_key, thumbnail_key
from services.results.write.facts import HEADER_TYPES, Facts, HeaderFacts, LogEntry, Outcome, Reported, State
from services.results.write.header import TYPES, clean, columns_of

UNREADABLE = "The stored object could not be read when the file was received; its header is not known."
UNSTORABLE = "The header holds what the database cannot store; only a part of it is known."
UNSTORABLE_REASON = "result-unstorable"
UNSTORABLE_DETAIL = "The measurement holds what the database cannot store."
STALE = "made-from-other-bytes"
"""Reason in the log of an outcome that changed nothing since the file's bytes are others."""


_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-.*", re.ASCII | re.DOTALL)
_INTEGER, _BIGINT = 2**31 - 1, 2**63 - 1


def report_of(event: Event, trailer: Mapping[str, Any] | None) -> Reported:
    """Read `event`; `trailer` is that of the object of a `received`, None when it cannot be read."""
    data = require_own(event.data)
    known = Facts(data.file_id, data.owner_id, data.collection, trace_id_of(event.traceparent))
    if isinstance(data, FileMoved):
        return Reported(
            known._replace(moves=data.moves), None, _entry(event, "moved", finished_at=event.time)
        )
    known = known._replace(request=data.request)
    if isinstance(data, FileRequested):
        return Reported(known, None, _entry(event, "requested", finished_at=event.time))
    if isinstance(data, FileReceived):
        known = known._replace(moves=data.moves, header=_header(data, event.time, trailer))
        return Reported(known, _replaced(data), _entry(event, "received", finished_at=event.time))
    if isinstance(data, FileProcessed):
        outcome, attempt = _processed(data), data.attempt
    else:
        attempt = data.attempts
        outcome = _failure(data.reason, data.detail, attempt, data.worker, data.finished_at, data.sha256)
        outcome = outcome._replace(started_at=data.started_at)
    outcome = outcome._replace(request=data.request)
    return Reported(
        known._replace(outcomes=(outcome,)),
        None,
        _entry(
            event,
            outcome.state,
            attempt=attempt,
            worker=outcome.worker,
            started_at=outcome.started_at,
            finished_at=outcome.finished_at,
            reason=outcome.failure_reason,
            run=data.run,
        ),
        tuple(_earlier(event, attempt_before) for attempt_before in data.earlier),
    )


def require_own(data: EventData) -> FileData:
    """Raises Reject unless each object named is the file's own: a reader must not be given another's."""
    if isinstance(data, WorkerBeat | LanesPaused):
        raise Reject("is about no file")
    own = isinstance(data, FileFailed | FileMoved) or data.storage_key == file_key(data.file_id)
    if isinstance(data, FileProcessed):
        own = own and data.thumbnail_key in (None, thumbnail_key(data.file_id))
    if not own:
        raise Reject("names an object that is not its file's own")
    return data


def trace_id_of(traceparent: str | None) -> str | None:
    """The trace id, second field of a W3C `traceparent`; None without one."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match[1] if match else None


def storable(report: Reported) -> Reported:
    """The same without what PostgreSQL may have refused: a header with a warning, a failure with a reason."""
    entry = report.entry
    attempt = _bounded(entry.attempt, _INTEGER)
    worker = None if entry.worker is None else clean(entry.worker)
    facts, header = report.facts, report.facts.header
    if header is not None:
        columns = {name: _storable(HEADER_TYPES[name], value) for name, value in header.columns.items()}
        columns |= {"raw_data": None, "warnings": [UNSTORABLE], "received_at": header.received_at}
        facts = facts._replace(header=header._replace(columns=columns, whole=False))
        entry = entry._replace(attempt=attempt, worker=worker)
    elif facts.outcomes:
        (told,) = facts.outcomes
        failure = _failure(UNSTORABLE_REASON, UNSTORABLE_DETAIL, attempt or 0, worker, told.finished_at)
        failure = failure._replace(started_at=told.started_at, request=told.request)
        facts = facts._replace(outcomes=(failure,))
        entry = entry._replace(attempt=attempt, worker=worker, outcome="failed", reason=UNSTORABLE_REASON)
    return report._replace(facts=facts, entry=entry._replace(run=None), earlier=())


def _storable(type_: str, value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    return _bounded(value, _INTEGER if type_ == "integer" else _BIGINT) if isinstance(value, int) else value


def _bounded(value: int | None, most: int) -> int | None:
    return value if value is not None and -most <= value <= most else None


def _header(data: FileReceived, received_at: datetime, trailer: Mapping[str, Any] | None) -> HeaderFacts:
    known: Mapping[str, Any] = {"warnings": [UNREADABLE]} if trailer is None else trailer
    name, dicom, warnings = known.get("file_name"), known.get("dicom"), known.get("warnings") or []
    file_name = None if name is None else str(name)
    folder = known.get("folder")
    raw_data = None
    if dicom is not None:
        try:
            raw_data = orjson.dumps(dicom).decode()
        except orjson.JSONEncodeError:
            warnings = [UNSTORABLE]
    columns = {
        "file_name": file_name,
        "folder": None if folder is None else str(folder),
        "raw_data": raw_data,
        "warnings": warnings,
        "size_bytes": data.size_bytes,
        "sha256": data.sha256,
        "sop_class_uid": data.sop_class_uid,
        "sop_instance_uid": data.sop_instance_uid,
        "series_instance_uid": data.series_instance_uid,
        "study_instance_uid": data.study_instance_uid,
        "modality": data.modality,
        "transfer_syntax_uid": data.transfer_syntax_uid,
        "rows": data.rows,
        "columns": data.columns,
        "frames": data.frames,
        "received_at": received_at,
        **(dict.fromkeys(TYPES) if trailer is None else columns_of(dicom, file_name)),
    }
    return HeaderFacts(columns, raw_data is not None, received_at, data.sha256)


def _replaced(data: FileReceived) -> Facts | None:
    """What `received` says of the file that it replaces: it may be known before that file's own events."""
    if data.supersedes is None or data.supersedes == data.file_id:
        return None
    return Facts(
        data.supersedes,
        data.owner_id,
        data.collection,
        None,
        superseded_in=data.collection,
        moves=data.supersedes_moves,
    )


def _processed(data: FileProcessed) -> Outcome:
    try:
        statistics = orjson.dumps(data.statistics).decode()
    except orjson.JSONEncodeError:
        failure = _failure(
            UNSTORABLE_REASON, UNSTORABLE_DETAIL, data.attempt, data.worker, data.finished_at, data.sha256
        )
        return failure._replace(started_at=data.started_at)
    return Outcome(
        device_name=data.device_name,
        average_before_normalization=data.averages.before_normalization,
        average_after_normalization=data.averages.after_normalization,
        data_size=data.data_size,
        statistics=statistics,
        thumbnail_key=data.thumbnail_key,
        failure_reason=None,
        failure_detail=None,
        method_version=data.method_version,
        attempts=data.attempt,
        processed_at=data.finished_at,
        worker=data.worker,
        started_at=data.started_at,
        finished_at=data.finished_at,
        sha256=data.sha256,
    )


def _failure(
    reason: str,
    detail: str,
    attempts: int,
    worker: str | None,
    finished_at: datetime,
    sha256: str | None = None,
) -> Outcome:
    return Outcome(
        device_name=None,
        average_before_normalization=None,
        average_after_normalization=None,
        data_size=None,
        statistics=None,
        thumbnail_key=None,
        failure_reason=reason,
        failure_detail=detail,
        method_version=None,
        attempts=attempts,
        processed_at=None,
        worker=worker,
        started_at=None,
        finished_at=finished_at,
        sha256=sha256,
    )


def _earlier(event: Event, told: EarlierAttempt) -> LogEntry:
    return LogEntry(
        told.id,
        event.file_id,
        event.type,
        told.attempt,
        told.worker,
        told.started_at,
        told.finished_at,
        "retried",
        told.reason,
        told.run,
    )


def _entry(
    event: Event,
    outcome: State | Literal["moved", "requested"],
    *,
    finished_at: datetime,
    attempt: int | None = None,
    worker: str | None = None,
    started_at: datetime | None = None,
    reason: str | None = None,
    run: Run | None = None,
) -> LogEntry:
    file_id = event.file_id
    return LogEntry(
        event.id, file_id, event.type, attempt, worker, started_at, finished_at, outcome, reason, run
    )
