"""A rolling upgrade: the previous release's services beside the present ones, on one database and broker.

The schema is the present one, as it is while old pods still run: migrations come before the roll-out.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import asyncpg
import numpy as np
import pytest

from libs.common.bus.topology import TOPOLOGY
from libs.common.database.postgres import Database
from services.operator.fill import fill
from services.operator.progress import Progress
from tests import previous_release
from tests.accounts_support import require_agreement
from tests.builders import UID_ROOT, ct_instance, ct_pixels, encapsulated_instance
from tests.contract.bus_carriers import messages_in
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD, Client, Process, client_of, start_all, stop_all, urls_of
from tests.e2e.test_moving import call, user_id, with_members
from tests.fixtures_postgres import run_apart
from tests.ports import free_port
from tests.waiting import eventually

OLD = ("ingest", "processor", "results")
ROUND = 12
"""Files sent at once, half to each release."""


@pytest.fixture(scope="module")
def old_processes(
    separate_system: System, session_amqp_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Process]]:
    """The previous release's services beside the running system, with the same settings.

    Their account in RabbitMQ is one for all, which may declare whatever that release had.
    """
    source = tmp_path_factory.mktemp("previous")
    previous_release.extract(source)
    old = {
        name: replace(
            separate_system.processes[name],
            environment={**separate_system.processes[name].environment, "AMQP_URL": session_amqp_url},
            port=free_port(),
            source=source,
            log=source / f"{name}.log",
            _popen=None,
        )
        for name in OLD
    }
    try:
        run_apart(start_all(old.values()))
        yield old
    finally:
        stop_all(old.values())


def seeds() -> Iterator[int]:
    """Numbers that no other test's files are made of."""
    return iter(range(70_000, 80_000))


async def metric(process: Process, name: str) -> float:
    """A metric without labels of a running process."""
    async with aiohttp.ClientSession() as session, session.get(f"{process.url}/metrics") as answer:
        found = re.search(rf"^{name} (\S+)$", await answer.text(), re.MULTILINE)
    return float(found[1]) if found else 0.0


async def workers(database_url: str) -> set[str]:
    """Names of the processors that have measured a file."""
    connection = await asyncpg.connect(database_url)
    try:
        rows = await connection.fetch(
            "SELECT DISTINCT worker FROM results.processing_log WHERE outcome = 'processed'"
        )
    finally:
        await connection.close()
    return {row["worker"] for row in rows}


async def send_round(clients: list[Client], numbers: Iterator[int]) -> dict[str, int]:
    """Send ROUND files, to each release in turn; seed by file id."""
    chosen = [next(numbers) for _ in range(ROUND)]
    answers = await asyncio.gather(
        *(clients[n % len(clients)].upload_raw(ct_instance(seed=n), f"{n}.dcm") for n in chosen)
    )
    assert {status for status, _ in answers} == {202}, answers
    return {body["files"][0]["id"]: n for n, (_, body) in zip(chosen, answers, strict=True)}


async def test_two_releases_side_by_side(
    separate_system: System, old_processes: dict[str, Process], session_amqp_url: str
) -> None:
    new_processes = separate_system.processes
    separate_system.create_user("upgrade")
    old_urls = {**separate_system.urls, **urls_of(old_processes)}
    async with client_of(separate_system.urls) as new, client_of(old_urls) as old:
        for client in (new, old):
            await client.login("upgrade", PASSWORD)
        numbers = seeds()
        sent: dict[str, int] = {}

        async def both_have_worked() -> bool:
            """Deliveries are shared out by the broker: send until each release had some."""
            sent.update(await send_round([new, old], numbers))
            summary = await new.all_ended(len(sent))
            assert summary["processed"] == len(sent), summary
            seen = {
                int(name.rpartition("-")[2])
                for name in await workers(separate_system.database_url("results"))
            }
            applied = [
                await metric(of["results"], "results_batch_size_count")
                for of in (old_processes, new_processes)
            ]
            return all(applied) and {old_processes["processor"].pid, new_processes["processor"].pid} <= seen

        await eventually(both_have_worked, 180)
        values = {n: ct_pixels(64, 64, seed=n).astype(np.float64) for n in sent.values()}
        for reader in (new, old):
            for file_id, n in sent.items():
                result = await reader.ended(file_id)
                assert result["file_name"] == f"{n}.dcm"
                assert result["average_before_normalization"] == pytest.approx(values[n].mean(), rel=1e-12)
                assert result["statistics"]["count"] == values[n].size
                status, original = await reader.get(f"/api/results/{file_id}/file")
                assert (status, original) == (200, ct_instance(seed=n))
        await an_old_duplicate_is_known_to_the_new(old, new, numbers)
        await files_of_both_lie_in_collections(new, sent)
        await what_the_old_accepted_and_failed_is_superseded(old, new, numbers)
        _, file = await new.get(f"/api/files/{min(sent)}")
        shared = await files_move_while_both_run(separate_system, new, old, numbers)
    for collection in (file["collection"], shared):
        await results_of_both_releases_are_completed(separate_system.database_url("results"), collection)
    # Neither release was given what it cannot read.
    for dead in TOPOLOGY.dead_queues():
        assert await messages_in(session_amqp_url, dead) == []
    for process in old_processes.values():
        assert "Traceback" not in process.output()


