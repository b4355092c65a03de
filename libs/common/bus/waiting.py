"""Deliveries that a process holds and has not begun, lane by lane, and the admission that begins them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, NamedTuple, TypeVar

from libs.common.bus.contract import Admission, Delivery

T = TypeVar("T")


class NotBegun(NamedTuple, Generic[T]):
    """A delivery, its lane, and what its bus needs to begin it or to give it back."""

    lane: str
    delivery: Delivery
    item: T


class WaitingRoom(Generic[T]):
    """Asks the admission on each arrival, ending and change, and begins what it names."""

    def __init__(
        self, admission: Admission, begin: Callable[[NotBegun[T]], None], count: Callable[[int], None]
    ) -> None:
        """`begin` must not wait; `count` is told how many wait, whenever that changes."""
        self._admission = admission
        self._begin = begin
        self._count = count
        self._lanes: dict[str, deque[NotBegun[T]]] = {}
        self._heads: dict[str, Delivery] = {}
        self._size = 0
        self.closed = False
        admission.on_change(self._ask)

    def add(self, waiting: NotBegun[T]) -> None:
        """Let it begin now or later."""
        self._lanes.setdefault(waiting.lane, deque()).append(waiting)
        self._heads.setdefault(waiting.lane, waiting.delivery)
        self._resized(1)
        self._ask()

    def ended(self, lane: str, delivery: Delivery) -> None:
        """What was begun is no longer under way."""
        self._admission.ended(lane, delivery)
        self._ask()

    def remove(self, gone: Callable[[T], bool]) -> list[NotBegun[T]]:
        """Take out those whose item is `gone`: they never begin."""
        removed: list[NotBegun[T]] = []
        for lane, waiting in list(self._lanes.items()):
            removed += [one for one in waiting if gone(one.item)]
            self._lanes[lane] = deque(one for one in waiting if not gone(one.item))
            self._reset_head(lane)
        self._resized(-len(removed))
        if removed:
            self._ask()
        return removed

    def latest(self, lane: str, most: int) -> list[NotBegun[T]]:
        """Take out those of a lane that came last, at most so many: they never begin."""
        waiting = self._lanes.get(lane)
        taken = [waiting.pop() for _ in range(min(most, len(waiting)))] if waiting else []
        if taken:
            self._reset_head(lane)
            self._resized(-len(taken))
        return taken

    def close(self) -> list[NotBegun[T]]:
        """Begin no more; returns what has not begun."""
        self.closed = True
        return self.remove(lambda _: True)

    def _ask(self) -> None:
        while self._heads and not self.closed:
            lane = self._admission.choose(self._heads)
            if lane is None:
                return
            waiting = self._lanes[lane].popleft()
            self._reset_head(lane)
            self._resized(-1)
            self._begin(waiting)

    def _reset_head(self, lane: str) -> None:
        if self._lanes[lane]:
            self._heads[lane] = self._lanes[lane][0].delivery
        else:
            del self._lanes[lane]
            self._heads.pop(lane, None)

    def _resized(self, by: int) -> None:
        self._size += by
        self._count(self._size)
