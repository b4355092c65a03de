"""Sessions as people see them: on which device, from where, until when."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.auth.identity.models import PRINTABLE


class SignedInDevice(BaseModel):
    """A session that is not over. `current` is the one that asks."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    user_agent: str = Field(description="As the browser or program named itself, at most 512 characters")
    remote_address: str = Field(description="Whence it was used last; empty where that was not known")
    application: str | None = Field(None, description="The name of the application that uses it; null: none")
    created_at: datetime
    last_used_at: datetime
    expires_at: datetime
    current: bool = False


class DeviceList(BaseModel):
    """One page of sessions, newest sign-in first."""

    sessions: list[SignedInDevice]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class AccountSession(SignedInDevice):
    """A session of any account."""

    user_id: int
    username: str


class AccountSessionList(BaseModel):
    """One page of everybody's sessions, newest sign-in first."""

    sessions: list[AccountSession]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class DeviceQuery(BaseModel):
    """Paging of sessions."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    limit: int = Field(50, ge=1, le=500)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class AccountSessionQuery(DeviceQuery):
    """Choice of everybody's sessions."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=PRINTABLE)] | None = Field(
        None, description="Part of the account's name, in any case, or the beginning of the address"
    )
