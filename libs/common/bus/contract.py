"""What every bus promises, and the one rule that says what becomes of a handled event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import ValidationError

from libs.common.errors import Reject, Unavailable, Undelivered
from libs.common.events import Event

MAX_DELIVERIES = 10
"""Counted attempts after which a failing event is given up."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A durable queue and the event types (routing keys) it takes."""

    queue: str
    binds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event and its 1-based attempt, counted before the work starts; lost workers are included."""

    event: Event
    attempt: int


Handler = Callable[[Delivery], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled: the event may be forgotten."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a delay; `counted` says whether this attempt is used up."""

    counted: bool


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up. `subscription` is set when a nested event was, and names who gave that one up."""

    reason: str
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Settle nothing: whoever holds the event durably delivers it again."""


Settling = Ack | Retry | Dead | Leave


def decide(error: BaseException | None, attempt: int) -> Settling:
    """Say what follows from the way a handler ended at its `attempt`-th (1-based) attempt.

    A missing dependency never uses up attempts, since it is no fault of the event.
    """
    match error:
        case None:
            return Ack()
        case Undelivered():
            return Dead(error.reason, error.subscription)
        case Reject():
            return Dead(error.detail or "rejected")
        case ValidationError():
            fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()[:5])
            return Dead(f"does not fit {error.title}: {fields}")
        case Unavailable():
            return Retry(counted=False)
        case Exception() if attempt < MAX_DELIVERIES:
            return Retry(counted=True)
        case Exception():
            return Dead(f"given up after {attempt} attempts: {type(error).__name__}")
        case _:
            return Leave()


class Bus(Protocol):
    """Carries events from publishers to every subscription that takes their type, at least once."""

    async def publish(self, event: Event, *, attempt: int = 1) -> None:
        """Return once the event is durable (RabbitMQ) or handled by every subscriber (in process).

        `attempt` says how often the durable source has dispatched it; RabbitMQ counts by itself.
        Raises Unavailable (worth a retry) or Undelivered (a handler gave it up, in process only).
        """

    async def subscribe(self, subscription: Subscription, handler: Handler, *, concurrency: int) -> None:
        """Start to consume in the background, at most `concurrency` events at once; return at once."""

    async def ready(self) -> None:
        """Return when events can be published and are consumed. Raises Unavailable, saying why not."""

    async def drain(self) -> None:
        """Take no more events, let running handlers finish within the shutdown timeout, cancel the rest."""

    async def close(self) -> None:
        """Release connections; unfinished events are delivered again."""
