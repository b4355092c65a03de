"""OIDC_PROVIDERS_FILE: the OpenID providers that people sign in with, and what each is trusted to say."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from libs.common.errors import ConfigurationError
from services.auth.identity.models import MOST_GROUPS

Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signatures by a key that only the provider has: neither `none` nor HMAC can be asked for."""

ClaimText = Annotated[str, StringConstraints(min_length=1, max_length=255)]


class Provider(BaseModel):
    """One OpenID provider, as this system is registered there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?$")
    """Part of the redirect URI: <PUBLIC_URL>/api/auth/oidc/<name>/callback."""
    title: str = Field(min_length=1, max_length=100)
    """What the button says."""
    issuer: str = Field(max_length=1000)
    """Exactly as the provider writes it in its discovery document."""
    client_id: str = Field(min_length=1, max_length=255)
    client_secret_file: Path | None = None
    """Unset: a public client, which PKCE alone protects."""
    client_authentication: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"
    ca_file: Path | None = None
    """CAs of the provider's certificate; unset: the system's. TLS_CA_FILE is for the services' own."""
    scopes: tuple[ClaimText, ...] = ("openid", "profile", "email")
    algorithms: frozenset[Algorithm] = Field(frozenset({"RS256", "PS256", "ES256", "EdDSA"}), min_length=1)
    clock_leeway_seconds: int = Field(30, ge=0, le=300)
    userinfo: bool = False
    """Ask the provider's userinfo endpoint for claims that its ID tokens lack."""
    required_claims: Mapping[str, tuple[ClaimText, ...]] = Field(default_factory=dict)
    """Who is let in at all: one of these values of each of these claims."""
    create_accounts: bool = False
    """Make an account for who comes for the first time and is not linked to one."""
    new_account_groups: tuple[ClaimText, ...] = ("uploader",)
    username_claim: ClaimText = "preferred_username"
    """What the name of a new account is made of; it finds no account."""
    groups_claim: ClaimText = "groups"
    groups: Mapping[str, ClaimText] = Field(default_factory=dict, max_length=MOST_GROUPS)
    """Theirs to ours: at each sign-in, membership of the groups named here follows the claim."""
    second_factor_amr: frozenset[ClaimText] = frozenset()
    """Values of `amr` (RFC 8176) that count as our second factor, e.g. `mfa`; unset: none does."""
    second_factor_acr: tuple[ClaimText, ...] = ()
    """The same of `acr`; they are asked for as `acr_values`."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        parts = urlsplit(self.issuer)
        if not self.issuer.isprintable() or parts.query or parts.fragment or parts.username is not None:
            raise ValueError("issuer: a URL without query, fragment and user")
        if not is_protected(self.issuer):
            raise ValueError("issuer: must begin with https://")
        if "openid" not in self.scopes:
            raise ValueError("scopes: openid is missing")
        return self

    @property
    def secret(self) -> str | None:
        """The client's secret, read anew so that it can be replaced. Raises ConfigurationError."""
        if self.client_secret_file is None:
            return None
        try:
            secret = self.client_secret_file.read_text().strip()
        except (OSError, UnicodeError) as error:
            raise ConfigurationError(
                f"Correct client_secret_file of {self.name}: {self.client_secret_file} cannot be read."
            ) from error
        if not secret:
            raise ConfigurationError(f"Put the client secret into {self.client_secret_file}: it is empty.")
        return secret


class ProvidersFile(BaseModel):
    """The whole file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    providers: tuple[Provider, ...] = Field(max_length=20)

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        for what in ("name", "issuer"):
            values = [getattr(provider, what) for provider in self.providers]
            if len(set(values)) < len(values):
                raise ValueError(f"providers: two have the same {what}")
        return self


def is_protected(url: str) -> bool:
    """Whether a URL is of HTTPS, or leads to this very machine. False for what is no URL."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    if not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_providers(path: Path | None, *, require_tls: bool = False) -> tuple[Provider, ...]:
    """Read OIDC_PROVIDERS_FILE and try the secrets that it names; none without a file.

    Raises ConfigurationError.
    """
    providers = () if path is None else read_providers(path)
    for provider in providers:
        _ = provider.secret
        if require_tls and not provider.issuer.startswith("https:"):
            raise ConfigurationError(
                f"REQUIRE_TLS forbids plaintext: the issuer of {provider.name} must begin with https://."
            )
    return providers


def read_providers(path: Path) -> tuple[Provider, ...]:
    """Read the file alone. Raises ConfigurationError, which quotes no value."""
    try:
        found = ProvidersFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigurationError(
            f"Correct OIDC_PROVIDERS_FILE: {path} cannot be read ({error.strerror})."
        ) from error
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ConfigurationError(f"Correct OIDC_PROVIDERS_FILE: {path}: {wrong}.") from None
    return found.providers
