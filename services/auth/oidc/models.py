"""What sign-in with a provider takes and gives."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints

from libs.common.security.passwords import MAX_PASSWORD_LENGTH
from services.auth.identity.models import PRINTABLE, ChangeBody


class ProviderEntry(BaseModel):
    """A provider, as the sign-in page offers it."""

    name: str
    title: str
    sign_in_path: str


class ProviderList(BaseModel):
    """How people sign in here. `password_sign_in`: whether by name and password as well."""

    providers: list[ProviderEntry]
    password_sign_in: bool


class SignInQuery(BaseModel):
    """`next`: the page to go to afterwards; what is no page of this portal counts as the first one."""

    next: str | None = None


class IdentityLinkRequest(ChangeBody):
    """One's own password, and the page to go to afterwards."""

    password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)
    next: str | None = Field(None, max_length=1000)


class LinkStarted(BaseModel):
    """Where the browser goes next."""

    authorization_url: str


class LinkedIdentity(BaseModel):
    """Who an account is to a provider."""

    id: UUID
    issuer: str
    subject: str
    created_at: datetime
    last_used_at: datetime | None


class IdentityList(BaseModel):
    """All identities of an account."""

    identities: list[LinkedIdentity]


class IdentityGiven(ChangeBody):
    """An identity that an administrator links: the provider's name here, and its `sub` for the person."""

    provider: str = Field(min_length=1, max_length=32)
    subject: Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=PRINTABLE)]


class SignedOut(BaseModel):
    """`end_session_url`: where the browser goes to sign out at the provider too; null: nowhere."""

    model_config = ConfigDict(frozen=True)

    end_session_url: str | None
