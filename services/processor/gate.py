"""The worker's admission: what waits begins as the machine, the budget of memory and the desk allow."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import NamedTuple
from uuid import UUID

from libs.common.bus.contract import Delivery
from libs.common.bus.lanes import LARGE
from libs.common.errors import HandOn, Unavailable
from libs.common.events import FailureReason, WorkData
from services.processor.admission.desk import ALWAYS_BYTES, Desk, Need
from services.processor.admission.estimate import Estimates, Pixels, pixels_of
from services.processor.admission.machine import Reading
from services.processor.answers import Measured, Refused
from services.processor.attempts import Attempts
from services.processor.metrics import ProcessorMetrics
from services.processor.outlook import GateLimits, Outlook

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
"""Between looks at the machine."""
PATIENCE_SECONDS = 300.0
"""After so long without memory for it a file is given to whoever has more; a broker waits 1800 s."""
ALONE_FROM = 3
"""The attempt from which on a file that may have ended workers begins alone."""
_NO_MEMORY = "This worker has no memory for the file; a larger one may."


class _Head(NamedTuple):
    """A delivery that waits, judged by the latest look at the machine."""

    delivery: Delivery
    attempt: int
    need: Need
    refusal: str | None
    since: float
    looked: float


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
        use: Callable[[int], None] = lambda _: None,
        paused: Callable[[], frozenset[str] | None] = frozenset,
        behind: Callable[[], bool] = lambda: False,
    ) -> None:
        """`read` looks at the machine, `resident` gives the bytes of each decoder process.

        `use` is told how many decoders may work at the same time. `paused` names the lanes that begin
        nothing; None: none of them does yet. While `behind` holds, no more begins than one a slot.
        """
        self._limits = limits
        self._outlook = Outlook(limits, read, resident, behind)
        self._attempts = attempts
        self._metrics = metrics
        self._patience = patience
        self._use = use
        self._paused = paused
        self._held_back = False
        """Whether a lane waits that is paused."""
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
        self._looked = float("-inf")
        metrics.budget_used.set_function(lambda: self.used_bytes)
        if self.own_bytes == ALWAYS_BYTES:
            log.warning(
                "memory is too small for more than one ordinary file at a time: raise the container's limit, "
                "or lower WORKER_SLOTS or MEMORY_RESERVE_BYTES"
            )

    @property
    def budget_bytes(self) -> int:
        """What files may take together now."""
        return self._outlook.budget_bytes

    @property
    def own_bytes(self) -> int:
        """The most that this worker has for one file."""
        return self._outlook.own_bytes

    @property
    def slots(self) -> int:
        """How many decoders may work now."""
        return self._outlook.slots

    @property
    def at_hand(self) -> int:
        """Deliveries that are worth having here while no other lane has any."""
        return self._outlook.at_hand

    @property
    def used_bytes(self) -> int:
        """What those under way may take, as estimated."""
        return self._desk.memory(self.slots)

    async def run(self) -> None:
        """Look at the machine now and then: what waits for memory or slots may begin. Never returns."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._heads or self._held_back:
                self.look_again()

    def look_again(self) -> None:
        """Have it asked again what begins."""
        self._wake()

    def choose(self, waiting: Mapping[str, Delivery]) -> str | None:
        """The lane whose first delivery begins now, which may be only to be handed on or to fail."""
        waiting, every = self._open(waiting), len(waiting)
        self._held_back = len(waiting) < every
        now = asyncio.get_running_loop().time()
        if now - self._looked >= LOOK_SECONDS:
            self._look(now)
        if self._known:
            self._known = {
                e: n for e, n in self._known.items() if e in {d.event.id for d in waiting.values()}
            }
        room = self._outlook.room
        self._heads = {lane: head for lane, one in waiting.items() if (head := self._head(lane, one, now))}
        for lane, head in self._heads.items():
            if head.refusal is not None or (now - head.since >= self._patience and self._lacks_memory(head)):
                self._refuse(head)
                return self._left(lane)
        begins = self._desk.choose({lane: head.need for lane, head in self._heads.items()}, room)
        if begins is None:
            self._note_waits()
            return None
        # Not when it ends: what is handed on may be back, and refused again, before that.
        self._refused.pop(self._heads[begins].delivery.event.id, None)
        return self._left(begins)

    def ended(self, lane: str, delivery: Delivery) -> None:
        """Its room is free."""
        self._desk.ended(id(delivery))
        self._held.pop(id(delivery), None)

    def on_change(self, wake: Callable[[], None]) -> None:
        """`wake` is called when memory, slots or what is known of an attempt may have changed."""
        self._wake = wake

    def check(self, delivery: Delivery) -> FailureReason | None:
        """Why the file fails at once. Raises HandOn, or Unavailable, where another worker is to have it."""
        refusal = self._refused.pop(delivery.event.id, None)
        if refusal == "handed-on":
            raise HandOn(LARGE)
        if refusal == "put-off":
            raise Unavailable(_NO_MEMORY)
        return "memory-limit" if refusal == "too-large" else None

    def refused(self, delivery: Delivery, result: Refused) -> None:
        """Where a decoder met its limit of memory, and others have a higher one, they are to have the file.

        Raises HandOn, or Unavailable where they did not take it from the large ones yet.
        """
        if result.reason == "memory-limit" and self._limits.larger:
            reason = "put-off" if delivery.lane == LARGE else "handed-on"
            self._metrics.admission_waits.labels(reason).inc()
            raise HandOn(LARGE) if reason == "handed-on" else Unavailable(_NO_MEMORY)

    def learn(self, data: WorkData, result: Measured | Refused) -> None:
        """Correct estimates by what a file took of its decoder."""
        if result.peak_memory_bytes == 0:
            return  # the decoder was lost, or never asked
        self._estimates.learn(_pixels(data), self._outlook.learn(result))

    def _open(self, waiting: Mapping[str, Delivery]) -> Mapping[str, Delivery]:
        """What waits in lanes that are not paused."""
        paused = self._paused()
        if paused is None:
            return {}
        return {lane: one for lane, one in waiting.items() if lane not in paused} if paused else waiting

    def _look(self, now: float) -> None:
        self._outlook.look(self._desk.under_way)
        self._use(self.slots)
        self._looked = now
        self._metrics.budget_bytes.set(self.budget_bytes)

    def _head(self, lane: str, delivery: Delivery, now: float) -> _Head | None:
        """The judged delivery; None while it is not known which attempt it is."""
        head = self._heads.get(lane)
        if head is None or head.delivery is not delivery:
            attempt = self._attempt(delivery)
            return None if attempt is None else self._judged(lane, delivery, attempt, now)
        return head if head.looked == self._looked else self._judged(lane, delivery, head.attempt, head.since)

    def _judged(self, lane: str, delivery: Delivery, attempt: int, since: float) -> _Head:
        data = delivery.event.data
        if not isinstance(data, WorkData):  # the handler rejects it
            return _Head(delivery, attempt, Need(id(delivery), 0, 0), None, since, self._looked)
        estimate = self._estimates.of(_pixels(data), attempt)
        away = "put-off" if lane == LARGE else "handed-on"
        refusal = {"here": None, "elsewhere": away, "nowhere": "too-large"}
        need = Need(
            id(delivery),
            memory=self._outlook.demanded(estimate),
            cost=data.size_bytes if data.decoded_bytes is None else data.decoded_bytes,
            alone=delivery.redelivered and attempt >= ALONE_FROM,
        )
        return _Head(delivery, attempt, need, refusal[self._outlook.verdict(estimate)], since, self._looked)

    def _attempt(self, delivery: Delivery) -> int | None:
        """Which attempt it is; what a lost worker had is looked up first."""
        if not delivery.redelivered:
            return delivery.charged + 1
        event = delivery.event.id
        if event not in self._known and event not in self._asking:
            self._asking[event] = asyncio.create_task(self._ask(delivery), name=f"attempts of {event}")
        return self._known.get(event)

    async def _ask(self, delivery: Delivery) -> None:
        event, attempt = delivery.event.id, delivery.charged + 1
        try:
            attempt = await self._attempts.of(delivery)
        except Exception as error:  # the edge: its lane must not stand still for it
            # It is put off, or fails, once it has begun and is looked up again.
            log.warning("attempts at file %s cannot be read", delivery.event.subject, exc_info=error)
        finally:
            self._known[event] = attempt
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
        return lane

    def _lacks_memory(self, head: _Head) -> bool:
        room = self._outlook.room
        unbounded = replace(room, memory=head.need.memory + self.used_bytes)
        return not self._desk.fits(head.need, room) and self._desk.fits(head.need, unbounded)

    def _note_waits(self) -> None:
        """Count each head that waits once, by what it waits for."""
        heads = {id(head.delivery): head for head in self._heads.values()}
        full = self._desk.under_way >= self._outlook.room.places
        for key, head in heads.items():
            if key not in self._noted:
                reason = "memory" if not full and self._lacks_memory(head) else "slots"
                self._metrics.admission_waits.labels(reason).inc()
        self._noted = set(heads)


def _pixels(data: WorkData) -> Pixels:
    return pixels_of(data.transfer_syntax_uid, data.decoded_bytes, data.frames, data.size_bytes)
