"""How slow the other end of an upload or a download may be."""

from __future__ import annotations

from pydantic import Field

from libs.common.settings.base import Settings


class TransferSettings(Settings):
    """A rate that every line of today has, so that a place is not held for nothing."""

    transfer_min_rate: int = Field(
        2048,
        ge=1,
        description="Bytes per second that a sender or a reader must come up to while this system waits for "
        "it, on average over TRANSFER_SLOW_SECONDS; below, it is cut off (uploads with 408 `too-slow`).",
    )
    transfer_slow_seconds: float = Field(
        60.0, gt=0, description="Seconds of waiting over which TRANSFER_MIN_RATE is looked at."
    )