async def an_old_duplicate_is_known_to_the_new(old: Client, new: Client, numbers: Iterator[int]) -> None:
    """What one release accepted, the other tells apart: they share one truth."""
    content = ct_instance(seed=next(numbers))
    _, first = await old.upload_raw(content)
    status, again = await new.upload_raw(content)
    assert (status, again["files"][0]["id"]) == (202, first["files"][0]["id"])
    assert again["files"][0]["duplicate"] is True
    assert (await new.ended(first["files"][0]["id"]))["state"] == "processed"


async def files_of_both_lie_in_collections(new: Client, sent: dict[str, int]) -> None:
    """The old release, which knows none, puts a file where its owner's lie."""
    for file_id in sent:
        status, file = await new.get(f"/api/files/{file_id}")
        assert (status, file["collection"]) == (200, f"user:{file['owner_id']}")


async def what_the_old_accepted_and_failed_is_superseded(
    old: Client, new: Client, numbers: Iterator[int]
) -> None:
    """Other bytes take its place, whichever release measured it and told ingest; the old one goes on."""
    uid = f"{UID_ROOT}.9.{next(numbers)}"
    broken = encapsulated_instance([b"", b"no JPEG" * 100], SOPInstanceUID=uid)
    _, body = await old.upload_raw(broken)
    first = body["files"][0]["id"]
    assert (await new.ended(first))["state"] == "failed"
    content = ct_instance(seed=next(numbers), sop_instance_uid=uid)

    async def accepted() -> str | None:
        status, body = await new.upload_raw(content)
        return str(body["files"][0]["id"]) if status == 202 else None

    second = await eventually(accepted)
    assert second is not None
    assert (await new.ended(second))["state"] == "processed"
    _, body = await new.get("/api/files", state="superseded")
    assert [file["id"] for file in body["files"]] == [first]
    # The old release tells the new file's bytes, and accepts others.
    status, body = await old.upload_raw(content)
    assert (status, body["files"][0]["id"], body["files"][0]["duplicate"]) == (202, second, True)
    status, body = await old.upload_raw(ct_instance(seed=next(numbers)))
    assert status == 202
    assert (await old.ended(body["files"][0]["id"]))["state"] == "processed"


async def files_move_while_both_run(system: System, new: Client, old: Client, numbers: Iterator[int]) -> str:
    """The old relay and the old results know no moves: what they leave or undo is done again."""
    system.create_user("upgrade-boss", more=["--superuser"])
    async with client_of(system.urls) as admin:
        await admin.login("upgrade-boss", PASSWORD)
        shared = await with_members(admin, "manage", await user_id(new))
    await new.login("upgrade", PASSWORD)
    await old.login("upgrade", PASSWORD)
    sent = await send_round([new, old], numbers)
    moves = [
        call(new, "ingest", "PATCH", f"/api/files/{file_id}", {"collection": shared}) for file_id in sent
    ]
    assert {status for status, _ in await asyncio.gather(*moves)} == {200}

    async def all_there() -> bool:
        results = [await new.get(f"/api/results/{file_id}") for file_id in sent]
        return all(
            status == 200 and (result["state"], result["collection"]) == ("processed", shared)
            for status, result in results
        )

    await eventually(all_there)
    return shared


async def results_of_both_releases_are_completed(database_url: str, collection: str) -> None:
    """Studies, series, counters and analyses are as if one release had written all."""
    database = Database(database_url, size=1, timeout=10, application_name="test")
    await database.open()

    async def every_header_has_come() -> bool:
        """An outcome may have overtaken its `received`, which the old release then writes after `fill`."""
        async with database.connection() as connection:
            late = "SELECT count(*) FROM results.upload_dicomresult WHERE received_at IS NULL"
            return bool(await connection.fetchval(late) == 0)

    try:
        await eventually(every_header_has_come)
        await fill(database, Progress(io.StringIO(), "results"))
        async with database.connection() as connection:
            await require_agreement(connection, collection)
    finally:
        await database.close()


def test_the_previous_release_is_not_this_one(tmp_path: Path) -> None:
    """Else the test above would prove nothing."""
    previous_release.extract(tmp_path)
    ours = {p.relative_to(previous_release.ROOT) for p in (previous_release.ROOT / "services").rglob("*.py")}
    assert any(
        not (tmp_path / path).exists()
        or (tmp_path / path).read_bytes() != (previous_release.ROOT / path).read_bytes()
        for path in ours
    )
