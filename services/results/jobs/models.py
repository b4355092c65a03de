"""What HTTP takes and gives about jobs."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, model_validator

from libs.common.access import COLLECTION_PATTERN
from services.results.read.models import Query, Since, Text, Until

JobState = Literal["running", "done", "cancelled"]


class JobFilter(BaseModel):
    """Which files, of those that ended; all conditions must hold. None speaks of a patient.

    A job reaches files of everybody: it changes no more of them than the measurement.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["processed", "failed"] | None = Field(None, description="Without it, both")
    method_below: int | None = Field(
        None, ge=1, le=2**31 - 1, description="Measured by an older method than this; failed files count too"
    )
    collection: str | None = Field(None, pattern=COLLECTION_PATTERN)
    modality: Text | None = None
    device: Text | None = Field(None, description="Name of the device, exact")
    study: Text | None = Field(None, description="Study Instance UID")
    series: Text | None = Field(None, description="Series Instance UID")
    sop_class: Text | None = Field(None, description="SOP Class UID")
    transfer_syntax: Text | None = Field(None, description="Transfer Syntax UID")
    reason: Text | None = Field(None, description="Why it failed, e.g. `decoder-crashed`")
    from_: Since | None = Field(None, alias="from", description="Received at or after: date or RFC 3339")
    to: Until | None = Field(None, description="Received before, or up to the end of this date (UTC)")

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.told():
            raise ValueError("name at least one condition, e.g. `state`")
        return self

    def told(self) -> dict[str, Any]:
        """As JSON, what was named."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


ActionName = Literal["retry", "reprocess"]


class ActionFilter(JobFilter):
    """What an action of somebody is about, as its job keeps it: files that they may change."""

    action: ActionName
    files: int | None = Field(None, description="So many were named; all are asked for already")
    collections: tuple[str, ...] | None = Field(None, description="None: all there are")
    owner: int | None = None
    studies: tuple[str, ...] | None = None
    part_of_device: Text | None = None
    q: Text | None = None


class ActionQuery(BaseModel):
    """Which files, as GET /api/results finds them, of collections that the caller manages."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: Literal["failed"] = "failed"
    collection: str | None = Field(None, pattern=COLLECTION_PATTERN)
    modality: Text | None = None
    study: Text | None = Field(None, description="Study Instance UID")
    studies: tuple[Text, ...] | None = Field(
        None, min_length=1, max_length=500, description="Study Instance UIDs: of one of these"
    )
    series: Text | None = Field(None, description="Series Instance UID")
    device: Text | None = Field(None, description="Part of the device name, in any case")
    owner: int | None = Field(None, ge=1, le=2**63 - 1, description="Who sent it")
    from_: Since | None = Field(None, alias="from", description="Received at or after: date or RFC 3339")
    to: Until | None = Field(None, description="Received before, or up to the end of this date (UTC)")
    q: Text | None = Field(None, description="Words, or the beginning of a UID, as in lists")


class ActionRequest(BaseModel):
    """Something to be done with many files: those named by `ids`, or those that `where` finds."""

    model_config = ConfigDict(extra="forbid")

    action: ActionName = Field(
        description="`retry`: failed files are measured again; `reprocess`: measured ones as well, which are "
        "named by `ids`; it takes `reprocess_dicomresult`"
    )
    ids: tuple[UUID, ...] | None = Field(None, min_length=1, max_length=300)
    where: ActionQuery | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.ids is None) == (self.where is None):
            raise ValueError("name either `ids` or `where`")
        if self.action == "reprocess" and self.ids is None:
            raise ValueError("name files to be reprocessed by `ids`; a job finds them by conditions")
        return self


class LeftOut(BaseModel):
    """How many of the named files nothing is done with, and why."""

    unknown: int = Field(0, description="There are none such, or the caller does not see them")
    not_managed: int = Field(0, description="The caller may see them, and not change them")
    not_failed: int = Field(
        0, description="They wait, were asked for already, or are measured and not to be reprocessed"
    )


class Action(BaseModel):
    """How far something that is done with many files has come."""

    id: UUID
    action: ActionName
    state: JobState
    total: int | None = Field(description="Files that it is about; null until they are counted")
    requested: int = Field(description="Files asked for so far")
    processed: int
    failed: int
    under_way: int
    left_out: LeftOut | None = Field(None, description="When it is begun with `ids`")
    created_at: datetime
    changed_at: datetime
    finished_at: datetime | None


class JobRequest(BaseModel):
    """A job to be made: the files of `where` are measured again, as much as their turn allows.

    The same method again changes no row of a file that is processed; its thumbnail and stored means are made
    anew. A failed file counts as one whose owner has it tried again.
    """

    model_config = ConfigDict(extra="forbid")

    kind: Literal["reprocess"] = "reprocess"
    where: JobFilter


class Job(BaseModel):
    """Work on many files."""

    id: UUID
    kind: Literal["reprocess"]
    state: JobState
    where: dict[str, Any]
    total: int | None = Field(description="Files that matched when they were counted; null until then")
    requested: int = Field(description="Files asked for so far")
    processed: int
    failed: int
    under_way: int
    created_by: int | None = Field(description="Null: an operator, from the shell")
    created_at: datetime
    raised_at: datetime | None = Field(description="Set: it goes before jobs that were not raised since")
    changed_at: datetime
    finished_at: datetime | None


class JobList(BaseModel):
    """One page of jobs, newest first."""

    jobs: list[Job]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class JobQuery(Query):
    """Choice and paging of GET /api/processing/jobs."""

    state: JobState | None = None
    limit: int = Field(50, ge=1, le=200)
    cursor: Text | None = Field(None, description="`next_cursor` of the page before")
