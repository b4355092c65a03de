"""Acknowledging many deliveries with few frames.

A quorum queue writes every acknowledgement to its log, so one `multiple` frame for a run of handled
deliveries costs the broker a fraction of one frame each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

GATHER_SECONDS = 0.015
"""How long acknowledgements gather after some were sent: what is lost until then is delivered again, and
changes nothing."""

AckFrame = tuple[int, bool]
"""Delivery tag and the `multiple` flag."""


class Acknowledgements:
    """The handled deliveries of one channel, whose tags count 1, 2, 3, … whatever consumer they are for.

    `multiple` covers every delivery up to a tag. It is used only where each of them has been handled: up to
    the end of the unbroken run that starts at tag 1. What lies beyond a gap is acknowledged one by one.
    A channel rejects a tag it does not wait for, so no tag is ever named twice.
    """

    def __init__(self) -> None:
        """Start with nothing handled."""
        self._floor = 0  # every tag up to here is handled and acknowledged
        self._ahead: set[int] = set()  # acknowledged one by one, above the floor
        self._handled: set[int] = set()  # not yet acknowledged

    def add(self, tag: int) -> None:
        """Note that the delivery with this tag is handled."""
        self._handled.add(tag)

    @property
    def due(self) -> int:
        """How many are handled and not acknowledged."""
        return len(self._handled)

    def take(self) -> list[AckFrame]:
        """Return the frames that acknowledge everything handled so far."""
        last, covered = 0, 0
        while True:
            following = self._floor + 1
            if following in self._handled:
                self._handled.remove(following)
                last, covered = following, covered + 1
            elif following in self._ahead:
                self._ahead.remove(following)
            else:
                break
            self._floor = following
        frames: list[AckFrame] = [(last, covered > 1)] if covered else []
        frames += [(tag, False) for tag in self._handled]
        self._ahead |= self._handled
        self._handled.clear()
        return frames


class Acknowledger:
    """Sends acknowledgements in batches: what comes alone at once, and what follows soon after together."""

    def __init__(self, send: Callable[[int, bool], Awaitable[None]]) -> None:
        """`send(tag, multiple)` writes one frame."""
        self.enough = 1
        """So many are sent without waiting for more: half of what the broker lets be unsettled keeps it
        delivering."""
        self._send = send
        self._pending = Acknowledgements()
        self._wake = asyncio.Event()
        self._many = asyncio.Event()
        self._lock = asyncio.Lock()
        self._held = False

    def add(self, tag: int) -> None:
        """Note that a delivery is handled; the frame follows soon."""
        self._pending.add(tag)
        self._wake.set()
        if self._pending.due >= self.enough:
            self._many.set()

    async def hold(self) -> None:
        """Send nothing from now on, until `resume`: each acknowledgement would bring another delivery."""
        self._held = True
        async with self._lock:
            return  # what was being sent is sent

    def resume(self) -> None:
        """Send what has gathered, and go on."""
        self._held = False
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not self._held:
                await self.flush()
                await self._gather()

    async def flush(self) -> None:
        """Send everything that is due now."""
        async with self._lock:
            self._many.clear()
            for tag, multiple in self._pending.take():
                await self._send(tag, multiple)

    async def _gather(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(GATHER_SECONDS):
                await self._many.wait()
