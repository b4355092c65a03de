"""What the processing routes answer."""

from __future__ import annotations

from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field


class RetriedFile(BaseModel):
    """A failed file that is tried again."""

    file_id: UUID
    state: Literal["received"]
    request: int = Field(description="Which request of this file this is: outcomes say which they answer")
