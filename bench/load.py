"""The load: distinct CT instances over a fixed number of connections, and the time of each step."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from tests.e2e.processes import ADMIN, PASSWORD, Client


@dataclass(frozen=True)
class Run:
    """What the client saw; all times in seconds."""

    files: int
    accepted_seconds: float
    ended_seconds: float
    upload: list[float]
    result: list[float]


async def watch(client: Client, ended: dict[str, float], count: int, ready: asyncio.Event) -> None:
    """Note when the live stream says that a file was processed, until `count` were."""
    url = f"{client.urls['results']}/api/events"
    timeout = aiohttp.ClientTimeout(total=None)
    async with client.session.get(url, headers=client.headers, timeout=timeout) as stream:
        assert stream.status == 200, await stream.text()
        ready.set()
        async for line in stream.content:
            if line.startswith(b"data:"):
                change = orjson.loads(line[5:])
                assert change["state"] != "failed", change
                if change["state"] == "processed":
                    ended[change["file_id"]] = time.perf_counter()
                    if len(ended) >= count:
                        return


async def run_load(
    urls: Mapping[str, str], files: Sequence[bytes], *, connections: int, timeout: float = 300.0
) -> Run:
    """Send `files`, wait until each is processed."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(timeout):
        client = Client(session, urls)
        await client.login(ADMIN, PASSWORD)
        ended: dict[str, float] = {}
        ready = asyncio.Event()
        watcher = asyncio.create_task(watch(client, ended, len(files), ready))
        await ready.wait()
        sent: dict[str, float] = {}
        upload: list[float] = []
        waiting = iter(files)

        async def sender() -> None:
            for content in waiting:
                started = time.perf_counter()
                status, body = await client.upload_raw(content)
                assert status == 202, body
                upload.append(time.perf_counter() - started)
                sent[body["files"][0]["id"]] = started

        begun = time.perf_counter()
        await asyncio.gather(*(sender() for _ in range(connections)))
        accepted = time.perf_counter() - begun
        await watcher
        whole = max(ended.values()) - begun
    return Run(
        files=len(files),
        accepted_seconds=accepted,
        ended_seconds=whole,
        upload=upload,
        result=[ended[i] - sent[i] for i in sent],
    )
