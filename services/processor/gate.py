"""The worker's admission: what waits begins as the machine, the budget of memory and the desk allow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from libs.common.bus.contract import Delivery
from libs.common.bus.lanes import LARGE
from libs.common.errors import HandOn, Unavailable
from libs.common.events import FailureReason, WorkData
from services.processor.admission import budget
from services.processor.admission.budget import Memory
from services.processor.admission.desk import ALWAYS_BYTES, Desk, Need, Room
from services.processor.admission.estimate import BASE_BYTES, Estimates, Pixels, pixels_of
from services.processor.admission.machine import Reading
from services.processor.attempts import Attempts
from services.processor.child import Measured, Refused
from services.processor.metrics import ProcessorMetrics

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks at the machine."""
PATIENCE_SECONDS = 300.0
"""After so long without memory for it a file is given to whoever has more; a broker waits 1800 s."""
ALONE_FROM = 3
"""The attempt from which on a file that may have ended workers begins alone."""
IDLE_BYTES = 128 << 20
"""What a decoder takes idle, until less was seen."""
_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class GateLimits:
    """`slots` decoders of at most `decode_memory` bytes; `largest`: of the largest worker, None: this one."""

    slots: int
    per_slot: int
    reserve: int
    decode_memory: int
    largest: int | None


class _Head(NamedTuple):
    """A delivery that waits, judged once."""

    delivery: Delivery
    need: Need
    since: float
    refusal: str | None


