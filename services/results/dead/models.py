"""What HTTP takes and gives about dead letters."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, Field, model_validator

from libs.common.bus.dead_letters import DeadLetter, LetterFilter, Selection, Walked


class DeadLetterQuery(LetterFilter):
    """Filters of GET /api/processing/dead."""

    limit: int = Field(100, ge=1, le=500)


class DeadLetterList(BaseModel):
    """Letters by their places."""

    letters: list[DeadLetter]
    seen: int = Field(description="How many were looked at")
    more: bool = Field(description="Whether there are others that are not shown for the limits' sake")


class DeadLetterRequest(Selection):
    """Which letters are meant: ids or a filter, or `all`."""

    all: bool = Field(False, description="Whatever there is")

    @model_validator(mode="after")
    def _chosen(self) -> Self:
        if not self.all and not self.chosen:
            raise ValueError("name ids or a filter, or say `all: true`")
        return self


class DeadLetterOutcome(BaseModel):
    """What became of them."""

    seen: int = Field(description="How many were looked at")
    replayed: int
    dropped: int
    more: bool = Field(description="Whether letters were left that were not looked at: ask again")

    @classmethod
    def of(cls, walked: Walked) -> Self:
        """The end of a walk."""
        return cls(seen=walked.seen, replayed=walked.replayed, dropped=walked.dropped, more=walked.more)
