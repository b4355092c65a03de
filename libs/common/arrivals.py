"""Whether files arrive at this process right now; what may wait goes behind them."""

from __future__ import annotations

import time

QUIET_SECONDS = 0.05
"""Without a byte for so long, nothing arrives: who sends slowly holds nobody up."""


class Arrivals:
    """Knows when the latest piece of a file came."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._latest = float("-inf")

    def note(self) -> None:
        """A piece has come."""
        self._latest = time.monotonic()

    @property
    def going_on(self) -> bool:
        """Whether one came a moment ago."""
        return time.monotonic() - self._latest < QUIET_SECONDS
