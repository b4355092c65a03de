"""Which lanes begin nothing for now: operators pause them, and results says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from libs.common.bus.contract import Delivery
from libs.common.errors import Reject
from libs.common.events import LanesPaused

log = logging.getLogger(__name__)

HOLD_SECONDS = 1.0
"""So long after its start a worker waits to be told, since it may have been ended by what is paused."""


class Pauses:
    """Handler of the broadcast; use within one event loop."""

    def __init__(self, hold: float = HOLD_SECONDS) -> None:
        """`hold` seconds from now nothing begins, unless something is heard before."""
        self._until = asyncio.get_running_loop().time() + hold
        self._revision = -1
        self._lanes: frozenset[str] = frozenset()
        self._changed: Callable[[], None] = lambda: None

    @property
    def lanes(self) -> frozenset[str] | None:
        """The lanes that are paused; None while that is not known yet."""
        if self._revision < 0 and asyncio.get_running_loop().time() < self._until:
            return None
        return self._lanes

    def on_change(self, changed: Callable[[], None]) -> None:
        """Call `changed` when other lanes are paused than before."""
        self._changed = changed

    async def __call__(self, delivery: Delivery) -> None:
        """Take note of what is paused now. Raises Reject."""
        told = delivery.event.data
        if not isinstance(told, LanesPaused):
            raise Reject(f"{delivery.event.type} tells of no pause")
        if told.revision <= self._revision:
            return
        lanes = frozenset(told.lanes)
        if lanes != self._lanes:
            log.warning("paused lanes: %s", ", ".join(sorted(lanes)) or "none")
        self._revision, self._lanes = told.revision, lanes
        self._changed()
