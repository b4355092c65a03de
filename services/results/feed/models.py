"""What the change feed answers, and the parameters it takes."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.results.read.models import Query, Text
from services.results.write.facts import State


class ChangeEntry(BaseModel):
    """A result changed its state, or its collection: that is told to the readers of both."""

    file_id: UUID
    collection: str = Field(
        description="Where the file lies, `user:7` or `group:3`; with `moved`, what it has left"
    )
    owner_id: int = Field(description="Who sent it")
    state: State | Literal["moved"] = Field(
        description="`moved`: it has left this collection; those who see the other one get another entry"
    )
    changed_at: datetime
    study_instance_uid: str | None = Field(description="Null while only the outcome is known")
    series_instance_uid: str | None
    cursor: str


class ChangeList(BaseModel):
    """Changes in order; `next` is where to go on, also when there are none yet, or none in what was read."""

    changes: list[ChangeEntry]
    next: str


class ChangeQuery(Query):
    """Paging of GET /api/changes."""

    after: Text | None = Field(
        None,
        description="`next`, or the `cursor` of a change; without: the oldest kept. 410: the feed no longer "
        "goes back to it, or the database was replaced since (a failover, a restore)",
    )
    limit: int = Field(100, ge=1, le=500)


class EventQuery(Query):
    """Parameters of GET /api/events."""

    after: Text | None = Field(
        None, description="Resume after this cursor, for clients that cannot send Last-Event-ID"
    )
