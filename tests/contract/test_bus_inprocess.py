"""What the in-process bus promises beyond the common contract."""

from __future__ import annotations

import asyncio
import re

import pytest

from libs.common.bus.contract import Delivery, Handler, Subscription, Work
from libs.common.bus.inprocess import InProcessBus
from libs.common.bus.topology import INGEST_OUTCOMES, PROCESSOR_WORK, RESULTS_FILES
from libs.common.errors import Reject, Unavailable, Undelivered
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import FAST, failed, processed, received
from tests.contract.bus_carriers import Recorder, ignore, subscribe_all
from tests.waiting import PATIENCE, eventually


@pytest.fixture
def bus(telemetry: Telemetry) -> InProcessBus:
    """A bus whose drain gives up after a tenth of a second."""
    return InProcessBus(telemetry, topology=FAST, drain_timeout=0.1)


async def test_publish_returns_when_every_handler_has_finished(bus: InProcessBus) -> None:
    """The outbox row behind it stays open that long."""
    finish = asyncio.Event()

    async def slow(_: Delivery) -> None:
        await finish.wait()

    results = Recorder()
    await subscribe_all(bus, {PROCESSOR_WORK: slow, RESULTS_FILES: results})
    publishing = asyncio.create_task(bus.publish(received()))
    await eventually(lambda: results.deliveries)
    assert not publishing.done()
    finish.set()
    await publishing


async def test_nothing_is_dispatched_while_a_subscription_has_no_handler(bus: InProcessBus) -> None:
    """Otherwise the event would be lost for that one."""
    results = Recorder()
    await bus.subscribe(RESULTS_FILES, results, concurrency=1)
    with pytest.raises(Unavailable, match=r"processor\.work"):
        await bus.publish(received())
    missing = [consumer.queue for consumer in FAST.consumers if consumer != RESULTS_FILES]
    with pytest.raises(Unavailable, match=", ".join(map(re.escape, missing))):
        await bus.ready()
    assert results.deliveries == []


async def test_attempts_start_where_the_dispatcher_counts(bus: InProcessBus) -> None:
    """Attempts of a process that was killed are included."""

    def fail_once(delivery: Delivery) -> None:
        if delivery.attempt == 4:
            raise OSError

    recorder = Recorder(fail_once)
    await subscribe_all(bus, {PROCESSOR_WORK: recorder})
    await bus.publish(received(), attempt=4)
    assert recorder.attempts == [4, 5]


async def test_a_slow_subscription_delays_no_other(bus: InProcessBus) -> None:
    """Slots belong to one subscription."""
    never = asyncio.Event()

    async def slow(_: Delivery) -> None:
        await never.wait()

    results = Recorder()
    await subscribe_all(bus, {PROCESSOR_WORK: slow, RESULTS_FILES: results}, concurrency=1)
    publishing = [asyncio.create_task(bus.publish(received())) for _ in range(20)]
    await eventually(lambda: len(results.deliveries) == 20)
    never.set()
    await asyncio.gather(*publishing)


async def test_a_nested_event_that_is_given_up_ends_the_root(bus: InProcessBus) -> None:
    """With subscription and reason of the one that gave up, and without trying the outer handler again."""
    outer = Recorder()

    async def process(delivery: Delivery) -> None:
        await outer(delivery)
        await bus.publish(processed(delivery.event))

    def reject(delivery: Delivery) -> None:
        if delivery.event.type == "dicom.file.processed.v1":
            raise Reject("no room for this")

    results = Recorder(reject)
    await subscribe_all(bus, {PROCESSOR_WORK: process, RESULTS_FILES: results})
    with pytest.raises(Undelivered) as caught:
        await bus.publish(received())
    assert (caught.value.subscription, caught.value.reason) == ("results.files", "no room for this")
    assert len(outer.deliveries) == 1


async def test_one_that_gives_up_does_not_cut_the_others_short(bus: InProcessBus) -> None:
    """They finish first."""
    finished = Recorder()

    async def slow(delivery: Delivery) -> None:
        await asyncio.sleep(0.05)
        await finished(delivery)

    def reject(_: Delivery) -> None:
        raise Reject("no")

    await subscribe_all(bus, {PROCESSOR_WORK: Recorder(reject), RESULTS_FILES: slow})
    with pytest.raises(Undelivered):
        await bus.publish(received())
    assert len(finished.deliveries) == 1


