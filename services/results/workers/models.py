"""Workers as HTTP shows them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, Field

from services.results.metrics import WorkerCondition


class BegunFile(BaseModel):
    """A file that a worker has begun."""

    file_id: UUID
    since: datetime
    attempt: int
    lane: str | None = Field(description="Where it waited")


class Worker(BaseModel):
    """One process that measures files, by its last word."""

    worker: str
    version: str
    state: WorkerCondition = Field(
        description="`draining`: it begins nothing more; `stopped`: it ended as it should; `lost`: three "
        "beats are missing, and what it had begun is delivered to others"
    )
    started_at: datetime
    heard_at: datetime = Field(description="When its last beat was stored")
    slots: int = Field(description="Decoder processes")
    busy: int = Field(description="Of these, how many work on a file")
    under_way: int = Field(description="Files that it has begun")
    budget_bytes: int | None = Field(description="Memory that its decoders may take together")
    budget_used_bytes: int | None = Field(description="Of it, what files under way may take")
    files: list[BegunFile] = Field(description="The oldest of those under way")


class WorkerList(BaseModel):
    """Every worker heard of within the hour, by name."""

    workers: list[Worker]
