"""Auth as an OpenID provider under attack: odd requests, rights that grow, grants that last too long."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from libs.common.database.postgres import Connection
from tests.applications_support import CALLBACK, answer_in, register
from tests.auth_support import Client, Start, bearer, sign_in

PASSWORD = "four unrelated words here"


@pytest.fixture
async def client(start_auth: Start) -> Client:
    return await start_auth()


async def admin(client: Client) -> str:
    token: str = (await sign_in(client))["access_token"]
    return token


@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "state", "nonce"])
async def test_control_characters_are_refused_and_break_nothing(client: Client, name: str) -> None:
    token = await admin(client)
    visor = await register(client, token)
    asked = visor.request(**{name: "a\0b"})
    async with client.get("/api/auth/oauth/authorize", params=asked, allow_redirects=False) as answer:
        assert answer.status == 400
    assert (await visor.decide(token, decision="allow", **{name: "a\0b"}))[0] == 400


@pytest.mark.parametrize("path", ["token", "revoke"])
async def test_a_client_id_of_any_bytes_is_refused_and_breaks_nothing(client: Client, path: str) -> None:
    visor = await register(client, await admin(client))
    visor.client_id = "a\0b"
    assert (await visor.post(path, grant_type="authorization_code", token="x"))[0] == 401


async def sign_in_as(client: Client, token: str, *permissions: str) -> str:
    """The access token of an account that may do no more than this."""
    body = {
        "username": "leo",
        "password": PASSWORD,
        "must_change_password": False,
        "permissions": list(permissions),
        "groups": [],
    }
    async with client.post("/api/auth/users", json=body, headers=bearer(token)) as answer:
        assert answer.status == 201, await answer.text()
    his: str = (await sign_in(client, username="leo", password=PASSWORD))["access_token"]
    return his


@pytest.mark.parametrize(
    "change",
    [
        {"redirect_uris": ["https://evil.example.org/"]},
        {"trusted": True},
        {"name": "Portal"},
        {"is_active": True},
        {"is_active": False, "redirect_uris": ["https://evil.example.org/"]},
    ],
)
async def test_who_may_less_leads_no_application_elsewhere(client: Client, change: dict[str, Any]) -> None:
    token = await admin(client)
    visor = await register(client, token)
    his = await sign_in_as(client, token, "change_application")
    path = f"/api/auth/applications/{visor.client_id}"
    assert (await client.patch(path, json=change, headers=bearer(his))).status == 403
    # What takes from an application is another matter.
    assert (await client.patch(path, json={"is_active": False}, headers=bearer(his))).status == 200


async def test_who_may_less_gets_no_applications_secret(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token, confidential=True)
    his = await sign_in_as(client, token, "change_application")
    path = f"/api/auth/applications/{visor.client_id}/secret"
    assert (await client.post(path, headers=bearer(his))).status == 403


@pytest.mark.parametrize(
    "changes",
    [
        [{"scopes": ["openid"]}],
        [{"redirect_uris": ["https://viewer.example.org/other"]}],
        [{"is_active": False}, {"is_active": True}],
    ],
)
async def test_a_code_does_not_outlive_what_it_was_asked_for(
    client: Client, changes: list[dict[str, Any]]
) -> None:
    token = await admin(client)
    visor = await register(client, token)
    code = await visor.code(token)
    for change in changes:
        path = f"/api/auth/applications/{visor.client_id}"
        assert (await client.patch(path, json=change, headers=bearer(token))).status == 200
    assert (await visor.exchange(code))[0] == 400


async def test_an_application_that_is_being_turned_off_gets_nothing_more(
    client: Client, sql: Connection
) -> None:
    token = await admin(client)
    visor = await register(client, token)
    code = await visor.code(token)
    async with sql.transaction():
        await sql.execute("UPDATE auth.application SET is_active = false")
        exchange = asyncio.create_task(visor.exchange(code))
        # It has to wait for how this ends; what does not wait is through by then.
        await asyncio.wait({exchange}, timeout=1)
    assert (await exchange)[0] == 400


@pytest.mark.parametrize("uri", ["http://localhost:3000/cb", "org.example.visor:/cb"])
async def test_a_program_of_a_machine_is_let_in_by_nobody_unasked(client: Client, uri: str) -> None:
    token = await admin(client)
    visor = await register(client, token, trusted=True, redirect_uris=[uri, CALLBACK])
    _, asked = await visor.decide(token, redirect_uri=uri)
    assert asked["redirect_to"] is None
    _, answer = await visor.decide(token)
    assert answer["redirect_to"] is not None


DEMANDS = {
    "another password": "UPDATE auth.auth_user SET must_change_password = true",
    "a second factor": """
        WITH made AS (
            INSERT INTO auth.auth_group (name, mode, requires_second_factor) VALUES ('heart', 'none', true)
            RETURNING id
        )
        INSERT INTO auth.auth_user_groups (user_id, group_id)
            SELECT one.id, made.id FROM auth.auth_user AS one, made
    """,
}


@pytest.mark.parametrize("demand", DEMANDS)
async def test_whoever_must_prove_more_first_is_signed_in_nowhere_else(
    client: Client, sql: Connection, demand: str
) -> None:
    token = await admin(client)
    visor = await register(client, token)
    tokens, code = await visor.tokens(token), await visor.code(token)
    await sql.execute(DEMANDS[demand])
    assert (await visor.exchange(code))[0] == 400
    assert (await visor.refresh(tokens["refresh_token"]))[0] == 400


async def test_what_comes_as_a_form_is_answered_as_a_query_is(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token)
    asked = visor.request(nonce="n&1")
    async with client.post("/api/auth/oauth/authorize", data=asked, allow_redirects=False) as answer:
        assert answer.status == 302
        assert answer_in(answer.headers["Location"]) == asked
    evil = {**asked, "redirect_uri": "https://evil.example.org/"}
    async with client.post("/api/auth/oauth/authorize", data=evil, allow_redirects=False) as answer:
        assert answer.status == 400
    tokens = await visor.tokens(token)
    async with client.post("/api/auth/oauth/userinfo", headers=bearer(tokens["access_token"])) as answer:
        assert (await answer.json())["preferred_username"] == "admin"
    hint = {"id_token_hint": tokens["id_token"]}
    async with client.post("/api/auth/oauth/end-session", data=hint, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/")
    assert (await visor.refresh(tokens["refresh_token"]))[0] == 400


async def test_a_program_is_answered_at_the_port_that_it_has_and_gets_its_tokens_there(
    client: Client,
) -> None:
    token = await admin(client)
    visor = await register(client, token, redirect_uris=["http://127.0.0.1/cb"])
    here = "http://127.0.0.1:49152/cb"
    code = await visor.code(token, redirect_uri=here)
    assert (await visor.exchange(code, redirect_uri="http://127.0.0.1:49153/cb"))[0] == 400
    code = await visor.code(token, redirect_uri=here)
    assert (await visor.exchange(code, redirect_uri=here))[0] == 200


async def test_who_holds_no_token_ends_nothing_and_leaves_no_entry_of_it(
    client: Client, sql: Connection
) -> None:
    token = await admin(client)
    visor, mine = await register(client, token), await sign_in(client)
    tokens = await visor.tokens(mine["access_token"])

    async def ended() -> list[str]:
        asked = """
            SELECT entry ->> 'action' FROM auth.audit_pending
            WHERE entry ->> 'action' IN ('revoke_grant', 'logout', 'end_session')
                AND entry -> 'objects' <> '[]' ORDER BY id
        """
        return [row[0] for row in await sql.fetch(asked)]

    assert (await visor.post("revoke", token=guessed(tokens["refresh_token"])))[0] == 200
    body = {"refresh_token": guessed(mine["refresh_token"])}
    assert (await client.post("/api/auth/logout", json=body)).status == 204
    assert await ended() == []
    assert (await visor.post("revoke", token=tokens["refresh_token"]))[0] == 200
    assert (await client.post("/api/auth/logout", json=mine)).status == 204
    assert await ended() == ["revoke_grant", "logout"]
    # An ID token says whose it was for ever; there is nothing left to end.
    hint = {"id_token_hint": tokens["id_token"]}
    async with client.get("/api/auth/oauth/end-session", params=hint, allow_redirects=False) as answer:
        assert answer.status == 302
    assert await ended() == ["revoke_grant", "logout"]


def guessed(token: str) -> str:
    """Of the same session, which ID tokens name, with another secret."""
    return token.partition(".")[0] + "." + "A" * 43
