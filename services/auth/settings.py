"""What the auth service reads from its environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from libs.common.security.passwords import MAX_PASSWORD_LENGTH
from libs.common.security.tokens import MAX_LIFE_SECONDS
from libs.common.settings.database import DatabaseSettings
from libs.common.settings.service import ServiceSettings
from libs.common.settings.smtp import SmtpSettings
from services.auth.audit.settings import AuditSettings
from services.auth.identity.models import normal_username
from services.auth.identity.password_policy import LEAST_LENGTH


class AuthSettings(ServiceSettings, DatabaseSettings, SmtpSettings, AuditSettings):
    """Accounts, sessions and tokens."""

    admin_username: Annotated[str, AfterValidator(normal_username)] = Field(
        "admin", description="Name of the administrator made when there is none."
    )
    admin_password: SecretStr | None = Field(
        None,
        max_length=MAX_PASSWORD_LENGTH,
        description="The administrator's first password; unset: generated and printed once.",
    )
    auth_keyring_file: Path | None = Field(
        None,
        description="File with auth's own keys, a keyring like KEYRING_FILE but another: they sign the audit "
        "log and encrypt the seeds of authenticators. `python -m services` makes "
        "DATA_DIR/auth-keyring.json; without it nothing is sealed and nobody sets up a second factor.",
    )
    oidc_providers_file: Path | None = Field(
        None,
        description="JSON file with the OpenID providers that people sign in with (docs/operations.md); "
        "unset: none.",
    )
    password_sign_in: bool = Field(
        True,
        description="Whether people sign in with name and password. Off: with a provider only, but for "
        "accounts that the operator lets in for a while (`user let-in NAME`).",
    )
    access_token_seconds: int = Field(
        MAX_LIFE_SECONDS,
        ge=1,
        le=MAX_LIFE_SECONDS,
        description="Life of an access token. What is revoked is refused everywhere within half a minute; "
        "this is the bound while a service cannot read the list of it.",
    )
    session_seconds: int = Field(
        14 * 86_400, ge=1, le=366 * 86_400, description="Seconds after sign-in until one must sign in again."
    )
    session_idle_seconds: int = Field(
        12 * 3600,
        ge=60,
        le=366 * 86_400,
        description="Seconds without use after which one must sign in again; an open page uses its session.",
    )
    refresh_grace_seconds: float = Field(
        10.0,
        ge=0,
        le=300,
        description="Seconds that a refresh token works on after its first use (tabs that refresh at once).",
    )
    sign_in_free_failures: int = Field(
        5,
        ge=1,
        le=1000,
        description="Wrong passwords of one account from one address until the next attempt must wait.",
    )
    sign_in_free_failures_many: int = Field(
        20,
        ge=1,
        le=100_000,
        description="The same for one address over all accounts, and for one account over all addresses; "
        "where an account has signed in lately, its own attempts are spared these two.",
    )
    sign_in_first_delay_seconds: float = Field(
        1.0, gt=0, le=3600, description="The first wait; each further wrong password doubles it."
    )
    sign_in_longest_delay_seconds: float = Field(
        300.0, gt=0, le=86_400, description="The longest wait; for an account over all addresses at most 60."
    )
    sign_in_forget_seconds: float = Field(
        86_400.0, gt=0, description="Seconds after the last wrong password until they are forgotten."
    )
    sign_in_most_counters: int = Field(
        100_000,
        ge=100,
        description="Counters that are kept, a row each; beyond, those that hold nobody up go first.",
    )
    password_min_length: int = Field(
        12,
        ge=LEAST_LENGTH,
        le=64,
        description="Least length of a new password; the most common ones are refused whatever their length.",
    )
    password_reset_seconds: int = Field(
        1800,
        ge=60,
        le=86_400,
        description="Seconds that a mailed link for another password is good; takes SMTP_HOST.",
    )
    password_link_seconds: int = Field(
        86_400, ge=60, le=7 * 86_400, description="The same of a link that an administrator gives out."
    )
    password_time_cost: int = Field(3, ge=1, le=100, description="argon2id passes (RFC 9106: t).")
    password_memory_kib: int = Field(
        65_536, ge=8_192, le=4_194_304, description="argon2id memory per hash in KiB (RFC 9106: m)."
    )
    password_parallelism: int = Field(4, ge=1, le=64, description="argon2id lanes (RFC 9106: p).")
    password_workers: int = Field(2, ge=1, le=64, description="Passwords that are hashed at the same time.")
    password_queue: int = Field(
        32,
        ge=1,
        le=10_000,
        description="Passwords that may wait or be hashed; further sign-ins answer 503. Half of the "
        "places are kept for sign-ins from where the account was before.",
    )
