"""What attackers try at the door, over real HTTP: forged tokens, foreign pages, planted cookies."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from joserfc.jwk import OKPKey

from libs.common.database.postgres import Connection
from libs.common.http.client import parse_networks
from libs.common.security.api_keys import API_KEY_TYPE, TOKEN_EXCHANGE
from services.auth.machines.assertions import ASSERTION_TYPE
from tests.auth_support import ADMIN, Client, Start, bearer, me, refresh, sign_in
from tests.integration.test_machines import assertion
from tests.waiting import eventually

HTTPS = {"public_url": "https://dicom.example.org"}
ORIGIN = {"Origin": HTTPS["public_url"]}


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Forger:
    """Knows a genuine token, the public key, and for what needs it the private one."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signature: bytes
    key: Ed25519PrivateKey
    stranger: Ed25519PrivateKey

    def text(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        return ".".join(b64(json.dumps({**part}).encode()) for part in (header, claims))

    def signed(
        self,
        key: Ed25519PrivateKey,
        header: dict[str, Any] | None = None,
        claims: dict[str, Any] | None = None,
    ) -> str:
        text = self.text({**self.header, **(header or {})}, {**self.claims, **(claims or {})})
        return f"{text}.{b64(key.sign(text.encode()))}"

    def hmac(self, secret: bytes, algorithm: str) -> str:
        text = self.text({**self.header, "alg": algorithm}, {**self.claims, "sub": "1"})
        digest = {"HS256": "sha256", "HS512": "sha512"}[algorithm]
        return f"{text}.{b64(hmac.digest(secret, text.encode(), digest))}"


@pytest.fixture
async def client(start_auth: Start) -> Client:
    return await start_auth()


@pytest.fixture
async def forger(client: Client, sql: Connection) -> Forger:
    token = (await sign_in(client))["access_token"]
    header, claims, signature = token.split(".")
    seed = await sql.fetchval("SELECT private_key FROM auth.signing_key")
    return Forger(
        json.loads(unb64(header)),
        json.loads(unb64(claims)),
        unb64(signature),
        Ed25519PrivateKey.from_private_bytes(seed),
        Ed25519PrivateKey.generate(),
    )


async def test_forged_and_foreign_tokens_are_refused(client: Client, forger: Forger) -> None:
    genuine = forger.signed(forger.key)
    assert (await me(client, genuine))[0] == 200
    public = forger.key.public_key().public_bytes_raw()
    stranger = {"kty": "OKP", "crv": "Ed25519", "x": b64(forger.stranger.public_key().public_bytes_raw())}
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(public), "kid": forger.header["kid"]}
    now = int(time.time())
    unsigned = [
        forger.text({**forger.header, "alg": name}, forger.claims) + "."
        for name in ("none", "None", "NONE", "nOnE", "")
    ]
    forged = [
        *unsigned,
        *(f"{text}{b64(forger.signature)}" for text in unsigned),
        *(
            forger.hmac(secret, algorithm)
            for secret in (public, b64(public).encode(), json.dumps(jwk).encode(), b"")
            for algorithm in ("HS256", "HS512")
        ),
        forger.signed(forger.stranger),
        forger.signed(forger.stranger, {"kid": "another"}),
        forger.signed(forger.stranger, {"kid": "../../../../dev/null"}),
        forger.signed(forger.stranger, {"kid": "' OR 1=1 --"}),
        forger.signed(forger.stranger, {"jku": "https://evil.example/jwks.json", "kid": "evil"}),
        forger.signed(forger.stranger, {"jku": "https://evil.example/jwks.json"}),
        forger.signed(forger.stranger, {"jwk": stranger}),
        forger.signed(forger.stranger, {"x5u": "https://evil.example/", "x5c": ["AAAA"]}),
        forger.signed(forger.key, {"crit": ["exp"]}),
        forger.signed(forger.key, {"crit": ["b64"], "b64": False}),
        forger.signed(forger.key, {"kid": None}),
        forger.signed(forger.key, {"alg": "ES256"}),
        *(forger.signed(forger.key, {"typ": kind}) for kind in ("logout+jwt", "refresh+jwt", "", None)),
        *(forger.signed(forger.key, None, {"iss": issuer}) for issuer in ("https://evil.example", "", None)),
        *(forger.signed(forger.key, None, {"aud": aud}) for aud in ("other", ["dicom-processing-system"])),
        forger.signed(forger.key, None, {"iat": now - 700, "exp": now - 100}),
        forger.signed(forger.key, None, {"iat": now, "exp": now + 86_400}),
        forger.signed(forger.key, None, {"sub": "1 OR 1=1"}),
        genuine[:-4],
        genuine + "AAAA",
        f"{genuine}.{genuine}",
        genuine.swapcase(),
    ]
    for token in forged:
        status, problem = await me(client, token)
        assert (status, problem["code"] in ("token-invalid", "token-expired")) == (401, True), token


