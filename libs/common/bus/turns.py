"""Taking turns: the plainest admission, which knows places and lanes but not what a file costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from libs.common.bus.contract import Delivery
from libs.common.bus.lanes import URGENT


class Turns:
    """Implements `Admission`: of those that wait, the lane begins that has not begun for longest.

    What is urgent begins before all others, but takes no more than half of the places while others wait;
    where there is only one place, every second time.
    """

    def __init__(self, places: int) -> None:
        """`places` deliveries may be under way at once."""
        self._places = places
        self._under_way = 0
        self._urgent = 0
        self._begun = 0
        self._last: dict[str, int] = {}

    def choose(self, waiting: Mapping[str, Delivery]) -> str | None:
        """The lane whose first delivery begins now; None while every place is taken."""
        if not waiting or self._under_way >= self._places:
            return None
        others = [lane for lane in waiting if lane != URGENT]
        if URGENT in waiting and (not others or self._urgent_first()):
            lane = URGENT
        else:
            lane = min(others, key=lambda lane: self._last.get(lane, 0))
        self._under_way += 1
        self._urgent += lane == URGENT
        self._begun += 1
        self._last[lane] = self._begun
        return lane

    def ended(self, lane: str, delivery: Delivery) -> None:
        """A place is free again."""
        self._under_way -= 1
        self._urgent -= lane == URGENT

    def on_change(self, wake: Callable[[], None]) -> None:
        """Nothing but arrivals and endings changes the answer."""

    def _urgent_first(self) -> bool:
        if self._places == 1:
            return self._last.get(URGENT) != self._begun
        return self._urgent < self._places // 2
