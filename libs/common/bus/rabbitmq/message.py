"""Events as AMQP messages and back: properties, headers, and how attempts are counted.

Attempts used before a copy was put into a `.retry` queue travel in `x-attempt`, since `x-death` belongs to
the broker (4.x ignores what clients put there). Quorum queues set `x-delivery-count` on redelivery (some
versions send 0 before that); it counts lost workers. Headers are built afresh for each copy: one copied along
would be counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable

from libs.common.bus.dead_letters import REASON_LENGTH
from libs.common.bus.history import remember
from libs.common.events import CONTENT_TYPE, Event

ATTEMPT = "x-attempt"
RETRIES = "x-retries"
REASON = "x-reason"
QUEUE = "x-queue"
EARLIER = "x-earlier"
TRACEPARENT = "traceparent"
DELIVERY_COUNT = "x-delivery-count"
_PERSISTENT = 2


@dataclass(frozen=True, slots=True)
class Incoming:
    """One delivery: its 1-based attempt, how often it was put off before, and what a copy must keep."""

    tag: int
    body: bytes
    attempt: int
    retries: int
    traceparent: str | None
    content_type: str | None
    message_id: str | None
    type: str | None
    earlier: str | None = None
    """What earlier attempts left word of."""


def incoming_of(message: DeliveredMessage) -> Incoming:
    """Read a delivery; odd headers of foreign publishers count as absent."""
    properties = message.header.properties
    headers: FieldTable = properties.headers or {}
    traceparent, earlier = headers.get(TRACEPARENT), headers.get(EARLIER)
    return Incoming(
        tag=message.delivery_tag or 0,
        body=message.body,
        attempt=_number(headers, ATTEMPT) + _number(headers, DELIVERY_COUNT) + 1,
        retries=_number(headers, RETRIES),
        traceparent=traceparent if isinstance(traceparent, str) else None,
        content_type=properties.content_type,
        message_id=properties.message_id,
        type=properties.message_type,
        earlier=earlier if isinstance(earlier, str) else None,
    )


def properties_of(event: Event, traceparent: str | None) -> Basic.Properties:
    """Properties of an event's first publish."""
    return _persistent(
        content_type=CONTENT_TYPE,
        headers={} if traceparent is None else {TRACEPARENT: traceparent},
        message_id=str(event.id),
        message_type=event.type,
    )


def retry_properties(
    incoming: Incoming, *, counted: bool, note: Mapping[str, Any] | None = None
) -> Basic.Properties:
    """Properties of the copy that waits in a `.retry` queue; `note` is what this attempt leaves word of."""
    used = incoming.attempt if counted else incoming.attempt - 1
    headers: FieldTable = {ATTEMPT: used, RETRIES: incoming.retries + 1}
    if note is not None:
        headers[EARLIER] = remember(incoming.earlier, note)
    return _copy(incoming, headers)


def dead_properties(incoming: Incoming, *, queue: str, reason: str) -> Basic.Properties:
    """Properties of the copy that waits in `.dead` for an operator."""
    headers: FieldTable = {
        ATTEMPT: incoming.attempt,
        RETRIES: incoming.retries,
        QUEUE: queue,
        REASON: reason[:REASON_LENGTH],
    }
    properties = _copy(incoming, headers)
    properties.timestamp = datetime.now(UTC)
    return properties


def _copy(incoming: Incoming, headers: FieldTable) -> Basic.Properties:
    if incoming.traceparent is not None:
        headers[TRACEPARENT] = incoming.traceparent
    if incoming.earlier is not None:
        headers.setdefault(EARLIER, incoming.earlier)
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


def _number(headers: FieldTable, name: str) -> int:
    value = headers.get(name)
    return value if isinstance(value, int) and value > 0 else 0
