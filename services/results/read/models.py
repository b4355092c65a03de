"""What the results service answers, and the parameters it takes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from services.results.write.facts import State


class Failure(BaseModel):
    """Why a file could not be measured; `reason` is a stable code."""

    reason: str
    detail: str | None


class ResultSummary(BaseModel):
    """A result as lists show it."""

    file_id: UUID
    collection: str = Field(description="Where the file lies: `user:7` or `group:3`")
    owner_id: int = Field(description="Who sent it")
    file_name: str | None = Field(description="Null for a moment when the outcome came before the file")
    folder: str | None = Field(description="Where it lay with its sender; null where nobody said")
    state: State
    device_name: str | None
    modality: str | None
    average_before_normalization: float | None
    average_after_normalization: float | None
    data_size: int | None = Field(description="Bytes of decoded pixel data")
    size_bytes: int | None = Field(description="Bytes of the uploaded file")
    received_at: datetime | None
    processed_at: datetime | None
    failure: Failure | None
    thumbnail: bool = Field(description="Whether there is a thumbnail")
    study_instance_uid: str | None
    series_instance_uid: str | None
    sop_instance_uid: str | None
    patient_name: str | None = Field(description="As the header writes it, parts separated by `^`")
    patient_id: str | None
    patient_birth_date: date | None
    patient_sex: str | None
    study_date: date | None
    study_time: time | None = Field(description="Local time where the study was made; no offset is known")
    accession_number: str | None
    study_id: str | None
    study_description: str | None
    referring_physician_name: str | None
    series_description: str | None
    series_number: int | None
    body_part_examined: str | None
    instance_number: int | None

    @classmethod
    def values_of(cls, values: dict[str, Any]) -> dict[str, Any]:
        """The columns of a row, its two failure columns made one; changes `values`."""
        reason, detail = values.pop("failure_reason"), values.pop("failure_detail")
        values["failure"] = None if reason is None else {"reason": reason, "detail": detail}
        return values


class ResultList(BaseModel):
    """One page of results, newest uploads first unless asked otherwise."""

    results: list[ResultSummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class Owner(BaseModel):
    """Whose file it is."""

    id: int


class ResultFacts(ResultSummary):
    """One result but for its JSON parts."""

    owner: Owner
    changed_at: datetime
    trace_id: str | None
    sha256: str | None
    sop_class_uid: str | None
    transfer_syntax_uid: str | None
    rows: int | None
    columns: int | None
    frames: int | None
    image_position: list[float] | None = Field(description="Of the upper left pixel, x y z in mm")
    image_orientation: list[float] | None = Field(description="Direction cosines of a row, then of a column")
    method_version: int | None
    attempts: int | None


class Result(ResultFacts):
    """One whole result."""

    warnings: list[str] = Field(description="Faulty elements that were skipped")
    statistics: dict[str, Any] | None
    raw_data: dict[str, Any] | None = Field(
        description="The dataset in the DICOM JSON Model (PS3.18 annex F)"
    )


class LoggedAttempt(BaseModel):
    """One attempt at a file; seconds, null where a stage was not reached or not measured."""

    attempt: int | None = Field(description="From 1; numbers that are missing lost their worker")
    outcome: Literal["processed", "failed", "retried"] = Field(
        description="`retried`: it came to nothing, and another one followed"
    )
    reason: str | None = Field(description="A stable code")
    worker: str | None
    lane: str | None = Field(description="Where the file waited")
    started_at: datetime | None
    finished_at: datetime
    recorded_at: datetime = Field(description="When the log was told, by the attempt that ended the file")
    waited_seconds: float | None = Field(
        description="For its turn: since it was sent or the attempt before ended, and for a free decoder"
    )
    fetch_seconds: float | None = Field(description="To make the object readable to a decoder")
    decode_seconds: float | None = Field(description="To read, decrypt and decode it")
    measure_seconds: float | None = Field(description="For measures and thumbnail")
    store_seconds: float | None = Field(description="To store the thumbnail and what else was made")
    cpu_seconds: float | None = Field(description="CPU time of the decoder process")
    peak_memory_bytes: int | None = Field(description="Most that was resident in the decoder process")


class ProcessingLog(BaseModel):
    """Every attempt at a file that anybody told of, oldest first; of very many the latest."""

    attempts: list[LoggedAttempt]


class Neighbours(BaseModel):
    """Where a file lies among the images of its series that the caller sees.

    They are ordered along the normal where all lie in parallel planes, else by instance number.
    """

    position: int | None = Field(description="From 1; null for a file of no series, or that does not stand")
    count: int
    previous: UUID | None = Field(description="The file before; null at the beginning")
    next: UUID | None


class FrameMeans(BaseModel):
    """The mean of the stored values of every frame, in order; null where a frame has none."""

    frame_means: list[float | None]


class Summary(BaseModel):
    """How many files are in each state, of those the caller may see; `total` leaves out the last two."""

    received: int = 0
    processed: int = 0
    failed: int = 0
    superseded: int = Field(0, description="Failed files that others with their SOP Instance UID replaced")
    erased: int = 0
    total: int = 0

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> Summary:
        """The summary of `counts` by state; a state without files may be missing."""
        counted = cls(**counts)
        return counted.model_copy(update={"total": counted.received + counted.processed + counted.failed})


class FacetValue(BaseModel):
    """A value and what has it."""

    value: str
    count: int


class Facets(BaseModel):
    """How much each value of a filter would find, with the other filters as they are."""

    total: int = Field(description="What all filters together find")
    complete: bool = Field(description="false: only the newest of what there is were looked at")
    facets: dict[str, list[FacetValue]] = Field(
        description="By filter, the most frequent values first; so many of each at most"
    )

    @classmethod
    def of(cls, rows: list[tuple[str, str, int]], names: tuple[str, ...], *, complete: bool) -> Facets:
        """From rows of a filter's name, a value and a count; the name `total` has one row."""
        found: dict[str, list[FacetValue]] = {name: [] for name in names}
        total = 0
        for name, value, count in rows:
            if name == "total":
                total = count
            else:
                found[name].append(FacetValue(value=value, count=count))
        return cls(total=total, complete=complete, facets=found)


