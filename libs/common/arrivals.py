"""Whether files arrive at this process right now; what may wait goes behind them."""

from __future__ import annotations

import time

HALF_SECONDS = 0.02
"""After which a piece counts half."""
BUSY = 3.0
"""What a hundred pieces a second add up to. A slow line brings fewer, and holds nobody up."""


class Arrivals:
    """Counts the pieces of files that came lately, and whole files while they are being accepted.

    Files that share a commit are answered together, and those that follow come together: for as long as the
    commit takes there are no pieces, on a slow machine for longer than they count.
    """

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._level = 0.0
        self._noted = 0.0
        self.accepting = 0
        """Files that are there as a whole."""

    def note(self) -> None:
        """A piece has come, or a file is accepted, which another may follow."""
        now = time.monotonic()
        self._level, self._noted = self._left(now) + 1.0, now

    def __enter__(self) -> None:
        """A file is there as a whole, and waits for this machine alone."""
        self.accepting += 1

    def __exit__(self, *_: object) -> None:
        """It does no longer."""
        self.accepting -= 1

    @property
    def going_on(self) -> bool:
        """Whether much came a moment ago, or is being accepted."""
        return self._left(time.monotonic()) + self.accepting >= BUSY

    def _left(self, now: float) -> float:
        return float(self._level * 0.5 ** ((now - self._noted) / HALF_SECONDS))
