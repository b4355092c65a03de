"""Spans, their sampling, and the trace ids in logs and problem documents."""

from __future__ import annotations

import json
import logging
import tomllib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from libs.common.errors import PermissionDenied
from libs.common.http.application import create_app
from libs.common.http.authenticate import declare
from libs.common.http.client import parse_networks
from libs.common.settings.service import ServiceSettings
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.telemetry import semconv
from libs.common.telemetry.logs import JsonFormatter
from libs.common.telemetry.tracing import Telemetry, context_of, current_trace_id, current_traceparent, within
from libs.common.version import VERSION

ROOT = Path(__file__).parents[4]
TRACE = "0af7651916cd43dd8448eb211c80319c"
SAMPLED, UNSAMPLED = (f"00-{TRACE}-b7ad6b7169203331-{flags}" for flags in ("01", "00"))
Client = TestClient[web.Request, web.Application]


def spans(exporter: InMemorySpanExporter) -> list[str]:
    return [span.name for span in exporter.get_finished_spans()]


def run(telemetry: Telemetry, traceparent: str | None) -> str | None:
    """One span with a detail; returns the `traceparent` that travels on."""
    with telemetry.span("work", context=context_of(traceparent), kind=SpanKind.SERVER, attributes={}):
        with telemetry.detail("part", count=3):
            pass
        return current_traceparent()


@pytest.mark.parametrize(
    ("share", "traceparent", "recorded"),
    [
        (0.0, None, False),
        (1.0, None, True),
        # Who began the trace has decided for all.
        (0.0, SAMPLED, True),
        (1.0, UNSAMPLED, False),
    ],
)
def test_new_traces_are_sampled_by_setting(share: float, traceparent: str | None, recorded: bool) -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry("test", TelemetrySettings(otel_traces_sampler_arg=share), span_exporter=exporter)
    passed_on = run(telemetry, traceparent)
    assert spans(exporter) == (["part", "work"] if recorded else [])
    assert passed_on is not None
    assert int(passed_on[-2:], 16) & TraceFlags.SAMPLED == recorded
    if traceparent is not None:
        assert passed_on.split("-")[1] == TRACE
    telemetry.close()


def test_half_of_the_new_traces() -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry("test", TelemetrySettings(otel_traces_sampler_arg=0.5), span_exporter=exporter)
    for _ in range(400):
        run(telemetry, None)
    # Whole traces or nothing of them; 400 draws stay within these bounds but for one run in 10^22.
    assert spans(exporter).count("work") == spans(exporter).count("part")
    assert 100 < spans(exporter).count("work") < 300
    telemetry.close()


def test_without_an_endpoint_ids_travel_and_nothing_is_recorded() -> None:
    telemetry = Telemetry("test", TelemetrySettings())
    first, second = run(telemetry, None), run(telemetry, None)
    assert first is not None
    assert second is not None
    assert first.split("-")[1] != second.split("-")[1]
    assert (run(telemetry, SAMPLED) or "").split("-")[1] == TRACE
    telemetry.close()


def test_spans_say_which_conventions_they_follow() -> None:
    exporter = InMemorySpanExporter()
    telemetry = Telemetry("test", TelemetrySettings(), span_exporter=exporter)
    run(telemetry, None)
    (part, _) = exporter.get_finished_spans()
    assert part.instrumentation_scope is not None
    assert part.instrumentation_scope.schema_url == part.resource.schema_url == semconv.SCHEMA_URL
    assert part.resource.attributes[semconv.SERVICE_NAME] == "dicom-test"
    assert part.resource.attributes[semconv.SERVICE_VERSION] == VERSION
    telemetry.close()


def test_the_version_is_that_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_lines_outside_of_spans_carry_the_trace_they_are_about() -> None:
    record = logging.LogRecord("x", logging.ERROR, __file__, 1, "unreadable", None, None)
    assert "trace_id" not in json.loads(JsonFormatter().format(record))
    with within(SAMPLED):
        assert json.loads(JsonFormatter().format(record))["trace_id"] == TRACE
    assert current_trace_id() is None


