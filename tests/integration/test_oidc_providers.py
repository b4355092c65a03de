"""Sign-in with providers that others have written: one in Python, one in Node."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import pytest
from aiohttp import ClientSession, CookieJar

from tests.auth_support import Client, Start
from tests.oidc_support import CLIENT_ID, SECRET, come_back, depart, problem_of, providers_file

ROOT = Path(__file__).resolve().parents[2]
CALLBACK = "http://127.0.0.1:8080/api/auth/oidc/one/callback"


@asynccontextmanager
async def process(*command: str, **given: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(*command, **given)
    try:
        yield started
    finally:
        started.terminate()
        await started.wait()


@pytest.fixture
async def flask() -> AsyncIterator[str]:
    """oidc-provider-mock's issuer."""
    command = (sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0")
    claims = {"sub": "ana", "preferred_username": "ana", "groups": ["rad"], "given_name": "Ana"}
    async with process(
        *command, "--user-claims", json.dumps(claims), stderr=asyncio.subprocess.PIPE
    ) as started:
        assert started.stderr is not None
        said = ""
        while (found := re.search(r"http://127\.0\.0\.1:\d+", said)) is None:
            line = await started.stderr.readline()
            assert line, said
            said += line.decode()
        reading = asyncio.create_task(started.stderr.read())
        yield found[0]
        reading.cancel()


@asynccontextmanager
async def node(**client: Any) -> AsyncIterator[str]:
    """oidc-provider's issuer."""
    script, packages = ROOT / "tests/openid_provider.mjs", ROOT / ".tools/openid-provider"
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    async with process(
        "node", str(script), str(packages), stderr=asyncio.subprocess.DEVNULL, **pipes
    ) as started:
        assert started.stdin is not None
        assert started.stdout is not None
        registered = {
            "client_id": CLIENT_ID,
            "client_secret": SECRET,
            "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": ["http://127.0.0.1:8080/sign-in"],
            **client,
        }
        given = {name: value for name, value in registered.items() if value is not None}
        started.stdin.write(json.dumps(given).encode() + b"\n")
        yield (await started.stdout.readline()).decode().strip()


async def start(start_auth: Start, folder: Path, issuer: str, **more: Any) -> Client:
    provider = {"issuer": issuer, "create_accounts": True, "groups": {"rad": "radiologist"}, **more}
    return await start_auth(
        oidc_providers_file=providers_file(folder, one=provider), public_url="http://127.0.0.1:8080"
    )


async def returned(client: Client, location: str) -> str | None:
    """Bring an answer back; the problem, if there is one."""
    assert location.startswith(CALLBACK + "?")
    return problem_of(await come_back(client, **dict(_pairs(location))))


def _pairs(location: str) -> list[tuple[str, str]]:
    return parse_qsl(urlsplit(location).query)


async def me(client: Client) -> dict[str, Any]:
    async with client.get("/api/auth/me") as answer:
        assert answer.status == 200
        found: dict[str, Any] = await answer.json()
        return found


async def test_the_provider_in_python(start_auth: Start, tmp_path: Path, flask: str) -> None:
    client = await start(start_auth, tmp_path, flask, userinfo=True)
    location = await depart(client)
    async with ClientSession() as session:
        async with session.post(location, data={"sub": "ana"}, allow_redirects=False) as answer:
            back = answer.headers["Location"]
        assert await returned(client, back) is None
        found = await me(client)
        assert (found["username"], found["first_name"]) == ("ana", "Ana")
        assert "view_all_dicomresult" in found["permissions"]
        # The same answer again, and somebody who will not.
        assert await returned(client, back) == "sign-in-expired"
        location = await depart(client)
        async with session.post(location, data={"action": "deny"}, allow_redirects=False) as answer:
            back = answer.headers["Location"]
    # It forgets the state of those who will not: their browser is not known to have asked.
    assert await returned(client, back) in ("provider-refused", "sign-in-mismatch")


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_the_provider_in_node(start_auth: Start, tmp_path: Path, algorithm: str) -> None:
    async with node(id_token_signed_response_alg=algorithm) as issuer:
        client = await start(start_auth, tmp_path, issuer, userinfo=True)
        location = await depart(client)
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            back = await authorize(session, location)
            # It names itself in its answers (RFC 9207).
            assert "&iss=" in back
            assert await returned(client, back) is None
            found = await me(client)
            assert (found["username"], found["first_name"]) == ("ana", "Ana")
            assert "view_all_dicomresult" in found["permissions"]
            # It does not take a code twice, nor one of another browser.
            assert await returned(client, back) == "sign-in-expired"
            stolen = await authorize(session, await depart(client))
            code = dict(_pairs(stolen))["code"]
            state = dict(_pairs(await depart(client)))["state"]
            assert (
                problem_of(await come_back(client, code=code, state=state, iss=issuer)) == "sign-in-unproved"
            )
            async with client.post("/api/auth/oidc/sign-out") as answer:
                url = (await answer.json())["end_session_url"]
            async with session.get(url) as answer:
                assert answer.status == 200, await answer.text()


async def test_a_token_of_an_algorithm_that_is_not_allowed(start_auth: Start, tmp_path: Path) -> None:
    async with node(id_token_signed_response_alg="PS256") as issuer:
        client = await start(start_auth, tmp_path, issuer, algorithms=["RS256", "ES256"])
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            back = await authorize(session, await depart(client))
        assert await returned(client, back) == "sign-in-unproved"


async def test_a_secret_in_the_form(start_auth: Start, tmp_path: Path) -> None:
    async with node(token_endpoint_auth_method="client_secret_post") as issuer:
        client = await start(
            start_auth, tmp_path, issuer, client_authentication="client_secret_post", userinfo=True
        )
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            back = await authorize(session, await depart(client))
        assert await returned(client, back) is None


async def test_a_client_without_a_secret(start_auth: Start, tmp_path: Path) -> None:
    async with node(token_endpoint_auth_method="none", client_secret=None) as issuer:
        client = await start(start_auth, tmp_path, issuer, client_secret_file=None)
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
            back = await authorize(session, await depart(client))
        assert await returned(client, back) is None


async def authorize(session: ClientSession, location: str) -> str:
    """Sign in and consent in the provider's own pages; where it leads the browser then."""
    url, form = location, None
    for _ in range(12):
        method = "GET" if form is None else "POST"
        async with session.request(method, url, data=form, allow_redirects=False) as answer:
            text, form = await answer.text(), None
            if answer.status in (302, 303):
                url = urljoin(url, answer.headers["Location"])
                if url.startswith(CALLBACK):
                    return url
                continue
            assert answer.status == 200, text
            target = re.search(r'action="([^"]+)"', text)
            assert target is not None
            url = urljoin(url, target[1])
            login = 'name="prompt" value="login"' in text
            form = {"prompt": "login", "login": "ana", "password": "x"} if login else {"prompt": "consent"}
    raise AssertionError("it leads nowhere")
