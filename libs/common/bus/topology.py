"""The frozen table of exchanges, queues and bindings that every process declares before it uses any of them.

A broker confirms a mandatory publish that only some of the intended queues received, so the whole table has
to exist before the first publish. Whatever correctness needs is a queue argument, and arguments of a queue
cannot change: another value means another queue name. Only lengths and the delivery limit are policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from libs.common.bus.contract import Subscription, Work
from libs.common.bus.retry import RETRY_DELAYS, WORK_RETRY_DELAYS
from libs.common.events import (
    BEAT,
    FAILED,
    LANES_PAUSED,
    MOVED,
    PROCESSED,
    RECEIVED,
    REQUESTED,
    Event,
    WorkData,
)

DEAD_SUFFIX = ".dead"

PROCESSOR_WORK = Work("processor", (RECEIVED, REQUESTED), exchange="dicom.work")
RESULTS_FILES = Subscription("results.files", (RECEIVED, PROCESSED, FAILED))
RESULTS_MOVES = Subscription("results.moves", (MOVED,))
"""Apart: the release before takes from `results.files`, and would give up what it cannot read."""
RESULTS_WORKERS = Subscription("results.workers", (BEAT,), fleeting=True)
PROCESSOR_PAUSES = Subscription("processor.lanes.paused", (LANES_PAUSED,), broadcast=True)
INGEST_OUTCOMES = Subscription("ingest.outcomes", (FAILED,))
"""Ingest notes which files failed, so that the same bytes sent again are queued again."""
INGEST_REQUESTS = Subscription("ingest.requests", (REQUESTED,))
"""A failure that is tried again is none any more."""

LANE = "lane"
"""Header that names the lane of a message."""

COPIES = "dicom.copies"
"""Leads to each queue by its name: retries, dead letters, and replays go that way.

