"""Fixtures of the contract suites."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import make_telemetry
from tests.contract.bus_carriers import Carrier, RabbitMQCarrier, inprocess_carrier, rabbitmq_bus


@pytest.fixture
def spans() -> InMemorySpanExporter:
    """Finished spans of this test."""
    return InMemorySpanExporter()


@pytest.fixture
def telemetry(spans: InMemorySpanExporter) -> Telemetry:
    """Telemetry that records into `spans`."""
    return make_telemetry(spans)


@pytest.fixture(params=["inprocess", "rabbitmq"])
async def carrier(request: pytest.FixtureRequest, telemetry: Telemetry) -> AsyncIterator[Carrier]:
    """Each bus in turn."""
    if request.param == "inprocess":
        async with inprocess_carrier(telemetry) as inprocess:
            yield inprocess
    else:
        url = request.getfixturevalue("amqp_url")
        async with rabbitmq_bus(url, telemetry) as bus:
            yield RabbitMQCarrier(bus, url)
