"""The bus where things end in the middle: cancelled, draining, put off, refused."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from libs.common.bus.contract import Delivery
from libs.common.bus.handling import Carrier, Handling, publishing
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import PROCESSOR_WORK, RESULTS_FILES
from libs.common.errors import Unavailable
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import FAST, longest, processed, received
from tests.contract.bus_carriers import Recorder, subscribe_all
from tests.waiting import PATIENCE, eventually


def counted(telemetry: Telemetry, name: str, **labels: str) -> float | None:
    return telemetry.metrics.registry.get_sample_value(name, labels)


@pytest.fixture
def bus(telemetry: Telemetry) -> InProcessBus:
    return InProcessBus(telemetry, topology=FAST, drain_timeout=5.0)


async def test_a_handler_that_is_cancelled_decides_nothing(telemetry: Telemetry) -> None:
    async def cancelled(_: Delivery) -> None:
        raise asyncio.CancelledError

    handling = Handling(PROCESSOR_WORK, cancelled, telemetry, Carrier("x", "y"), attempts=3)
    with pytest.raises(asyncio.CancelledError):
        await handling.run(Delivery(received(), 1))
    assert counted(telemetry, "bus_outcomes_total", queue="processor.work", outcome="cancelled") == 1.0


def test_only_what_was_published_counts(telemetry: Telemetry) -> None:
    event = received()
    with (
        pytest.raises(Unavailable),
        publishing(telemetry, event, Carrier("x", "y")),
    ):
        raise Unavailable("away")
    assert not counted(telemetry, "bus_published_total", type=event.type)
    with publishing(telemetry, event, Carrier("x", "y")):
        pass
    assert counted(telemetry, "bus_published_total", type=event.type) == 1.0


async def test_a_cancelled_publish_waits_for_what_its_handlers_do_last(bus: InProcessBus) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def tidy(_: Delivery) -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            ended.set()

    await subscribe_all(bus, {PROCESSOR_WORK: tidy})
    publish = asyncio.create_task(bus.publish(received()))
    await begun.wait()
    publish.cancel()
    await asyncio.wait({publish})
    assert publish.cancelled()
    assert ended.is_set()


async def test_an_event_that_is_put_off_holds_no_place(telemetry: Telemetry) -> None:
    slow = replace(FAST, work_delays=(60.0,))
    bus = InProcessBus(telemetry, topology=slow, drain_timeout=0.1, share=longest)
    first = received()

    def away_for_the_first(delivery: Delivery) -> None:
        if delivery.event.id == first.id:
            raise Unavailable("away")

    recorder = Recorder(away_for_the_first)
    await subscribe_all(bus, {PROCESSOR_WORK: recorder}, concurrency=1)
    put_off = asyncio.create_task(bus.publish(first))
    await eventually(lambda: recorder.deliveries)
    async with asyncio.timeout(PATIENCE):
        await bus.publish(received())
    await bus.drain()
    with pytest.raises(Unavailable):
        await put_off


async def test_a_draining_bus_begins_nothing_and_ends_what_it_began(bus: InProcessBus) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()
    results = Recorder()

    async def measure(delivery: Delivery) -> None:
        begun.set()
        await gate.wait()
        await bus.publish(processed(delivery.event))

    await subscribe_all(bus, {PROCESSOR_WORK: measure, RESULTS_FILES: results})
    root = asyncio.create_task(bus.publish(received()))
    await begun.wait()
    draining = asyncio.create_task(bus.drain())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="shutting down"):
        await bus.publish(received())
    gate.set()
    await root
    await draining
    assert [delivery.event.type for delivery in results.deliveries] == [
        "dicom.file.received.v1",
        "dicom.file.processed.v1",
    ]
