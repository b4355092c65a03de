"""What this worker has for files at the moment: slots, places and memory, looked up now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.processor.admission import budget
from services.processor.admission.desk import ALWAYS_BYTES, Room
from services.processor.admission.estimate import BASE_BYTES, Estimate
from services.processor.admission.machine import Reading
from services.processor.answers import Measured, Refused

IDLE_BYTES = 128 << 20
"""What a decoder takes idle, until less was seen."""
LONG_PER_SLOT = 4
"""Deliveries at hand for each decoder, where a file takes longer than a moment."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class GateLimits:
    """`slots` decoders of at most `decode_memory` bytes; `largest`: of the largest worker, None: this one."""

    slots: int
    per_slot: int
    reserve: int
    decode_memory: int
    largest: int | None

    @property
    def larger(self) -> bool:
        """Whether there are workers whose decoders may take more than one here ever does."""
        return (self.largest or 0) > self.decode_memory


class Outlook:
    """The latest look at the machine, and what decoders have shown of themselves."""

    def __init__(
        self,
        limits: GateLimits,
        read: Callable[[], Reading],
        resident: Callable[[], Iterable[int]],
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """`read` looks at the machine, `resident` gives the bytes of each decoder process; `behind` says
        whether this process has better to do at the moment.
        """
        self._limits = limits
        self._behind = behind
        self._read = read
        self._resident = resident
        self._attainable = 0
        """What there was when nothing was under way last."""
        self._seconds = 0.0
        self._short = False
        self.idle_bytes = IDLE_BYTES
        self.look(0)

    def look(self, under_way: int) -> None:
        """Look again, with so many files under way."""
        reading, limits = self._read(), self._limits
        found = budget.memory(
            reading,
            reserve=limits.reserve,
            idle=self.idle_bytes * limits.slots,
            taken=budget.taken(self._resident(), self.idle_bytes),
        )
        self.budget_bytes = found.now
        self.slots = budget.slots(limits.slots, min(under_way, limits.slots), reading)
        # A file that takes all there is would leave nothing for small ones beside it.
        beside = (limits.slots - 1) * BASE_BYTES
        self.own_bytes = max(min(limits.decode_memory, found.at_most - beside), ALWAYS_BYTES)
        if under_way == 0 or found.now > self._attainable:
            self._attainable = found.now

    def learn(self, result: Measured | Refused) -> int:
        """Bytes that the file took beyond an idle decoder, whose own are corrected by it."""
        self.idle_bytes = min(self.idle_bytes, result.peak_memory_bytes)
        self._seconds += (result.seconds - self._seconds) * _SMOOTHING
        if self._short != (self._seconds < budget.LONG_SECONDS):
            # Not to and fro where files are of both kinds.
            self._short = self._seconds < budget.LONG_SECONDS / 2
        return result.peak_memory_bytes - self.idle_bytes

    @property
    def room(self) -> Room:
        """For files under way together."""
        limits = self._limits
        places = budget.places(self.slots, limits.per_slot, self._seconds)
        if self._behind():
            places = min(places, self.slots)
        return Room(self.slots, places, self.budget_bytes)

    @property
    def at_hand(self) -> int:
        """Deliveries that are worth having here, those that are under way included.

        Where files take a moment, as many as may be under way; where they take longer, others could begin
        what would lie here.
        """
        per_slot = self._limits.per_slot
        return self._limits.slots * (per_slot if self._short else min(per_slot, LONG_PER_SLOT))

    def verdict(self, estimate: Estimate) -> budget.Verdict:
        """Where a file can be decoded."""
        largest = max(self._limits.largest or 0, self.own_bytes)
        return budget.verdict(estimate, own=self.own_bytes, largest=largest)

    def demanded(self, estimate: Estimate) -> int:
        """Bytes that a file waits for."""
        return budget.demanded(estimate.likely, own=self.own_bytes, attainable=self._attainable)
