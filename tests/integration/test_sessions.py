"""Sessions: where one is signed in, how they end, and that every service hears of it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from libs.common.database.postgres import Connection
from libs.common.errors import TokenExpired
from libs.common.http.client import parse_networks
from libs.common.security.http_document import HttpDocument
from libs.common.security.revocations import Revocations
from libs.common.security.tokens import TokenVerifier
from tests.auth_support import ADMIN, Client, Start, bearer, me, refresh, sign_in
from tests.waiting import eventually

PASSWORD = "four unrelated words here"


@pytest.fixture
async def client(start_auth: Start) -> Client:
    return await start_auth(trusted_proxies=parse_networks("127.0.0.0/8"))


async def from_device(client: Client, agent: str, address: str, **changed: str) -> dict[str, Any]:
    headers = {"User-Agent": agent, "X-Forwarded-For": address}
    async with client.post("/api/auth/login", json={**ADMIN, **changed}, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        found: dict[str, Any] = await answer.json()
        return found


async def make_user(client: Client, token: str, name: str, **more: Any) -> int:
    body = {"username": name, "password": PASSWORD, "must_change_password": False, **more}
    async with client.post("/api/auth/users", json=body, headers=bearer(token)) as answer:
        assert answer.status == 201, await answer.text()
        return int((await answer.json())["id"])


async def sessions_of(client: Client, token: str, path: str = "/me/sessions") -> list[dict[str, Any]]:
    async with client.get(f"/api/auth{path}", headers=bearer(token)) as answer:
        assert answer.status == 200, await answer.text()
        found: list[dict[str, Any]] = (await answer.json())["sessions"]
        return found


async def delete(client: Client, token: str, path: str) -> int:
    async with client.delete(f"/api/auth{path}", headers=bearer(token)) as answer:
        return answer.status


async def verifier_elsewhere(client: Client) -> tuple[TokenVerifier, Revocations, HttpDocument]:
    """What another service has."""
    document = HttpDocument(str(client.make_url("/api/auth/revocations.json")), what="revoked tokens")
    revocations = Revocations(document)
    verifier = TokenVerifier(str(client.make_url("/api/auth/jwks.json")), revocations=revocations)
    await revocations.refresh()
    return verifier, revocations, document


async def test_people_see_and_end_their_own_sessions(client: Client, sql: Connection) -> None:
    phone = await from_device(client, "Phone " + "x" * 600, "192.0.2.1")
    desk = await from_device(client, "Desk", "2001:db8::1")
    listed = await sessions_of(client, desk["access_token"])
    assert [(s["user_agent"][:5], s["remote_address"], s["current"]) for s in listed] == [
        ("Desk", "2001:db8::1", True),
        ("Phone", "192.0.2.1", False),
    ]
    assert len(listed[1]["user_agent"]) == 512
    headers = {"User-Agent": "Phone 2", "X-Forwarded-For": "192.0.2.2"}
    async with client.post(
        "/api/auth/refresh", json={"refresh_token": phone["refresh_token"]}, headers=headers
    ) as answer:
        phone = await answer.json()
    listed = await sessions_of(client, desk["access_token"])
    assert (listed[1]["user_agent"], listed[1]["remote_address"]) == ("Phone 2", "192.0.2.2")
    assert await delete(client, desk["access_token"], f"/me/sessions/{listed[1]['id']}") == 204
    assert await delete(client, desk["access_token"], f"/me/sessions/{listed[1]['id']}") == 404
    assert [s["current"] for s in await sessions_of(client, desk["access_token"])] == [True]
    assert (await refresh(client, phone["refresh_token"]))[0] == 401
    for odd in ("x", "0" * 32, "%00"):
        assert await delete(client, desk["access_token"], f"/me/sessions/{odd}") == 404


async def test_administrators_see_everybodys_sessions(client: Client) -> None:
    admin = (await from_device(client, "Desk", "2001:db8::1"))["access_token"]
    ana = await make_user(client, admin, "Ana")
    phone = await from_device(client, "Phone", "192.0.2.1", username="Ana", password=PASSWORD)
    listed = await sessions_of(client, admin, "/sessions")
    assert [(s["username"], s["user_agent"], s["current"]) for s in listed] == [
        ("Ana", "Phone", False),
        ("admin", "Desk", True),
    ]
    for query, names in (("ANA", ["Ana"]), ("192.0.", ["Ana"]), ("2001:", ["admin"]), ("0.2.1", [])):
        found = await sessions_of(client, admin, f"/sessions?q={query}")
        assert [session["username"] for session in found] == names
    async with client.get("/api/auth/sessions?limit=1", headers=bearer(admin)) as answer:
        cursor = (await answer.json())["next_cursor"]
    assert (await sessions_of(client, admin, f"/sessions?cursor={cursor}")) == listed[1:]
    async with client.get("/api/auth/sessions", headers=bearer(phone["access_token"])) as answer:
        assert (answer.status, (await answer.json())["permission"]) == (403, "view_session")
    assert await delete(client, admin, f"/users/{ana}/sessions/{listed[0]['id']}") == 204
    assert await sessions_of(client, admin, "/sessions") == listed[1:]


async def test_sessions_are_pages(client: Client) -> None:
    tokens = [await from_device(client, f"device {n}", "192.0.2.1") for n in range(5)]
    seen, query = [], "?limit=2"
    for _ in range(3):
        async with client.get(
            f"/api/auth/me/sessions{query}", headers=bearer(tokens[0]["access_token"])
        ) as answer:
            body = await answer.json()
        seen += [session["user_agent"] for session in body["sessions"]]
        query = f"?limit=2&cursor={body['next_cursor']}"
    assert seen == [f"device {n}" for n in reversed(range(5))]
    assert body["next_cursor"] is None


async def test_administrators_end_sessions_of_those_below_them(client: Client, sql: Connection) -> None:
    root = (await sign_in(client))["access_token"]
    ana = await make_user(client, root, "ana")
    lead = await make_user(client, root, "lead", permissions=["view_session", "delete_session"])
    first = await from_device(client, "one", "192.0.2.1", username="ana", password=PASSWORD)
    second = await from_device(client, "two", "192.0.2.1", username="ana", password=PASSWORD)
    as_lead = (await sign_in(client, username="lead", password=PASSWORD))["access_token"]
    listed = await sessions_of(client, as_lead, f"/users/{ana}/sessions")
    assert [session["user_agent"] for session in listed] == ["two", "one"]
    # Another one's session is not ended through an account that it does not belong to.
    own = (await sessions_of(client, as_lead))[0]["id"]
    assert await delete(client, as_lead, f"/users/{ana}/sessions/{own}") == 404
    assert await delete(client, first["access_token"], f"/me/sessions/{own}") == 404
    assert await delete(client, as_lead, f"/users/{ana}/sessions/{listed[0]['id']}") == 204
    assert (await refresh(client, second["refresh_token"]))[0] == 401
    assert await delete(client, as_lead, f"/users/{ana}/sessions") == 204
    assert (await refresh(client, first["refresh_token"]))[0] == 401
    assert await delete(client, as_lead, "/users/1/sessions") == 403
    assert await delete(client, as_lead, "/users/99/sessions") == 404
    as_ana = (await sign_in(client, username="ana", password=PASSWORD))["access_token"]
    assert await delete(client, as_ana, f"/users/{lead}/sessions") == 403
    entries = await sql.fetchval("SELECT count(*) FROM auth.admin_log WHERE user_id = $1", lead)
    assert entries == 2


async def test_a_session_that_nobody_uses_ends(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(session_idle_seconds=3600)
    found = await sign_in(client)
    await sql.execute("UPDATE auth.auth_session SET last_used_at = now() - interval '59 minutes'")
    _, found = await refresh(client, found["refresh_token"])
    assert await sql.fetchval("SELECT last_used_at > now() - interval '1 minute' FROM auth.auth_session")
    await sql.execute("UPDATE auth.auth_session SET last_used_at = now() - interval '1 hour'")
    assert (await refresh(client, found["refresh_token"]))[0] == 401
    assert await sessions_of(client, found["access_token"]) == []


async def test_no_access_token_outlives_its_session(start_auth: Start) -> None:
    found = await sign_in(await start_auth(session_seconds=60))
    assert found["expires_in"] <= 60


async def test_every_service_hears_what_was_ended(client: Client, sql: Connection) -> None:
    root = (await sign_in(client))["access_token"]
    ana, bea = await make_user(client, root, "ana"), await make_user(client, root, "bea")
    tokens = {name: await sign_in(client, username=name, password=PASSWORD) for name in ("ana", "bea")}
    verifier, revocations, document = await verifier_elsewhere(client)
    for found in tokens.values():
        await verifier.verify(found["access_token"])
    body = {"is_active": False}
    async with client.patch(f"/api/auth/users/{ana}", json=body, headers=bearer(root)) as answer:
        assert answer.status == 200
    assert await delete(client, root, f"/users/{bea}") == 204
    ended = tokens["ended"] = await sign_in(client)
    await client.post("/api/auth/logout", json={"refresh_token": ended["refresh_token"]})

    async def all_are_refused() -> bool:
        await revocations.refresh()
        return [await refused(found["access_token"]) for found in tokens.values()] == [True] * 3

    async def refused(token: str) -> bool:
        try:
            await verifier.verify(token)
        except TokenExpired:
            return True
        return False

    await eventually(all_are_refused)
    await verifier.verify(root)
    await verifier.close()
    await document.close()


async def test_the_list_is_public_small_and_sent_once(client: Client, sql: Connection) -> None:
    found = await sign_in(client)
    url = "/api/auth/revocations.json"
    async with client.get(url) as answer:
        assert answer.headers["Cache-Control"] == "public, max-age=2"
        assert await answer.json() == {"sessions": {}, "users": {}, "keys": {}, "signing_keys": []}
        etag = answer.headers["ETag"]
    async with client.get(url, headers={"If-None-Match": etag}) as answer:
        assert (answer.status, await answer.read()) == (304, b"")
    assert (await client.post("/api/auth/logout", json={"refresh_token": found["refresh_token"]})).ok
    await sql.execute(
        "UPDATE auth.auth_user SET access_version = 3, access_changed_at = now() - interval '1 hour'"
    )

    async def says(sessions: list[str]) -> bool:
        async with client.get(url) as answer:
            body = await answer.json()
        return (list(body["sessions"]), body["users"]) == (sessions, {})

    await eventually(lambda: says([found["refresh_token"].partition(".")[0]]))
    async with client.get(url, headers={"If-None-Match": etag}) as answer:
        assert answer.status == 200
    await sql.execute("UPDATE auth.auth_session SET revoked_at = revoked_at - interval '1 hour'")
    await eventually(lambda: says([]))


async def test_who_must_change_the_password_can_do_nothing_else(client: Client) -> None:
    root = (await sign_in(client))["access_token"]
    ana = await make_user(client, root, "ana", must_change_password=True, is_superuser=True)
    found = await sign_in(client, username="ana", password=PASSWORD)
    token = found["access_token"]
    status, body = await me(client, token)
    assert (status, body["must_change_password"]) == (200, True)
    for method, path in (
        ("PATCH", "/me"),
        ("GET", "/directory?q=a"),
        ("GET", "/me/sessions"),
        ("GET", "/me/api-keys"),
        ("GET", "/users"),
        ("PUT", "/users/1/password"),
    ):
        answer = await client.request(method, f"/api/auth{path}", json={}, headers=bearer(token))
        assert (answer.status, (await answer.json())["code"]) == (403, "password-change-required"), path
    _, renewed = await refresh(client, found["refresh_token"])
    assert (await me(client, renewed["access_token"]))[1]["must_change_password"] is True
    change = {"current_password": PASSWORD, "new_password": "entirely other words"}
    answer = await client.put("/api/auth/me/password", json=change, headers=bearer(token))
    assert answer.status == 204, await answer.text()
    _, renewed = await refresh(client, renewed["refresh_token"])
    assert (await me(client, renewed["access_token"]))[1]["must_change_password"] is False
    assert await sessions_of(client, renewed["access_token"])
    # Told while signed in: what is open now closes.
    body = {"must_change_password": True}
    async with client.patch(f"/api/auth/users/{ana}", json=body, headers=bearer(root)) as answer:
        assert answer.status == 200
    _, renewed = await refresh(client, renewed["refresh_token"])
    answer = await client.get("/api/auth/users", headers=bearer(renewed["access_token"]))
    assert (await answer.json())["code"] == "password-change-required"


async def test_a_password_of_a_mebibyte_is_refused_at_once(client: Client, sql: Connection) -> None:
    for sent in ({"password": "x" * 2**20}, {"username": "x" * 2**20}):
        body = io.BytesIO(json.dumps({**ADMIN, **sent}).encode())
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/api/auth/login", data=body, headers=headers)
        assert answer.status == 413
    assert await sql.fetchval("SELECT count(*) FROM auth.sign_in_failure") == 0
