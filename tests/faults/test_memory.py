"""Workers in small pods: what kills them for memory ends, and costs the files beside it next to nothing."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.builders import RLE, encapsulated_instance
from tests.e2e.processes import Client, Process, start_all
from tests.faults_support import INJECTED, faulty_system
from tests.memory_cgroup import MemoryCgroup
from tests.waiting import eventually

MIB = 1 << 20
POD = 400 * MIB
SIDE = 6000
"""Of a frame of 72 MB, of which an RLE decoder holds almost four copies."""
FILES = 30


@contextmanager
def pod(limit: int) -> Iterator[MemoryCgroup]:
    """A memory limit; the test is for root on Linux, as in a container or on a machine of CI."""
    try:
        made = MemoryCgroup(limit)
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")
    try:
        yield made
    finally:
        made.remove()


def start_in(group: MemoryCgroup, worker: Process) -> None:
    """Before it has started any decoder."""
    worker.start()
    group.add(worker.pid)


@pytest.mark.faults
@pytest.mark.timeout(240)
async def test_a_file_that_takes_its_pod_along_ends_and_its_neighbours_do_not(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    """The decoder's own limit is far above the pod's. As Kubernetes does, the whole pod ends with it."""
    environment = {
        "PYTHONPATH": INJECTED,
        "DECODE_MEMORY_BYTES": str(4096 * MIB),
        "MAX_ATTEMPTS": "4",
        "DECODER_CRASH_ATTEMPTS": "4",
    }
    with pod(POD) as group:
        async with faulty_system(tmp_path, role_url, amqp_url, workers=1, of_workers=environment) as system:
            for number in range(FILES):
                await system.send(number)
            eater = await system.send(FILES, PatientID="EAT")
            for number in range(FILES + 1, 2 * FILES):
                await system.send(number)
            (worker,) = system.workers
            start_in(group, worker)
            kills = 0

            async def kubelet() -> None:
                nonlocal kills
                while True:
                    if group.kills > kills:
                        worker.kill()
                        kills = group.kills
                        start_in(group, worker)
                    await asyncio.sleep(0.02)

            watching = asyncio.create_task(kubelet())
            found = await system.all_ended(150)
            watching.cancel()
            assert kills
            failure = found.pop(eater)["failure"]
            assert failure["reason"] in ("worker-lost", "memory-limit"), failure
            assert {result["state"] for result in found.values()} == {"processed"}
            # Some were under way with it once and again; from its third attempt on it runs alone.
            attempts = sorted(result["attempts"] for result in found.values())
            assert attempts[-1] <= 3, attempts
            # Up to 32 a slot are begun ahead, and a kill charges each.
            assert attempts.count(1) >= FILES // 2, attempts
            worker.stop()


def one_large_frame() -> bytes:
    """RLE Lossless of nothing but zeros (PS3.5 annex G): 128 in two bytes, for each half of a value."""
    half = b"\x81\x00" * (SIDE * SIDE // 128)
    header = struct.pack("<16I", 2, 64, 64 + len(half), *[0] * 13)
    facts: dict[str, Any] = {
        "Rows": SIDE,
        "Columns": SIDE,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
    }
    return encapsulated_instance([header + half + half], transfer_syntax=RLE, **facts)


@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_a_file_too_large_for_a_small_pod_goes_to_a_bigger_one(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    with pod(POD) as group:
        largest = {"LARGEST_DECODE_MEMORY_BYTES": str(1024 * MIB)}
        async with faulty_system(tmp_path, role_url, amqp_url, workers=2, of_workers=largest) as system:
            small, big = system.workers
            small.environment = {**small.environment, "DECODE_MEMORY_BYTES": str(256 * MIB)}
            giant = await system.send_bytes(0, one_large_frame())
            for number in range(1, FILES):
                await system.send(number)
            start_in(group, small)
            await small.ready()
            # The small one hands it on, measures the rest, and lives.
            await eventually(lambda: _measured(system.client, FILES - 1), 90)
            await start_all([big])
            found = await system.all_ended(90)
            assert group.kills == 0
            assert {result["state"] for result in found.values()} == {"processed"}
            assert {result["attempts"] for result in found.values()} == {1}
            connection = await asyncpg.connect(role_url("results"))
            try:
                worker = await connection.fetchval(
                    "SELECT worker FROM results.processing_log WHERE file_id = $1 AND worker IS NOT NULL",
                    giant,
                )
            finally:
                await connection.close()
            assert worker.endswith(f"-{big.pid}")
            assert small.stop() == 0


async def _measured(client: Client, count: int) -> bool:
    """Whether so many files are processed."""
    _, summary = await client.get("/api/results/summary")
    return bool(summary["processed"] >= count)