def application(exporter: InMemorySpanExporter | None = None, **settings: Any) -> web.Application:
    """What a service is made on, with routes that are refused and that fail."""
    known = ServiceSettings(**settings)
    app = create_app(known, Telemetry("test", known, span_exporter=exporter))

    async def refuse(_: web.Request) -> web.Response:
        raise PermissionDenied("No.")

    async def fail(_: web.Request) -> web.Response:
        raise ZeroDivisionError

    app.router.add_get("/refuse", refuse)
    app.router.add_get("/fail", fail)
    declare(app, "anyone", refuse, fail)
    return app


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(application(traced_callers=parse_networks("127.0.0.1")))) as made:
        yield made


@pytest.mark.parametrize(
    ("share", "traceparent", "recorded"), [(0.0, SAMPLED, False), (1.0, UNSAMPLED, True)]
)
async def test_strangers_do_not_decide_what_is_recorded(
    share: float, traceparent: str, recorded: bool
) -> None:
    exporter = InMemorySpanExporter()
    app = application(exporter, otel_traces_sampler_arg=share)
    async with TestClient(TestServer(app)) as stranger:
        headers = {"traceparent": traceparent, "X-Forwarded-For": "127.0.0.1"}
        async with stranger.get("/refuse", headers=headers) as answer:
            assert (await answer.json())["trace_id"] != TRACE
    found = exporter.get_finished_spans()
    assert len(found) == recorded
    for span in found:
        assert span.parent is None
        assert [f"{link.context.trace_id:032x}" for link in span.links] == [TRACE]


@pytest.mark.parametrize(
    ("forwarded", "continued"), [("192.0.2.7", True), ("192.0.2.8", False), (None, False)]
)
async def test_those_beyond_a_proxy_are_traced_by_their_own_address(
    forwarded: str | None, continued: bool
) -> None:
    exporter = InMemorySpanExporter()
    app = application(
        exporter,
        trusted_proxies=parse_networks("127.0.0.0/8"),
        traced_callers=parse_networks("192.0.2.7"),
    )
    said = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    async with TestClient(TestServer(app)) as known:
        async with known.get("/refuse", headers={"traceparent": SAMPLED, **said}) as answer:
            assert ((await answer.json())["trace_id"] == TRACE) is continued
        async with known.get("/refuse", headers={"traceparent": "00-nonsense", **said}):
            pass
    first, second = exporter.get_finished_spans()
    assert (first.parent is not None, len(first.links)) == (continued, not continued)
    assert (second.parent, second.links) == (None, ())


@pytest.mark.parametrize(("path", "status"), [("/refuse", 403), ("/fail", 500), ("/nowhere", 404)])
async def test_problems_and_log_lines_name_the_trace(
    client: Client, path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[str | None] = []
    caplog.set_level(logging.INFO)
    # Handlers run where the line is written: the formatter sees the same span.

    def note(record: logging.LogRecord) -> bool:
        if not record.name.startswith("aiohttp"):
            found.append(current_trace_id())
        return True

    caplog.handler.addFilter(note)
    async with client.get(path, headers={"traceparent": SAMPLED}) as answer:
        assert answer.status == status
        assert (await answer.json())["trace_id"] == TRACE
    access = [record for record in caplog.records if record.name == "access"]
    assert [record.getMessage() for record in access] == [f"GET {path} {status}"]
    assert found == [TRACE] * (2 if status == 500 else 1)


async def test_no_log_line_keeps_the_token_of_a_link(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    for path in ("/s/dpl_secret", "/dicom/s/dpl_secret", "/s/results/secret"):
        async with client.get(f"{path}?secret=1"):
            pass
    records = [record for record in caplog.records if record.name == "access"]
    assert [record.getMessage() for record in records] == [
        "GET /s/… 404",
        "GET /dicom/s/… 404",
        "GET /s/… 404",
    ]
    assert "secret" not in str([vars(record) for record in records])


@pytest.mark.parametrize(
    "traceparent",
    [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-03",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        "nonsense",
    ],
)
def test_a_traceparent_is_read_as_the_sdk_reads_it(traceparent: str) -> None:
    read = trace.get_current_span(context_of(traceparent)).get_span_context()
    by_sdk = TraceContextTextMapPropagator().extract({"traceparent": traceparent}, Context())
    assert read == trace.get_current_span(by_sdk).get_span_context()
