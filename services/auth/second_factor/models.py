"""What second factors speak of: the stored inside, requests and answers outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from libs.common.ids import UserId
from libs.common.security.passwords import MAX_PASSWORD_LENGTH
from services.auth.second_factor.seeds import SealedSeed

MAX_CODE_LENGTH = 64
MAX_CHALLENGE_LENGTH = 2048
Method = Literal["totp", "recovery_code", "enrol"]
"""How a sign-in goes on; `enrol`: the account must set up an authenticator first."""


@dataclass(frozen=True)
class Authenticator:
    """An account's, as stored; only a confirmed one is asked for."""

    id: UUID
    seed: SealedSeed
    confirmed: bool
    fresh: bool
    """Whether it may still be confirmed."""


@dataclass(frozen=True)
class Standing:
    """What of a second factor an account has, and whether a group of its demands one."""

    confirmed_at: datetime | None
    recovery_codes_left: int
    required: bool

    @property
    def any(self) -> bool:
        """Whether a password alone begins no session."""
        return self.required or self.confirmed_at is not None

    @property
    def methods(self) -> tuple[Method, ...]:
        """How the sign-in goes on."""
        return ("enrol",) if self.confirmed_at is None else ("totp", "recovery_code")


@dataclass(frozen=True)
class Challenged:
    """Whose challenge it is."""

    id: UUID
    user_id: UserId
    username: str
    identity_id: UUID | None
    """Of who was let in by a provider."""


class ChallengeRequest(BaseModel):
    """A sign-in that waits for its second factor."""

    model_config = ConfigDict(frozen=True)

    challenge_token: SecretStr = Field(min_length=1, max_length=MAX_CHALLENGE_LENGTH)


class SecondFactorRequest(ChallengeRequest):
    """The code of the app, or a recovery code. `cookie`: answer with cookies, as at the sign-in."""

    code: SecretStr = Field(min_length=1, max_length=MAX_CODE_LENGTH)
    cookie: bool = False


class ChallengeResponse(BaseModel):
    """The password was right; what is missing, and for how many seconds the token is good."""

    model_config = ConfigDict(frozen=True)

    challenge_token: str
    expires_in: int
    methods: tuple[Method, ...]


class QrDrawing(BaseModel):
    """The QR code as one path of dark modules in a square of `size` units."""

    size: int
    path: str


class NewAuthenticator(BaseModel):
    """What an authenticator app takes: typed, as a link, or as a picture of it (the SVG, or its one path)."""

    secret: str
    otpauth_uri: str
    qr_svg: str
    qr: QrDrawing


class FactorState(BaseModel):
    """One's own second factor; `required` by a group."""

    enabled: bool
    confirmed_at: datetime | None
    recovery_codes_left: int
    required: bool


class RecoveryCodes(BaseModel):
    """Shown this once; each is good once."""

    recovery_codes: list[str]


class FactorBegin(BaseModel):
    """One's password: whoever found a screen open shall not set up an authenticator of theirs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    password: SecretStr = Field(min_length=1, max_length=MAX_PASSWORD_LENGTH)


class FactorConfirm(BaseModel):
    """The first code that the app shows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: SecretStr = Field(min_length=1, max_length=MAX_CODE_LENGTH)


class FactorProof(FactorBegin, FactorConfirm):
    """Password and code."""
