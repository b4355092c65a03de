"""What forgotten passwords speak of: the stored inside, requests and answers outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from libs.common.ids import UserId
from libs.common.security.passwords import MAX_PASSWORD_LENGTH

MAX_ADDRESS_LENGTH = 254
MAX_TOKEN_LENGTH = 128


@dataclass(frozen=True)
class ResetLink:
    """A link that is good, and whose password it is for."""

    id: UUID
    user_id: UserId
    username: str


@dataclass(frozen=True)
class Recipient:
    """Whom a link is sent to."""

    user_id: UserId
    username: str
    email: str
    language: str


@dataclass(frozen=True)
class WaitingMail:
    """Somebody has asked; `age` in seconds."""

    id: UUID
    user_ids: list[int]
    attempts: int
    age: float


class PasswordForgotten(BaseModel):
    """The name of an account, or its mail address."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(min_length=1, max_length=MAX_ADDRESS_LENGTH)


class PasswordReset(BaseModel):
    """What the link brought, after its `#`, and the new password."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token: SecretStr = Field(min_length=1, max_length=MAX_TOKEN_LENGTH)
    password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)


class PasswordLink(BaseModel):
    """A link for somebody who has forgotten their password; shown this once, good once."""

    url: str
    expires_at: datetime
