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
