"""One account with 128 slow connections, strangers with silent ones: all others are served meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest

from tests.builders import ct_instance
from tests.e2e.processes import PASSWORD, Client, Process, client_of, embedded, one_url, start_all, stop_all
from tests.slow_clients import slow_client, upload_head
from tests.sse_support import Stream
from tests.waiting import eventually

SLOW = 128
PLACES = 32
"""Of one account, by default."""


@pytest.fixture
async def system(tmp_path: Path) -> AsyncIterator[Process]:
    process = embedded(
        tmp_path / "var",
        CONNECTION_IDLE_TIMEOUT="3",
        CONNECTION_STALL_TIMEOUT="3",
        TRANSFER_SLOW_SECONDS="12",
    )
    try:
        await start_all([process])
        yield process
    finally:
        stop_all([process])


async def account(administrator: Client, name: str) -> Client:
    wanted = {"username": name, "password": PASSWORD, "must_change_password": False}
    url = f"{administrator.urls['auth']}/api/auth/users"
    async with administrator.session.post(url, json=wanted, headers=administrator.headers) as answer:
        assert answer.status == 201, await answer.text()
    client = Client(administrator.session, administrator.urls)
    await client.login(name)
    return client


@pytest.mark.faults
async def test_one_account_with_slow_connections_leaves_the_others_served(system: Process) -> None:
    async with client_of(one_url(system)) as administrator, AsyncExitStack() as stack:
        await administrator.login()
        slow, other = await account(administrator, "slow"), await account(administrator, "other")
        head = upload_head(slow.headers, 1_000_000)
        clients = [await stack.enter_async_context(slow_client(system.url, head)) for _ in range(SLOW)]
        await eventually(lambda: sum(client.status == 429 for client in clients) == SLOW - PLACES)
        # At once: those that hold a place lose it in the end.
        assert (await slow.upload_raw(ct_instance()))[0] == 429
        assert b"too-many-uploads" in next(client.answer for client in clients if client.status == 429)
        # The rest hold their places, and drip; meanwhile everything of everybody else goes on.
        url = f"{system.url}/api/events"
        async with other.session.get(url, headers=other.headers) as answer:
            stream = Stream(answer)
            for number in range(5):
                status, body = await other.upload_raw(ct_instance(seed=number))
                assert status == 202, body
                assert (await other.ended(body["files"][0]["id"]))["state"] == "processed"
            assert len(await stream.files(5)) == 5
            status, listed = await other.get("/api/files")
            assert (status, len(listed["files"])) == (200, 5)
        # Whoever is slow may still read.
        assert (await slow.get("/api/files"))[0] == 200
        # In the end they lose their places, too.
        await eventually(lambda: sum(client.status == 408 for client in clients) == PLACES)
        assert (await slow.upload_raw(ct_instance()))[0] == 202


async def test_connections_without_a_request_are_closed(system: Process) -> None:
    async with AsyncExitStack() as stack:
        silent = [
            await stack.enter_async_context(slow_client(system.url, b"", drips=None)) for _ in range(200)
        ]
        half = b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: "
        dripping = [
            await stack.enter_async_context(slow_client(system.url, half, drips=0.2)) for _ in range(50)
        ]
        whole = half.removesuffix(b"X-Long: ") + b"\r\n" + half
        second = [
            await stack.enter_async_context(slow_client(system.url, whole, drips=0.2)) for _ in range(10)
        ]
        async with aiohttp.ClientSession() as session, session.get(f"{system.url}/livez") as answer:
            assert answer.status == 200
        await eventually(lambda: all(client.ended for client in [*silent, *dripping, *second]))
    assert {client.status for client in silent} == {client.status for client in dripping} == {None}
    assert {client.status for client in second} == {200}


@pytest.mark.faults
async def test_connections_that_read_no_answer_are_cut(system: Process) -> None:
    """Strangers ask for much, one request behind the other, and take nothing of it."""

    def descriptors() -> int:
        return len(list(Path(f"/proc/{system.pid}/fd").iterdir()))

    before = descriptors()
    much = b"GET /api/results/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 300
    async with AsyncExitStack() as stack:
        for _ in range(40):
            await stack.enter_async_context(slow_client(system.url, much, listens=False, drips=None))
        # Those that came first may be cut before the last one comes.
        await eventually(lambda: descriptors() >= before + 10)
        async with aiohttp.ClientSession() as session, session.get(f"{system.url}/livez") as answer:
            assert answer.status == 200
        await eventually(lambda: descriptors() < before + 5)
    assert "Traceback" not in system.output()
