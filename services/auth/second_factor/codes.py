"""The codes of a second factor: those of an authenticator app (RFC 6238), and recovery codes; pure."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass

import pyotp

STEP_SECONDS = 30
DRIFT = 1
"""Steps by which the clock of a telephone may be ahead or behind (RFC 6238 5.2)."""
RECOVERY_CODES = 10
GROUP = 4
GROUPS = 4
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's: no letter that is taken for a digit."""
_TOTP = re.compile(r"[0-9]{6}")
_RECOVERY = re.compile(rf"[{ALPHABET}]{{{GROUP * GROUPS}}}")
_MISREAD = str.maketrans("oil", "011")


@dataclass(frozen=True)
class TotpCode:
    """Six digits."""

    digits: str


@dataclass(frozen=True)
class RecoveryCode:
    """One to be used once: `selector` finds its row, `secret` has 60 random bits."""

    selector: str
    secret: str

    def encode(self) -> str:
        """As people keep it: four groups of four."""
        text = self.selector + self.secret
        return "-".join(text[start : start + GROUP] for start in range(0, len(text), GROUP))


def new_seed() -> str:
    """160 random bits in base32, as authenticator apps take them (RFC 4226 4, R6)."""
    return pyotp.random_base32()


def new_recovery_codes() -> list[RecoveryCode]:
    """Ten that begin differently."""
    selectors: set[str] = set()
    while len(selectors) < RECOVERY_CODES:
        selectors.add(_random(GROUP))
    return [RecoveryCode(selector, _random(GROUP * (GROUPS - 1))) for selector in sorted(selectors)]


def decode(text: str) -> TotpCode | RecoveryCode | None:
    """Read what somebody typed, spaces and hyphens included; None for what is no code."""
    bare = re.sub(r"[ -]", "", text)
    if _TOTP.fullmatch(bare):
        return TotpCode(bare)
    bare = bare.lower().translate(_MISREAD)
    return RecoveryCode(bare[:GROUP], bare[GROUP:]) if _RECOVERY.fullmatch(bare) else None


def matching_step(seed: str, code: TotpCode, now: float) -> int | None:
    """The time step whose code this is, the newest if several; None: it is none of those that count at `now`.

    `now` counts seconds from 1970.
    """
    app, step, found = pyotp.TOTP(seed, interval=STEP_SECONDS), int(now // STEP_SECONDS), None
    for near in range(step - DRIFT, step + DRIFT + 1):
        if hmac.compare_digest(app.generate_otp(near), code.digits):
            found = near
    return found


def provisioning_uri(seed: str, username: str, issuer: str) -> str:
    """What the QR code says to the app."""
    return pyotp.TOTP(seed, interval=STEP_SECONDS).provisioning_uri(name=username, issuer_name=issuer)


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
