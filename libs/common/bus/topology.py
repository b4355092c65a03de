"""The frozen table of exchange, queues and bindings that every process declares before it uses any of them.

A broker confirms a mandatory publish that only some of the intended queues received, so the whole table has
to exist before the first publish. Whatever correctness needs is a queue argument, and arguments of a queue
cannot change: another value means another queue name. Only lengths and the delivery limit are policies.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from libs.common.bus.contract import Subscription
from libs.common.bus.retry import RETRY_DELAYS
from libs.common.events import FAILED, MOVED, PROCESSED, RECEIVED

DEAD_SUFFIX = ".dead"

PROCESSOR_FILES = Subscription("processor.files", (RECEIVED,))
RESULTS_FILES = Subscription("results.files", (RECEIVED, PROCESSED, FAILED))
RESULTS_MOVES = Subscription("results.moves", (MOVED,))
"""Apart: the release before takes from `results.files`, and would give up what it cannot read."""
INGEST_OUTCOMES = Subscription("ingest.outcomes", (FAILED,))
"""Ingest notes which files failed, so that the same bytes sent again are queued again."""


@dataclass(frozen=True, slots=True)
class Queue:
    """One durable queue as it is declared; `binds` are routing keys on the topology's exchange."""

    name: str
    arguments: Mapping[str, str | int]
    binds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """A topic exchange, its subscriptions, and how many seconds the n-th retry waits (the last repeats)."""

    exchange: str
    subscriptions: tuple[Subscription, ...]
    retry_delays: tuple[float, ...]

    def takers(self, event_type: str) -> tuple[Subscription, ...]:
        """Subscriptions that take events of this type."""
        return tuple(s for s in self.subscriptions if event_type in s.binds)

    def delay(self, retries: int) -> float:
        """Seconds to wait before the next retry of an event already put off `retries` times."""
        return self.retry_delays[min(retries, len(self.retry_delays) - 1)]

    def queues(self) -> tuple[Queue, ...]:
        """Every queue of the table, dead-letter targets before those that point to them."""
        return tuple(queue for s in self.subscriptions for queue in self._queues_of(s))

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
        return (
            Queue(dead_queue(name), {"x-queue-type": "quorum", "x-overflow": "reject-publish"}),
            Queue(name, _dead_lettering_to(dead_queue(name)), subscription.binds),
            *(
                Queue(
                    retry_queue(name, delay),
                    {**_dead_lettering_to(name), "x-message-ttl": round(delay * 1000)},
                )
                for delay in self.retry_delays
            ),
        )


def dead_queue(queue: str) -> str:
    """Where messages that nobody can read wait for an operator; it has no consumer."""
    return f"{queue}{DEAD_SUFFIX}"


def retry_queue(queue: str, delay: float) -> str:
    """Where messages wait `delay` seconds before they return to `queue`."""
    return f"{queue}.retry.{delay:g}s"


def _dead_lettering_to(queue: str) -> dict[str, str | int]:
    # At-least-once dead lettering confirms the copy before it drops the original, and needs reject-publish:
    # a full target then holds messages back instead of losing them.
    return {
        "x-queue-type": "quorum",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


TOPOLOGY = Topology(
    exchange="dicom.events",
    subscriptions=(PROCESSOR_FILES, RESULTS_FILES, RESULTS_MOVES, INGEST_OUTCOMES),
    retry_delays=RETRY_DELAYS,
)
