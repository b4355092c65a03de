"""A multi-frame file far larger than memory should hold: ingest and the decoder stay small."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bench.accounting import children, high_water, reset_high_water
from tests.builders import LargeFile, ct_instance, write_large
from tests.e2e.conftest import System
from tests.e2e.processes import Client

MIB = 1 << 20
INGEST_GROWTH = 64 * MIB
DECODER_LIMIT = 512 * MIB


async def stream(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, MIB):
            yield chunk


async def check_large(client: Client, system: System, path: Path, facts: LargeFile, timeout: float) -> None:
    """Upload, measure, download; memory is the kernel's own account (VmHWM, proc(5))."""
    _, warm = await client.upload_raw(ct_instance(rows=700, columns=700, seed=facts.frames))
    await client.ended(warm["files"][0]["id"])
    ingest, results = system.processes["ingest"].pid, system.processes["results"].pid
    reset_high_water(ingest)
    reset_high_water(results)
    before, before_results = high_water(ingest), high_water(results)

    status, body = await client.upload_raw(stream(path))
    assert status == 202, body
    assert high_water(ingest) - before < INGEST_GROWTH
    file_id = body["files"][0]["id"]

    result = await client.ended(file_id, timeout=timeout)
    assert result["state"] == "processed", result["failure"]
    assert result["size_bytes"] == facts.size
    assert result["data_size"] == 2 * facts.values
    assert result["statistics"]["count"] == facts.values
    assert len(result["statistics"]["frame_means"]) == facts.frames
    assert result["average_before_normalization"] == pytest.approx(facts.total / facts.values, rel=1e-12)
    decoders = children(system.processes["processor"].pid)
    assert decoders
    assert max(map(high_water, decoders)) < DECODER_LIMIT

    url = f"{client.urls['results']}/api/results/{file_id}/file"
    received = 0
    with path.open("rb") as original:
        async with client.session.get(url, headers=client.headers) as answer:
            assert answer.status == 200
            async for chunk in answer.content.iter_chunked(MIB):
                assert chunk == original.read(len(chunk))
                received += len(chunk)
    assert received == facts.size
    assert high_water(results) - before_results < INGEST_GROWTH


@pytest.mark.large
@pytest.mark.timeout(400)
@pytest.mark.parametrize("system", ["separate"], indirect=True)
async def test_256_mib(client: Client, system: System, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    facts = write_large(path, 256 * MIB)
    await check_large(client, system, path, facts, 120)


@pytest.mark.large
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("system", ["separate"], indirect=True)
async def test_2_gib(client: Client, system: System, tmp_path: Path) -> None:
    path = tmp_path / "large.dcm"
    facts = write_large(path, 2048 * MIB)
    await check_large(client, system, path, facts, 900)
