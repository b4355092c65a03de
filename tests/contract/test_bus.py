"""What both buses promise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from pydantic import TypeAdapter

from libs.common.bus.contract import Delivery, Handler, Subscription, Work
from libs.common.bus.history import recall
from libs.common.bus.retry import MAX_DELIVERIES
from libs.common.bus.topology import INGEST_OUTCOMES, PROCESSOR_WORK, RESULTS_FILES, RESULTS_WORKERS
from libs.common.errors import AttemptFailed, EventTooLarge, Reject, Unavailable
from libs.common.events import MAX_EVENT_BYTES
from libs.common.telemetry.tracing import Telemetry, current_traceparent
from tests.bus_support import LANE, beat, failed, processed, received, too_large
from tests.contract.bus_carriers import Carrier, Recorder, is_ready, subscribe_all, take
from tests.waiting import eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
TRACEPARENT = f"00-{TRACE}-b7ad6b7169203331-01"


async def test_every_subscription_of_its_type_gets_an_event_and_no_other(carrier: Carrier) -> None:
    """The whole event arrives, where the table says, and only there."""
    files, results, outcomes = Recorder(), Recorder(), Recorder()
    handlers: dict[Subscription | Work, Handler] = {
        PROCESSOR_WORK: files,
        RESULTS_FILES: results,
        INGEST_OUTCOMES: outcomes,
    }
    await subscribe_all(carrier.bus, handlers)
    first = received(TRACEPARENT)
    second, third = processed(first), failed(first)
    for event in (first, second, third):
        await carrier.send(event)
    await eventually(lambda: len(results.deliveries) == 3 and outcomes.deliveries and files.deliveries)
    assert files.deliveries == [Delivery(first, 1, lane=LANE)]
    assert {d.event.id: d.event for d in results.deliveries} == {e.id: e for e in (first, second, third)}
    assert outcomes.deliveries == [Delivery(third, 1)]


async def test_a_failing_handler_is_called_again_and_each_attempt_counts(carrier: Carrier) -> None:
    """Attempts are numbered from 1."""

    def fail_twice(delivery: Delivery) -> None:
        if delivery.attempt < 3:
            raise OSError("out of luck")

    recorder = Recorder(fail_twice)
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: recorder})
    await carrier.send(received())
    await eventually(lambda: recorder.attempts == [1, 2, 3])
    assert await carrier.dead(PROCESSOR_WORK) == []


async def test_what_attempts_leave_word_of_reaches_those_after_them(carrier: Carrier) -> None:
    """Also past an attempt that says nothing, and past one that is put off."""
    ways: dict[int, Exception] = {
        1: AttemptFailed({"n": 1}), 2: OSError(), 3: Unavailable(), 4: AttemptFailed({"n": 3})
    }  # fmt: skip
    seen: list[tuple[int, list[dict[str, Any]]]] = []

    def fail(delivery: Delivery) -> None:
        seen.append((delivery.attempt, recall(delivery.earlier)))
        if (error := ways.get(len(seen))) is not None:
            raise error

    await subscribe_all(carrier.bus, {PROCESSOR_WORK: Recorder(fail)})
    await carrier.send(received())
    await eventually(lambda: len(seen) == 5)
    first, third = {"n": 1}, {"n": 3}
    assert seen == [(1, []), (2, [first]), (3, [first]), (3, [first]), (4, [first, third])]


async def test_a_handler_says_how_many_attempts_there_were(carrier: Carrier) -> None:
    """However many the bus has counted."""
    seen: list[tuple[int, int, bool]] = []

    def fail(delivery: Delivery) -> None:
        seen.append((delivery.attempt, delivery.charged, delivery.redelivered))
        if len(seen) < 3:
            raise AttemptFailed(attempt=5 - len(seen))

    await subscribe_all(carrier.bus, {PROCESSOR_WORK: Recorder(fail)})
    await carrier.send(received())
    await eventually(lambda: len(seen) == 3)
    assert seen == [(1, 0, False), (5, 4, False), (4, 3, False)]


async def test_a_missing_dependency_uses_up_no_attempt(carrier: Carrier) -> None:
    """However often it is missing."""
    recorder = Recorder(_unavailable_until(MAX_DELIVERIES + 2))
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: recorder})
    await carrier.send(received())
    await eventually(lambda: len(recorder.deliveries) == MAX_DELIVERIES + 2)
    assert set(recorder.attempts) == {1}
    assert await carrier.dead(PROCESSOR_WORK) == []


@pytest.mark.parametrize("error", [OSError(), Unavailable(), Reject("odd")], ids=lambda e: type(e).__name__)
async def test_what_is_fleeting_is_tried_once_and_forgotten(carrier: Carrier, error: Exception) -> None:
    """What comes after it says more."""
    seen: list[str] = []

    def fail_first(delivery: Delivery) -> None:
        seen.append(delivery.event.subject)
        if len(seen) == 1:
            raise error

    await subscribe_all(carrier.bus, {RESULTS_WORKERS: Recorder(fail_first)}, concurrency=1)
    for worker in ("one", "two"):
        await carrier.bus.publish(beat(worker=worker))
    await eventually(lambda: len(seen) == 2)
    assert seen == ["one", "two"]
    await carrier.bus.drain()
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Reject("no such shape"), "no such shape"), (None, "does not fit int: ")],
    ids=["reject", "validation"],
)
async def test_a_rejected_event_is_dead_at_once_with_the_reason(
    carrier: Carrier, error: Exception | None, reason: str
) -> None:
    """Other subscriptions and the events after it do not notice."""

    def reject(_: Delivery) -> None:
        if error is not None:
            raise error
        TypeAdapter(int).validate_python("seven")

    rejecting, others = Recorder(reject), Recorder()
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: rejecting, RESULTS_FILES: others})
    await carrier.send(received())
    await eventually(lambda: carrier.dead(PROCESSOR_WORK))
    assert await carrier.dead(PROCESSOR_WORK) == [reason]
    await carrier.send(received())
    await eventually(lambda: len(rejecting.deliveries) == len(others.deliveries) == 2)
    assert rejecting.attempts == [1, 1]


async def test_an_event_that_always_fails_is_given_up(carrier: Carrier) -> None:
    """After MAX_DELIVERIES attempts, naming the kind of error but not its text."""

    def fail(_: Delivery) -> None:
        raise ValueError("SECRET^NAME")

    recorder = Recorder(fail)
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: recorder})
    await carrier.send(received())
    await eventually(lambda: carrier.dead(PROCESSOR_WORK))
    assert recorder.attempts == list(range(1, MAX_DELIVERIES + 1))
    assert await carrier.dead(PROCESSOR_WORK) == ["given up after 10 attempts: ValueError"]


async def test_a_subscription_may_have_another_number_of_attempts(carrier: Carrier) -> None:
    """Deliveries say which one is the last; what fails then is given up."""
    seen = []

    async def fail(delivery: Delivery) -> None:
        seen.append((delivery.attempt, delivery.attempts, delivery.last, delivery.spent))
        raise OSError

    await subscribe_all(carrier.bus, {PROCESSOR_WORK: fail}, concurrency=1, attempts=3)
    await carrier.send(received())
    await eventually(lambda: carrier.dead(PROCESSOR_WORK))
    assert seen == [(1, 3, False, False), (2, 3, False, False), (3, 3, True, False)]
    assert await carrier.dead(PROCESSOR_WORK) == ["given up after 3 attempts: OSError"]


async def test_an_event_that_is_too_large_is_never_published(carrier: Carrier) -> None:
    """No channel is lost over it: the next one goes through, and reaches who already consumes."""
    results = Recorder()
    await subscribe_all(carrier.bus, {RESULTS_FILES: results})
    large = too_large()
    with pytest.raises(EventTooLarge, match=f"no more than {MAX_EVENT_BYTES}"):
        await carrier.bus.publish(large)
    await carrier.bus.publish(event := processed(received()))
    await eventually(lambda: results.ids == {str(event.id)})


async def test_no_more_handlers_run_at_once_than_asked_for(carrier: Carrier) -> None:
    """And exactly as many do when there is enough to do."""
    running, most, done = 0, 0, 0
    enough = asyncio.Event()

    async def handler(_: Delivery) -> None:
        nonlocal running, most, done
        running += 1
        most = max(most, running)
        if most == 3:
            enough.set()
        await enough.wait()
        await asyncio.sleep(0.02)
        running -= 1
        done += 1

    await subscribe_all(carrier.bus, {PROCESSOR_WORK: handler}, concurrency=3)
    for _ in range(20):
        await carrier.send(received())
    await eventually(lambda: done == 20)
    assert most == 3


async def test_a_handler_may_publish(carrier: Carrier) -> None:
    """What the processor does with every file."""
    results = Recorder()

    async def process(delivery: Delivery) -> None:
        await carrier.bus.publish(processed(delivery.event))

    await subscribe_all(carrier.bus, {PROCESSOR_WORK: process, RESULTS_FILES: results}, concurrency=1)
    for _ in range(5):
        await carrier.send(received())
    await eventually(lambda: len(results.deliveries) == 10)


async def test_draining_lets_a_running_handler_finish_and_starts_no_other(carrier: Carrier) -> None:
    """A handler that finishes while draining may still publish, and is not called again."""
    started, finish, finished = asyncio.Event(), asyncio.Event(), Recorder()

    async def slow(delivery: Delivery) -> None:
        started.set()
        await finish.wait()
        await carrier.bus.publish(failed(delivery.event))
        await finished(delivery)

    outcomes = Recorder()
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: slow, INGEST_OUTCOMES: outcomes}, concurrency=1)
    await carrier.send(received())
    await carrier.send(received())
    await started.wait()
    draining = asyncio.create_task(carrier.bus.drain())
    assert not (await asyncio.wait([draining], timeout=0.1))[0], "drain must wait for the handler"
    finish.set()
    await draining
    assert len(finished.deliveries) == 1


async def test_a_subscription_has_one_handler_and_then_the_bus_is_ready(carrier: Carrier) -> None:
    """A second handler would silently share the events of the first."""
    await subscribe_all(carrier.bus, {})
    assert await is_ready(carrier.bus)
    with pytest.raises(ValueError, match="already has a handler"):
        await take(carrier.bus, Recorder(), concurrency=1)


async def test_one_trace_from_publisher_to_handler(carrier: Carrier, spans: InMemorySpanExporter) -> None:
    """PRODUCER and CONSUMER spans are children of the event's traceparent; a handler runs inside its span."""
    inside: list[str | None] = []

    async def note(_: Delivery) -> None:
        inside.append(current_traceparent())

    await subscribe_all(carrier.bus, {PROCESSOR_WORK: note})
    event = received(TRACEPARENT)
    await carrier.send(event)
    consumer = await _span(spans, SpanKind.CONSUMER, "processor.work")
    producer = await _span(spans, SpanKind.PRODUCER, "received.v1")
    for span in (producer, consumer):
        assert span.parent is not None
        assert f"{span.parent.trace_id:032x}" == TRACE
        assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
        assert span.attributes is not None
        assert span.attributes["messaging.message.id"] == str(event.id)
    assert consumer.attributes is not None
    assert consumer.attributes["messaging.destination.name"] == f"dicom.events:{event.type}:processor.work"
    assert consumer.attributes["messaging.operation.type"] == "process"
    assert inside == [f"00-{TRACE}-{consumer.context.span_id:016x}-01"]