_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)", re.ASCII)
_NO_MOMENT = "must be a date (2026-01-31) or a time with its offset (2026-01-31T08:00:00Z)"


def _first_moment(value: object) -> datetime:
    return _moment(value, timedelta(0))


def _moment_after(value: object) -> datetime:
    return _moment(value, timedelta(days=1))


def _moment(value: object, day: timedelta) -> datetime:
    """An RFC 3339 moment; or a date, which counts as midnight UTC plus `day`."""
    text = str(value)
    try:
        if _DATE.fullmatch(text):
            return datetime.combine(date.fromisoformat(text), time.min, UTC) + day
        if _TIME.fullmatch(text):
            return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        # The form is right, but there is no such day, hour or year.
        raise ValueError(_NO_MOMENT) from None
    raise ValueError(_NO_MOMENT)


Text = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Since = Annotated[datetime, BeforeValidator(_first_moment, json_schema_input_type=str)]
Until = Annotated[datetime, BeforeValidator(_moment_after, json_schema_input_type=str)]


class Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ThumbnailQuery(Query):
    """How large a thumbnail is wanted."""

    size: Literal["64", "128", "256"] = Field(
        "256", description="Longest side in pixels; files measured before there were sizes have the largest"
    )


class ResultFilter(Query):
    """Which results; all filters must hold."""

    state: State | None = Field(None, description="Without it all but `superseded` are shown")
    modality: Text | None = Field(None, description="Exact, e.g. CT")
    study: Text | None = Field(None, description="Study Instance UID, exact")
    series: Text | None = Field(None, description="Series Instance UID, exact")
    device: Text | None = Field(None, description="Part of the device name, in any case")
    from_: Since | None = Field(None, alias="from", description="Received at or after: date or RFC 3339")
    to: Until | None = Field(
        None, description="Received before this time, or up to the end of this date (UTC)"
    )
    q: Text | None = Field(
        None,
        description="Words in any order, in any case, with or without accents, `^` as a space: each part of "
        "the patient's name or id, the accession number, a description, the device or the file name. Or the "
        "beginning of a UID, or a file id",
    )
    owner: int | None = Field(None, ge=1, le=2**63 - 1, description="Who sent it")


class ResultQuery(ResultFilter):
    """Filters, order and paging of GET /api/results."""

    sort: Literal["-received", "received"] = Field("-received", description="The newest first, or the oldest")
    limit: int = Field(50, ge=1, le=500)
    cursor: Text | None = Field(None, description="`next_cursor` of the page before")
