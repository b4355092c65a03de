"""What is known of a file: its header, how an attempt ended, and a line for the log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple
from uuid import UUID

from libs.common.events import Run
from services.results.write.header import TYPES

State = Literal["received", "processed", "failed", "superseded", "erased"]

PIXELS = "pixels"
"""The built-in analyzer; its version is the measurement's `method_version`."""
HEADER_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "file_name": "text",
        "folder": "text",
        "raw_data": "jsonb",
        "warnings": "jsonb",
        "size_bytes": "bigint",
        "sha256": "text",
        "sop_class_uid": "text",
        "sop_instance_uid": "text",
        "series_instance_uid": "text",
        "study_instance_uid": "text",
        "modality": "text",
        "transfer_syntax_uid": "text",
        "rows": "integer",
        "columns": "integer",
        "frames": "integer",
        "received_at": "timestamptz",
        **TYPES,
    }
)
"""What `received` and the sealed trailer fill: columns, and their types as SQL names them."""


class HeaderFacts(NamedTuple):
    """What `received` and the sealed trailer tell."""

    columns: dict[str, Any]
    """By the names of HEADER_TYPES, as JSON; `raw_data` is JSON as text."""
    whole: bool
    """Whether `raw_data` is known."""
    received_at: datetime
    sha256: str


class Outcome(NamedTuple):
    """How an attempt of the built-in analyzer ended; JSON stays text."""

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
    worker: str | None
    started_at: datetime | None
    finished_at: datetime
    sha256: str | None
    """Of the bytes that were measured."""
    request: int = 0
    """Which request to measure the file again it answers."""

    @property
    def state(self) -> Literal["processed", "failed"]:
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
    outcome: State | Literal["moved", "requested", "retried"]
    """The first two are told to nobody: the log is of attempts. `retried`: another attempt followed."""
    reason: str | None
    run: Run | None = None
    """What the attempt took."""


class Facts(NamedTuple):
    """What is known of one file, from one event or from several merged."""

    file_id: UUID
    owner_id: int
    collection: str
    trace_id: str | None
    header: HeaderFacts | None = None
    outcomes: tuple[Outcome, ...] = ()
    superseded_in: str | None = None
    """Collection of the file that replaced it."""
    moves: int = 0
    """How often the file had been moved when it lay in `collection`; who does not know says 0."""
    request: int = 0
    """Number of the latest request to measure it again; who knows of none says 0."""


class Reported(NamedTuple):
    """One event, read: its facts, what it says of the file that it replaces, and its line in the log."""

    facts: Facts
    replaced: Facts | None
    entry: LogEntry
    earlier: tuple[LogEntry, ...] = ()
    """Lines of the attempts before, which are told with the one that ended the file."""

    @property
    def weight(self) -> int:
        """Characters of JSON it carries, to bound what one transaction sends."""
        header = self.facts.header
        carried = sum(len(outcome.statistics or "") for outcome in self.facts.outcomes)
        return carried + len((header and header.columns["raw_data"]) or "")