async def test_a_failure_shows_in_its_span(carrier: Carrier, spans: InMemorySpanExporter) -> None:
    """As the kind of error: its text may quote what must not leave the system."""

    def fail_once(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise ValueError("SECRET^NAME")

    recorder = Recorder(fail_once)
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: recorder})
    await carrier.send(received(TRACEPARENT))

    def attempts() -> dict[Any, ReadableSpan]:
        found = [s for s in spans.get_finished_spans() if s.name.endswith("processor.work")]
        return {(s.attributes or {})["dicom.delivery.attempt"]: s for s in found}

    await eventually(lambda: len(attempts()) == 2)
    failing, going = attempts()[1], attempts()[2]
    assert (failing.status.status_code, going.status.status_code) == (StatusCode.ERROR, StatusCode.UNSET)
    assert (failing.attributes or {})["error.type"] == "ValueError"
    assert "error.type" not in (going.attributes or {})
    with pytest.raises(EventTooLarge):
        await carrier.bus.publish(too_large())
    sending = await _span(spans, SpanKind.PRODUCER, "processed.v1")
    assert sending.status.status_code is StatusCode.ERROR
    assert (sending.attributes or {})["error.type"] == "EventTooLarge"
    assert "SECRET" not in "".join(span.to_json() for span in spans.get_finished_spans())


