"""Queues as HTTP shows them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from services.results.pauses.models import LaneState

QueueRole = Literal["main", "retry", "dead", "state", "retired"]


class QueueState(BaseModel):
    """One queue of the broker, or what stands for it in one process."""

    name: str
    role: QueueRole = Field(
        description="`main`: somebody takes from it; `retry`: its messages come back; `dead`: an operator's; "
        "`state`: it keeps what all processors are told; `retired`: of the release before"
    )
    messages: int | None = Field(description="Those that wait, without those in work; null: it is missing")
    consumers: int


class QueueList(BaseModel):
    """What waits, and how long it takes."""

    queues: list[QueueState]
    lanes: list[LaneState] = Field(description="What the processors take from, and which of it is paused")
    waiting_files: int = Field(description="Files without outcome, in work or waiting, up to 100000")
    oldest_waiting_seconds: float = Field(description="Age of the oldest of these; 0 without any")
    slots: int = Field(description="Decoder processes of all workers at work")
    seconds_per_file: float | None = Field(
        description="What the latest files took of a decoder process, on average; null: none was measured"
    )
    ended_last_hour: int = Field(
        description="Files that were measured or failed within the hour, up to 100000"
    )
    dashboards_url: str | None = Field(description="Where Grafana is (GRAFANA_URL)")
    backlog_seconds: float | None = Field(
        description="What waits for the processors, at that pace on these slots; null: one is not known"
    )