async def test_one_kind_of_token_is_not_another(client: Client) -> None:
    found = await sign_in(client)
    assert (await me(client, found["refresh_token"]))[0] == 401
    assert (await refresh(client, found["access_token"]))[0] in (400, 401)
    secret = hashlib.sha256(found["refresh_token"].partition(".")[2].encode()).hexdigest()
    assert (await me(client, secret))[0] == 401
    headers = bearer(found["access_token"])
    key = OKPKey.generate_key("Ed25519", {"kid": "one"})
    wanted = {"username": "ris", "jwks": {"keys": [key.as_dict(private=False)]}}
    made = await (await client.post("/api/auth/service-accounts", json=wanted, headers=headers)).json()
    signed = assertion(key, made["client_id"])
    assert (await me(client, signed))[0] == 401
    answer = await client.post("/api/auth/me/api-keys", json={"name": "x"}, headers=headers)
    api_key = (await answer.json())["key"]
    assert (await me(client, api_key.rpartition("_")[2]))[0] == 401
    for presented in (api_key, signed):
        assert (await refresh(client, presented))[0] in (400, 401)
    for presented in (found["access_token"], found["refresh_token"], signed, api_key):
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": presented,
        }
        granted = presented == signed
        assert (await client.post("/api/auth/token", data=form)).status == (200 if granted else 401)
        form = {
            "grant_type": TOKEN_EXCHANGE,
            "subject_token_type": API_KEY_TYPE,
            "subject_token": presented,
        }
        granted = presented == api_key
        assert (await client.post("/api/auth/token", data=form)).status == (200 if granted else 400)


async def test_a_replayed_refresh_token_ends_the_session_and_its_access(
    client: Client, sql: Connection
) -> None:
    first = await sign_in(client)
    _, second = await refresh(client, first["refresh_token"])
    await sql.execute("UPDATE auth.auth_session SET rotated_at = rotated_at - interval '1 minute'")
    assert (await refresh(client, first["refresh_token"]))[0] == 401
    assert (await refresh(client, second["refresh_token"]))[0] == 401

    async def is_refused() -> bool:
        return (await me(client, second["access_token"]))[0] == 401

    await eventually(is_refused)


async def test_a_closed_account_is_shut_out_within_half_a_minute(client: Client) -> None:
    root = (await sign_in(client))["access_token"]
    body = {"username": "ana", "password": "four unrelated words here", "must_change_password": False}
    answer = await client.post("/api/auth/users", json=body, headers=bearer(root))
    ana = (await answer.json())["id"]
    found = await sign_in(client, username="ana", password=body["password"])
    url = "/api/auth/directory?q=a"
    assert (await client.get(url, headers=bearer(found["access_token"]))).status == 200
    await client.patch(f"/api/auth/users/{ana}", json={"is_active": False}, headers=bearer(root))
    assert (await refresh(client, found["refresh_token"]))[0] == 401

    async def is_refused() -> bool:
        return (await client.get(url, headers=bearer(found["access_token"]))).status == 401

    await eventually(is_refused)


async def test_a_foreign_page_cannot_use_the_readers_cookie(start_auth: Start) -> None:
    client = await start_auth(**HTTPS)
    answer = await client.post("/api/auth/login", json={**ADMIN, "cookie": True}, headers=ORIGIN)
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items() if morsel.value)
    assert "__Host-dicom_access=" in cookie
    host = "dicom.example.org"
    change = {"first_name": "Evil"}

    async def patch(**headers: str) -> int:
        sent = {"Cookie": cookie, "Host": host, **headers}
        return (await client.patch("/api/auth/me", json=change, headers=sent)).status

    for origin in (
        "http://dicom.example.org",
        "https://evil.example",
        "https://dicom.example.org.evil.example",
        "https://evil.dicom.example.org",
        "https://dicom.example.org:8443",
        "null",
        "",
    ):
        assert await patch(Origin=origin) == 403, origin
        sent = {"Cookie": cookie, "Host": host, "Origin": origin}
        for path in ("refresh", "logout"):
            assert (await client.post(f"/api/auth/{path}", headers=sent)).status == 403, origin
        body = {**ADMIN, "cookie": True}
        assert (await client.post("/api/auth/login", json=body, headers=sent)).status == 403, origin
    assert await patch(**{"Sec-Fetch-Site": "cross-site"}) == 403
    assert await patch(**{"Sec-Fetch-Site": "same-site"}) == 403
    assert await patch(**ORIGIN) == 200
    assert await patch(Origin="HTTPS://DICOM.example.org") == 200


async def test_the_scheme_of_an_origin_counts_behind_a_proxy(start_auth: Start) -> None:
    client = await start_auth(trusted_proxies=parse_networks("127.0.0.0/8"))
    body = {**ADMIN, "cookie": True}

    async def status(origin: str, proto: str) -> int:
        headers = {"Origin": origin, "X-Forwarded-Proto": proto, "Host": "dicom.example.org"}
        return (await client.post("/api/auth/login", json=body, headers=headers)).status

    assert await status("https://dicom.example.org", "https") == 200
    assert await status("http://dicom.example.org", "https") == 403
    assert await status("https://dicom.example.org", "http") == 403


