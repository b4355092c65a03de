"""Traces (OpenTelemetry), metrics (Prometheus) and logs (JSON lines with trace ids) of one process."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_current
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBasedTraceIdRatio
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.common.security.tls_rules import system_ca_file
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.telemetry import semconv
from libs.common.telemetry.metrics import Metrics
from libs.common.version import VERSION

_PROPAGATOR = TraceContextTextMapPropagator()
_IDS = RandomIdGenerator()
_NOTHING = nullcontext()
_OURS = re.compile("00-([0-9a-f]{32})-([0-9a-f]{16})-(0[01])")


class _IdsOnly(AbstractContextManager[Span]):
    """A span that nobody records: of the trace above it, which goes on by its ids; else the first of one.

    It is the span above itself, as an API without an SDK has it (OpenTelemetry, Trace API, "Behavior of the
    API in the absence of an installed SDK"): a span of its own would only take time, several times a file.
    """

    __slots__ = ("_context", "_span", "_token")

    def __init__(self, parent: Context | None) -> None:
        context = get_current() if parent is None else parent
        span = trace.get_current_span(context)
        if not span.get_span_context().is_valid:
            span = NonRecordingSpan(
                SpanContext(_IDS.generate_trace_id(), _IDS.generate_span_id(), is_remote=False)
            )
            context = trace.set_span_in_context(span, context)
        self._span, self._context = span, context

    def __enter__(self) -> Span:
        self._token = attach(self._context)
        return self._span

    def __exit__(self, *_: object) -> None:
        detach(self._token)


class Telemetry:
    """Tracer and metrics of one process."""

    def __init__(
        self, service: str, settings: TelemetrySettings, *, span_exporter: SpanExporter | None = None
    ) -> None:
        """Without an endpoint nothing is recorded, but trace ids exist and travel all the same.

        `span_exporter` is called at once per span (tests).
        """
        endpoint = settings.otel_exporter_otlp_endpoint
        self._recording = recording = span_exporter is not None or endpoint is not None
        self._provider = TracerProvider(
            sampler=ParentBasedTraceIdRatio(settings.otel_traces_sampler_arg) if recording else ALWAYS_OFF,
            resource=Resource.create(
                {semconv.SERVICE_NAME: f"dicom-{service}", semconv.SERVICE_VERSION: VERSION},
                schema_url=semconv.SCHEMA_URL,
            ),
            shutdown_on_exit=False,
        )
        if span_exporter is not None:
            self._provider.add_span_processor(SimpleSpanProcessor(span_exporter))
        elif endpoint is not None:
            # Half a second of imports that most development starts need not pay.
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            # Left to itself it trusts the CAs of a Python package, not the system's.
            trusted = settings.tls_ca_file or system_ca_file()
            exporter = OTLPSpanExporter(
                endpoint=f"{endpoint.rstrip('/')}/v1/traces",
                certificate_file=None if trusted is None else str(trusted),
            )
            self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.service = service
        self._tracer = self._provider.get_tracer(
            "dicom-processing-system", VERSION, schema_url=semconv.SCHEMA_URL
        )
        self.metrics = Metrics(service, settings.build_revision)

    @property
    def recording(self) -> bool:
        """Whether spans go anywhere: else nobody needs to describe them."""
        return self._recording

    def span(
        self,
        name: str,
        *,
        context: Context | None,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        links: Sequence[Link] = (),
        record_exception: bool = True,
    ) -> AbstractContextManager[Span]:
        """A span that is current within the block; `context` None: a child of the current one.

        `links` are spans that it has to do with, and does not belong to.
        """
        if not self._recording:
            return self.unrecorded(context)
        return self._tracer.start_as_current_span(
            name,
            context=context,
            kind=kind,
            attributes=attributes,
            links=links,
            record_exception=record_exception,
            set_status_on_exception=record_exception,
        )

    def unrecorded(self, context: Context | None) -> AbstractContextManager[Span]:
        """What `span` gives where nothing is recorded, for whoever need not describe one then."""
        return _IdsOnly(context)

    def detail(self, name: str, **attributes: str | int) -> AbstractContextManager[object]:
        """A span inside the current one, for whoever looks closer; nothing unless spans are recorded."""
        if not self._recording or not trace.get_current_span().is_recording():
            return _NOTHING
        return self._tracer.start_as_current_span(
            name, attributes=attributes, record_exception=False, set_status_on_exception=False
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


@lru_cache(maxsize=256)  # the events of one file have the same, and a context is never changed
def context_of(traceparent: str | None) -> Context:
    """The context to start a child span in; an empty one for None or a malformed value (W3C: restart)."""
    if traceparent is None:
        return Context()
    if (ours := _OURS.fullmatch(traceparent)) is not None:
        # As `current_traceparent` writes it. The SDK's way takes five times as long, several times a file.
        trace_id, span_id, flags = (int(part, 16) for part in ours.groups())
        named = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
        return trace.set_span_in_context(NonRecordingSpan(named), Context()) if named.is_valid else Context()
    return _PROPAGATOR.extract({"traceparent": traceparent}, Context())


def link_to(traceparent: str | None) -> Sequence[Link]:
    """The span that `traceparent` names, for a span of another trace; nothing for None or a malformed one."""
    named = trace.get_current_span(context_of(traceparent)).get_span_context()
    return (Link(named),) if named.is_valid else ()


@contextmanager
def within(traceparent: str | None) -> Iterator[None]:
    """Have the log lines of the block carry the trace of `traceparent`; no span is made."""
    token = attach(context_of(traceparent))
    try:
        yield
    finally:
        detach(token)


def current_trace_id() -> str | None:
    """32 hex digits of the running trace, or None."""
    context = trace.get_current_span().get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None
