"""The previous release's services are replaced under load, one after the other: every file ends once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from libs.common.bus.topology import TOPOLOGY
from libs.common.encryption.keyring import Keyring
from tests import previous_release
from tests.contract.bus_carriers import messages_in
from tests.e2e.processes import Process, client_of, separate, start_all, stop_all, urls_of
from tests.faults_support import FaultySystem

CONNECTIONS = 4
BETWEEN = 15
"""Files that are accepted before the next service is replaced."""


async def replaced(old: Process, new: Process) -> None:
    """As a roll-out does on one host: stopped in order, started anew where it was."""
    assert await asyncio.to_thread(old.stop) == 0, old.output()[-4000:]
    new.start()
    await new.ready()


# Workers last and first: files of each release meet the other's workers and results.
@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "order",
    [("auth", "ingest", "results", "processor"), ("processor", "results", "ingest", "auth")],
    ids=["workers last", "workers first"],
)
async def test_every_service_is_replaced_under_load(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str, order: tuple[str, ...]
) -> None:
    source = tmp_path / "previous"
    source.mkdir()
    previous_release.extract(source)
    Keyring.create(tmp_path / "keyring.json")
    # The schema is the present one already: migrations come before the roll-out.
    new = separate(tmp_path, {role: role_url(role) for role in ("auth", "ingest", "results")}, amqp_url)
    old = {name: replace(process, source=source) for name, process in new.items()}
    await start_all(old.values())
    try:
        async with client_of(urls_of(new)) as client:
            await client.login()
            system = FaultySystem(client, [])
            numbers, ended = itertools.count(), asyncio.Event()

            async def sender() -> None:
                while not ended.is_set():
                    await system.send(next(numbers), rows=128, columns=128)

            async def replacing() -> None:
                for turn, name in enumerate(order):
                    while len(system.accepted) < (turn + 1) * BETWEEN:
                        await asyncio.sleep(0.05)
                    await replaced(old[name], new[name])
                while len(system.accepted) < (len(order) + 1) * BETWEEN:
                    await asyncio.sleep(0.05)
                ended.set()

            async with asyncio.TaskGroup() as group:
                group.create_task(replacing())
                for _ in range(CONNECTIONS):
                    group.create_task(sender())
            found = await system.all_ended(120)
    finally:
        stop_all([process for process in (*old.values(), *new.values()) if process.started])
    assert all(one["state"] == "processed" for one in found.values())
    # Neither release was given what it cannot read.
    for dead in TOPOLOGY.dead_queues():
        assert await messages_in(amqp_url, dead) == []
