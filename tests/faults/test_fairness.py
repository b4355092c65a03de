"""The real system shares its workers fairly: a few files of one do not wait for the many of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from libs.common.bus.lanes import DEFAULT_LANES, DEFAULT_LARGE_BYTES, lane_of
from libs.common.events import FileReceived
from tests.commands import run_command
from tests.e2e.processes import PASSWORD, Client, start_all
from tests.faults_support import FaultySystem, faulty_system

BURST, FEW = 400, 10
SHAPE: dict[str, Any] = {"rows": 256, "columns": 256}


def lane(user_id: int) -> str:
    """Where the small files of this person wait."""
    data = FileReceived(
        file_id=uuid4(), owner_id=user_id, storage_key="", size_bytes=1, sha256="", transfer_syntax_uid=""
    )
    return lane_of(data, DEFAULT_LANES, DEFAULT_LARGE_BYTES)


async def someone_else(system: FaultySystem, auth_url: str, lane_taken: str) -> Client:
    """A signed-in person whose files wait in another lane."""
    for number in range(20):
        name = f"few-{number}"
        given, env = f"{PASSWORD}\n", {"DATABASE_URL": auth_url}
        made = await asyncio.to_thread(
            run_command, "services.auth", "create-user", name, env=env, given=given
        )
        assert made.returncode == 0, made.stderr
        client = Client(system.client.session, system.client.urls)
        await client.login(name)
        _, me = await client.get("/api/auth/me")
        if lane(me["user_id"]) != lane_taken:
            return client
    raise AssertionError("twenty people in one lane of eight")


@pytest.mark.faults
@pytest.mark.timeout(180)
async def test_a_few_files_do_not_wait_for_a_burst(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    async with faulty_system(tmp_path, role_url, amqp_url, workers=2) as system:
        _, me = await system.client.get("/api/auth/me")
        other = await someone_else(system, role_url("auth"), lane(me["user_id"]))
        senders = (range(start, BURST, 4) for start in range(4))

        async def send(numbers: range) -> None:
            for number in numbers:
                await system.send(number, **SHAPE)

        await asyncio.gather(*map(send, senders))
        for number in range(BURST, BURST + FEW):
            await system.send(number, client=other, **SHAPE)
        # All of it waits when the workers come: the few were sent last.
        await start_all(system.workers)
        await other.all_ended(FEW)
        _, summary = await system.client.get("/api/results/summary")
        assert summary["received"] >= BURST / 2, summary
        found = await system.all_ended(120)
        assert {result["state"] for result in found.values()} == {"processed"}
