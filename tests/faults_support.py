"""What the long fault proofs share: workers of one system, files sent to it, and how each must have ended."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from libs.common.encryption.keyring import Keyring
from tests.builders import ct_instance
from tests.e2e.processes import (
    ROOT,
    Client,
    Process,
    client_of,
    separate,
    start_all,
    stop_all,
    urls_of,
)
from tests.ports import free_port

INJECTED = str(ROOT / "tests" / "faults" / "injected")
"""On the PYTHONPATH of a worker: files whose PatientID names a fault have it in their decoder."""


@dataclass
class FaultySystem:
    """auth, ingest and results as one process each, and workers that may be killed."""

    client: Client
    workers: list[Process]
    services: list[Process] = field(default_factory=list)
    """All but the workers."""
    accepted: dict[int, str] = field(default_factory=dict)
    """File ids by number."""

    async def restart(self) -> None:
        """Stop everything that runs, and start it again."""
        running = [process for process in (*self.workers, *self.services) if process.started]
        for process in running:
            assert await asyncio.to_thread(process.stop) == 0, process.output()[-4000:]
        await start_all(running)

    async def send(self, number: int, *, client: Client | None = None, **elements: Any) -> str:
        """Upload the file of this number, until it is accepted; its id."""
        return await self.send_bytes(number, ct_instance(seed=number, **elements), client)

    async def send_bytes(self, number: int, content: bytes, client: Client | None = None) -> str:
        """Upload this as the file of this number, until it is accepted; its id."""
        while True:
            try:
                status, body = await (client or self.client).upload_raw(io.BytesIO(content))
            except (aiohttp.ClientError, ConnectionError):
                status, body = 503, {}
            if status == 202:
                file_id: str = body["files"][0]["id"]
                self.accepted[number] = file_id
                return file_id
            assert status == 503, body
            await asyncio.sleep(0.1)

    async def all_ended(self, timeout: float) -> dict[str, dict[str, Any]]:
        """Wait until each accepted file has its result; by file id, and there is no other."""
        await self.client.all_ended(len(self.accepted), timeout)
        found: dict[str, dict[str, Any]] = {}
        cursor: dict[str, str] = {}
        while True:
            _, page = await self.client.get("/api/results", limit="200", **cursor)
            for listed in page["results"]:
                assert listed["file_id"] not in found
                _, found[listed["file_id"]] = await self.client.get(f"/api/results/{listed['file_id']}")
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert set(found) == set(self.accepted.values())
        assert len(found) == len(self.accepted)
        return found

    async def busy(self, worker: Process) -> bool:
        """Whether a decoder of the worker works on a file now."""
        try:
            async with self.client.session.get(f"{worker.url}/metrics") as answer:
                text = await answer.text()
        except aiohttp.ClientError:
            return False
        values = [line.split()[1] for line in text.splitlines() if line.startswith("processor_slots_busy ")]
        return any(float(value) > 0 for value in values)


@asynccontextmanager
async def faulty_system(
    folder: Path,
    role_url: Callable[[str], str],
    amqp_url: str,
    *,
    workers: int,
    of_workers: Mapping[str, str] | None = None,
) -> AsyncIterator[FaultySystem]:
    """Run it; `of_workers` is environment of the workers, which are not started yet."""
    Keyring.create(folder / "keyring.json")
    roles = {role: role_url(role) for role in ("auth", "ingest", "results")}
    processes = separate(folder, roles, amqp_url)
    environment = {"WORKER_SLOTS": "1", **processes.pop("processor").environment, **(of_workers or {})}
    pool = [
        Process("services.processor", environment, folder / f"worker-{number}.log", free_port())
        for number in range(workers)
    ]
    try:
        for process in processes.values():
            process.start()
        # Whoever comes first declares the queues.
        await asyncio.gather(*(process.ready() for process in processes.values()))
        async with client_of(urls_of(processes)) as client:
            await client.login()
            yield FaultySystem(client, pool, list(processes.values()))
    finally:
        stop_all([process for process in (*pool, *processes.values()) if process.started])