async def test_a_sibling_domain_cannot_plant_a_session(start_auth: Start, sql: Connection) -> None:
    """It can set cookies for the whole domain, but none whose name begins with `__Host-` or `__Secure-`."""
    client = await start_auth(**HTTPS)
    attacker = await sign_in(client)
    planted = f"dicom_access={attacker['access_token']}; dicom_refresh={attacker['refresh_token']}"
    for method, path in (("GET", "me"), ("PATCH", "me"), ("POST", "refresh")):
        answer = await client.request(
            method, f"/api/auth/{path}", json={}, headers={**ORIGIN, "Cookie": planted}
        )
        assert answer.status == 401, path
    answer = await client.post("/api/auth/login", json={**ADMIN, "cookie": True}, headers=ORIGIN)
    own = "; ".join(f"{name}={morsel.value}" for name, morsel in answer.cookies.items() if morsel.value)
    for cookie in (f"{planted}; {own}", f"{own}; {planted}"):
        answer = await client.post("/api/auth/refresh", headers={**ORIGIN, "Cookie": cookie})
        assert answer.status == 200
        fresh = answer.cookies["__Secure-dicom_refresh"].value
        assert fresh.partition(".")[0] != attacker["refresh_token"].partition(".")[0]
        own = f"__Secure-dicom_refresh={fresh}"


async def test_who_was_signed_in_with_the_release_before_stays_so(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(**HTTPS)
    found = await sign_in(client)
    await sql.execute("UPDATE auth.auth_session SET remote_address = ''")
    former = {**ORIGIN, "Cookie": f"dicom_refresh={found['refresh_token']}"}
    answers = await asyncio.gather(*(client.post("/api/auth/refresh", headers=former) for _ in range(3)))
    assert {answer.status for answer in answers} == {200}
    cookies = answers[0].cookies
    assert cookies["__Host-dicom_access"]["secure"]
    assert (cookies["__Host-dicom_access"]["path"], cookies["__Host-dicom_access"]["domain"]) == ("/", "")
    assert cookies["__Secure-dicom_refresh"]["path"] == "/api/auth"
    assert {cookies[name]["max-age"] for name in ("dicom_access", "dicom_refresh")} == {"0"}
    sent = {**ORIGIN, "Cookie": f"__Secure-dicom_refresh={cookies['__Secure-dicom_refresh'].value}"}
    assert (await client.post("/api/auth/refresh", headers=sent)).status == 200


async def test_no_answer_tells_who_has_an_account(client: Client, sql: Connection) -> None:
    seen = set()
    for username in ("admin", "nobody", "no such name!"):
        answer = await client.post("/api/auth/login", json={"username": username, "password": "wrong one"})
        problem = await answer.json()
        problem.pop("trace_id", None)
        headers = {name for name in answer.headers if name != "Date"}
        seen.add((answer.status, json.dumps(problem, sort_keys=True), frozenset(headers)))
    assert len(seen) == 1


async def test_every_name_costs_the_same_work(
    client: Client, sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One comparison of full cost, whether nobody has the name, its account is closed or has no password."""
    root = bearer((await sign_in(client))["access_token"])
    password = "four unrelated words here"
    for name in ("closed", "django"):
        wanted = {"username": name, "password": password}
        assert (await client.post("/api/auth/users", json=wanted, headers=root)).status == 201
    wanted = {"username": "machine"}
    assert (await client.post("/api/auth/service-accounts", json=wanted, headers=root)).status == 201
    await sql.execute("UPDATE auth.auth_user SET is_active = username <> 'closed'")
    await sql.execute("UPDATE auth.auth_user SET password = '!' WHERE username = 'django'")
    compared: list[str] = []
    verify = PasswordHasher.verify

    def note(hasher: PasswordHasher, encoded: str, given: str) -> bool:
        compared.append(str(extract_parameters(encoded)))
        return verify(hasher, encoded, given)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    names = ("admin", "nobody", "no such name!", "closed", "machine", "django", "x" * 150)
    answers = set()
    for count, name in enumerate(names, start=1):
        body = {"username": name, "password": password}
        async with client.post("/api/auth/login", json=body) as answer:
            problem = await answer.json()
            answers.add((answer.status, problem["code"], problem["detail"]))
        assert len(compared) == count, name
    assert len(set(compared)) == len(answers) == 1


@pytest.mark.parametrize(
    "text", ["'; DROP TABLE auth.auth_user; --", "a\r\nSet-Cookie: x=1", "\x00", "${7*7}"]
)
async def test_text_is_only_text(client: Client, sql: Connection, text: str) -> None:
    root = (await sign_in(client))["access_token"]
    body = {"username": text, "password": text}
    assert (await client.post("/api/auth/login", json=body)).status == 401
    answer = await client.patch("/api/auth/me", json={"first_name": text}, headers=bearer(root))
    printable = all(character >= " " for character in text)
    assert answer.status == (200 if printable else 400)
    if printable:
        assert (await answer.json())["first_name"] == text
    for path in ("users", "groups", "directory"):
        answer = await client.get(f"/api/auth/{path}", params={"q": text}, headers=bearer(root))
        assert answer.status == (200 if printable else 400), path
        assert "x" not in answer.cookies
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_user") == 1
