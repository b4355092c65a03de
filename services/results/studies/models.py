"""What HTTP takes and gives about studies."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, Field, StringConstraints, TypeAdapter, ValidationError

from libs.common.access import COLLECTION_PATTERN
from services.results.read.models import Query, Since, Text, Until

StudyState = Literal["received", "processed", "failed"]
StudySort = Literal["-received", "received", "-study_date", "study_date", "-patient", "patient"]

_MODALITIES = 32
_DAYS = re.compile(r"([1-9][0-9]{0,4})d", re.ASCII)
_SINCE: TypeAdapter[datetime] = TypeAdapter(Since)
_UNTIL: TypeAdapter[datetime] = TypeAdapter(Until)
_NO_SPAN = (
    "must be a day (2026-01-31), FROM..TO of which either may be left out (days, or moments with their "
    "offset), or a number of days up to now (7d)"
)


class Period(NamedTuple):
    """From when, inclusive, until when, exclusive; None: without end."""

    first: datetime | None
    end: datetime | None


def parse_span(value: object) -> Period:
    """A Period from text: `7d`, `2026-01-31`, `2026-01-01..2026-01-31`, `2026-01-01T08:00:00Z..`."""
    text = str(value)
    if days := _DAYS.fullmatch(text):
        return Period(datetime.now(UTC) - timedelta(days=int(days[1])), None)
    first, dots, last = text.partition("..")
    if not dots:
        last = first
    try:
        if not (first or last):
            raise ValueError(_NO_SPAN)
        return Period(
            _SINCE.validate_python(first) if first else None, _UNTIL.validate_python(last) if last else None
        )
    except ValidationError:
        raise ValueError(_NO_SPAN) from None


def _parts(value: object) -> object:
    return tuple(dict.fromkeys(value.split(","))) if isinstance(value, str) else value


Modalities = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=r"^[^\x00]{1,64}$")], ...],
    Field(min_length=1, max_length=_MODALITIES),
    BeforeValidator(_parts, json_schema_input_type=str),
]
ReceivedWithin = Annotated[Period, BeforeValidator(parse_span, json_schema_input_type=str)]
Day = Annotated[date, Field(strict=False)]


class StudyFilter(Query):
    """Which studies; all filters must hold."""

    q: Text | None = Field(
        None,
        description="Words in any order, in any case, with or without accents, `^` as a space: each part of "
        "the patient's name or id, the accession number, a description, a device or a file name. Or the "
        "beginning of a UID. What more than 1000 files hold is looked for in the names of the newest 1000 "
        "and of one file of each study",
    )
    patient: Text | None = Field(None, description="Words of the patient's name or id alone")
    modality: Modalities | None = Field(None, description="One of these, separated by commas: CT,MR")
    state: StudyState | None = Field(
        None,
        description="`received`: some of its files wait; `failed`: some failed; `processed`: none did",
    )
    study_from: Day | None = Field(None, description="Date of the study, this or later")
    study_to: Day | None = Field(None, description="Date of the study, this or earlier")
    received: ReceivedWithin | None = Field(
        None,
        description="When its first file came: a day (UTC), FROM..TO of days or moments, either may be "
        "left out, or `7d`, the last seven days",
    )
    device: Text | None = Field(None, description="Part of a device's name, in any case")
    owner: int | None = Field(None, ge=1, le=2**63 - 1, description="Who has sent files of it")
    collection: str | None = Field(
        None, pattern=COLLECTION_PATTERN, description="Where it lies: `user:7` or `group:3`"
    )
    shared: bool | None = Field(
        None, description="true: what is shared with the caller alone; false: without it"
    )


class StudyQuery(StudyFilter):
    """Filters, order and paging of GET /api/studies."""

    sort: StudySort = Field("-received", description="`-`: the latest, or the end of the alphabet, first")
    limit: int = Field(50, ge=1, le=500)
    cursor: Annotated[str, StringConstraints(min_length=1, max_length=4000)] | None = Field(
        None, description="`next_cursor` of the page before, with the same `sort`"
    )


class CollectionQuery(Query):
    """From which collection a study is told."""

    collection: str | None = Field(
        None,
        pattern=COLLECTION_PATTERN,
        description="Without it the caller's own, else the first of their groups' that has the study, else "
        "the oldest that they see",
    )


class StudySummary(BaseModel):
    """A study as lists show it, as far as the caller sees it."""

    study_instance_uid: str
    collection: str = Field(description="Where it lies: the same UID in another collection is another study")
    whole: bool = Field(description="false: only some series or files of it are shared with the caller")
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
    modalities: list[str]
    devices: list[str]
    owners: list[int] = Field(description="Who has sent files of it")
    series_count: int
    instances: int = Field(description="Files that stand")
    files_received: int = Field(description="Of these, those that wait to be measured")
    files_processed: int
    files_failed: int
    received_at: datetime | None = Field(description="When its first file came")
    last_received_at: datetime | None
    cover_file_id: UUID | None = Field(description="A file that has a thumbnail")


class StudyList(BaseModel):
    """One page of studies."""

    studies: list[StudySummary]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class SeriesSummary(BaseModel):
    """A series of a study, as far as the caller sees it."""

    series_instance_uid: str
    modality: str | None
    series_number: int | None
    series_description: str | None
    body_part_examined: str | None
    device: str | None
    instances: int = Field(description="Files that stand")
    files_received: int
    files_processed: int
    files_failed: int
    received_at: datetime | None = Field(description="When its first file came")
    last_received_at: datetime | None
    cover_file_id: UUID | None = Field(description="A file that has a thumbnail")


class Study(StudySummary):
    """One study with its series, in the order of their numbers."""

    series: list[SeriesSummary]
    collections: list[str] = Field(
        description="Where else the caller sees a study of this UID: ask with `?collection=`"
    )


def study_values(row: dict[str, Any]) -> dict[str, Any]:
    """The columns of a row by the names of StudySummary."""
    return {name: row[name] for name in StudySummary.model_fields}
