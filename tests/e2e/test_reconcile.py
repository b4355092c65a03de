"""The reconciliation beside both running systems: what it announces again is measured again."""

from __future__ import annotations

import asyncio
import os

import asyncpg
import orjson

from libs.postgresql.embedded import SUPERUSER
from tests.builders import ct_instance
from tests.commands import run_command
from tests.e2e.conftest import System
from tests.e2e.processes import Client
from tests.waiting import eventually


def reconcile(system: System, *arguments: str) -> tuple[int, list[dict[str, object]]]:
    """Run the command with the settings of the running system; its exit code, and its findings by line."""
    settings = next(iter(system.processes.values())).environment
    if "AMQP_URL" in settings:
        module, database = "services.results", {"DATABASE_ADMIN_URL": system.database_url(SUPERUSER)}
    else:
        module, database = "services", {}
    env = {"PATH": os.environ["PATH"], **settings, **database}
    done = run_command(module, "reconcile", "--json", "--older-than", "0s", *arguments, env=env)
    assert done.stderr == ""
    return done.returncode, [orjson.loads(line) for line in done.stdout.splitlines()]


async def test_what_was_lost_comes_back(client: Client, system: System) -> None:
    forgotten, bare = [await accepted(client, seed) for seed in (60_001, 60_002)]
    (thumbnail,) = (system.data_dir / "dicom_file").glob(f"*/{bare}.thumbnail")
    thumbnail.unlink()
    await forget(system, forgotten)

    lost, repaired = (
        {("not-in-results", forgotten), ("thumbnail-missing", bare)},
        set[tuple[object, object]](),
    )

    async def found() -> bool:
        code, lines = await asyncio.to_thread(reconcile, system, "--repair")
        now = {(line["kind"], line["subject"]) for line in lines[:-1] if line["repaired"]}
        repaired.update(now)
        assert code == 1 or not now
        return repaired >= lost

    # What is still on its way, of this test or another, is not judged; the next look finds it. What an
    # old release left in its queue is looked at every half a minute.
    await eventually(found, 180)
    assert (await client.ended(forgotten))["state"] == "processed"
    await eventually(thumbnail.exists)


async def accepted(client: Client, seed: int) -> str:
    """Upload a file and wait for its result."""
    status, body = await client.upload_raw(ct_instance(seed=seed))
    assert status == 202, body
    file_id = str(body["files"][0]["id"])
    await client.ended(file_id)
    return file_id


async def forget(system: System, file_id: str) -> None:
    """Have results know nothing of a file."""
    connection = await asyncpg.connect(system.database_url(SUPERUSER))
    try:
        await connection.execute("DELETE FROM results.upload_dicomresult WHERE file_id = $1", file_id)
    finally:
        await connection.close()