class WorkerGate:
    """Implements `Admission`. Use within one event loop."""

    def __init__(
        self,
        limits: GateLimits,
        read: Callable[[], Reading],
        resident: Callable[[], Iterable[int]],
        attempts: Attempts,
        metrics: ProcessorMetrics,
        *,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """`read` looks at the machine, `resident` gives the bytes of each decoder process."""
        self._limits = limits
        self._read = read
        self._resident = resident
        self._attempts = attempts
        self._metrics = metrics
        self._patience = patience
        self._desk = Desk()
        self._estimates = Estimates()
        self._heads: dict[str, _Head] = {}
        self._held: dict[int, Delivery] = {}
        """What has begun, so that its id stays its own."""
        self._refused: dict[UUID, str] = {}
        self._known: dict[UUID, int] = {}
        self._asking: dict[UUID, asyncio.Task[None]] = {}
        self._noted: set[int] = set()
        self._wake: Callable[[], None] = lambda: None
        self._idle = IDLE_BYTES
        self._seconds = 0.0
        self._looked = float("-inf")
        self._look()
        if self.own_bytes == ALWAYS_BYTES:
            log.warning(
                "memory is too small for more than one ordinary file at a time: raise the container's limit, "
                "or lower WORKER_SLOTS or MEMORY_RESERVE_BYTES"
            )

    @property
    def budget_bytes(self) -> int:
        """What files may take together now."""
        return self._memory.now

    @property
    def used_bytes(self) -> int:
        """What those under way may take, as estimated."""
        return self._desk.memory(self.slots)

    async def run(self) -> None:
        """Look at the machine now and then: what waits for memory or slots may begin. Never returns."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._heads:
                self._wake()

    def choose(self, waiting: Mapping[str, Delivery]) -> str | None:
        """The lane whose first delivery begins now, which may be only to be handed on or to fail."""
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_SECONDS:
            self._look()
        self._heads = {lane: head for lane, one in waiting.items() if (head := self._head(lane, one, now))}
        for lane, head in self._heads.items():
            if head.refusal is not None or (now - head.since >= self._patience and self._lacks_memory(head)):
                self._refuse(head)
                return self._left(lane)
        begins = self._desk.choose({lane: head.need for lane, head in self._heads.items()}, self._room)
        if begins is None:
            self._note_waits()
            return None
        return self._left(begins)

    def ended(self, lane: str, delivery: Delivery) -> None:
        """Its room is free."""
        self._desk.ended(id(delivery))
        self._held.pop(id(delivery), None)
        self._refused.pop(delivery.event.id, None)
        self._metrics.budget_used.set(self.used_bytes)

    def on_change(self, wake: Callable[[], None]) -> None:
        """`wake` is called when memory, slots or what is known of an attempt may have changed."""
        self._wake = wake

    def check(self, delivery: Delivery) -> FailureReason | None:
        """Why the file fails at once. Raises HandOn, or Unavailable, where another worker is to have it."""
        refusal = self._refused.pop(delivery.event.id, None)
        if refusal == "handed-on":
            raise HandOn(LARGE)
        if refusal == "put-off":
            raise Unavailable("This worker has no memory for the file; a larger one may.")
        return "memory-limit" if refusal == "too-large" else None

    def learn(self, data: WorkData, result: Measured | Refused) -> None:
        """Correct estimates by what a file took of its decoder."""
        if result.peak_memory_bytes == 0:
            return  # the decoder was lost, or never asked
        self._idle = min(self._idle, result.peak_memory_bytes)
        self._seconds += (result.seconds - self._seconds) * _SMOOTHING
        self._estimates.learn(_pixels(data), result.peak_memory_bytes - self._idle)

    def _look(self) -> None:
        reading, limits = self._read(), self._limits
        resident = list(self._resident())
        idle = self._idle * limits.slots
        self._memory: Memory = budget.memory(
            reading, reserve=limits.reserve, idle=idle, taken=budget.taken(resident, self._idle)
        )
        self.slots = budget.slots(limits.slots, min(self._desk.under_way, limits.slots), reading)
        # A file that takes all there is would leave nothing for small ones beside it.
        beside = (limits.slots - 1) * BASE_BYTES
        self.own_bytes = max(min(limits.decode_memory, self._memory.at_most - beside), ALWAYS_BYTES)
        self._looked = asyncio.get_running_loop().time()
        self._metrics.budget_bytes.set(self._memory.now)

    @property
    def _room(self) -> Room:
        limits = self._limits
        places = budget.places(self.slots, limits.slots, limits.per_slot, self._seconds)
        return Room(self.slots, places, self._memory.now)

    def _head(self, lane: str, delivery: Delivery, now: float) -> _Head | None:
        """The judged delivery; None while it is not known which attempt it is."""
        head = self._heads.get(lane)
        if head is not None and head.delivery is delivery:
            return head
        attempt = self._attempt(delivery)
        return None if attempt is None else self._judged(lane, delivery, attempt, now)

    def _judged(self, lane: str, delivery: Delivery, attempt: int, now: float) -> _Head:
        data = delivery.event.data
        if not isinstance(data, WorkData):
            return _Head(delivery, Need(id(delivery), 0, 0), now, None)  # the handler rejects it
        estimate = self._estimates.of(_pixels(data), attempt)
        largest = max(self._limits.largest or 0, self.own_bytes)
        verdict = budget.verdict(estimate, own=self.own_bytes, largest=largest)
        away = "put-off" if lane == LARGE else "handed-on"
        refusal = {"here": None, "elsewhere": away, "nowhere": "too-large"}
        need = Need(
            id(delivery),
            memory=min(estimate.likely, self.own_bytes),
            cost=data.size_bytes if data.decoded_bytes is None else data.decoded_bytes,
            alone=delivery.redelivered and attempt >= ALONE_FROM,
        )
        return _Head(delivery, need, now, refusal[verdict])

    def _attempt(self, delivery: Delivery) -> int | None:
        """Which attempt it is; what a lost worker had is looked up first."""
        if not delivery.redelivered:
            return delivery.charged + 1
        event = delivery.event.id
        if event not in self._known and event not in self._asking:
            self._asking[event] = asyncio.create_task(self._ask(delivery), name=f"attempts of {event}")
        return self._known.get(event)

    async def _ask(self, delivery: Delivery) -> None:
        event = delivery.event.id
        try:
            self._known[event] = await self._attempts.of(delivery)
        except Unavailable:
            # It is put off once it has begun, as long as the store is away.
            self._known[event] = delivery.charged + 1
        finally:
            del self._asking[event]
        self._wake()

    def _refuse(self, head: _Head) -> None:
        reason = head.refusal or "put-off"
        self._refused[head.delivery.event.id] = reason
        self._metrics.admission_waits.labels(reason).inc()
        log.warning("file %s does not begin here: %s", head.delivery.event.subject, reason)

    def _left(self, lane: str) -> str:
        head = self._heads.pop(lane)
        self._held[id(head.delivery)] = head.delivery
        self._known.pop(head.delivery.event.id, None)
        self._metrics.budget_used.set(self.used_bytes)
        return lane

    def _lacks_memory(self, head: _Head) -> bool:
        return not self._desk.fits(head.need, self._room) and self._desk.fits(
            head.need, Room(self._room.slots, self._room.places, head.need.memory + self.used_bytes)
        )

    def _note_waits(self) -> None:
        """Count each head that waits once, by what it waits for."""
        heads = {id(head.delivery): head for head in self._heads.values()}
        full = self._desk.under_way >= self._room.places
        for key, head in heads.items():
            if key not in self._noted:
                reason = "memory" if not full and self._lacks_memory(head) else "slots"
                self._metrics.admission_waits.labels(reason).inc()
        self._noted = set(heads)


def _pixels(data: WorkData) -> Pixels:
    return pixels_of(data.transfer_syntax_uid, data.decoded_bytes, data.frames, data.size_bytes)