async def test_who_is_done_is_told_and_left_out_of_the_next_dispatch(bus: InProcessBus) -> None:
    """However the dispatch ended: given up by one, or cut off in the middle."""
    finish = asyncio.Event()
    results = Recorder()

    async def slow_then_refuse(_: Delivery) -> None:
        await finish.wait()
        raise Reject("no")

    await subscribe_all(bus, {PROCESSOR_WORK: slow_then_refuse, RESULTS_FILES: results})
    event, done = received(), set[str]()
    cut = asyncio.create_task(bus.publish(event, done=done))
    await eventually(lambda: done == {"results.files"})
    cut.cancel()
    await asyncio.wait([cut])
    finish.set()
    with pytest.raises(Undelivered):
        await bus.publish(event, done=done)
    assert done == {"results.files"}
    assert len(results.deliveries) == 1
    await bus.publish(event, done={"results.files", "processor.work"})


async def test_giving_up_does_not_end_an_event_that_others_have_not_handled_yet(bus: InProcessBus) -> None:
    """One refuses at once, the other is cut off by the shutdown: the event must come again for that one."""

    def reject(_: Delivery) -> None:
        raise Reject("no")

    def unavailable(_: Delivery) -> None:
        raise Unavailable("the database is away")

    results = Recorder(unavailable)
    await subscribe_all(bus, {PROCESSOR_WORK: Recorder(reject), RESULTS_FILES: results})
    publishing = asyncio.create_task(bus.publish(received()))
    await eventually(lambda: results.deliveries)
    await bus.drain()
    with pytest.raises(Unavailable):
        await publishing


async def test_handlers_that_publish_to_each_other_never_wait_in_a_circle(bus: InProcessBus) -> None:
    """Not even to themselves, with one slot each and more events than slots."""
    outcomes = Recorder()

    async def results(delivery: Delivery) -> None:
        if delivery.event.type == "dicom.file.received.v1":
            await bus.publish(processed(delivery.event))
        elif delivery.event.type == "dicom.file.processed.v1":
            await bus.publish(failed(delivery.event))

    handlers: dict[Subscription | Work, Handler] = {RESULTS_FILES: results, INGEST_OUTCOMES: outcomes}
    await subscribe_all(bus, handlers, concurrency=1)
    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(bus.publish(received()) for _ in range(20)))
    assert len(outcomes.deliveries) == 20


async def test_draining_ends_the_wait_for_a_missing_dependency(bus: InProcessBus) -> None:
    """The publisher keeps its row and dispatches it again after the next start."""

    def unavailable(_: Delivery) -> None:
        raise Unavailable("storage is away")

    recorder = Recorder(unavailable)
    await subscribe_all(bus, {PROCESSOR_WORK: recorder})
    publishing = asyncio.create_task(bus.publish(received()))
    await eventually(lambda: len(recorder.deliveries) >= 2)
    await bus.drain()
    with pytest.raises(Unavailable):
        await publishing
    with pytest.raises(Unavailable):
        await bus.publish(received())
    with pytest.raises(Unavailable):
        await bus.ready()


async def test_draining_cancels_what_does_not_end(bus: InProcessBus) -> None:
    """Nested handlers too; the publisher learns that it has to dispatch again."""
    running, ended = asyncio.Event(), []

    async def process(delivery: Delivery) -> None:
        await bus.publish(processed(delivery.event))

    async def endless(delivery: Delivery) -> None:
        if delivery.event.type != "dicom.file.processed.v1":
            return
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(delivery.event.type)

    await subscribe_all(bus, {PROCESSOR_WORK: process, RESULTS_FILES: endless})
    publishing = asyncio.create_task(bus.publish(received()))
    await running.wait()
    await bus.drain()
    assert ended == ["dicom.file.processed.v1"]
    with pytest.raises(Unavailable):
        await publishing


async def test_a_cancelled_publish_leaves_no_handler_running(bus: InProcessBus) -> None:
    """They have ended when the cancellation is through."""
    running, ended = asyncio.Event(), []

    async def endless(_: Delivery) -> None:
        running.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    await subscribe_all(bus, {PROCESSOR_WORK: endless, RESULTS_FILES: ignore})
    publishing = asyncio.create_task(bus.publish(received()))
    await running.wait()
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert ended == [True]


async def test_what_waits_for_its_turn_is_told_of_a_drain_at_once(telemetry: Telemetry) -> None:
    """It goes back to the outbox while what has begun ends."""
    bus = InProcessBus(telemetry, topology=FAST, drain_timeout=30.0)
    begun, finish = asyncio.Event(), asyncio.Event()

    async def slow(_: Delivery) -> None:
        begun.set()
        await finish.wait()

    await subscribe_all(bus, {PROCESSOR_WORK: slow}, concurrency=1)
    first = asyncio.create_task(bus.publish(received()))
    await begun.wait()
    second = asyncio.create_task(bus.publish(received()))
    await asyncio.sleep(0)
    draining = asyncio.create_task(bus.drain())
    with pytest.raises(Unavailable, match="shutting down"):
        await second
    assert not first.done()
    finish.set()
    await first
    await draining
