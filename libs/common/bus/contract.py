"""What every bus promises. `retry` says what becomes of an event whose handler fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from libs.common.bus.lanes import DEFAULT_LANES, DEFAULT_LARGE_BYTES, lane_class, lane_names, lane_of
from libs.common.bus.retry import MAX_DELIVERIES
from libs.common.events import Event, WorkData


@dataclass(frozen=True, slots=True)
class Subscription:
    """A durable queue and the event types (routing keys) it takes."""

    queue: str
    binds: tuple[str, ...]
    fleeting: bool = False
    """Its events age within a minute: what fails, cannot be read or finds no room is dropped."""
    broadcast: bool = False
    """Every process gets every event, and the latest again when it starts; nobody takes one away.

    What fails or cannot be read is passed over.
    """

    @property
    def name(self) -> str:
        """Prefix of the queues of its retries and dead letters."""
        return self.queue


@dataclass(frozen=True, slots=True)
class Work:
    """What several queues, one for each lane, take together; they share their retries and dead letters."""

    name: str
    """Prefix of its queues."""
    binds: tuple[str, ...]
    exchange: str
    """Takes what `binds` names, and puts each event into the queue of its lane."""
    lanes: int = DEFAULT_LANES
    large_bytes: int = DEFAULT_LARGE_BYTES

    @property
    def queue(self) -> str:
        """All of it under one name, as metrics and traces know it."""
        return f"{self.name}.work"

    def lane_of(self, data: WorkData) -> str:
        """Where an event waits."""
        return lane_of(data, self.lanes, self.large_bytes)

    def queues(self) -> Mapping[str, str]:
        """The queue of each lane."""
        return {lane: self.queue_of(lane) for lane in lane_names(self.lanes)}

    def queue_of(self, lane: str) -> str:
        """The queue of one lane."""
        return f"{self.name}.lane.{lane}" if lane_class(lane) == "lane" else f"{self.name}.{lane}"


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event and its 1-based attempt, counted before the work starts; lost workers are included."""

    event: Event
    attempt: int
    attempts: int = MAX_DELIVERIES
    """How many there are: what fails at the last, or comes after it, is given up."""
    earlier: str | None = None
    """What failed attempts left word of (`AttemptFailed`), as `libs.common.bus.history` writes it."""
    lane: str | None = None
    """Where it waited, where a subscription has lanes."""
    charged: int = 0
    """Attempts that were begun for sure; `attempt` counts deliveries as well whose worker was lost."""
    redelivered: bool = False
    """Whether somebody held this delivery before, and was lost or did not settle it: begun or not."""

    @property
    def arrived(self) -> datetime:
        """When the event was made, and began to wait."""
        return self.event.time

    @property
    def last(self) -> bool:
        """Whether a failure is final."""
        return self.attempt >= self.attempts

    @property
    def spent(self) -> bool:
        """Whether all attempts were begun before, and none ended: each has lost its worker."""
        return self.attempt > self.attempts


Handler = Callable[[Delivery], Awaitable[None]]


class Admission(Protocol):
    """Says which of the deliveries that wait begins next; asked on each arrival, ending and change."""

    def choose(self, waiting: Mapping[str, Delivery]) -> str | None:
        """Name the lane whose first delivery begins now, which counts it as begun; None: nothing may begin.

        `waiting` is the first delivery of each lane that has one. Asked again until it answers None.
        """

    def ended(self, lane: str, delivery: Delivery) -> None:
        """Take note that what was begun from `lane` is no longer under way, however it ended."""

    def on_change(self, wake: Callable[[], None]) -> None:
        """Call `wake`, in the event loop, whenever `choose` may answer otherwise for a reason of its own."""


class Bus(Protocol):
    """Carries events from publishers to every subscription that takes their type, at least once."""

    async def publish(self, event: Event, *, attempt: int = 1, done: set[str] | None = None) -> None:
        """Return once the event is durable (RabbitMQ) or handled by every subscriber (in process).

        `attempt` says how often the durable source has dispatched it, `done` which queues have handled it:
        in process these are left out, and those that handle it now are added; RabbitMQ counts by itself.
        Raises Unavailable (worth a retry), Undelivered (a handler gave it up, in process only) or
        EventTooLarge (final).
        """

    async def subscribe(
        self,
        subscription: Subscription,
        handler: Handler,
        *,
        concurrency: int,
        attempts: int = MAX_DELIVERIES,
    ) -> None:
        """Start to consume in the background, at most `concurrency` events at once; return at once.

        `attempts` is how many each event gets.
        """

    async def take(
        self,
        work: Work,
        handler: Handler,
        admission: Admission,
        *,
        ahead: int = 2,
        alone: Callable[[], int] = lambda: 0,
        attempts: int = MAX_DELIVERIES,
    ) -> None:
        """Start to take work in the background, in the order that `admission` says; return at once.

        Its lanes are those of the bus's table. `ahead` is how many deliveries of one lane are held at most,
        begun or not, and `alone()`, asked now and then, how many while no other lane has any: what has not
        begun beyond that goes back. In process all that are under way are held, since nobody else could take
        them.
        """

    async def ready(self) -> None:
        """Return when events can be published and are consumed. Raises Unavailable, saying why not."""

    async def drain(self) -> None:
        """Take no more events, let running handlers finish within the shutdown timeout, cancel the rest."""

    async def close(self) -> None:
        """Release connections; unfinished events are delivered again."""
