"""One trace per file, from the HTTP request through outbox, broker and worker to the stored result."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from libs.common.encryption.keyring import Keyring
from libs.common.telemetry import semconv
from tests.builders import ct_instance
from tests.e2e.processes import client_of, separate, start_all, stop_all, urls_of
from tests.ports import free_port
from tests.waiting import eventually


@dataclass(frozen=True)
class Span:
    """What the receiver got of one span."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    schema: str
    attributes: dict[str, Any]


@dataclass(frozen=True)
class Receiver:
    """An OTLP/HTTP endpoint that keeps everything."""

    url: str
    spans: list[Span]


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """Speaks the protocol of an OpenTelemetry collector (OTLP over HTTP, protobuf)."""
    spans: list[Span] = []

    async def traces(request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        for resource in message.resource_spans:
            names = {a.key: a.value.string_value for a in resource.resource.attributes}
            spans.extend(
                Span(
                    names["service.name"],
                    s.name,
                    s.trace_id.hex(),
                    s.span_id.hex(),
                    s.parent_span_id.hex(),
                    scope.schema_url,
                    {a.key: a.value.string_value or a.value.int_value for a in s.attributes},
                )
                for scope in resource.scope_spans
                for s in scope.spans
            )
        return web.Response(content_type="application/x-protobuf")

    app = web.Application()
    app.router.add_post("/v1/traces", traces)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield Receiver(f"http://127.0.0.1:{port}", spans)
    await runner.cleanup()


@pytest.mark.monitoring
async def test_one_connected_trace_per_file(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str, receiver: Receiver
) -> None:
    Keyring.create(tmp_path / "keyring.json")
    roles = {role: role_url(role) for role in ("auth", "ingest", "results")}
    processes = separate(tmp_path, roles, amqp_url, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    try:
        await start_all(processes.values())
        async with client_of(urls_of(processes)) as client:
            await client.login()
            _, body = await client.upload_raw(ct_instance())
            result = await client.ended(body["files"][0]["id"])
    finally:
        stop_all(processes.values())  # also sends what still waits

    def of_the_file() -> list[Span]:
        return [span for span in receiver.spans if span.trace == result["trace_id"]]

    expected = {"dicom-ingest", "dicom-processor", "dicom-results"}
    await eventually(lambda: {span.service for span in of_the_file()} >= expected)
    spans = of_the_file()
    ids = {span.id for span in spans}
    roots = [span for span in spans if not span.parent]
    assert [root.name for root in roots] == ["POST /api/files"]
    assert all(span.parent in ids for span in spans if span.parent), spans
    handled = [span.name for span in spans if span.name.startswith("process ")]
    assert len(handled) == 3, handled
    details = {"decode", "accept file", "commit object", "store result"}
    assert details <= {span.name for span in spans}
    assert body["trace_id"] == result["trace_id"]
    assert {span.schema for span in spans} == {semconv.SCHEMA_URL}
    check_messaging(spans, int(amqp_url.split("/")[2].rpartition(":")[2]))


def check_messaging(spans: list[Span], port: int) -> None:
    """Names and attributes as the conventions for messaging, and those for RabbitMQ, want them."""
    broker = {"messaging.system": "rabbitmq", "server.address": "127.0.0.1", "server.port": port}
    by_name = {span.name: span.attributes for span in spans}
    sent = by_name["publish dicom.events:dicom.file.received.v1"]
    taken = by_name["process dicom.events:dicom.file.received.v1:processor.work"]
    for attributes, destination, operation, kind in (
        (sent, "dicom.events:dicom.file.received.v1", "publish", "send"),
        (taken, "dicom.events:dicom.file.received.v1:processor.work", "process", "process"),
    ):
        expected = broker | {
            "messaging.destination.name": destination,
            "messaging.operation.name": operation,
            "messaging.operation.type": kind,
            "messaging.rabbitmq.destination.routing_key": "dicom.file.received.v1",
        }
        assert expected.items() <= attributes.items()
    assert sent["messaging.message.id"] == taken["messaging.message.id"]
    assert taken["messaging.rabbitmq.message.delivery_tag"] >= 1
