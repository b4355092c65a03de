"""kill -9 between a commit and what follows it: nothing is lost, nothing is there twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from libs.common.encryption.keyring import Keyring
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
from tests.faults_support import FaultySystem
from tests.ports import free_port

FILES, CONNECTIONS = 90, 8
INJECTED = ROOT / "tests" / "faults" / "between_commits"


@asynccontextmanager
async def killed_system(
    folder: Path, role_url: Callable[[str], str], amqp_url: str, victim: str, after: Sequence[int]
) -> AsyncIterator[tuple[FaultySystem, Process, Process]]:
    """All services, one of them killed after so many files each time; a replica of it, not started."""
    Keyring.create(folder / "keyring.json")
    roles = {role: role_url(role) for role in ("auth", "ingest", "results")}
    processes = separate(folder, roles, amqp_url)
    sound = processes[victim]
    told = {"KILLED": str(folder / "killed"), "KILL_AFTER": ",".join(map(str, after))}
    path = {"PYTHONPATH": str(INJECTED)}
    processes[victim] = killed = replace(sound, environment={**sound.environment, **path, **told})
    replica = replace(sound, port=free_port(), log=folder / "replica.log")
    await start_all(processes.values())
    try:
        async with client_of(urls_of(processes)) as client:
            await client.login()
            yield FaultySystem(client, [], list(processes.values())), killed, replica
    finally:
        stop_all([process for process in (*processes.values(), replica) if process.started])


async def send_all(system: FaultySystem, clients: Sequence[Client | None]) -> None:
    """FILES files over CONNECTIONS connections, each until it is accepted."""
    numbers = iter(range(FILES))

    async def sender(client: Client | None) -> None:
        for number in numbers:
            await system.send(number, client=client, rows=128, columns=128)

    await asyncio.gather(*(sender(clients[turn % len(clients)]) for turn in range(CONNECTIONS)))


async def killed_by_itself(process: Process) -> None:
    """Wait for it."""
    while process.running:
        await asyncio.sleep(0.02)


async def restarted(process: Process, times: int) -> None:
    """As often as it is killed; then it is ready."""
    for _ in range(times):
        await killed_by_itself(process)
        process.start()  # it may be killed again before it says that it is ready
    await process.ready()


def all_processed_once(found: Mapping[str, Mapping[str, object]]) -> bool:
    """However often their events came."""
    return all((one["state"], one["attempts"]) == ("processed", 1) for one in found.values())


@pytest.mark.faults
@pytest.mark.timeout(240)
@pytest.mark.parametrize("victim", ["ingest", "results"])
async def test_killed_right_after_commits_and_started_again(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str, victim: str
) -> None:
    """Ingest: committed, and not published. Results: committed, and not acknowledged."""
    kills = (1, 5, 12, 20)
    async with killed_system(tmp_path, role_url, amqp_url, victim, kills) as (system, killed, _):
        async with asyncio.TaskGroup() as group:
            group.create_task(restarted(killed, len(kills)))
            group.create_task(send_all(system, [None]))
        found = await system.all_ended(120)
        assert (tmp_path / "killed").read_bytes() == b"." * len(kills)
        assert all_processed_once(found), found


@pytest.mark.faults
@pytest.mark.timeout(240)
async def test_what_a_killed_ingest_had_committed_is_published_by_another(
    tmp_path: Path, role_url: Callable[[str], str], amqp_url: str
) -> None:
    """It never comes back: its rows were leased for a moment only."""
    async with killed_system(tmp_path, role_url, amqp_url, "ingest", [30]) as (system, killed, replica):
        replica.start()
        await replica.ready()
        urls = {**system.client.urls, "ingest": replica.url}
        other = Client(system.client.session, urls)
        other.headers = system.client.headers
        sending = asyncio.create_task(send_all(system, [None, other]))
        await killed_by_itself(killed)
        # Who sent to the lost one turns to the other.
        system.client.urls = urls
        await sending
        assert all_processed_once(await system.all_ended(120))