async def test_outcomes_are_counted(carrier: Carrier, telemetry: Telemetry) -> None:
    """By queue and outcome."""

    def fail_once(delivery: Delivery) -> None:
        if delivery.attempt == 1:
            raise OSError

    recorder = Recorder(fail_once)
    await subscribe_all(carrier.bus, {PROCESSOR_WORK: recorder})
    await carrier.send(received())

    def value(name: str, **labels: str) -> float | None:
        return telemetry.metrics.registry.get_sample_value(name, labels)

    await eventually(lambda: value("bus_outcomes_total", queue="processor.work", outcome="ack") == 1)
    assert value("bus_outcomes_total", queue="processor.work", outcome="retry") == 1
    assert value("bus_received_total", queue="processor.work") == 2
    assert value("bus_in_flight", queue="processor.work") == 0
    await eventually(lambda: value("bus_published_total", type="dicom.file.received.v1") == 1)


def _unavailable_until(call: int) -> Callable[[Delivery], None]:
    calls = 0

    def check(_: Delivery) -> None:
        nonlocal calls
        calls += 1
        if calls < call:
            raise Unavailable("storage is away")

    return check


async def _span(spans: InMemorySpanExporter, kind: SpanKind, name: str) -> ReadableSpan:
    def found() -> list[ReadableSpan]:
        return [s for s in spans.get_finished_spans() if s.kind is kind and s.name.endswith(name)]

    return (await eventually(found))[0]
