"""Whether files arrive at this process right now; what may wait goes behind them."""

from __future__ import annotations

import time

HALF_SECONDS = 0.02
"""After which a piece counts half."""
BUSY = 3.0
"""What a hundred pieces a second add up to. A slow line brings fewer, and holds nobody up."""


class Arrivals:
    """Counts the pieces of files that came lately."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._level = 0.0
        self._noted = 0.0

    def note(self) -> None:
        """A piece has come."""
        now = time.monotonic()
        self._level, self._noted = self._left(now) + 1.0, now

    @property
    def going_on(self) -> bool:
        """Whether many came a moment ago."""
        return self._left(time.monotonic()) >= BUSY

    def _left(self, now: float) -> float:
        return float(self._level * 0.5 ** ((now - self._noted) / HALF_SECONDS))
