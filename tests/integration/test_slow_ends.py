"""Senders and readers that hold places for nothing, over real connections: refused, or cut."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from libs.common.keys import TELEMETRY
from tests.builders import ct_instance
from tests.ingest_http_support import Ingest, running_ingest, token
from tests.results_support import OWNER, Results, bearer, running_results
from tests.slow_clients import SlowClient, slow_client, upload_head
from tests.waiting import eventually

ALICE, BORIS = token(7), token(8)
RoleUrl = Callable[[str], str]


def url_of(running: Ingest | Results) -> str:
    return str(running.client.make_url("/"))


def counted(running: Ingest | Results, name: str, **labels: str) -> float | None:
    registry = running.client.app[TELEMETRY].metrics.registry
    return registry.get_sample_value(name, labels)


def connected(running: Ingest | Results, client: SlowClient) -> bool:
    """Whether the service still has the connection of this client."""
    runner = running.client.server.runner
    assert runner is not None
    server = runner.server
    assert isinstance(server, web.Server)
    return client.writer.get_extra_info("sockname") in [one.peername for one in server.connections]


async def refused_while(ingest: Ingest, headers: dict[str, str], code: str) -> None:
    """An upload of this sender is answered 429 in a way that programs can wait by."""
    content = ct_instance(seed=9)
    sent = {**headers, "Content-Type": "application/dicom"}
    async with ingest.client.post("/api/files", data=content, headers=sent) as answer:
        problem = await answer.json()
        assert (answer.status, problem["code"]) == (429, code)
        assert int(answer.headers["Retry-After"]) == problem["retry_after"] > 0


async def test_uploads_at_once_are_counted_by_owner(tmp_path: Path, role_url: RoleUrl) -> None:
    async with running_ingest(role_url("ingest"), tmp_path, uploads_per_owner=2) as ingest:
        async with AsyncExitStack() as stack:
            for _ in range(2):
                await stack.enter_async_context(slow_client(url_of(ingest), upload_head(ALICE, 100_000)))
            await eventually(lambda: counted(ingest, "http_server_active_requests") == 2)
            # Another token of the same account is no other owner.
            await refused_while(ingest, token(7, group_3="manage"), "too-many-uploads")
            assert counted(ingest, "http_refusals_total", code="too-many-uploads") == 1
            assert (await ingest.send(BORIS, ct_instance(seed=1)))[0] == 202
            assert await ingest.listed(ALICE) == []
        await eventually(lambda: counted(ingest, "http_server_active_requests") == 0)
        assert (await ingest.send(ALICE, ct_instance(seed=2)))[0] == 202


async def test_bytes_in_flight_are_counted_by_owner(tmp_path: Path, role_url: RoleUrl) -> None:
    async with (
        running_ingest(role_url("ingest"), tmp_path, upload_bytes_per_owner=1000) as ingest,
        slow_client(url_of(ingest), upload_head(ALICE, 900)),
    ):
        await eventually(lambda: counted(ingest, "http_server_active_requests") == 1)
        await refused_while(ingest, ALICE, "too-many-bytes")
        # One that says nothing of its length is refused once it is over.
        body = b"64\r\n" + bytes(100) + b"\r\n"
        async with slow_client(url_of(ingest), upload_head(ALICE, None) + body + body, drips=None) as chunked:
            await eventually(lambda: chunked.status == 429)
            assert b"too-many-bytes" in chunked.answer
        # What is larger than all of it may go alone.
        assert (await ingest.send(BORIS, ct_instance(seed=1, rows=64, columns=64)))[0] == 202


async def test_senders_that_drip_are_cut(tmp_path: Path, role_url: RoleUrl) -> None:
    settings = {"transfer_min_rate": 50, "transfer_slow_seconds": 0.5}
    async with (
        running_ingest(role_url("ingest"), tmp_path, **settings) as ingest,
        slow_client(url_of(ingest), upload_head(ALICE, 100_000), drips=0.1) as client,
    ):
        await eventually(lambda: client.status is not None)
        assert client.status == 408
        await eventually(lambda: b'"too-slow"' in client.answer)
        assert counted(ingest, "http_transfers_cut_total", direction="upload") == 1
        await eventually(lambda: counted(ingest, "http_server_active_requests") == 0)
        assert [path for path in (tmp_path / "dicom_file").rglob("*") if path.is_file()] == []


async def test_senders_of_the_least_rate_are_not_cut(tmp_path: Path, role_url: RoleUrl) -> None:
    content = ct_instance(seed=4, rows=16, columns=16)
    # An eighth of what it sends: a busy machine sends more slowly, too.
    settings = {"transfer_min_rate": len(content) // 16, "transfer_slow_seconds": 0.5}
    async with running_ingest(role_url("ingest"), tmp_path, **settings) as ingest:
        head = upload_head(ALICE, len(content))
        async with slow_client(url_of(ingest), head, drips=None) as client:
            for first in range(0, len(content), len(content) // 20 + 1):
                client.writer.write(content[first : first + len(content) // 20 + 1])
                await client.writer.drain()
                await asyncio.sleep(0.1)
            await eventually(lambda: client.status == 202)


@pytest.mark.parametrize("path", ["/api/results/{file_id}/file", "/api/studies/{study}/zip"])
async def test_readers_that_take_nothing_are_cut(tmp_path: Path, role_url: RoleUrl, path: str) -> None:
    patient: dict[str, Any] = {"transfer_min_rate": 100_000, "downloads_per_owner": 1}
    hasty = {**patient, "transfer_slow_seconds": 0.5}
    async with (
        running_results(role_url("results"), tmp_path, **patient) as waits,
        running_results(role_url("results"), tmp_path, **hasty) as results,
    ):
        # More than the buffers of both ends.
        file_id = await results.upload(content=bytes(32 << 20))
        found = await results.json(f"/api/results/{file_id}")
        target = path.format(file_id=file_id, study=found["study_instance_uid"])
        owner = bearer(OWNER)["Authorization"]
        head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {owner}\r\n\r\n".encode()
        async with slow_client(url_of(waits), head, listens=False, drips=None):
            await eventually(lambda: counted(waits, "http_server_active_requests") == 1)
            async with await waits.get(target) as answer:
                problem = await answer.json()
                assert (answer.status, problem["code"]) == (429, "too-many-downloads")
                assert answer.headers["Retry-After"] == "10"
        async with slow_client(url_of(results), head, listens=False, drips=None) as client:
            await eventually(lambda: counted(results, "http_transfers_cut_total", direction="download") == 1)
            # The connection has gone as well, though its reader has not taken what waited in it.
            await eventually(lambda: not connected(results, client))
        await eventually(lambda: counted(results, "http_server_active_requests") == 0)
        async with await results.get(target) as answer:
            assert (answer.status, len(await answer.read()) >= 32 << 20) == (200, True)


async def test_streams_at_once_are_counted_by_owner(tmp_path: Path, role_url: RoleUrl) -> None:
    async with running_results(role_url("results"), tmp_path, streams_per_owner=2) as results:
        first, second = await results.get("/api/events"), await results.get("/api/events")
        async with await results.get("/api/events") as third:
            problem = await third.json()
            assert (third.status, problem["code"], problem["most"]) == (429, "too-many-streams", 2)
            assert third.headers["Retry-After"] == "30"
        async with await results.get("/api/events", OWNER + 1) as other:
            assert other.status == 200
        first.close()

        async def again() -> bool:
            async with await results.get("/api/events") as answer:
                return answer.status == 200

        await eventually(again)
        second.close()


async def test_small_bodies_must_come_in_time(
    tmp_path: Path, role_url: RoleUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("libs.common.http.json.BODY_SECONDS", 0.3)
    path = "/api/files/0190a6e0-0000-7000-8000-000000000000"
    lines = [
        f"PATCH {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        "Content-Length: 99",
    ]
    head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in STAFF.items()), "", "{"]).encode()
    async with running_ingest(role_url("ingest"), tmp_path) as ingest:
        client: SlowClient
        async with slow_client(url_of(ingest), head, drips=0.1) as client:
            await eventually(lambda: client.status == 408)


STAFF = token(1, staff=True, more=["move_dicomfile"])
