"""Auth as an OpenID provider: what an application gets, for how long, and what it never gets."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from libs.common.database.postgres import Connection
from libs.common.security.principal import Principal
from libs.common.security.revocations import RevocationDocument
from libs.common.security.tokens import TokenVerifier
from tests.applications_support import CALLBACK, ISSUER, Application, answer_in, register
from tests.auth_support import Client, Start, bearer, me, refresh, sign_in
from tests.waiting import eventually

PASSWORD = "four unrelated words here"


@pytest.fixture
async def client(start_auth: Start) -> Client:
    return await start_auth()


async def admin(client: Client) -> str:
    token: str = (await sign_in(client))["access_token"]
    return token


async def get(client: Client, path: str, token: str | None = None) -> tuple[int, dict[str, Any]]:
    headers = {} if token is None else bearer(token)
    async with client.get(f"/api/auth{path}", headers=headers) as answer:
        return answer.status, await answer.json()


async def location(client: Client, path: str, **query: str) -> str:
    async with client.get(f"/api/auth{path}", params=query, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"]


async def claims_of(client: Client, token: str) -> dict[str, Any]:
    """What an ID token says, verified with what is published."""
    async with client.get("/api/auth/oauth/jwks.json") as answer:
        keys: Any = await answer.json()
    assert [(key["kty"], key["alg"], "d" in key) for key in keys["keys"]] == [("EC", "ES256", False)]
    return jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"]).claims


async def ended(client: Client, session: str) -> None:
    """Every service hears of it."""

    async def told() -> bool:
        _, document = await get(client, "/revocations.json")
        return session in RevocationDocument.model_validate(document).sessions

    await eventually(told)


async def test_the_metadata_lead_to_what_is_served(client: Client) -> None:
    _, metadata = await get(client, "/.well-known/openid-configuration")
    assert metadata["issuer"] == ISSUER
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    for name, address in metadata.items():
        if name.endswith(("_endpoint", "_uri")):
            assert address.startswith(f"{ISSUER}/")
            async with client.options(address.removeprefix("http://127.0.0.1:8080")) as answer:
                assert answer.status == 405, address


async def test_a_reader_lets_an_application_in(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token)
    back = await location(client, "/oauth/authorize", **visor.request())
    assert back.startswith(f"/authorize?client_id={visor.client_id}&")
    status, asked = await visor.decide(token)
    assert (status, asked) == (
        200,
        {
            "name": "Visor",
            "host": "viewer.example.org",
            "scopes": ["openid", "profile", "dicomweb"],
            "redirect_to": None,
        },
    )
    _, answer = await visor.decide(token, decision="allow")
    told = answer_in(answer["redirect_to"])
    assert (told["state"], told["iss"]) == ("s-1", ISSUER)
    status, tokens = await visor.exchange(told["code"])
    assert (status, tokens["token_type"], tokens["scope"]) == (200, "Bearer", "openid profile dicomweb")
    _, own = await me(client, token)
    said = await claims_of(client, tokens["id_token"])
    assert (said["iss"], said["aud"], said["sub"]) == (ISSUER, visor.client_id, str(own["user_id"]))
    assert (said["nonce"], said["preferred_username"]) == ("n-1", "admin")
    assert await get(client, "/oauth/userinfo", tokens["access_token"]) == (
        200,
        {"sub": said["sub"], "preferred_username": "admin", "name": "admin"},
    )
    _, devices = await get(client, "/me/sessions", token)
    assert [one["application"] for one in devices["sessions"]] == ["Visor", None]


async def test_an_application_of_the_house_is_let_in_without_a_question(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token, trusted=True)
    _, answer = await visor.decide(token)
    assert "code" in answer_in(answer["redirect_to"])
    _, asked = await visor.decide(token, prompt="consent")
    assert asked["redirect_to"] is None


async def test_its_token_opens_dicomweb_and_nothing_else(client: Client) -> None:
    token = await admin(client)
    tokens = await (await register(client, token)).tokens(token)
    for path in ("/me", "/me/sessions", "/users", "/applications"):
        status, problem = await get(client, path, tokens["access_token"])
        assert (status, problem["code"]) == (403, "insufficient-scope"), path
    caller = await verified(client, tokens["access_token"])
    assert caller.permissions == {"view_dicomfile", "view_dicomresult", "view_all_dicomresult"}
    assert (caller.staff, caller.scope) == (False, frozenset({"openid", "profile", "dicomweb"}))


async def verified(client: Client, token: str) -> Principal:
    """Whom another service takes it for."""
    verifier = TokenVerifier(str(client.make_url("/api/auth/jwks.json")))
    try:
        return await verifier.verify(token)
    finally:
        await verifier.close()


async def test_its_refresh_token_is_replaced_and_never_ones_own(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token)
    first = await visor.tokens(token)
    assert (await refresh(client, first["refresh_token"]))[0] == 401
    assert (await refresh(client, first["refresh_token"].removeprefix("or_")))[0] == 401
    status, second = await visor.refresh(first["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    before, after = [await claims_of(client, one["id_token"]) for one in (first, second)]
    assert {name: before[name] for name in ("sub", "sid", "auth_time", "iss")} == {
        name: after[name] for name in ("sub", "sid", "auth_time", "iss")
    }
    other = await register(client, token, name="Otro")
    assert await other.refresh(second["refresh_token"]) == (400, visor_refusal("invalid_grant"))
    status, less = await visor.refresh(second["refresh_token"], scope="dicomweb email")
    assert (status, less["scope"], "id_token" in less) == (200, "dicomweb", False)


def visor_refusal(error: str) -> dict[str, str]:
    told = {
        "invalid_grant": "It is over, was used before, or is another client's.",
        "invalid_client": "The client did not prove who it is.",
    }
    return {"error": error, "error_description": told[error]}


async def test_a_replaced_refresh_token_ends_the_session(start_auth: Start) -> None:
    client = await start_auth(refresh_grace_seconds=0.0)
    token = await admin(client)
    visor = await register(client, token)
    first = await visor.tokens(token)
    _, second = await visor.refresh(first["refresh_token"])
    assert (await visor.refresh(first["refresh_token"]))[0] == 400
    assert (await visor.refresh(second["refresh_token"]))[0] == 400
    await ended(client, (await claims_of(client, first["id_token"]))["sid"])


async def test_a_code_that_comes_again_ends_what_it_gave(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token)
    code = await visor.code(token)
    _, tokens = await visor.exchange(code)
    assert await visor.exchange(code) == (400, visor_refusal("invalid_grant"))
    assert (await visor.refresh(tokens["refresh_token"]))[0] == 400
    await ended(client, (await claims_of(client, tokens["id_token"]))["sid"])
    assert (await me(client, token))[0] == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": ""},
        {"redirect_uri": f"{CALLBACK}/"},
        {"code": "x" * 43},
    ],
)
async def test_a_code_is_good_for_who_asked_for_it_only(client: Client, changed: dict[str, str]) -> None:
    token = await admin(client)
    visor = await register(client, token)
    code = await visor.code(token)
    assert (await visor.exchange(code, **changed))[0] == 400
    # Whoever guessed has spoilt it, unless it was another code.
    assert (await visor.exchange(code))[0] == (200 if "code" in changed else 400)


async def test_a_code_of_another_client_and_an_old_one_are_worth_nothing(
    client: Client, sql: Connection
) -> None:
    token = await admin(client)
    visor, other = await register(client, token), await register(client, token, name="Otro")
    other.verifier = visor.verifier
    code = await visor.code(token)
    assert (await other.exchange(code))[0] == 400
    await sql.execute("UPDATE auth.authorization_code SET expires_at = now() - interval '1 s'")
    assert (await visor.exchange(code))[0] == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": ...}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": ...}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "dicomweb.store"}, "invalid_scope"),
        ({"scope": ...}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "login"}, "login_required"),
        ({"request": "a.b.c"}, "request_not_supported"),
        ({"request_uri": "https://evil.example.org/r"}, "request_uri_not_supported"),
    ],
)
async def test_a_faulty_request_is_told_to_the_application(
    client: Client, changed: dict[str, Any], error: str
) -> None:
    token = await admin(client)
    visor = await register(client, token)
    back = await location(client, "/oauth/authorize", **visor.request(**changed))
    assert back.startswith(f"{CALLBACK}?")
    told = answer_in(back)
    assert (told["error"], told["state"], told["iss"]) == (error, "s-1", ISSUER)
    _, answer = await visor.decide(token, decision="allow", **changed)
    assert answer_in(answer["redirect_to"])["error"] == error


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uri": "https://evil.example.org/"},
        {"redirect_uri": f"{CALLBACK}?more=1"},
        {"redirect_uri": CALLBACK.upper()},
        {"client_id": "nobody"},
    ],
)
async def test_nothing_is_told_to_an_address_that_is_not_registered(
    client: Client, changed: dict[str, str]
) -> None:
    token = await admin(client)
    visor = await register(client, token)
    async with client.get(
        "/api/auth/oauth/authorize", params=visor.request(**changed), allow_redirects=False
    ) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "unknown-application")
    status, problem = await visor.decide(token, decision="allow", **changed)
    assert (status, problem["code"]) == (400, "unknown-application")


@pytest.mark.parametrize(
    ("path", "query", "heading"),
    [
        ("authorize", {"client_id": "nobody"}, "This application may not come in here"),
        ("authorize", {"redirect_uri": "https://evil.example.org/"}, "This application may not come in here"),
        ("authorize", {"client_id": "x" * 2001}, "What the application asks for is not clear"),
        ("end-session", {"id_token_hint": "none"}, "What the application asks for is not clear"),
    ],
)
async def test_a_browser_that_goes_nowhere_shows_words(
    client: Client, sql: Connection, path: str, query: dict[str, str], heading: str
) -> None:
    """By its Accept header; the answer stays a refusal, is noted as one, and leads to the portal alone."""
    visor = await register(client, await admin(client))
    asked = visor.request(**query) if path == "authorize" else query
    noted = "SELECT count(*) FROM auth.audit_pending WHERE entry ->> 'ending' = 'refused'"
    before = await sql.fetchval(noted)
    headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Accept-Language": "fr, en;q=0.8"}
    address = f"/api/auth/oauth/{path}"
    for request in (
        client.get(address, params=asked, headers=headers, allow_redirects=False),
        client.post(address, data=asked, headers=headers, allow_redirects=False),
    ):
        async with request as answer:
            text = await answer.text()
            assert (answer.status, answer.content_type) == (400, "text/html")
            assert "Location" not in answer.headers
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert f"<h1>{heading}</h1>" in text
        assert text.count("href=") == 1
        assert 'href="/"' in text
        assert "evil" not in text

    async def both_are_noted() -> bool:
        return bool(await sql.fetchval(noted) == before + 2)

    await eventually(both_are_noted)


async def test_a_reader_says_no(client: Client) -> None:
    token = await admin(client)
    _, answer = await (await register(client, token)).decide(token, decision="deny")
    assert answer_in(answer["redirect_to"])["error"] == "access_denied"


async def test_a_confidential_client_proves_itself(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token, confidential=True)
    code, secret = await visor.code(token), visor.secret
    for wrong in (None, "x" * 43):
        visor.secret = wrong
        assert await visor.exchange(code) == (401, visor_refusal("invalid_client"))
    visor.secret = secret
    assert (await visor.exchange(code))[0] == 200
    path = f"/api/auth/applications/{visor.client_id}/secret"
    async with client.post(path, headers=bearer(token)) as answer:
        renewed = (await answer.json())["client_secret"]
    assert (await visor.exchange(await visor.code(token)))[0] == 401
    visor.secret = renewed
    assert (await visor.exchange(await visor.code(token)))[0] == 200


async def test_the_sign_in_takes_its_applications_with_it(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token)
    mine = await sign_in(client)
    tokens = await visor.tokens(mine["access_token"])
    session = (await claims_of(client, tokens["id_token"]))["sid"]
    assert (
        await client.post("/api/auth/logout", json={"refresh_token": mine["refresh_token"]})
    ).status == 204
    assert (await visor.refresh(tokens["refresh_token"]))[0] == 400
    await ended(client, session)
    # The other sign-in of the same account goes on.
    assert (await me(client, token))[0] == 200


@pytest.mark.parametrize("how", ["turned off", "deleted", "given less"])
async def test_an_application_that_is_taken_back_is_signed_out_everywhere(client: Client, how: str) -> None:
    token = await admin(client)
    visor = await register(client, token)
    tokens = await visor.tokens(token)
    session, path = (
        (await claims_of(client, tokens["id_token"]))["sid"],
        f"/api/auth/applications/{visor.client_id}",
    )
    if how == "deleted":
        assert (await client.delete(path, headers=bearer(token))).status == 204
    else:
        change: dict[str, Any] = {"is_active": False} if how == "turned off" else {"scopes": ["openid"]}
        assert (await client.patch(path, json=change, headers=bearer(token))).status == 200
    await ended(client, session)
    assert (await visor.refresh(tokens["refresh_token"]))[0] == (400 if how == "given less" else 401)


async def test_an_application_ends_its_own_session_and_no_other(client: Client) -> None:
    token = await admin(client)
    visor, other = await register(client, token), await register(client, token, name="Otro")
    tokens = await visor.tokens(token)
    assert (await other.post("revoke", token=tokens["refresh_token"]))[0] == 200
    status, tokens = await visor.refresh(tokens["refresh_token"])
    assert status == 200
    assert (await visor.post("revoke", token=tokens["refresh_token"]))[0] == 200
    await ended(client, (await claims_of(client, tokens["id_token"]))["sid"])
    assert (await visor.refresh(tokens["refresh_token"]))[0] == 400
    assert (await visor.post("revoke", token="unknown"))[0] == 200
    assert (await me(client, token))[0] == 200


async def test_signing_out_at_the_application_ends_the_sign_in(client: Client) -> None:
    token, bye = await admin(client), "https://viewer.example.org/bye"
    visor = await register(client, token, post_logout_redirect_uris=[bye])
    mine = await sign_in(client)
    tokens = await visor.tokens(mine["access_token"])
    assert await location(client, "/oauth/end-session", post_logout_redirect_uri=bye) == "/"
    async with client.get(
        "/api/auth/oauth/end-session", params={"id_token_hint": mine["access_token"]}
    ) as no:
        assert no.status == 400
    assert (await refresh(client, mine["refresh_token"]))[0] == 200
    hint = {"id_token_hint": tokens["id_token"], "state": "s-2"}
    elsewhere = "https://evil.example.org/"
    assert await location(client, "/oauth/end-session", post_logout_redirect_uri=elsewhere, **hint) == "/"
    back = await location(client, "/oauth/end-session", post_logout_redirect_uri=bye, **hint)
    assert (back.partition("?")[0], answer_in(back)["state"]) == (bye, "s-2")
    assert (await refresh(client, mine["refresh_token"]))[0] == 401
    assert (await visor.refresh(tokens["refresh_token"]))[0] == 400


async def test_neither_a_machine_nor_an_application_lets_another_in(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token, scopes=["openid", "dicomweb"])
    tokens = await visor.tokens(token)
    assert (await visor.decide(tokens["access_token"], decision="allow"))[0] == 403
    body = {"name": "k", "days": 2}
    async with client.post("/api/auth/me/api-keys", json=body, headers=bearer(token)) as answer:
        key = (await answer.json())["key"]
    assert (await visor.decide(key, decision="allow"))[0] == 403


async def test_codes_are_given_out_slowly(client: Client) -> None:
    token = await admin(client)
    visor = await register(client, token, trusted=True)
    for _ in range(20):
        await visor.code(token)
    status, problem = await visor.decide(token)
    assert (status, problem["code"]) == (429, "too-many-requests")


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uris": ["http://viewer.example.org/"]},
        {"redirect_uris": ["https://viewer.example.org/#a"]},
        {"redirect_uris": ["https://*.example.org/"]},
        {"redirect_uris": ["https://ana:secret@example.org/"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["https:///callback"]},
        {"redirect_uris": []},
        {"post_logout_redirect_uris": ["http://viewer.example.org/"]},
        {"scopes": ["everything"]},
        {"client_id": "Ü"},
        # Tokens of people's own sign-ins are known by it.
        {"client_id": "portal"},
    ],
)
async def test_what_could_carry_a_code_away_is_not_registered(
    client: Client, changed: dict[str, Any]
) -> None:
    token = await admin(client)
    wanted = {"name": "Visor", "redirect_uris": [CALLBACK], **changed}
    async with client.post("/api/auth/applications", json=wanted, headers=bearer(token)) as answer:
        assert answer.status == 400, await answer.text()


async def test_programs_of_the_machine_may_be_answered_too(client: Client) -> None:
    token = await admin(client)
    for number, uri in enumerate(("http://localhost:3000/cb", "http://[::1]:7/cb", "org.example.visor:/cb")):
        await register(client, token, name=f"Visor {number}", redirect_uris=[uri])
    taken = {"name": "x", "client_id": "visor-1", "redirect_uris": [CALLBACK]}
    for status in (201, 409):
        async with client.post("/api/auth/applications", json=taken, headers=bearer(token)) as answer:
            assert answer.status == status


async def test_who_may_less_lets_no_application_do_more(client: Client) -> None:
    token = await admin(client)
    body = {
        "username": "leo",
        "password": PASSWORD,
        "must_change_password": False,
        "permissions": ["add_application"],
        "groups": [],
    }
    async with client.post("/api/auth/users", json=body, headers=bearer(token)) as answer:
        assert answer.status == 201
    his = (await sign_in(client, username="leo", password=PASSWORD))["access_token"]
    wanted = {"name": "Visor", "redirect_uris": [CALLBACK]}
    async with client.post("/api/auth/applications", json=wanted, headers=bearer(his)) as answer:
        assert answer.status == 403
    # Whom it lets in does not get more by it, either.
    visor: Application = await register(client, token)
    tokens = await visor.tokens(his)
    assert (await verified(client, tokens["access_token"])).permissions == frozenset()
