"""kill -9 in the middle of 200 uploads: every file that was answered 202 ends with exactly one result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest

from libs.common.encryption.keyring import Keyring
from tests.builders import ct_instance
from tests.e2e.processes import (
    Client,
    Process,
    client_of,
    embedded,
    one_url,
    separate,
    start_all,
    stop_all,
    urls_of,
)

FILES = 200
CONNECTIONS = 8


class Uploads:
    """Sends FILES distinct files and remembers which were answered 202; lost connections are tried again."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.accepted: dict[int, str] = {}
        self._numbers = iter(range(FILES))

    async def run(self) -> None:
        """Until each file was accepted."""
        await asyncio.gather(*(self._sender() for _ in range(CONNECTIONS)))

    async def _sender(self) -> None:
        for number in self._numbers:
            content = ct_instance(rows=256, columns=256, seed=number)
            while number not in self.accepted:
                try:
                    status, body = await self.client.upload_raw(content)
                except (aiohttp.ClientError, ConnectionError):
                    await asyncio.sleep(0.1)
                    continue
                assert status in (202, 503), body
                if status == 202:
                    self.accepted[number] = body["files"][0]["id"]
                else:
                    await asyncio.sleep(0.1)

    async def reach(self, count: int) -> None:
        """Wait until `count` files are accepted."""
        async with asyncio.timeout(60):
            while len(self.accepted) < count:
                await asyncio.sleep(0.01)


async def restart(process: Process) -> None:
    """kill -9 and start again."""
    process.kill()
    process.start()
    await process.ready()


async def check_all_ended_once(client: Client, accepted: Mapping[int, str]) -> None:
    """One processed result for each accepted file, and no other result."""
    summary = await client.all_ended(FILES)
    assert len(set(accepted.values())) == FILES
    assert (summary["processed"], summary["failed"], summary["total"]) == (FILES, 0, FILES), summary
    found: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        _, page = await client.get("/api/results", limit="100", **cursor)
        found.update(r["file_id"] for r in page["results"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == set(accepted.values())


# The long one kills oftener than a file may be tried: what only waited must not be failed for it.
@pytest.mark.faults
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "kills",
    [(60, 140), tuple(range(20, 200, 20))],
    ids=["two", "nine"],
)
async def test_one_process_killed(tmp_path: Path, kills: tuple[int, ...]) -> None:
    process = embedded(tmp_path / "var")
    await start_all([process])
    try:
        async with client_of(one_url(process)) as client:
            await client.login()
            uploads = Uploads(client)
            running = asyncio.create_task(uploads.run())
            for count in kills:
                await uploads.reach(count)
                await restart(process)
            await running
            await check_all_ended_once(client, uploads.accepted)
    finally:
        stop_all([process])


@pytest.mark.faults
@pytest.mark.timeout(240)
async def test_processor_and_ingest_killed(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    Keyring.create(tmp_path / "keyring.json")
    roles = {role: role_url(role) for role in ("auth", "ingest", "results")}
    processes = separate(tmp_path, roles, amqp_url)
    await start_all(processes.values())
    try:
        async with client_of(urls_of(processes)) as client:
            await client.login()
            uploads = Uploads(client)
            running = asyncio.create_task(uploads.run())
            for count, name in ((40, "processor"), (80, "ingest"), (120, "results"), (160, "processor")):
                await uploads.reach(count)
                await restart(processes[name])
            await running
            await check_all_ended_once(client, uploads.accepted)
    finally:
        stop_all(processes.values())
