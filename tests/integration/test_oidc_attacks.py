"""Sign-in with a provider under attack: mixed up, replayed, forged, begun elsewhere, led astray."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from libs.common.database.postgres import Connection
from services.auth.oidc import discovery
from tests.auth_support import Client, Start
from tests.oidc_support import (
    LyingProvider,
    come_back,
    depart,
    fresh_key,
    problem_of,
    providers_file,
    sign_in,
)

Replica = Callable[[], Awaitable[Client]]


@pytest.fixture
async def one() -> AsyncIterator[LyingProvider]:
    async with LyingProvider().served() as provider:
        yield provider


@pytest.fixture
async def two() -> AsyncIterator[LyingProvider]:
    async with LyingProvider().served() as provider:
        yield provider


@pytest.fixture
def replica(start_auth: Start, tmp_path: Path, one: LyingProvider, two: LyingProvider) -> Replica:
    path = providers_file(
        tmp_path,
        one={"issuer": one.url, "create_accounts": True},
        two={"issuer": two.url, "create_accounts": True},
    )

    async def start() -> Client:
        return await start_auth(oidc_providers_file=path, sign_in_free_failures_many=1000)

    return start


@pytest.fixture
async def client(replica: Replica) -> Client:
    return await replica()


@pytest.fixture
async def another(client: Client, replica: Replica) -> Client:
    """Another browser, and another replica."""
    return await replica()


def state_in(location: str) -> str:
    return parse_qs(urlsplit(location).query)["state"][0]


def keep(browser: Client, cookie: str) -> None:
    """Have a browser keep this as its way."""
    browser.session.cookie_jar.update_cookies({"dicom_round_trip": cookie}, browser.make_url("/"))


async def is_signed_in(client: Client) -> bool:
    async with client.get("/api/auth/me") as answer:
        return answer.status == 200


async def accounts(sql: Connection) -> int:
    found: int = await sql.fetchval("SELECT count(*) FROM auth.auth_user")
    return found


async def test_an_honest_way_there_and_back(client: Client, one: LyingProvider) -> None:
    location = await depart(client, next="/results?state=failed")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}
    assert location.startswith(f"{one.url}/authorize?tenant=x&")
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert asked["redirect_uri"].endswith("/api/auth/oidc/one/callback")
    assert len({asked["state"], asked["nonce"], asked["code_challenge"]}) == 3
    answer = await come_back(client, code=one.authorize(location), state=asked["state"], iss=one.url)
    assert answer.headers["Location"] == "/results?state=failed"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert {name: cookie["samesite"] for name, cookie in answer.cookies.items()} == {
        "dicom_access": "Strict",
        "dicom_refresh": "Strict",
        "dicom_round_trip": "Lax",
    }
    assert await is_signed_in(client)


async def test_the_cookie_of_the_way_is_short_and_closed(
    start_auth: Start, tmp_path: Path, one: LyingProvider
) -> None:
    path = providers_file(tmp_path, one={"issuer": one.url})
    secure = await start_auth(oidc_providers_file=path, public_url="https://dicom.example")
    async with secure.get("/api/auth/oidc/one/sign-in", allow_redirects=False) as answer:
        (cookie,) = answer.cookies.values()
    assert cookie.key == "__Host-dicom_round_trip"
    assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("Lax", "/", "600")
    assert cookie["secure"]
    assert cookie["httponly"]
    assert not cookie["domain"]


async def test_an_answer_of_another_browser_signs_nobody_in(
    client: Client, another: Client, one: LyingProvider
) -> None:
    """Who sends somebody else their own answer would have them work in the wrong account."""
    location = await depart(client)
    code, state = one.authorize(location), state_in(location)
    assert problem_of(await come_back(another, code=code, state=state)) == "sign-in-expired"
    await depart(another)
    assert problem_of(await come_back(another, code=code, state=state)) == "sign-in-mismatch"
    assert not await is_signed_in(another)
    assert "/token" not in one.fetched


@pytest.mark.parametrize("state", [None, "", "x", "é"])
async def test_without_the_state_nothing_is_asked(
    client: Client, one: LyingProvider, state: str | None
) -> None:
    code = one.authorize(await depart(client))
    more = {} if state is None else {"state": state}
    assert problem_of(await come_back(client, code=code, **more)) == "sign-in-mismatch"
    assert "/token" not in one.fetched


async def test_issuers_are_not_mixed_up(client: Client, one: LyingProvider, two: LyingProvider) -> None:
    """The answer of one provider is never taken to another (RFC 9207, RFC 9700 4.4)."""
    location = await depart(client, "one")
    code, state = one.authorize(location), state_in(location)
    # Another provider leads the browser to its own address here.
    assert problem_of(await come_back(client, "two", code=code, state=state)) == "sign-in-mismatch"
    location = await depart(client, "one")
    code, state = one.authorize(location), state_in(location)
    answer = await come_back(client, "one", code=code, state=state, iss=two.url)
    assert problem_of(answer) == "sign-in-mismatch"
    assert "/token" not in [*one.fetched, *two.fetched]


async def test_a_provider_that_names_itself_always_does(client: Client, one: LyingProvider) -> None:
    one.metadata["authorization_response_iss_parameter_supported"] = True
    assert problem_of(await sign_in(client, one)) == "sign-in-mismatch"
    location = await depart(client)
    answer = await come_back(client, code=one.authorize(location), state=state_in(location), iss=one.url)
    assert problem_of(answer) is None


async def test_an_error_is_believed_of_the_right_provider_only(
    client: Client, one: LyingProvider, two: LyingProvider
) -> None:
    state = state_in(await depart(client))
    answer = await come_back(client, state=state, error="access_denied", iss=two.url)
    assert problem_of(answer) == "sign-in-mismatch"
    state = state_in(await depart(client))
    answer = await come_back(client, state=state, error="\r\nSet-Cookie: x=y", error_description="<script>")
    assert problem_of(answer) == "provider-refused"
    assert answer.headers["Location"] == "/sign-in?problem=provider-refused"


async def test_a_code_counts_once(client: Client, another: Client, one: LyingProvider) -> None:
    one.takes_codes_twice = True
    location = await depart(client)
    (cookie,) = [one for one in client.session.cookie_jar if one.key == "dicom_round_trip"]
    code, state = one.authorize(location), state_in(location)
    first, second = await asyncio.gather(
        come_back(client, code=code, state=state), come_back(client, code=code, state=state)
    )
    assert sorted([problem_of(first) or "", problem_of(second) or ""]) == ["", "sign-in-expired"]
    # The browser has forgotten the way; who has kept a copy of it gets no further.
    assert problem_of(await come_back(client, code=code, state=state)) == "sign-in-expired"
    keep(another, cookie.value)
    assert problem_of(await come_back(another, code=code, state=state)) == "sign-in-expired"
    assert not await is_signed_in(another)


async def test_a_stolen_code_is_worth_nothing(client: Client, another: Client, one: LyingProvider) -> None:
    """Without the verifier, which never leaves the sealed cookie."""
    code = one.authorize(await depart(client))
    state = state_in(await depart(another))
    assert problem_of(await come_back(another, code=code, state=state)) == "sign-in-unproved"


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "of another way there and back"},
        {"nonce": ...},
        {"iss": "https://evil.example"},
        {"aud": "somebody else"},
        {"aud": ["dicom", "somebody else"]},
        {"azp": "somebody else"},
        {"exp": -600},
        {"iat": 600},
        {"iat": -6000},
        {"at_hash": "of another token"},
        {"sub": ""},
        {"sub": ...},
    ],
    ids=str,
)
async def test_a_token_that_is_not_for_this_way_is_refused(
    client: Client, one: LyingProvider, sql: Connection, claims: dict[str, Any]
) -> None:
    # Times are told from now on.
    now = int(time.time())
    one.claims |= {name: now + value if isinstance(value, int) else value for name, value in claims.items()}
    before = await accounts(sql)
    assert problem_of(await sign_in(client, one)) == "sign-in-unproved"
    assert not await is_signed_in(client)
    assert await accounts(sql) == before


async def test_another_providers_key_signs_nothing(
    client: Client, one: LyingProvider, two: LyingProvider
) -> None:
    one.published = [{**two.key.as_dict(private=False), "kid": one.key.kid}]
    assert problem_of(await sign_in(client, one)) == "sign-in-unproved"


async def test_rotated_keys_are_found_and_withdrawn_ones_lose_their_force(
    client: Client, one: LyingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert problem_of(await sign_in(client, one)) is None
    withdrawn, one.key = one.key, fresh_key()
    # Soon after a fetch nobody asks again, whatever a token names.
    assert problem_of(await sign_in(client, one)) == "sign-in-unproved"
    assert one.fetched.count("/jwks") == 1
    monkeypatch.setattr(discovery, "AGAIN_SECONDS", 0.0)
    assert problem_of(await sign_in(client, one)) is None
    assert one.fetched.count("/jwks") == 2
    one.published, one.key = [one.key.as_dict(private=False)], withdrawn
    assert problem_of(await sign_in(client, one)) == "sign-in-unproved"


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"not json"),
        (200, b"[]"),
        (200, b'{"access_token": "x"}'),
        (200, b'{"access_token": "x", "id_token": 7}'),
        (200, b'{"access_token": "x", "id_token": "a.b.c"}'),
        (200, b'{"id_token": "eyJhbGciOiJub25lIn0.e30."}'),
        (302, b"{}"),
        (400, b'{"error": "invalid_grant"}'),
        (500, b'{"error": "x"}'),
        (200, b"x" * 300_000),
    ],
    ids=str,
)
async def test_odd_answers_let_nobody_in(
    client: Client, one: LyingProvider, answer: tuple[int, bytes]
) -> None:
    one.token_answer = answer
    found = problem_of(await sign_in(client, one))
    assert found in ("sign-in-unproved", "provider-unavailable")
    assert not await is_signed_in(client)


async def test_a_provider_that_is_away_says_so(client: Client, one: LyingProvider) -> None:
    one.away = True
    for _ in range(5):
        assert (await depart(client)) == "/sign-in?problem=provider-unavailable"
    # Whoever asks again and again does not make us ask it as often.
    assert len(one.fetched) == 1


async def test_a_discovery_document_of_another_issuer_is_none(
    client: Client, one: LyingProvider, two: LyingProvider
) -> None:
    one.metadata["issuer"] = two.url
    assert (await depart(client)) == "/sign-in?problem=provider-unavailable"


async def test_what_is_there_twice_is_nobodys(client: Client, one: LyingProvider) -> None:
    location = await depart(client)
    code, state = one.authorize(location), state_in(location)
    path = f"/api/auth/oidc/one/callback?code={code}&state={state}&state=x"
    async with client.get(path, allow_redirects=False) as answer:
        assert problem_of(answer) == "sign-in-mismatch"


@pytest.mark.parametrize(
    "page",
    [
        "//evil.example",
        "/\\evil.example",
        "/%2f%2fevil.example",
        "%2f%2fevil.example",
        "https://evil.example/",
        "/\r\nSet-Cookie: a=b",
        "/\t/evil.example",
        "/api/auth/oidc/one/sign-in",
    ],
)
async def test_nobody_is_led_elsewhere(client: Client, one: LyingProvider, page: str) -> None:
    answer = await sign_in(client, one, next=page)
    assert answer.headers["Location"] == "/"


async def test_below_a_path_pages_lie_below_it(start_auth: Start, tmp_path: Path, one: LyingProvider) -> None:
    path = providers_file(tmp_path, one={"issuer": one.url, "create_accounts": True})
    client = await start_auth(oidc_providers_file=path, public_url="http://dicom.example/images")
    assert (await sign_in(client, one)).headers["Location"] == "/images/"
    assert (await sign_in(client, one, next="/images/upload")).headers["Location"] == "/images/upload"
    refused = await come_back(client, error="access_denied", state=state_in(await depart(client)))
    assert refused.headers["Location"].startswith("/images/sign-in?problem=")


async def test_a_way_that_takes_too_long_is_over(
    client: Client, one: LyingProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = await depart(client)
    code, state = one.authorize(location), state_in(location)
    monkeypatch.setattr("services.auth.oidc.round_trip.SECONDS", 0)
    assert problem_of(await come_back(client, code=code, state=state)) == "sign-in-expired"


async def test_an_altered_cookie_is_none(client: Client, one: LyingProvider) -> None:
    location = await depart(client)
    (cookie,) = [one for one in client.session.cookie_jar if one.key == "dicom_round_trip"]
    keep(client, "A" + cookie.value[1:])
    answer = await come_back(client, code=one.authorize(location), state=state_in(location))
    assert problem_of(answer) == "sign-in-expired"


async def test_codes_that_somebody_guesses_wait(
    start_auth: Start, tmp_path: Path, one: LyingProvider
) -> None:
    """A provider may shut out the client whose codes are wrong again and again."""
    path = providers_file(tmp_path, one={"issuer": one.url, "create_accounts": True})
    client = await start_auth(oidc_providers_file=path, sign_in_free_failures_many=3)
    found = []
    for _ in range(5):
        state = state_in(await depart(client))
        found.append(problem_of(await come_back(client, code="guess", state=state)))
    assert found == [*["sign-in-unproved"] * 3, *["too-many-requests"] * 2]
    assert one.fetched.count("/token") == 3


async def test_an_unknown_provider_is_not_found(client: Client) -> None:
    for path in ("three/sign-in", "three/callback", "%2e%2e/sign-in", "%00/callback", "%0d%0a/sign-in"):
        async with client.get(f"/api/auth/oidc/{path}", allow_redirects=False) as answer:
            assert answer.status == 404
