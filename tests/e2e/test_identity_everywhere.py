"""What auth gives and takes back holds on every service: accounts, sessions, keys, collections."""

from __future__ import annotations

import asyncio
import base64
import secrets
from typing import Any

from aiohttp import ClientResponse

from tests.builders import ct_instance
from tests.commands import run_command
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import PASSWORD, Client
from tests.waiting import PATIENCE, eventually

EVERY_SERVICE = ("/api/auth/directory?q=a", "/api/files", "/api/results", "/api/changes", "/api/events")


async def shell(system: System, *arguments: str) -> str:
    """What an operator does on the auth service's database."""
    env = {"DATABASE_URL": system.database_url("auth")}
    done = await asyncio.to_thread(run_command, "services.auth", *arguments, env=env, given=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    return done.stdout


async def statuses(client: Client, headers: dict[str, str]) -> list[int]:
    """The answers of every service to these credentials; live streams are not read."""
    found = []
    for path in EVERY_SERVICE:
        service = "auth" if "/auth/" in path else "ingest" if path == "/api/files" else "results"
        async with client.session.get(client.urls[service] + path, headers=headers) as answer:
            found.append(answer.status)
    return found


async def stream_of(client: Client) -> ClientResponse:
    """A live stream that goes on until the service ends it."""
    answer = await client.session.get(f"{client.urls['results']}/api/events", headers=client.headers)
    assert answer.status == 200
    return answer


async def name_of(client: Client) -> str:
    _, me = await client.get("/api/auth/me")
    return str(me["username"])


async def refused(client: Client, *credentials: dict[str, str]) -> bool:
    """Whether every service refuses each of these."""
    found = [status for one in credentials for status in await statuses(client, one)]
    return set(found) == {401}


async def test_what_ends_ends_on_every_service_and_in_streams(system: System, new_user: NewUser) -> None:
    closed, signed_out, moved = clients = [await new_user() for _ in range(3)]
    names = [await name_of(client) for client in clients]
    streams = [await stream_of(client) for client in clients]
    for client in clients:
        assert await statuses(client, client.headers) == [200] * len(EVERY_SERVICE)
    await shell(system, "user", "change", names[0], "--no-active")
    await shell(system, "user", "sign-out", names[1])
    await shell(system, "user", "change", names[2], "--group", "auditor")
    held = [client.headers for client in clients]
    await eventually(lambda: refused(closed, *held))
    for stream in streams:
        async with asyncio.timeout(PATIENCE):
            await stream.read()
    # Whose access was only changed goes on with what they have now.
    await moved.login(names[2])
    assert await statuses(moved, moved.headers) == [200, 403, 403, 403, 403]
    await signed_out.login(names[1])
    assert await statuses(signed_out, signed_out.headers) == [200] * len(EVERY_SERVICE)
    login = {"username": names[0], "password": PASSWORD}
    async with closed.session.post(f"{closed.urls['auth']}/api/auth/login", json=login) as answer:
        assert answer.status == 401


async def test_an_api_key_opens_every_service_until_it_is_ended(system: System, client: Client) -> None:
    url, name = f"{client.urls['auth']}/api/auth/me/api-keys", await name_of(client)

    async def make(**wanted: Any) -> dict[str, Any]:
        async with client.session.post(url, json=wanted, headers=client.headers) as answer:
            assert answer.status == 201, await answer.text()
            found: dict[str, Any] = await answer.json()
            return found

    key = await make(name="scanner")
    basic = base64.b64encode(f"{name}:{key['key']}".encode()).decode()
    ways = {"Authorization": f"Bearer {key['key']}"}, {"Authorization": f"Basic {basic}"}
    for headers in ways:
        assert await statuses(client, headers) == [200] * len(EVERY_SERVICE)
    narrow = await make(name="reader", permissions=["view_dicomfile"])
    limited = {"Authorization": f"Bearer {narrow['key']}"}
    assert await statuses(client, limited) == [200, 200, 403, 403, 403]
    async with client.session.delete(f"{url}/{key['id']}", headers=client.headers) as answer:
        assert answer.status == 204
    await eventually(lambda: refused(client, *ways))
    assert await statuses(client, limited) == [200, 200, 403, 403, 403]


async def test_uploads_go_to_the_default_collection_while_it_is_open(system: System, client: Client) -> None:
    group, name = f"group-{secrets.token_hex(4)}", await name_of(client)
    made = await shell(system, "group", "create", group, "--mode", "manage")
    collection = made.partition("collection ")[2].rstrip(").\n")
    await shell(system, "user", "change", name, "--group", group, "--group", "uploader")
    await shell(system, "user", "change", name, "--default-collection", collection)

    async def uploaded(**params: str) -> str:
        content = ct_instance(seed=secrets.randbelow(10**6))
        await client.login(name)
        async with client.session.post(
            f"{client.urls['ingest']}/api/files",
            data=content,
            params=params,
            headers={**client.headers, "Content-Type": "application/dicom"},
        ) as answer:
            body = await answer.json()
            assert answer.status == 202, body
        _, file = await client.get(f"/api/files/{body['files'][0]['id']}")
        return str(file["collection"])

    assert await uploaded() == collection
    _, me = await client.get("/api/auth/me")
    own = f"user:{me['user_id']}"
    assert await uploaded(collection=own) == own
    await shell(system, "group", "change", group, "--mode", "view")
    assert await uploaded() == own
