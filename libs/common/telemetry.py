"""Traces (OpenTelemetry), metrics (Prometheus) and logs (JSON lines with trace ids) of one process."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime

import orjson
from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBasedTraceIdRatio
from opentelemetry.trace import NonRecordingSpan, Span, SpanContext, SpanKind, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CollectorRegistry, Counter, Gauge, GCCollector, Histogram, PlatformCollector
from prometheus_client import ProcessCollector as OsProcessCollector

from libs.common.settings import CommonSettings

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_PROPAGATOR = TraceContextTextMapPropagator()
_IDS = RandomIdGenerator()


class Metrics:
    """The metrics that all services share; a service adds its own to `registry`.

    No label ever holds a uid, a user or a name: those have no bound.
    """

    def __init__(self) -> None:
        """A registry of its own, so that two applications in one process do not collide."""
        self.registry = registry = CollectorRegistry()
        OsProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self.http_requests = Counter(
            "http_server_requests_total", "HTTP requests", ["method", "route", "status"], registry=registry
        )
        self.http_duration = Histogram(
            "http_server_request_duration_seconds",
            "Time to answer",
            ["method", "route"],
            buckets=SECONDS,
            registry=registry,
        )
        self.http_in_flight = Gauge("http_server_active_requests", "Running requests", registry=registry)
        self.bus_published = Counter("bus_published_total", "Events published", ["type"], registry=registry)
        self.bus_received = Counter("bus_received_total", "Events received", ["queue"], registry=registry)
        self.bus_outcomes = Counter(
            "bus_outcomes_total",
            "Handled events: ack, retry, dead or cancelled",
            ["queue", "outcome"],
            registry=registry,
        )
        self.bus_duration = Histogram(
            "bus_handling_seconds", "Time in the handler", ["queue"], buckets=SECONDS, registry=registry
        )
        self.bus_in_flight = Gauge("bus_in_flight", "Events being handled", ["queue"], registry=registry)
        self.outbox_pending = Gauge("outbox_pending", "Outbox rows not yet published", registry=registry)
        self.outbox_oldest_seconds = Gauge(
            "outbox_oldest_seconds", "Age of the oldest unpublished outbox row", registry=registry
        )
        self.outbox_published = Counter("outbox_published_total", "Outbox rows published", registry=registry)
        self.outbox_dead = Counter("outbox_dead_total", "Outbox rows given up", registry=registry)


class _IdsOnly(AbstractContextManager[Span]):
    """A span of which nothing but the ids exists, current within the block.

    The SDK's own way to drop a span (sampler, links, attributes) takes three times as long, several times a
    file.
    """

    __slots__ = ("_span", "_token")

    def __init__(self, parent: Context | None) -> None:
        above = trace.get_current_span(parent).get_span_context()
        self._span = NonRecordingSpan(
            SpanContext(
                above.trace_id if above.is_valid else _IDS.generate_trace_id(),
                _IDS.generate_span_id(),
                is_remote=False,
                trace_state=above.trace_state,
            )
        )

    def __enter__(self) -> Span:
        self._token = attach(trace.set_span_in_context(self._span))
        return self._span

    def __exit__(self, *_: object) -> None:
        detach(self._token)


class Telemetry:
    """Tracer and metrics of one process."""

    def __init__(
        self, service: str, settings: CommonSettings, *, span_exporter: SpanExporter | None = None
    ) -> None:
        """Without an endpoint nothing is recorded, but trace ids exist and travel all the same.

        `span_exporter` is called at once per span (tests).
        """
        endpoint = settings.otel_exporter_otlp_endpoint
        self._recording = recording = span_exporter is not None or endpoint is not None
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(settings.otel_traces_sampler_arg) if recording else ALWAYS_OFF,
            resource=Resource.create({"service.name": f"dicom-{service}"}),
            shutdown_on_exit=False,
        )
        if span_exporter is not None:
            self._provider.add_span_processor(SimpleSpanProcessor(span_exporter))
        elif endpoint is not None:
            # Half a second of imports that most development starts need not pay.
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.service = service
        self.tracer: Tracer = self._provider.get_tracer("dicom-processing-system")
        self.metrics = Metrics()

    def span(
        self,
        name: str,
        *,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        record_exception: bool = True,
    ) -> AbstractContextManager[Span]:
        """A span that is current within the block; `context` None: a child of the current one."""
        if not self._recording:
            return _IdsOnly(context)
        return self.tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,
            record_exception=record_exception,
            set_status_on_exception=record_exception,
        )

    def close(self) -> None:
        """Flush the spans that still wait."""
        self._provider.shutdown()


def current_traceparent() -> str | None:
    """The running span as a W3C `traceparent`, or None outside of any span."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def context_of(traceparent: str | None) -> Context:
    """The context to start a child span in; an empty one for None or a malformed value (W3C: restart)."""
    return Context() if traceparent is None else _PROPAGATOR.extract({"traceparent": traceparent}, Context())


def current_trace_id() -> str | None:
    """32 hex digits of the running trace, or None."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, trace ids, and `extra={"fields": …}`."""

    def format(self, record: logging.LogRecord) -> str:
        """Serialise one record."""
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = f"{context.trace_id:032x}"
            line["span_id"] = f"{context.span_id:016x}"
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def configure_logging(settings: CommonSettings) -> None:
    """Send all logs to standard error; standard output stays for what an operator asked for."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter()
        if settings.log_format == "json"
        else logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for noisy in ("aiormq", "aio_pika", "pydicom", "PIL", "asyncio"):
        logging.getLogger(noisy).setLevel(max(root.level, logging.WARNING))
