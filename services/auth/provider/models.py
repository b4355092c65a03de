"""What the OpenID provider speaks of: applications, what they ask for, and what they are answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from libs.common.ids import UserId
from services.auth.identity.models import PRINTABLE, ChangeBody

ClientId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,64}$")]
Uri = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[\x21-\x7e]+$")]
Uris = Annotated[list[Uri], Field(max_length=20)]
ScopeName = Annotated[str, StringConstraints(max_length=40, pattern=r"^[a-z._]+$")]
ApplicationName = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=PRINTABLE)]


@dataclass(frozen=True)
class Registered:
    """An application, as the protocol needs it."""

    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    post_logout_redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    trusted: bool
    secret_hash: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Code:
    """An authorization code, as stored; `now` is the database's clock."""

    client_id: str
    user_id: UserId
    session_id: UUID
    redirect_uri: str
    scopes: tuple[str, ...]
    nonce: str | None
    challenge: str
    expires_at: datetime
    used_at: datetime | None
    granted_id: UUID | None
    now: datetime


class ApplicationEntry(BaseModel):
    """An application without its secret."""

    client_id: str
    name: str
    redirect_uris: list[str]
    post_logout_redirect_uris: list[str]
    scopes: list[str]
    trusted: bool = Field(description="Of this house: nobody is asked whether it may, at https")
    confidential: bool = Field(description="Whether it has a secret")
    is_active: bool
    created_at: datetime
    last_used_at: datetime | None


class ApplicationList(BaseModel):
    """Every application, by name."""

    applications: list[ApplicationEntry]


class ApplicationCreate(ChangeBody):
    """A new application. Without `client_id` it gets one made of its name."""

    name: ApplicationName
    client_id: ClientId | None = None
    redirect_uris: Annotated[Uris, Field(min_length=1)]
    post_logout_redirect_uris: Uris = Field(default=[])
    scopes: list[ScopeName] = Field(default=["openid", "profile", "dicomweb"], min_length=1, max_length=10)
    trusted: bool = False
    confidential: bool = False


class ApplicationChange(ChangeBody):
    """What shall be otherwise; what is left out stays."""

    name: ApplicationName | None = None
    redirect_uris: Annotated[Uris, Field(min_length=1)] | None = None
    post_logout_redirect_uris: Uris | None = None
    scopes: Annotated[list[ScopeName], Field(min_length=1, max_length=10)] | None = None
    trusted: bool | None = None
    is_active: bool | None = None


class NewApplication(ApplicationEntry):
    """The secret itself, which nobody can show again; null for one that has none."""

    client_secret: str | None


Parameter = Annotated[str, StringConstraints(max_length=2000, pattern=PRINTABLE)]


class AuthorizationQuery(BaseModel):
    """An authentication request (OpenID Connect Core 3.1.2.1); what else it says is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    client_id: Parameter
    redirect_uri: Parameter
    response_type: Parameter | None = None
    response_mode: Parameter | None = None
    scope: Parameter | None = None
    state: Parameter | None = None
    nonce: Parameter | None = None
    prompt: Parameter | None = None
    max_age: Parameter | None = None
    request: Parameter | None = None
    request_uri: Parameter | None = None
    code_challenge: Parameter | None = None
    code_challenge_method: Parameter | None = None


class AuthorizationRequest(AuthorizationQuery):
    """The same, of whom is signed in; `decision` is null until they have been asked."""

    decision: Literal["allow", "deny"] | None = None


class AuthorizationAnswer(BaseModel):
    """Where the browser goes on to; or, with `redirect_to` null, what its reader is to be asked."""

    name: str
    host: str = Field(description="Of the address that it goes on to")
    scopes: list[str]
    redirect_to: str | None


class GrantAnswer(BaseModel):
    """Tokens (RFC 6749 5.1, OpenID Connect Core 3.1.3.3). `expires_in` is in seconds."""

    access_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  a scheme, no secret
    expires_in: int
    refresh_token: str
    scope: str
    id_token: str | None = None


class UserInfo(BaseModel):
    """Who somebody is (OpenID Connect Core 5.1), as far as the scopes go."""

    sub: str
    preferred_username: str | None = None
    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    locale: str | None = None
    email: str | None = None


class EndSessionQuery(BaseModel):
    """A request to sign out (OpenID Connect RP-Initiated Logout 2)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id_token_hint: Annotated[str, StringConstraints(max_length=4000)] | None = None
    client_id: Parameter | None = None
    post_logout_redirect_uri: Parameter | None = None
    state: Parameter | None = None


class IdTokenKeyEntry(BaseModel):
    """A P-256 key as a JSON Web Key (RFC 7518 6.2)."""

    kty: Literal["EC"]
    crv: Literal["P-256"]
    x: str
    y: str
    kid: str
    use: Literal["sig"]
    alg: Literal["ES256"]


class IdTokenKeySet(BaseModel):
    """The keys that verify ID tokens (RFC 7517)."""

    keys: list[IdTokenKeyEntry]


class ProviderMetadata(BaseModel):
    """What applications need to know of this provider (OpenID Connect Discovery 3, RFC 8414 2)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    userinfo_endpoint: str
    jwks_uri: str
    end_session_endpoint: str
    revocation_endpoint: str
    scopes_supported: list[str]
    response_types_supported: list[str] = ["code"]
    response_modes_supported: list[str] = ["query"]
    grant_types_supported: list[str] = ["authorization_code", "refresh_token"]
    subject_types_supported: list[str] = ["public"]
    id_token_signing_alg_values_supported: list[str] = ["ES256"]
    token_endpoint_auth_methods_supported: list[str] = ["none", "client_secret_basic", "client_secret_post"]
    revocation_endpoint_auth_methods_supported: list[str] = [
        "none",
        "client_secret_basic",
        "client_secret_post",
    ]
    code_challenge_methods_supported: list[str] = ["S256"]
    claims_supported: list[str] = [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "sid",
        "at_hash",
        *[name for name in UserInfo.model_fields if name != "sub"],
    ]
    prompt_values_supported: list[str] = ["none", "consent"]
    claims_parameter_supported: bool = False
    request_parameter_supported: bool = False
    request_uri_parameter_supported: bool = False
    authorization_response_iss_parameter_supported: bool = True
