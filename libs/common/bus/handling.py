"""One handler call under its span, metrics and log line, the same for every bus.

Span names and attributes follow the OpenTelemetry semantic conventions for messaging (and for RabbitMQ:
`{exchange}:{routing key}` is where producers send, `{exchange}:{routing key}:{queue}` where consumers take);
written by hand because the instrumentation of the client library still emits outdated names.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from libs.common.bus.contract import Delivery, Handler, Subscription, Work
from libs.common.bus.retry import Ack, Dead, Leave, Move, Retry, Settling, decide
from libs.common.errors import AttemptFailed
from libs.common.events import Event
from libs.common.telemetry import semconv
from libs.common.telemetry.metrics import preset
from libs.common.telemetry.tracing import Telemetry, context_of

log = logging.getLogger(__name__)

OUTCOMES: dict[type[Settling], str] = {
    Ack: "ack",
    Retry: "retry",
    Dead: "dead",
    Leave: "cancelled",
    Move: "handed-on",
}


@dataclass(frozen=True)
class Carrier:
    """The bus, as spans name it: e.g. rabbitmq, dicom.events, and the broker's address where there is one."""

    system: str
    exchange: str
    address: str | None = None
    port: int | None = None

    def attributes(self, event: Event, destination: str) -> dict[str, str | int]:
        """What the spans of sending and of processing `event` have in common."""
        found: dict[str, str | int] = {
            semconv.MESSAGING_SYSTEM: self.system,
            semconv.MESSAGING_DESTINATION_NAME: destination,
            semconv.MESSAGING_MESSAGE_ID: str(event.id),
        }
        if self.address is not None:
            found[semconv.MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY] = event.type
            found[semconv.SERVER_ADDRESS] = self.address
            if self.port is not None:
                found[semconv.SERVER_PORT] = self.port
        return found


class Handling:
    """Runs the handler of one subscription and turns the way it ends into a decision."""

    def __init__(
        self,
        subscription: Subscription | Work,
        handler: Handler,
        telemetry: Telemetry,
        carrier: Carrier,
        *,
        attempts: int,
    ) -> None:
        """`carrier` is what the subscription is on; `attempts` how many each event gets."""
        self.queue = subscription.queue
        self.broadcast = isinstance(subscription, Subscription) and subscription.broadcast
        self.fleeting = isinstance(subscription, Subscription) and (
            subscription.fleeting or subscription.broadcast
        )
        self.attempts = attempts
        self._handler = handler
        self._telemetry = telemetry
        self._metrics = telemetry.metrics
        self._carrier = carrier
        preset(telemetry.metrics.bus_outcomes, (self.queue,), OUTCOMES.values())
        self._in_flight = telemetry.metrics.bus_in_flight.labels(self.queue)
        self._received = telemetry.metrics.bus_received.labels(self.queue)
        self.waiting = telemetry.metrics.bus_waiting.labels(self.queue)
        self._duration = telemetry.metrics.bus_duration.labels(self.queue)

    async def run(
        self, delivery: Delivery, *, traceparent: str | None = None, tag: int | None = None
    ) -> Settling:
        """Call the handler.

        A cancellation (or the end of the process) is counted and raised, never decided.
        `traceparent` is what travelled beside the event; it falls back on the event's own. `tag` is the
        delivery tag of RabbitMQ.
        """
        self._received.inc()
        started = time.perf_counter()
        with self._in_flight.track_inprogress(), self._span(delivery, traceparent, tag) as span:
            try:
                await self._handler(delivery)
                decision: Settling = Ack()
            except BaseException as error:  # the edge: `decide` names what becomes of each kind
                decision = decide(error, delivery.attempt, delivery.attempts)
                if isinstance(decision, Leave):
                    self.note(decision)
                    raise
                if not isinstance(decision, Move):
                    _mark_failed(span, error)
                self._log(delivery, decision, error)
                if self.fleeting:
                    decision = Ack()
                self.note(decision)
            else:
                self.note(decision)
            finally:
                self._duration.observe(time.perf_counter() - started)
        return decision

    def note(self, decision: Settling) -> None:
        """Count a decision, also one that was made without calling the handler."""
        self._metrics.bus_outcomes.labels(self.queue, OUTCOMES[type(decision)]).inc()

    def _span(
        self, delivery: Delivery, traceparent: str | None, tag: int | None
    ) -> AbstractContextManager[Span]:
        event = delivery.event
        context = context_of(traceparent or event.traceparent)
        if not self._telemetry.recording:
            return self._telemetry.unrecorded(context)
        destination = f"{self._carrier.exchange}:{event.type}:{self.queue}"
        attributes = self._carrier.attributes(event, destination)
        attributes[semconv.MESSAGING_OPERATION_NAME] = attributes[semconv.MESSAGING_OPERATION_TYPE] = (
            "process"
        )
        attributes["dicom.delivery.attempt"] = delivery.attempt
        if delivery.lane is not None:
            attributes["dicom.delivery.lane"] = delivery.lane
        if tag is not None:
            attributes[semconv.MESSAGING_RABBITMQ_MESSAGE_DELIVERY_TAG] = tag
        return self._telemetry.span(
            f"process {destination}",
            context=context,
            kind=SpanKind.CONSUMER,
            attributes=attributes,
            record_exception=False,
        )

    def _log(self, delivery: Delivery, decision: Settling, error: BaseException) -> None:
        facts = (self.queue, delivery.event.type, delivery.event.id, delivery.attempt)
        match decision:
            case Dead(reason):
                log.error("%s gave up %s %s at attempt %d: %s", *facts, reason, exc_info=error)
            case Move(lane):
                log.info("%s leaves %s %s at attempt %d to the lane %s", *facts, lane)
            case Retry(counted=True):
                log.warning("%s failed on %s %s at attempt %d", *facts, exc_info=error)
            case _:
                log.warning("%s puts off %s %s at attempt %d: %s", *facts, error)


@contextmanager
def publishing(telemetry: Telemetry, event: Event, carrier: Carrier) -> Iterator[None]:
    """A PRODUCER span around one publish, child of the event's `traceparent`, and the count of successes."""
    with _publishing_span(telemetry, event, carrier) as span:
        try:
            yield
        except Exception as error:
            _mark_failed(span, error)
            raise
    telemetry.metrics.bus_published.labels(event.type).inc()


def _publishing_span(telemetry: Telemetry, event: Event, carrier: Carrier) -> AbstractContextManager[Span]:
    # Without a traceparent of its own the event belongs to whatever runs now.
    context = None if event.traceparent is None else context_of(event.traceparent)
    if not telemetry.recording:
        return telemetry.unrecorded(context)
    destination = f"{carrier.exchange}:{event.type}"
    attributes = carrier.attributes(event, destination)
    attributes[semconv.MESSAGING_OPERATION_NAME] = "publish"
    attributes[semconv.MESSAGING_OPERATION_TYPE] = "send"
    return telemetry.span(
        f"publish {destination}",
        context=context,
        kind=SpanKind.PRODUCER,
        attributes=attributes,
        record_exception=False,
    )


def _mark_failed(span: Span, error: BaseException) -> None:
    # Only the kind of error: exception texts may quote what must not leave the system.
    kind = error.kind if isinstance(error, AttemptFailed) else type(error).__qualname__
    span.set_attribute(semconv.ERROR_TYPE, kind)
    span.set_status(Status(StatusCode.ERROR))
