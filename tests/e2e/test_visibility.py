"""What can be seen of the work through the whole system: who did it, what it took, what waits."""

from __future__ import annotations

from typing import Any

from tests.builders import ct_instance
from tests.e2e.conftest import NewUser
from tests.e2e.processes import Client
from tests.waiting import eventually


async def asked(client: Client, path: str) -> Any:
    """The body of a 200."""
    status, body = await client.get(path)
    assert status == 200, body
    return body


async def test_who_measured_a_file_and_what_it_took(new_user: NewUser) -> None:
    admin = await new_user()
    await admin.login()  # the administrator
    _, body = await admin.upload_raw(ct_instance(seed=77_001))
    file_id = body["files"][0]["id"]

    async def logged() -> list[dict[str, Any]]:
        status, told = await admin.get(f"/api/results/{file_id}/log")
        return list(told["attempts"]) if status == 200 else []

    (attempt,) = await eventually(logged)
    assert (attempt["outcome"], attempt["attempt"]) == ("processed", 1)
    assert attempt["cpu_seconds"] is not None, "0.0 where the kernel counts in ticks"
    assert attempt["lane"] is not None
    assert attempt["peak_memory_bytes"] > 0

    async def working() -> list[dict[str, Any]]:
        workers = (await asked(admin, "/api/processing/workers"))["workers"]
        return [worker for worker in workers if worker["worker"] == attempt["worker"]]

    (worker,) = await eventually(working)
    assert worker["state"] == "working"
    assert worker["budget_bytes"] > 0
    waiting = await asked(admin, "/api/processing/queues")
    assert waiting["slots"] >= 1
    assert waiting["seconds_per_file"] > 0
    assert {queue["role"] for queue in waiting["queues"]} >= {"main"}
