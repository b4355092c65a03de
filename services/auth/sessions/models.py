"""What sign-in speaks of: sessions inside, requests and answers outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from libs.common.ids import UserId
from libs.common.security.passwords import MAX_PASSWORD_LENGTH
from services.auth.identity.models import MAX_USERNAME_LENGTH

SessionProof = Literal["password", "provider", "second-factor"]
"""What a session was begun with; `second-factor` also where a provider is trusted to have asked for one."""


@dataclass(frozen=True)
class Session:
    """One sign-in, as stored. Hashes are SHA-256 of refresh secrets; `now` is the database's clock."""

    id: UUID
    user_id: UserId
    token_hash: bytes
    previous_hash: bytes | None
    rotation_salt: bytes | None
    rotated_at: datetime | None
    last_used_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    remote_address: str
    """Empty for one that the release before began."""
    proof: SessionProof
    now: datetime
    client_id: str | None = None
    """The application that uses it."""
    scopes: Sequence[str] = ()
    parent_id: UUID | None = None
    """The sign-in that let the application in."""


@dataclass(frozen=True)
class StoredKey:
    """A published key. Times are seconds from now by the database's clock; `ends_in` None: no end yet."""

    kid: str
    private_key: bytes = field(repr=False)
    signs_in: float
    ends_in: float | None
    age: float


@dataclass(frozen=True)
class SigningKeyTimes:
    """What may be told of a key."""

    kid: str
    created_at: datetime
    signs_from: datetime
    ends_at: datetime | None
    revoked_at: datetime | None
    signs_in: float
    published: bool


@dataclass(frozen=True)
class Client:
    """Where a sign-in or a refresh comes from, as sessions remember it."""

    user_agent: str
    address: str


class LoginRequest(BaseModel):
    """Credentials. `cookie`: answer with HttpOnly cookies in place of tokens (browsers)."""

    model_config = ConfigDict(frozen=True)

    username: str = Field(min_length=1, max_length=MAX_USERNAME_LENGTH)
    password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)
    cookie: bool = False


class RefreshRequest(BaseModel):
    """A refresh token; unset: the cookie has it."""

    model_config = ConfigDict(frozen=True)

    refresh_token: SecretStr | None = Field(None, min_length=1, max_length=256)


class TokenResponse(BaseModel):
    """Tokens, or, when they travel in cookies, only how long access lasts. `expires_in` is in seconds."""

    model_config = ConfigDict(frozen=True)

    access_token: str | None = None
    token_type: Literal["Bearer", "Cookie"]
    expires_in: int
    refresh_token: str | None = None
    recovery_codes: list[str] | None = None
    """Of an authenticator that this sign-in has set up; shown this once."""


class PublicKey(BaseModel):
    """An Ed25519 key as a JSON Web Key (RFC 8037)."""

    kty: Literal["OKP"]
    crv: Literal["Ed25519"]
    x: str
    kid: str
    use: Literal["sig"]
    alg: Literal["EdDSA"]


class KeySetResponse(BaseModel):
    """The keys that verify access tokens (RFC 7517)."""

    keys: list[PublicKey]
