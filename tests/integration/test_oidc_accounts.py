"""Whose account it is that somebody signs in to with a provider, and what they may do there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError
from services.auth import command
from services.auth.app import create
from services.auth.settings import AuthSettings
from tests import auth_support
from tests.auth_support import ADMIN, Client, Start, bearer
from tests.oidc_support import LyingProvider, come_back, depart, problem_of, providers_file, sign_in
from tests.second_factor_support import code_of
from tests.waiting import eventually

PASSWORD = "four unrelated words here"
Serve = Callable[..., Awaitable[Client]]


@pytest.fixture
async def one() -> AsyncIterator[LyingProvider]:
    async with LyingProvider().served() as provider:
        provider.claims = {
            "sub": "1234",
            "preferred_username": "ana",
            "email": "ana@x.example",
            "given_name": "Ana",
        }
        yield provider


@pytest.fixture
def serve(start_auth: Start, tmp_path: Path, one: LyingProvider) -> Serve:
    """Start a replica; what is given is of the provider, `settings` of the service."""

    async def start(settings: dict[str, Any] | None = None, **provider: Any) -> Client:
        path = providers_file(tmp_path, one={"issuer": one.url, **provider})
        return await start_auth(oidc_providers_file=path, **(settings or {}))

    return start


async def call(
    client: Client, method: str, path: str, token: str | None = None, body: Any = None, status: int = 200
) -> Any:
    headers = {} if token is None else bearer(token)
    async with client.request(method, f"/api/auth{path}", json=body, headers=headers) as answer:
        assert answer.status == status, await answer.text()
        return await answer.json() if status != 204 else None


async def admin(client: Client) -> str:
    token: str = (await auth_support.sign_in(client))["access_token"]
    return token


async def make_user(client: Client, name: str, **more: Any) -> int:
    body = {"username": name, "password": PASSWORD, "must_change_password": False, **more}
    return int((await call(client, "POST", "/users", await admin(client), body, 201))["id"])


async def token_of(client: Client, name: str) -> str:
    found = await auth_support.sign_in(client, username=name, password=PASSWORD)
    token: str = found["access_token"]
    return token


async def noted(sql: Connection, action: str) -> list[dict[str, Any]]:
    rows = await sql.fetch(
        "SELECT entry::text FROM auth.audit_pending WHERE entry->>'action' = $1 ORDER BY id", action
    )
    return [json.loads(row["entry"]) for row in rows]


async def done(sql: Connection, action: str) -> list[tuple[str, str]]:
    """Of what, and by whom, the entries of an act are that succeeded."""
    return [
        (one.get("object_type", ""), one["actor"])
        for one in await noted(sql, action)
        if one["ending"] == "success"
    ]


async def groups_of(sql: Connection, user_id: int) -> list[str]:
    rows = await sql.fetch(
        "SELECT name FROM auth.auth_group AS one JOIN auth.auth_user_groups AS m ON m.group_id = one.id "
        "WHERE m.user_id = $1 ORDER BY name",
        user_id,
    )
    return [row["name"] for row in rows]


async def me(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = await call(client, "GET", "/me")
    return found


async def test_nobody_comes_in_by_a_likeness(serve: Serve, one: LyingProvider, sql: Connection) -> None:
    """Not by the name, not by the e-mail: whoever chooses these at a provider would choose an account."""
    client = await serve()
    await make_user(client, "ana", email="ana@x.example")
    one.claims |= {"preferred_username": "admin", "email_verified": True}
    for name in ("admin", "ana", "Ana"):
        one.claims["preferred_username"] = name
        assert problem_of(await sign_in(client, one)) == "account-unknown"
    assert await sql.fetchval("SELECT count(*) FROM auth.oidc_identity") == 0
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_user") == 2

    async def refused() -> bool:
        found = await noted(sql, "return_from_provider")
        return len(found) == 3

    await eventually(refused)
    (entry, *_) = await noted(sql, "return_from_provider")
    assert (entry["ending"], entry["actor"], entry["status"]) == ("refused", "anonymous", 403)
    assert entry["details"] == {"provider": "one", "problem": "account-unknown"}


async def test_a_new_account_takes_nobodys_place(serve: Serve, one: LyingProvider, sql: Connection) -> None:
    client = await serve(create_accounts=True)
    ana = await make_user(client, "ana", email="ana@x.example")
    assert problem_of(await sign_in(client, one)) is None
    found = await me(client)
    assert (found["username"], found["email"], found["first_name"]) == ("ana-2", "ana@x.example", "Ana")
    assert found["user_id"] != ana
    assert not found["staff"]
    assert await groups_of(sql, found["user_id"]) == ["uploader"]
    for password in ("!", "", "x", PASSWORD):
        async with client.post("/api/auth/login", json={"username": "ana-2", "password": password}) as answer:
            assert answer.status in (400, 401)
    made, begun = await noted(sql, "return_from_provider")
    assert (made["object_type"], made["objects"]) == ("user", [str(found["user_id"])])
    assert (begun["object_type"], begun["actor"]) == ("session", f"user:{found['user_id']}")
    assert begun["details"]["provider"] == "one"
    # And the next time it is the same account, whatever they are called by then.
    one.claims |= {"preferred_username": "other", "email": "other@x.example"}
    assert problem_of(await sign_in(client, one)) is None
    assert (await me(client))["user_id"] == found["user_id"]
    one.claims["sub"] = "5678"
    assert problem_of(await sign_in(client, one)) is None
    assert (await me(client))["username"] == "other"


async def test_who_comes_twice_at_once_gets_one_account(
    serve: Serve, one: LyingProvider, sql: Connection
) -> None:
    browsers = [await serve(create_accounts=True) for _ in range(2)]
    before = await sql.fetchval("SELECT count(*) FROM auth.auth_user")
    found = await asyncio.gather(*(sign_in(browser, one) for browser in browsers))
    assert [problem_of(answer) for answer in found] == [None, None]
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_user") == before + 1


async def test_groups_follow_the_claim(serve: Serve, one: LyingProvider, sql: Connection) -> None:
    mapping = {"rad": "radiologist", "ops": "operator", "gone": "no such group"}
    client = await serve(create_accounts=True, groups=mapping, new_account_groups=[])
    one.claims["groups"] = ["rad", "administrator", "gone"]
    assert problem_of(await sign_in(client, one)) is None
    user_id = (await me(client))["user_id"]
    assert await groups_of(sql, user_id) == ["radiologist"]
    # What an administrator gives beside the mapping stays.
    await sql.execute(
        "INSERT INTO auth.auth_user_groups (user_id, group_id) "
        "SELECT $1, id FROM auth.auth_group WHERE name = 'auditor'",
        user_id,
    )
    one.claims["groups"] = ["ops"]
    assert problem_of(await sign_in(client, one)) is None
    assert await groups_of(sql, user_id) == ["auditor", "operator"]
    assert "view_queue" in (await me(client))["permissions"]
    version = await sql.fetchval("SELECT access_version FROM auth.auth_user WHERE id = $1", user_id)
    # A claim that is not there gives nothing.
    del one.claims["groups"]
    assert problem_of(await sign_in(client, one)) is None
    assert await groups_of(sql, user_id) == ["auditor"]
    assert await sql.fetchval("SELECT access_version FROM auth.auth_user WHERE id = $1", user_id) > version
    details = [entry["details"] for entry in await noted(sql, "return_from_provider")]
    changes = [one for one in details if one.get("change") == "groups"]
    assert [(len(one["added"]), len(one["removed"])) for one in changes] == [(1, 0), (1, 1), (0, 1)]


async def test_who_lacks_what_is_required_stays_out(serve: Serve, one: LyingProvider) -> None:
    client = await serve(create_accounts=True, required_claims={"hd": ["hospital.example"]})
    assert problem_of(await sign_in(client, one)) == "not-admitted"
    one.claims["hd"] = "elsewhere.example"
    assert problem_of(await sign_in(client, one)) == "not-admitted"
    one.claims["hd"] = "hospital.example"
    assert problem_of(await sign_in(client, one)) is None


async def test_a_closed_account_stays_closed(serve: Serve, one: LyingProvider) -> None:
    client = await serve(create_accounts=True)
    assert problem_of(await sign_in(client, one)) is None
    user_id = (await me(client))["user_id"]
    await call(client, "PATCH", f"/users/{user_id}", await admin(client), {"is_active": False})
    assert problem_of(await sign_in(client, one)) == "account-closed"


async def test_userinfo_adds_what_is_not_signed(serve: Serve, one: LyingProvider) -> None:
    client = await serve(create_accounts=True, userinfo=True)
    one.userinfo = {"sub": "1234", "preferred_username": "somebody", "family_name": "Diaz"}
    assert problem_of(await sign_in(client, one)) is None
    found = await me(client)
    assert (found["username"], found["last_name"]) == ("ana", "Diaz")
    for said in ({"sub": "another"}, {}):
        one.userinfo = said
        assert problem_of(await sign_in(client, one)) == "sign-in-unproved"


async def link(client: Client, name: str, one: LyingProvider, password: str = PASSWORD) -> str | None:
    """Link the account to who the provider says it is; the problem, if there is one."""
    token = await token_of(client, name)
    body = {"password": password, "next": "/profile"}
    url = (await call(client, "POST", "/oidc/one/link", token, body))["authorization_url"]
    state = parse_qs(urlsplit(url).query)["state"][0]
    answer = await come_back(client, code=one.authorize(url), state=state)
    assert urlsplit(answer.headers["Location"]).path == "/profile"
    assert "dicom_access" not in answer.cookies
    return problem_of(answer)


async def test_people_link_their_own_account(serve: Serve, one: LyingProvider, sql: Connection) -> None:
    client = await serve()
    ana, _ = await make_user(client, "ana"), await make_user(client, "bea")
    await call(client, "POST", "/oidc/one/link", await token_of(client, "ana"), {"password": "wrong"}, 401)
    await call(client, "POST", "/oidc/one/link", None, {"password": PASSWORD}, 401)
    await call(client, "POST", "/oidc/two/link", await token_of(client, "ana"), {"password": PASSWORD}, 404)
    assert await link(client, "ana", one) is None
    assert await link(client, "ana", one) is None
    assert await link(client, "bea", one) == "identity-taken"
    assert problem_of(await sign_in(client, one)) is None
    assert (await me(client))["user_id"] == ana
    token = await token_of(client, "ana")
    (identity,) = (await call(client, "GET", "/me/identities", token))["identities"]
    assert (identity["issuer"], identity["subject"]) == (one.url, "1234")
    # One's own only.
    other = await token_of(client, "bea")
    await call(client, "DELETE", f"/me/identities/{identity['id']}", other, None, 404)
    await call(client, "DELETE", f"/me/identities/{identity['id']}", token, None, 204)
    assert await done(sql, "unlink_own_identity") == [("identity", f"user:{ana}")]
    assert ("identity", f"user:{ana}") in await done(sql, "return_from_provider")
    assert ("", f"user:{ana}") in await done(sql, "link_own_identity")
    assert problem_of(await sign_in(client, one)) == "account-unknown"


async def test_a_link_is_made_by_who_is_still_signed_in(
    serve: Serve, one: LyingProvider, sql: Connection
) -> None:
    client = await serve()
    await make_user(client, "ana")
    token = await token_of(client, "ana")
    url = (await call(client, "POST", "/oidc/one/link", token, {"password": PASSWORD}))["authorization_url"]
    await sql.execute("UPDATE auth.auth_session SET revoked_at = now()")
    state = parse_qs(urlsplit(url).query)["state"][0]
    assert problem_of(await come_back(client, code=one.authorize(url), state=state)) == "sign-in-expired"
    assert await sql.fetchval("SELECT count(*) FROM auth.oidc_identity") == 0


async def test_the_only_way_in_is_kept(serve: Serve, one: LyingProvider) -> None:
    client = await serve(create_accounts=True)
    await sign_in(client, one)
    (identity,) = (await call(client, "GET", "/me/identities"))["identities"]
    found = await call(client, "DELETE", f"/me/identities/{identity['id']}", None, None, 409)
    assert found["code"] == "only-way-in"
    found = await call(client, "POST", "/oidc/one/link", None, {"password": "!"}, 409)
    assert found["code"] == "own-password-missing"
    assert problem_of(await sign_in(client, one)) is None


async def test_administrators_link_those_below_them(
    serve: Serve, one: LyingProvider, sql: Connection
) -> None:
    client = await serve()
    ana = await make_user(client, "ana")
    lead = await make_user(client, "lead", permissions=["change_user", "view_user"])
    given = {"provider": "one", "subject": "1234"}
    as_lead = await token_of(client, "lead")
    # Whoever can come as that person would be more than they are, or change their own access.
    await call(client, "POST", "/users/1/identities", as_lead, given, 403)
    await call(client, "POST", f"/users/{lead}/identities", as_lead, given, 403)
    await call(client, "POST", f"/users/{ana}/identities", await token_of(client, "ana"), given, 403)
    root = await admin(client)
    await call(client, "POST", f"/users/{ana}/identities", root, {"provider": "x", "subject": "1"}, 400)
    await call(client, "POST", "/users/99/identities", root, given, 404)
    made = await call(client, "POST", f"/users/{ana}/identities", root, given, 201)
    await call(client, "POST", f"/users/{lead}/identities", root, given, 409)
    assert problem_of(await sign_in(client, one)) is None
    assert (await me(client))["user_id"] == ana
    listed = await call(client, "GET", f"/users/{ana}/identities", root)
    assert [(entry["id"], entry["subject"]) for entry in listed["identities"]] == [(made["id"], "1234")]
    await call(client, "DELETE", f"/users/{lead}/identities/{made['id']}", root, None, 404)
    await call(client, "DELETE", f"/users/{ana}/identities/{made['id']}", root, None, 204)
    # What was begun with it is over.
    assert (
        await sql.fetchval(
            "SELECT count(*) FROM auth.auth_session WHERE user_id = $1 AND revoked_at IS NOT NULL", ana
        )
        == 1
    )
    log = await sql.fetchval("SELECT count(*) FROM auth.admin_log WHERE change_message LIKE '%identities%'")
    assert log == 2
    for action in ("link_identity", "unlink_identity"):
        assert await done(sql, action) == [("user", "user:1")]


async def test_service_accounts_are_nobodys_identity(serve: Serve) -> None:
    client = await serve()
    root = await admin(client)
    made = await call(client, "POST", "/service-accounts", root, {"username": "bot", "permissions": []}, 201)
    given = {"provider": "one", "subject": "1234"}
    await call(client, "POST", f"/users/{made['id']}/identities", root, given, 409)


async def test_passwords_can_be_turned_off(
    serve: Serve, one: LyingProvider, sql: Connection, auth_settings: AuthSettings, capsys: Any
) -> None:
    client = await serve({"password_sign_in": False}, create_accounts=True)
    listed = await call(client, "GET", "/oidc")
    assert listed == {
        "providers": [{"name": "one", "title": "One", "sign_in_path": "/api/auth/oidc/one/sign-in"}],
        "password_sign_in": False,
    }
    for name in ("admin", "nobody", "\x00"):
        found = await call(client, "POST", "/login", None, {**ADMIN, "username": name}, 403)
        assert found["code"] == "password-sign-in-off"
    assert problem_of(await sign_in(client, one)) is None
    # A way in for the operator, for a while.
    done = await asyncio.to_thread(command.run, ["user", "let-in", "admin", "--minutes", "5"], auth_settings)
    assert (done, "may sign in by password until" in capsys.readouterr().out) == (0, True)
    await auth_support.sign_in(client)
    await call(client, "POST", "/login", None, {**ADMIN, "password": "wrong"}, 401)
    await sql.execute("UPDATE auth.auth_user SET let_in_until = now() - interval '1 second'")
    await call(client, "POST", "/login", None, ADMIN, 403)


async def test_nobody_is_locked_out_by_a_setting(auth_settings: AuthSettings) -> None:
    with pytest.raises(ConfigurationError, match="nobody could sign in"):
        create(auth_settings.model_copy(update={"password_sign_in": False}))


async def test_a_second_factor_is_asked_for_here_unless_the_provider_is_trusted(
    serve: Serve, one: LyingProvider, sql: Connection, tmp_path: Path
) -> None:
    Keyring.create(tmp_path / "auth.json")
    client = await serve(
        {"auth_keyring_file": tmp_path / "auth.json"}, create_accounts=True, second_factor_amr=["mfa"]
    )
    assert problem_of(await sign_in(client, one)) is None
    user_id = (await me(client))["user_id"]
    await sql.execute("UPDATE auth.auth_group SET requires_second_factor = true WHERE name = 'uploader'")
    # Whoever came without one does not stay.
    await call(client, "POST", "/refresh", None, None, 401)
    client.session.cookie_jar.clear()
    one.claims["amr"] = ["pwd", "otp"]
    answer = await sign_in(client, one, next="/results?q=x")
    page = urlsplit(answer.headers["Location"])
    assert (page.path, parse_qs(page.query)) == ("/sign-in", {"next": ["/results?q=x"]})
    told = {name: values[0] for name, values in parse_qs(page.fragment).items()}
    assert (told["expires_in"], told["methods"]) == ("300", "enrol")
    assert "dicom_access" not in answer.cookies
    await call(client, "GET", "/me", None, None, 401)
    # The second step is that of every other sign-in.
    challenge = {"challenge_token": told["challenge_token"]}
    secret = (await call(client, "POST", "/login/enrol", None, challenge))["secret"]
    step = {**challenge, "code": code_of(secret)}
    tokens = await call(client, "POST", "/login/second-factor", None, step)
    assert (await call(client, "GET", "/me", tokens["access_token"]))["user_id"] == user_id
    body = {"refresh_token": tokens["refresh_token"]}
    url = (await call(client, "POST", "/oidc/sign-out", None, body))["end_session_url"]
    assert url.startswith(one.url)
    # A challenge dies with the identity that it came by.
    answer = await sign_in(client, one)
    told = {
        name: values[0] for name, values in parse_qs(urlsplit(answer.headers["Location"]).fragment).items()
    }
    assert told["methods"] == "totp,recovery_code"
    await sql.execute("DELETE FROM auth.oidc_identity")
    step = {"challenge_token": told["challenge_token"], "code": code_of(secret, 1)}
    await call(client, "POST", "/login/second-factor", None, step, 401)
    # A provider that is trusted has asked already.
    one.claims |= {"amr": ["pwd", "mfa"], "sub": "another"}
    assert problem_of(await sign_in(client, one)) is None
    assert (await me(client))["user_id"] != user_id
    await call(client, "POST", "/refresh")


async def test_signing_out_leads_to_the_provider_too(
    serve: Serve, one: LyingProvider, sql: Connection
) -> None:
    client = await serve({"public_url": "http://127.0.0.1:8080"}, create_accounts=True)
    await sign_in(client, one)
    url = (await call(client, "POST", "/oidc/sign-out"))["end_session_url"]
    asked = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    assert url.startswith(f"{one.url}/logout?")
    assert asked == {"client_id": "dicom", "post_logout_redirect_uri": "http://127.0.0.1:8080/sign-in"}
    assert await sql.fetchval("SELECT bool_and(revoked_at IS NOT NULL) FROM auth.auth_session")
    await call(client, "GET", "/me", None, None, 401)
    # Who signed in by password has nowhere else to sign out.
    found = await auth_support.sign_in(client)
    body = {"refresh_token": found["refresh_token"]}
    assert await call(client, "POST", "/oidc/sign-out", None, body) == {"end_session_url": None}
    assert await call(client, "POST", "/oidc/sign-out", None, body) == {"end_session_url": None}


async def test_a_provider_without_an_end_or_that_is_away_keeps_nobody_signed_in(
    serve: Serve, one: LyingProvider, monkeypatch: pytest.MonkeyPatch, sql: Connection
) -> None:
    one.metadata["end_session_endpoint"] = None
    client = await serve(create_accounts=True)
    await sign_in(client, one)
    assert await call(client, "POST", "/oidc/sign-out") == {"end_session_url": None}
    await sign_in(client, one)
    one.away = True
    monkeypatch.setattr("services.auth.oidc.discovery.METADATA_SECONDS", 0.0)
    assert await call(client, "POST", "/oidc/sign-out") == {"end_session_url": None}
    assert await sql.fetchval("SELECT bool_and(revoked_at IS NOT NULL) FROM auth.auth_session")


async def test_ways_back_are_counted(serve: Serve, one: LyingProvider) -> None:
    client = await serve(create_accounts=True)
    await sign_in(client, one)
    await depart(client)
    await come_back(client, state="x")
    async with client.get("/metrics") as answer:
        text = await answer.text()
    assert 'auth_provider_sign_ins_total{outcome="ok",provider="one"} 1.0' in text
    assert 'auth_provider_sign_ins_total{outcome="sign-in-mismatch",provider="one"} 1.0' in text
    assert 'auth_provider_accounts_total{provider="one"} 1.0' in text
