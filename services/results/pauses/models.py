"""Lanes as HTTP shows them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field


class LaneState(BaseModel):
    """A lane of the processors' work, and whether it is paused."""

    lane: str = Field(description="`0`, `1`, …, `large` or `urgent`")
    queue: str = Field(description="Where its messages wait, with a broker")
    paused: bool = Field(description="Nothing that waits there begins")
    paused_at: datetime | None
    paused_by: int | None = Field(description="The account that has paused it")
