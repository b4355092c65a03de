"""A paused lane in both systems: what waits there is safe, and begins once it goes on."""

from __future__ import annotations

import secrets

from libs.common.bus.lanes import DEFAULT_LANES, DEFAULT_LARGE_BYTES, lane_of
from libs.common.bus.topology import PROCESSOR_WORK
from libs.common.events import FileReceived
from tests.builders import ct_instance
from tests.bus_support import received
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import PASSWORD, client_of
from tests.waiting import eventually


async def test_what_waits_in_a_paused_lane_is_measured_once_it_goes_on(
    system: System, new_user: NewUser
) -> None:
    name = f"operator-{secrets.token_hex(4)}"
    system.create_user(name, more=["--permission", "pause_queue", "--permission", "view_queue"])
    one, other = await new_user(), await new_user()
    lanes = {}
    for person in (one, other):
        _, me = await person.get("/api/auth/me")
        event = received()
        assert isinstance(event.data, FileReceived)
        data = event.data.model_copy(update={"collection": f"user:{me['user_id']}"})
        lanes[person] = PROCESSOR_WORK.queue_of(lane_of(data, DEFAULT_LANES, DEFAULT_LARGE_BYTES))
    async with client_of(system.urls, system.tls) as operator:
        await operator.login(name, PASSWORD)

        async def say(what: str) -> None:
            path = f"/api/processing/queues/{lanes[one]}/{what}"
            url = f"{system.urls['results']}{path}"
            async with operator.session.post(url, headers=operator.headers) as answer:
                assert answer.status == 200, await answer.text()

        await say("pause")
        try:

            async def waits() -> bool:
                """Processors hear of it in a moment; what they begin before that ends."""
                _, body = await one.upload_raw(ct_instance(seed=secrets.randbits(30)))
                waiting.append(body["files"][0]["id"])
                if lanes[other] != lanes[one]:
                    _, body = await other.upload_raw(ct_instance(seed=secrets.randbits(30)))
                    assert (await other.ended(body["files"][0]["id"]))["state"] == "processed"
                _, found = await one.get(f"/api/results/{waiting[-1]}")
                return bool(found.get("state") == "received")

            waiting: list[str] = []
            await eventually(waits)
        finally:
            await say("resume")
        for file_id in waiting:
            assert (await one.ended(file_id))["state"] == "processed"
