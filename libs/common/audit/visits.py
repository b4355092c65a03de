"""What was noted of a reader a short while ago, so that one look through a series is one entry."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable

VISIT_SECONDS = 1800.0
"""An entry stands for what the same reader reads of the same things so long."""
MOST_VISITS = 20_000


class Visits:
    """Which visits have their entry; of one process, which forgets the oldest where there are too many."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[Hashable, float] = OrderedDict()

    def any_of(self, visits: Iterable[Hashable]) -> bool:
        """Whether one of them is noted and not over."""
        now = self._clock()
        return any(self._until.get(one, now) > now for one in visits)

    def begin(self, visit: Hashable) -> None:
        """Its entry was made."""
        self._until[visit] = self._clock() + VISIT_SECONDS
        self._until.move_to_end(visit)
        if len(self._until) > MOST_VISITS:
            self._until.popitem(last=False)
