"""Moving a file through the whole system: those who see the new collection get it, the others lose it."""

from __future__ import annotations

import secrets
from typing import Any

import orjson

from tests.builders import ct_instance
from tests.e2e.conftest import System
from tests.e2e.processes import Client, client_of
from tests.waiting import eventually


async def call(client: Client, service: str, method: str, path: str, body: Any = None) -> tuple[int, Any]:
    """Status and JSON."""
    async with client.session.request(
        method, client.urls[service] + path, json=body, headers=client.headers
    ) as answer:
        text = await answer.text()
        return answer.status, orjson.loads(text) if text else None


async def with_members(admin: Client, mode: str, *users: int) -> str:
    """A new group's collection, which these users may use by `mode`."""
    name = f"group {secrets.token_hex(4)}"
    status, group = await call(admin, "auth", "POST", "/api/auth/groups", {"name": name, "mode": mode})
    assert status == 201, group
    for user in users:
        _, known = await call(admin, "auth", "GET", f"/api/auth/users/{user}")
        groups = [one if isinstance(one, int) else one["id"] for one in known["groups"]]
        status, told = await call(
            admin, "auth", "PATCH", f"/api/auth/users/{user}", {"groups": [*groups, group["id"]]}
        )
        assert status == 200, told
    return f"group:{group['id']}"


async def user_id(client: Client) -> int:
    _, me = await call(client, "auth", "GET", "/api/auth/me")
    return int(me["user_id"])


async def test_a_file_moves_to_a_group_and_back(system: System) -> None:
    names = [f"mover-{secrets.token_hex(4)}" for _ in range(2)]
    for name in names:
        system.create_user(name)
    async with (
        client_of(system.urls) as admin,
        client_of(system.urls) as owner,
        client_of(system.urls) as other,
    ):
        boss = f"boss-{secrets.token_hex(4)}"
        system.create_user(boss, more=["--superuser"])
        await admin.login(boss)
        ids = []
        for client, name in ((owner, names[0]), (other, names[1])):
            await client.login(name)
            ids.append(await user_id(client))
        shared = await with_members(admin, "manage", *ids)
        foreign = await with_members(admin, "manage", ids[1])
        looked_into = await with_members(admin, "view", ids[0])
        for client, name in ((owner, names[0]), (other, names[1])):
            await client.login(name)
        _, body = await owner.upload_raw(ct_instance(seed=secrets.randbits(30)))
        file_id = body["files"][0]["id"]
        path = f"/api/files/{file_id}"
        # At once, while it may not even be received by results.
        status, file = await call(owner, "ingest", "PATCH", path, {"collection": shared})
        assert (status, file["collection"]) == (200, shared)

        async def arrived() -> bool:
            status, result = await other.get(f"/api/results/{file_id}")
            return bool(status == 200 and (result["state"], result["collection"]) == ("processed", shared))

        await eventually(arrived)
        for target, expected in ((foreign, 404), (looked_into, 403), (f"user:{ids[1]}", 404)):
            status, _ = await call(owner, "ingest", "PATCH", path, {"collection": target})
            assert status == expected, target
        # Whoever manages its collection may take it along; its sender then sees it no longer.
        status, _ = await call(other, "ingest", "PATCH", path, {"collection": foreign})
        assert status == 200

        async def gone() -> bool:
            return (await owner.get(f"/api/results/{file_id}"))[0] == 404

        await eventually(gone)
        assert (await owner.get(path))[0] == 404
        assert (await owner.get(f"/api/results/{file_id}/file"))[0] == 404
        status, _ = await call(owner, "ingest", "PATCH", path, {"collection": f"user:{ids[0]}"})
        assert status == 404
        _, summary = await owner.get("/api/results/summary")
        assert summary["total"] == 0
        _, changes = await owner.get("/api/changes", limit="500")
        last = [change for change in changes["changes"] if change["file_id"] == file_id][-1]
        assert (last["state"], last["collection"]) == ("moved", shared)
        assert foreign not in str(changes)
        _, studies = await other.get("/api/results/summary")
        assert studies["processed"] == 1
