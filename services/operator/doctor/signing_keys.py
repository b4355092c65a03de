"""The keys that sign access tokens: which one does, and how old it is."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from services.auth.sessions.models import SigningKeyTimes
from services.operator.doctor.places import KEY_DAYS
from services.operator.doctor.report import Finding

SIGNING_KEY = "signing key"


def judge_signing_keys(keys: Sequence[SigningKeyTimes], now: datetime) -> list[Finding]:
    """What there is to say of published keys, the newest first; pure."""
    signing = next((key for key in keys if key.signs_in <= 0), None)
    if signing is None:
        return [Finding(SIGNING_KEY, "note", "There is no key yet.", "Auth makes it when it first starts.")]
    days = (now - signing.created_at).days
    what = f"Key {signing.kid} signs access tokens; it is {days} days old, {len(keys)} are published."
    if days > KEY_DAYS:
        advice = "Replace it once a year: python -m services rotate-signing-key"
        return [Finding(SIGNING_KEY, "warning", what, advice)]
    return [Finding(SIGNING_KEY, "ok", what)]
