"""Decoders that crash, hang, spin and eat memory: one outcome a file, and no neighbour pays for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults_support import INJECTED, faulty_system

FILES = 40
REASONS = {
    "SEGFAULT": "decoder-crashed",
    "HANG": "decode-timeout",
    "SPIN": "decode-timeout",
    "EAT": "memory-limit",
}
ENVIRONMENT = {
    "PYTHONPATH": INJECTED,
    "WORKER_SLOTS": "2",
    "DECODE_TIMEOUT": "2",
    "DECODE_WALL_TIMEOUT": "3",
    "DECODE_MEMORY_BYTES": str(512 << 20),
    "CIRCUIT_SECONDS": "2",
}


@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_decoders_that_fail_cost_their_own_file_only(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    async with faulty_system(tmp_path, role_url, amqp_url, workers=1, of_workers=ENVIRONMENT) as system:
        bad: dict[str, str] = {}
        faults = list(REASONS)
        for number in range(FILES):
            fault = faults[number // 10 % len(faults)] if number % 10 == 5 else None
            file_id = await system.send(number, PatientID=fault or "PAT-0001")
            if fault is not None:
                bad[file_id] = fault
        (worker,) = system.workers
        worker.start()
        await worker.ready()
        found = await system.all_ended(150)
        assert len(bad) == FILES // 10
        for file_id, result in found.items():
            if file_id in bad:
                assert result["failure"]["reason"] == REASONS[bad[file_id]], result
                assert result["attempts"] <= 2
            else:
                assert (result["state"], result["attempts"]) == ("processed", 1), result
        assert worker.stop() == 0
