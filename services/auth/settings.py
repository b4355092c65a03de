"""What the auth service reads from its environment."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from libs.common.settings.database import DatabaseSettings
from libs.common.settings.service import ServiceSettings
from services.auth.identity.models import normal_username
from services.auth.identity.password_policy import LEAST_LENGTH
from services.auth.identity.passwords import MAX_PASSWORD_LENGTH


class AuthSettings(ServiceSettings, DatabaseSettings):
    """Accounts, sessions and tokens."""

    admin_username: Annotated[str, AfterValidator(normal_username)] = Field(
        "admin", description="Name of the administrator made when there is none."
    )
    admin_password: SecretStr | None = Field(
        None,
        max_length=MAX_PASSWORD_LENGTH,
        description="The administrator's first password; unset: generated and printed once.",
    )
    access_token_seconds: int = Field(
        900,
        ge=1,
        le=86_400,
        description="Life of an access token, which nothing can take back before its end.",
    )
    session_seconds: int = Field(
        14 * 86_400, ge=1, le=366 * 86_400, description="Seconds after sign-in until one must sign in again."
    )
    refresh_grace_seconds: float = Field(
        10.0,
        ge=0,
        le=300,
        description="Seconds that a refresh token works on after its first use (tabs that refresh at once).",
    )
    password_min_length: int = Field(
        12,
        ge=LEAST_LENGTH,
        le=64,
        description="Least length of a new password; the most common ones are refused whatever their length.",
    )
    password_time_cost: int = Field(3, ge=1, le=100, description="argon2id passes (RFC 9106: t).")
    password_memory_kib: int = Field(
        65_536, ge=8_192, le=4_194_304, description="argon2id memory per hash in KiB (RFC 9106: m)."
    )
    password_parallelism: int = Field(4, ge=1, le=64, description="argon2id lanes (RFC 9106: p).")
    password_workers: int = Field(2, ge=1, le=64, description="Passwords that are hashed at the same time.")
    password_queue: int = Field(
        32, ge=1, le=10_000, description="Passwords that may wait or be hashed; further sign-ins answer 503."
    )
