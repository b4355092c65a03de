"""Attempts: how many an event gets, how long the next one waits, and what follows from the way one ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from libs.common.errors import AttemptFailed, HandOn, Reject, Unavailable, Undelivered

MAX_DELIVERIES = 10
"""Counted attempts after which a failing event is given up, unless its subscription has another number."""

RETRY_DELAYS = (1.0, 10.0, 60.0)
"""Seconds that the first, the second, … retry waits at most; the last repeats. Each has a queue."""

WORK_RETRY_DELAYS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
"""The same for work, whose lanes share these queues: many files are put off at once."""


def full_jitter(delays: Sequence[float], retries: int, share: float) -> float:
    """Seconds until the next attempt at what was put off `retries` times: a `share` of the longest wait.

    With shares drawn from [0, 1) those that failed together come back apart (Brooker, "Exponential
    Backoff and Jitter", 2015).
    """
    return share * delays[min(retries, len(delays) - 1)]


def nearest(delays: Sequence[float], delay: float) -> float:
    """The one of `delays` that is closest to `delay`; of two the shorter."""
    return min(sorted(delays), key=lambda one: abs(one - delay))


@dataclass(frozen=True, slots=True)
class Ack:
    """Handled: the event may be forgotten."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a delay. `counted`: this attempt is used up; `note`: what it leaves word of."""

    counted: bool
    note: Mapping[str, Any] | None = None
    attempt: int | None = None
    """How many attempts there were, where the handler knows better than the bus."""


@dataclass(frozen=True, slots=True)
class Dead:
    """Given up. `subscription` is set when a nested event was, and names who gave that one up."""

    reason: str
    subscription: str | None = None


@dataclass(frozen=True, slots=True)
class Leave:
    """Settle nothing: whoever holds the event durably delivers it again."""


@dataclass(frozen=True, slots=True)
class Move:
    """Left to whoever takes from `lane`; no attempt is used up."""

    lane: str


Settling = Ack | Retry | Dead | Leave | Move


def decide(error: BaseException | None, attempt: int, attempts: int = MAX_DELIVERIES) -> Settling:
    """Say what follows from the way a handler ended at its `attempt`-th (1-based) attempt of `attempts`.

    A missing dependency never uses up attempts, since it is no fault of the event.
    """
    if isinstance(error, AttemptFailed) and error.attempt is not None:
        attempt = error.attempt
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
        case HandOn():
            return Move(error.lane)
        case Unavailable():
            return Retry(counted=False)
        case AttemptFailed() if attempt < attempts:
            return Retry(counted=True, note=error.note or None, attempt=error.attempt)
        case Exception() if attempt < attempts:
            return Retry(counted=True)
        case Exception():
            kind = error.kind if isinstance(error, AttemptFailed) else type(error).__name__
            return Dead(f"given up after {attempt} attempts: {kind}")
        case _:
            return Leave()
