"""Decoders that crash, hang, spin, eat memory and are killed: one outcome a file, and no neighbour pays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

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


LARGE: dict[str, Any] = {"rows": 1024, "columns": 1024, "frames": 4}
PHASES: dict[str, dict[str, Any]] = {
    "KILL-BEGUN": {},
    "KILL-DECRYPTING": {},
    "KILL-DECODING": LARGE,
    "KILL-ANSWERING": {},
    "KILL-ANSWERED": {},
}
"""Where the decoder of a file is killed, each time; and what the file is like."""


@pytest.mark.faults
@pytest.mark.timeout(240)
async def test_decoders_killed_in_each_phase_of_a_file_charge_that_file(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    """One decoder: others wait behind each of these files, and now and then it is killed while idle."""
    environment = {**ENVIRONMENT, "WORKER_SLOTS": "1", "DECODE_TIMEOUT": "60", "DECODE_WALL_TIMEOUT": "60"}
    environment["KILL_AROUND_SENDING"] = "yes"
    async with faulty_system(tmp_path, role_url, amqp_url, workers=1, of_workers=environment) as system:
        killed: dict[str, str] = {}
        phases = [phase for phase in PHASES for _ in range(2)]
        for number in range(6 * len(phases)):
            phase = phases[number // 6] if number % 6 == 3 else None
            shape = {} if phase is None else PHASES[phase]
            file_id = await system.send(number, PatientID=phase or "PAT-0001", **shape)
            if phase is not None:
                killed[file_id] = phase
        (worker,) = system.workers
        worker.start()
        await worker.ready()
        found = await system.all_ended(150)
        assert len(killed) == len(phases)
        for file_id, result in found.items():
            phase = killed.get(file_id)
            if phase in (None, "KILL-ANSWERED"):
                # Its answer was given, or its decoder had not begun it: nothing is charged.
                told = [line for line in worker.output().splitlines() if file_id in line]
                assert (result["state"], result["attempts"]) == ("processed", 1), (phase, told)
            else:
                assert result["failure"]["reason"] == "decoder-crashed", (phase, result)
                assert result["attempts"] == 2, (phase, result)
        assert worker.stop() == 0