Not the broker's own exchange, which leads everywhere: of this one, topic permissions say who may reach what.
"""


@dataclass(frozen=True, slots=True)
class MessageExchange:
    """One durable exchange as it is declared."""

    name: str
    type: Literal["topic", "headers", "fanout"]
    alternate: str | None = None
    """Where what matches no binding goes."""


@dataclass(frozen=True, slots=True)
class Binding:
    """From an exchange to a queue, or to another exchange; by routing key or by headers."""

    source: str
    target: str
    key: str = ""
    headers: Mapping[str, str] | None = None
    to_exchange: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """One durable queue as it is declared.

    `main` are those that somebody takes from, `dead` nobody does; `state` keeps what is so, for all to read.
    """

    name: str
    arguments: Mapping[str, str | int]
    role: Literal["main", "retry", "dead", "state"] = "main"


@dataclass(frozen=True, slots=True)
class Retired:
    """A queue of the release before: what waits there goes to `work`, then it and its own are removed."""

    queue: str
    binds: tuple[str, ...]
    work: Work
    retry_delays: tuple[float, ...]

    def queues(self) -> tuple[str, ...]:
        """Its own queue, those of its retries, and that of its dead letters."""
        retries = (retry_queue(self.queue, delay) for delay in self.retry_delays)
        return (self.queue, *retries, dead_queue(self.queue))


@dataclass(frozen=True, slots=True)
class Topology:
    """A topic exchange, who takes from it, and how many seconds the n-th retry waits at most."""

    exchange: str
    subscriptions: tuple[Subscription, ...]
    retry_delays: tuple[float, ...]
    works: tuple[Work, ...] = ()
    work_delays: tuple[float, ...] = WORK_RETRY_DELAYS
    copies: str = COPIES
    retired: tuple[Retired, ...] = ()

    @property
    def consumers(self) -> tuple[Subscription | Work, ...]:
        """Everybody that needs a handler."""
        return (*self.works, *self.subscriptions)

    def work(self, queue: str) -> Work:
        """The work of this name, with the lanes of this table. Raises KeyError."""
        return {work.queue: work for work in self.works}[queue]

    def takers(self, event_type: str) -> tuple[Subscription | Work, ...]:
        """Who takes events of this type."""
        return tuple(consumer for consumer in self.consumers if event_type in consumer.binds)

    def lane_of(self, event: Event) -> str | None:
        """The lane that a message of this event names; None where no work takes it."""
        for work in self.works:
            if event.type in work.binds and isinstance(event.data, WorkData):
                return work.lane_of(event.data)
        return None

    def delays(self, of: Subscription | Work | None) -> tuple[float, ...]:
        """Seconds that retries of a work, or else of a subscription, wait at most; each has a queue."""
        return self.work_delays if isinstance(of, Work) else self.retry_delays

    def exchanges(self) -> tuple[MessageExchange, ...]:
        """Every exchange of the table, alternates before those that point to them."""
        return (
            MessageExchange(self.exchange, "topic"),
            MessageExchange(self.copies, "topic"),
            *(
                exchange
                for work in self.works
                for exchange in (
                    MessageExchange(_unlaned(work), "fanout"),
                    MessageExchange(work.exchange, "headers", alternate=_unlaned(work)),
                )
            ),
        )

    def queues(self) -> tuple[Queue, ...]:
        """Every queue of the table, dead-letter targets before those that point to them."""
        return (
            *(queue for work in self.works for queue in self._queues_of_work(work)),
            *(queue for s in self.subscriptions for queue in self._queues_of(s)),
        )

    def bindings(self) -> tuple[Binding, ...]:
        """Every binding of the table; those that lead on from an exchange before those that lead to it."""
        dead = self.dead_queues()
        replayed = {origin for origins in dead.values() for origin in origins}
        return (
            *(
                Binding(self.copies, queue.name, queue.name)
                for queue in self.queues()
                if queue.role == "retry" or queue.name in dead or queue.name in replayed
            ),
            *(binding for work in self.works for binding in self._bindings_of_work(work)),
            *(Binding(self.exchange, s.queue, key) for s in self.subscriptions for key in s.binds),
        )

    def _queues_of_work(self, work: Work) -> tuple[Queue, ...]:
        dead = dead_queue(work.name)
        # The copy keeps its `lane` header, which leads it back to where it came from.
        back = _dead_lettering_to(work.exchange, None)
        return (
            Queue(dead, _DEAD, "dead"),
            *(Queue(name, _dead_lettering_to("", dead)) for name in work.queues().values()),
            *self._retries(work.name, back, self.work_delays),
        )

    def dead_queues(self) -> dict[str, tuple[str, ...]]:
        """Every dead queue, and whose dead letters it keeps."""
        found: dict[str, tuple[str, ...]] = {}
        for queue in self.queues():
            target = str(queue.arguments.get("x-dead-letter-routing-key", ""))
            if target.endswith(DEAD_SUFFIX):
                found[target] = (*found.get(target, ()), queue.name)
        return found

    def _queues_of(self, subscription: Subscription) -> tuple[Queue, ...]:
        name = subscription.queue
        if subscription.fleeting:
            return (Queue(name, _FLEETING),)
        if subscription.broadcast:
            return (Queue(name, _BROADCAST, "state"),)
        return (
            Queue(dead_queue(name), _DEAD, "dead"),
            Queue(name, _dead_lettering_to("", dead_queue(name))),
            *self._retries(name, _dead_lettering_to("", name), self.retry_delays),
        )

    @staticmethod
    def _retries(
        name: str, arguments: Mapping[str, str | int], delays: tuple[float, ...]
    ) -> tuple[Queue, ...]:
        return tuple(
            Queue(retry_queue(name, delay), {**arguments, "x-message-ttl": round(delay * 1000)}, "retry")
            for delay in delays
        )

    def _bindings_of_work(self, work: Work) -> tuple[Binding, ...]:
        first = work.queue_of("0")
        return (
            *(Binding(work.exchange, queue, headers={LANE: lane}) for lane, queue in work.queues().items()),
            # Events of the release before name no lane.
            Binding(_unlaned(work), first),
            *(Binding(self.exchange, work.exchange, key, to_exchange=True) for key in work.binds),
        )


def dead_queue(queue: str) -> str:
    """Where messages that nobody can read wait for an operator; it has no consumer."""
    return f"{queue}{DEAD_SUFFIX}"


def retry_queue(queue: str, delay: float) -> str:
    """Where messages wait `delay` seconds before they return to `queue`."""
    return f"{queue}.retry.{delay:g}s"


def with_lanes(topology: Topology, lanes: int, large_bytes: int) -> Topology:
    """The table of a deployment with these limits."""
    works = {work: replace(work, lanes=lanes, large_bytes=large_bytes) for work in topology.works}
    retired = tuple(replace(one, work=works[one.work]) for one in topology.retired)
    return replace(topology, works=tuple(works.values()), retired=retired)


def _unlaned(work: Work) -> str:
    return f"{work.exchange}.unlaned"


def _dead_lettering_to(exchange: str, key: str | None) -> dict[str, str | int]:
    # At-least-once dead lettering confirms the copy before it drops the original, and needs reject-publish:
    # a full target then holds messages back instead of losing them.
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": exchange,
        **({} if key is None else {"x-dead-letter-routing-key": key}),
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


_DEAD: Mapping[str, str | int] = {"x-queue-type": "quorum", "x-overflow": "reject-publish"}
FLEETING_SECONDS = 60
_FLEETING: Mapping[str, str | int] = {
    "x-queue-type": "quorum",
    "x-message-ttl": FLEETING_SECONDS * 1000,
    "x-overflow": "drop-head",
}
# A log that each reader begins at its end (RabbitMQ streams); all but the last pieces of it are dropped.
_BROADCAST: Mapping[str, str | int] = {
    "x-queue-type": "stream",
    "x-max-length-bytes": 2_000_000,
    "x-stream-max-segment-size-bytes": 1_000_000,
}
LATEST: Mapping[str, str | int] = {"x-stream-offset": "last"}
"""What a reader of a broadcast asks for: the latest, and all that follow."""

TOPOLOGY = Topology(
    exchange="dicom.events",
    subscriptions=(
        RESULTS_FILES,
        RESULTS_MOVES,
        RESULTS_WORKERS,
        PROCESSOR_PAUSES,
        INGEST_OUTCOMES,
        INGEST_REQUESTS,
    ),
    retry_delays=RETRY_DELAYS,
    works=(PROCESSOR_WORK,),
    retired=(Retired("processor.files", (RECEIVED,), PROCESSOR_WORK, (1.0, 10.0, 60.0)),),
)
