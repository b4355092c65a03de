"""How attempts follow from what brokers count: RabbitMQ 3.10 to 4.2, and 4.3, which tells two counts."""

from __future__ import annotations

import pytest
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.common import FieldTable
from pamqp.header import ContentHeader

from libs.common.bus.rabbitmq.message import (
    Incoming,
    dead_properties,
    incoming_of,
    moved_properties,
    retry_properties,
)
from libs.common.bus.topology import PROCESSOR_WORK


def came(headers: FieldTable) -> Incoming:
    """A delivery with these headers."""
    message = DeliveredMessage(
        delivery=Basic.Deliver("consumer", 1, False, "dicom.work", ""),
        header=ContentHeader(properties=Basic.Properties(headers=headers)),
        body=b"{}",
        channel=None,  # type: ignore[arg-type]
    )
    return incoming_of(message, PROCESSOR_WORK.queue_of("0"), "0")


@pytest.mark.parametrize(
    ("headers", "attempt", "redelivered"),
    [
        # Both families: the first delivery has no count, or nought.
        ({}, 1, False),
        ({"x-delivery-count": 0}, 1, False),
        ({"x-delivery-count": 0, "x-acquired-count": 0}, 1, False),
        # Up to 4.2: all that came back.
        ({"x-delivery-count": 2}, 3, True),
        # 4.3: its workers were lost.
        ({"x-delivery-count": 2, "x-acquired-count": 2}, 3, True),
        # 4.3: it came back, and nothing had failed; a header of nought may be missing.
        ({"x-delivery-count": 0, "x-acquired-count": 3}, 1, True),
        ({"x-acquired-count": 3}, 1, True),
        ({"x-delivery-count": 1, "x-acquired-count": 3}, 2, True),
        # A dead-lettered message may bring one count without the other.
        ({"x-delivery-count": 2, "x-acquired-count": 1}, 3, True),
        # Copies of ours say what was before them.
        ({"x-attempt": 2}, 3, False),
        ({"x-attempt": 2, "x-lost": 1}, 4, True),
        ({"x-attempt": 2, "x-held": 1}, 3, True),
        ({"x-attempt": 2, "x-lost": 1, "x-delivery-count": 1, "x-acquired-count": 2}, 5, True),
        # Odd ones of strangers are none.
        ({"x-acquired-count": "many", "x-held": -4}, 1, False),
    ],
)
def test_only_failed_deliveries_count_as_attempts(
    headers: FieldTable, attempt: int, redelivered: bool
) -> None:
    incoming = came(headers)
    assert (incoming.attempt, incoming.redelivered) == (attempt, redelivered)


def headers_of(properties: Basic.Properties) -> FieldTable:
    """Of a copy, without those of its lane."""
    assert properties.headers is not None
    return {name: value for name, value in properties.headers.items() if name != "lane"}


def test_a_copy_that_is_no_attempt_keeps_what_was_counted_apart() -> None:
    """The broker begins anew with it, and whoever gets it must still look whether it was begun."""
    incoming = came({"x-attempt": 1, "x-delivery-count": 1, "x-acquired-count": 4})
    kept = {"x-attempt": 1, "x-lost": 1, "x-held": 3}
    assert headers_of(moved_properties(incoming, "large")) == {**kept, "x-retries": 0}
    assert headers_of(retry_properties(incoming, counted=False)) == {**kept, "x-retries": 1}
    again = came(headers_of(moved_properties(incoming, "0")))
    assert (again.attempt, again.charged, again.redelivered) == (3, 1, True)


def test_a_counted_copy_holds_one_number() -> None:
    incoming = came({"x-attempt": 1, "x-delivery-count": 1, "x-acquired-count": 4})
    assert headers_of(retry_properties(incoming, counted=True)) == {"x-attempt": 3, "x-retries": 1}
    assert headers_of(dead_properties(incoming, reason="given up"))["x-attempt"] == 3
