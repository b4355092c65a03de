"""What machines' keys and service accounts look like outside."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from services.auth.identity.models import (
    MAX_USERNAME_LENGTH,
    MOST_GROUPS,
    PRINTABLE,
    ChangeBody,
    Codename,
    GroupId,
    ListQuery,
)


class ApiKeyEntry(BaseModel):
    """An API key without its secret; `permissions` null: whatever its owner may do."""

    id: UUID
    name: str
    prefix: str
    permissions: list[str] | None
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None


class ApiKeyList(BaseModel):
    """One's own API keys, newest first."""

    api_keys: list[ApiKeyEntry]


class AccountApiKey(ApiKeyEntry):
    """An API key of any account."""

    user_id: int
    username: str


class AccountApiKeyList(BaseModel):
    """One page of everybody's API keys, newest first."""

    api_keys: list[AccountApiKey]
    next_cursor: str | None = Field(description="Give it as `cursor` for the next page; null at the end")


class AccountApiKeyQuery(ListQuery):
    """Choice and paging of everybody's API keys."""

    q: Annotated[str, StringConstraints(min_length=1, max_length=150, pattern=PRINTABLE)] | None = Field(
        None, description="Part of the account's or the key's name, in any case, or the key's beginning"
    )
    limit: int = Field(50, ge=1, le=500)
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")] | None = None


class ApiKeyCreate(ChangeBody):
    """A new API key."""

    name: str = Field(min_length=1, max_length=100, pattern=PRINTABLE)
    days: int = Field(90, ge=1, le=366, description="Days until it expires")
    permissions: list[Codename] | None = Field(None, max_length=200)


class NewApiKey(ApiKeyEntry):
    """The key itself, which nobody can show again."""

    key: str


class ServiceAccount(BaseModel):
    """A service account and the client that it signs in as."""

    id: int
    username: str
    client_id: str
    is_active: bool
    method: Literal["secret", "private_key_jwt"]
    permissions: list[str]
    groups: list[str]
    created_at: datetime
    last_used_at: datetime | None


class ServiceAccountList(BaseModel):
    """Every service account, by name."""

    service_accounts: list[ServiceAccount]


class ServiceAccountCreate(ChangeBody):
    """A new service account; with `jwks` it signs its requests (RFC 7523), without it gets a secret."""

    username: str = Field(min_length=1, max_length=MAX_USERNAME_LENGTH)
    permissions: list[Codename] = Field(default=[], max_length=200)
    groups: list[GroupId] = Field(default=[], max_length=MOST_GROUPS)
    jwks: dict[str, Any] | None = None


class NewServiceAccount(ServiceAccount):
    """The secret itself, which nobody can show again; null where requests are signed."""

    client_secret: str | None


class TokenRefusal(BaseModel):
    """Why there is no token, as OAuth 2.0 clients expect it (RFC 6749 5.2)."""

    error: str
    error_description: str


class TokenAnswer(BaseModel):
    """An access token (RFC 6749 5.1). `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  a scheme, no secret
    expires_in: int
    scope: str
    issued_token_type: str | None = None
