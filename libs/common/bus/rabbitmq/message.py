"""Events as AMQP messages and back: properties, headers, and how attempts are counted.

Attempts used before a copy was put into a `.retry` queue travel in `x-attempt`, since `x-death` belongs to
the broker (4.x ignores what clients put there). Quorum queues set `x-delivery-count` on redelivery (some
versions send 0 before that); it counts lost workers, and where a copy is no attempt, `x-lost` takes it along.

Up to RabbitMQ 4.2 it counts whatever came back. From 4.3 on only deliveries count that failed, and
`x-acquired-count` counts them all: what came back without a failure (a consumer that hung, a node that was
cut off, somebody who only looked) may have been begun or not, so it uses up no attempt, and `x-held` takes
word of it along. Source: rabbitmq.com/docs/quorum-queues, "Repeated Requeues"; seen in 3.10, read of 4.3.

Headers are built afresh for each copy: one copied along would be counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from libs.common.bus.dead_letters import REASON_LENGTH
from libs.common.bus.history import remember
from libs.common.bus.topology import LANE
from libs.common.events import CONTENT_TYPE, Event

ATTEMPT = "x-attempt"
LOST = "x-lost"
HELD = "x-held"
RETRIES = "x-retries"
REASON = "x-reason"
QUEUE = "x-queue"
EARLIER = "x-earlier"
TRACEPARENT = "traceparent"
DELIVERY_COUNT = "x-delivery-count"
ACQUIRED_COUNT = "x-acquired-count"
_PERSISTENT = 2


@dataclass(frozen=True, slots=True)
class Incoming:
    """One delivery: from which queue, how often it was tried and put off before, what a copy must keep."""

    tag: int
    queue: str
    body: bytes
    charged: int
    """Attempts that were begun for sure."""
    lost: int
    """Deliveries whose worker was lost with them."""
    retries: int
    traceparent: str | None
    content_type: str | None
    message_id: str | None
    type: str | None
    earlier: str | None = None
    """What earlier attempts left word of."""
    lane: str | None = None
    held: int = 0
    """Deliveries that came back although nothing failed: who had them may have begun them."""

    @property
    def redelivered(self) -> bool:
        """Whether somebody had it before, who may have begun it."""
        return self.lost > 0 or self.held > 0

    @property
    def attempt(self) -> int:
        """1-based; each delivery counts whose worker was lost with it."""
        return self.charged + self.lost + 1


def incoming_of(message: DeliveredMessage, queue: str, lane: str | None = None) -> Incoming:
    """Read a delivery from `queue`, that of `lane`; odd headers of foreign publishers count as absent."""
    properties = message.header.properties
    headers: FieldTable = properties.headers or {}
    traceparent, earlier = headers.get(TRACEPARENT), headers.get(EARLIER)
    failed = number_in(headers, DELIVERY_COUNT)
    return Incoming(
        tag=message.delivery_tag or 0,
        queue=queue,
        body=message.body,
        charged=number_in(headers, ATTEMPT),
        lost=number_in(headers, LOST) + failed,
        held=number_in(headers, HELD) + max(0, number_in(headers, ACQUIRED_COUNT) - failed),
        retries=number_in(headers, RETRIES),
        traceparent=traceparent if isinstance(traceparent, str) else None,
        content_type=properties.content_type,
        message_id=properties.message_id,
        type=properties.message_type,
        earlier=earlier if isinstance(earlier, str) else None,
        lane=lane,
    )


def properties_of(event: Event, traceparent: str | None, lane: str | None) -> Basic.Properties:
    """Properties of an event's first publish; `lane` is where it waits."""
    given = {TRACEPARENT: traceparent, LANE: lane}
    headers: FieldTable = {name: value for name, value in given.items() if value is not None}
    return _persistent(
        content_type=CONTENT_TYPE,
        headers=headers,
        message_id=str(event.id),
        message_type=event.type,
    )


def retry_properties(
    incoming: Incoming,
    *,
    counted: bool,
    note: Mapping[str, Any] | None = None,
    attempt: int | None = None,
) -> Basic.Properties:
    """Properties of the copy that waits in a `.retry` queue; `note` is what this attempt leaves word of.

    `attempt` is its number where the handler knows better.
    """
    headers = {**_tried(incoming, counted=counted), RETRIES: incoming.retries + 1}
    if counted and attempt is not None:
        headers[ATTEMPT] = attempt
    if note is not None:
        headers[EARLIER] = remember(incoming.earlier, note)
    return _copy(incoming, headers)


def moved_properties(incoming: Incoming, lane: str | None) -> Basic.Properties:
    """Properties of the copy that waits in `lane`, as if it had never been delivered here."""
    headers = {**_tried(incoming, counted=False), RETRIES: incoming.retries}
    return _copy(replace(incoming, lane=lane), headers)


def dead_properties(incoming: Incoming, *, reason: str) -> Basic.Properties:
    """Properties of the copy that waits in `.dead` for an operator."""
    headers: FieldTable = {
        ATTEMPT: incoming.attempt,
        RETRIES: incoming.retries,
        QUEUE: incoming.queue,
        REASON: reason[:REASON_LENGTH],
    }
    properties = _copy(incoming, headers)
    properties.timestamp = datetime.now(UTC)
    return properties


def _tried(incoming: Incoming, *, counted: bool) -> FieldTable:
    if counted:
        return {ATTEMPT: incoming.attempt}
    told = {LOST: incoming.lost, HELD: incoming.held}
    return {ATTEMPT: incoming.charged, **{name: count for name, count in told.items() if count}}


def _copy(incoming: Incoming, headers: FieldTable) -> Basic.Properties:
    if incoming.traceparent is not None:
        headers[TRACEPARENT] = incoming.traceparent
    if incoming.earlier is not None:
        headers.setdefault(EARLIER, incoming.earlier)
    if incoming.lane is not None:
        headers[LANE] = incoming.lane
    return _persistent(
        content_type=incoming.content_type,
        headers=headers,
        message_id=incoming.message_id,
        message_type=incoming.type,
    )


def _persistent(
    *, content_type: str | None, headers: FieldTable, message_id: str | None, message_type: str | None
) -> Basic.Properties:
    return Basic.Properties(
        content_type=content_type,
        delivery_mode=_PERSISTENT,
        headers=headers,
        message_id=message_id,
        message_type=message_type,
    )


def number_in(headers: Mapping[str, object], name: str) -> int:
    """A count that a header holds; 0 where it is absent or odd."""
    value = headers.get(name)
    return value if isinstance(value, int) and value > 0 else 0
