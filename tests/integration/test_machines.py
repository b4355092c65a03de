"""API keys and service accounts on a real PostgreSQL: what machines may do, and what they never get."""

from __future__ import annotations

import asyncio
import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from libs.common.database.postgres import Connection
from libs.common.security.api_keys import API_KEY_TYPE, TOKEN_EXCHANGE
from libs.common.security.tokens import ISSUER
from services.auth.machines.api_keys import MOST_A_DAY
from services.auth.machines.assertions import ASSERTION_TYPE
from services.auth.sessions.revocation_list import TOKEN_LIFE_SECONDS
from services.auth.sessions.store import revoked_keys
from tests.auth_support import Start, bearer, sign_in
from tests.integration.test_identity import PASSWORD, Api, make

RSA = RSAKey.generate_key(2048).as_dict(private=False)
P256 = ECKey.generate_key("P-256").as_dict(private=False)
ED25519 = OKPKey.generate_key("Ed25519").as_dict(private=False)


@pytest.fixture
async def admin(start_auth: Start) -> Api:
    """The first administrator, a superuser."""
    client = await start_auth()
    return Api(client, (await sign_in(client))["access_token"])


async def ask(api: Api, form: dict[str, str], **headers: str) -> tuple[int, dict[str, Any]]:
    """Status and body of the token route."""
    response = await api.client.post("/api/auth/token", data=form, headers=headers)
    return response.status, await response.json()


async def who(api: Api, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Status and body of `me` with these headers."""
    response = await api.client.get("/api/auth/me", headers=headers)
    return response.status, await response.json()


def basic(name: str, password: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


async def test_an_api_key_opens_routes_as_bearer_and_as_basic_password(admin: Api, sql: Connection) -> None:
    ana = await make(admin, "ana")
    as_ana = await admin.as_user("ana")
    made = await as_ana.done("POST", "/me/api-keys", {"name": "scanner", "days": 7})
    assert made["key"].startswith(f"dk_{made['prefix']}_")
    for headers in (bearer(made["key"]), basic("ana", made["key"]), basic("", made["key"])):
        status, found = await who(admin, headers)
        assert (status, found["user_id"]) == (200, ana["id"])
    listed = (await as_ana.done("GET", "/me/api-keys"))["api_keys"]
    assert [(one["name"], one["last_used_at"] is not None) for one in listed] == [("scanner", True)]
    assert "key" not in listed[0]
    assert made["key"].rpartition("_")[2] not in str(await sql.fetch("SELECT * FROM auth.api_key"))


async def test_a_revoked_or_expired_key_opens_nothing(admin: Api, sql: Connection) -> None:
    await make(admin, "ana")
    as_ana = await admin.as_user("ana")
    first, second = [await as_ana.done("POST", "/me/api-keys", {"name": name}) for name in ("a", "b")]
    await as_ana.done("DELETE", f"/me/api-keys/{first['id']}")
    await sql.execute("UPDATE auth.api_key SET expires_at = now() WHERE id = $1", second["id"])
    for made in (first, second):
        status, found = await who(admin, bearer(made["key"]))
        assert (status, found["code"]) == (401, "token-invalid")
    assert await as_ana.refused("DELETE", f"/me/api-keys/{first['id']}") == (404, "not-found")
    assert await admin.refused("DELETE", f"/me/api-keys/{second['id']}") == (404, "not-found")


async def test_only_keys_that_were_used_are_published_as_revoked(admin: Api, sql: Connection) -> None:
    used, unused, long_ago = [await admin.done("POST", "/me/api-keys", {"name": name}) for name in "abc"]
    for made in (used, long_ago):
        assert (await who(admin, bearer(made["key"])))[0] == 200
    await sql.execute(
        "UPDATE auth.api_key SET last_used_at = now() - $2 * interval '1 second' WHERE id = $1",
        long_ago["id"],
        TOKEN_LIFE_SECONDS + 61,
    )
    for made in (used, unused, long_ago):
        await admin.done("DELETE", f"/me/api-keys/{made['id']}")
    found = await revoked_keys(sql, TOKEN_LIFE_SECONDS)
    assert list(found) == [f"key:{UUID(used['id']).hex}"]
    await sql.execute(
        "UPDATE auth.api_key SET last_used_at = now() - $1 * interval '1 second'"
        " WHERE last_used_at IS NOT NULL",
        TOKEN_LIFE_SECONDS + 30,
    )
    assert len(await revoked_keys(sql, TOKEN_LIFE_SECONDS)) == 2


async def test_keys_are_not_made_and_revoked_without_end(admin: Api, sql: Connection) -> None:
    made = await admin.done("POST", "/me/api-keys", {"name": "first"})
    await admin.done("DELETE", f"/me/api-keys/{made['id']}")
    await sql.execute(
        "INSERT INTO auth.api_key (id, user_id, name, prefix, secret_hash, expires_at, revoked_at)"
        " SELECT gen_random_uuid(), user_id, name, n::text, secret_hash, expires_at, now()"
        " FROM auth.api_key, generate_series(3, $1) AS n",
        MOST_A_DAY,
    )
    answers = await asyncio.gather(
        *(admin.call("POST", "/me/api-keys", {"name": name}) for name in ("last", "too many"))
    )
    assert sorted(status for status, _ in answers) == [201, 409]
    await sql.execute("UPDATE auth.api_key SET created_at = created_at - interval '1 day'")
    await admin.done("POST", "/me/api-keys", {"name": "tomorrow"})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("PUT", "/users/{}/password", {"password": PASSWORD}), ("DELETE", "/users/{}/sessions", None)],
)
async def test_an_administrator_ends_keys_with_the_sessions(
    admin: Api, method: str, path: str, body: dict[str, Any] | None
) -> None:
    ana = await make(admin, "ana")
    as_ana = await admin.as_user("ana")
    made = await as_ana.done("POST", "/me/api-keys", {"name": "scanner"})
    kept = await admin.done("POST", "/me/api-keys", {"name": "of another"})
    await admin.done(method, path.format(ana["id"]), body)
    form = {"grant_type": TOKEN_EXCHANGE, "subject_token_type": API_KEY_TYPE}
    assert (await ask(admin, {**form, "subject_token": made["key"]}))[0] == 400
    assert (await ask(admin, {**form, "subject_token": kept["key"]}))[0] == 200


async def test_a_limited_key_stays_limited(admin: Api) -> None:
    key = await admin.done("POST", "/me/api-keys", {"name": "reader", "permissions": ["view_user"]})
    as_key = Api(admin.client, key["key"])
    await as_key.done("GET", "/users")
    forbidden = (403, "permission-denied")
    assert await as_key.refused("GET", "/groups") == forbidden
    assert await as_key.refused("POST", "/me/api-keys", {"name": "wider"}) == forbidden
    assert await as_key.refused("POST", "/users", {"username": "x", "password": PASSWORD}) == forbidden
    # One that may change accounts is no superuser either.
    editor = await admin.done(
        "POST", "/me/api-keys", {"name": "editor", "permissions": ["view_user", "add_user", "change_user"]}
    )
    as_editor = Api(admin.client, editor["key"])
    wanted = {"username": "eve", "password": PASSWORD, "is_superuser": True}
    assert await as_editor.refused("POST", "/users", wanted) == forbidden
    await make(admin, "ana")
    as_ana = await admin.as_user("ana")
    assert (
        await as_ana.refused("POST", "/me/api-keys", {"name": "x", "permissions": ["view_user"]}) == forbidden
    )


@pytest.mark.parametrize("key", ["dk_", "dk_000000000000_" + "A" * 43, "dk_" + "x" * 500, "dk_\u00e9"])
async def test_what_is_no_key_is_refused(admin: Api, key: str) -> None:
    assert (await who(admin, basic("ana", key)))[0] == 401


async def test_a_basic_password_that_is_no_key_is_refused(admin: Api) -> None:
    assert (await who(admin, basic("admin", "first password")))[0] == 401


async def test_a_service_account_signs_in_with_its_secret(admin: Api) -> None:
    made = await admin.done(
        "POST", "/service-accounts", {"username": "pacs", "permissions": ["add_dicomfile", "view_dicomfile"]}
    )
    assert made["method"] == "secret"
    form = {"grant_type": "client_credentials"}
    for headers, sent in (
        (basic(made["client_id"], made["client_secret"]), form),
        ({}, {**form, "client_id": made["client_id"], "client_secret": made["client_secret"]}),
    ):
        status, found = await ask(admin, sent, **headers)
        assert (status, found["token_type"], found["scope"]) == (
            200,
            "Bearer",
            "add_dicomfile view_dicomfile",
        )
    _, me = await who(admin, bearer(found["access_token"]))
    assert (me["user_id"], me["staff"]) == (made["id"], False)
    status, narrow = await ask(
        admin, {**form, "scope": "view_dicomfile"}, **basic(made["client_id"], made["client_secret"])
    )
    assert (status, narrow["scope"]) == (200, "view_dicomfile")
    status, wide = await ask(
        admin, {**form, "scope": "view_user"}, **basic(made["client_id"], made["client_secret"])
    )
    assert (status, wide["error"]) == (400, "invalid_scope")
    status, wrong = await ask(admin, form, **basic(made["client_id"], secrets.token_urlsafe(32)))
    assert (status, wrong["error"]) == (401, "invalid_client")
    renewed = await admin.done("POST", f"/service-accounts/{made['id']}/secret")
    assert (await ask(admin, form, **basic(made["client_id"], made["client_secret"])))[0] == 401
    assert (await ask(admin, form, **basic(made["client_id"], renewed["client_secret"])))[0] == 200
    # It has no password, and is closed like any other account.
    response = await admin.client.post("/api/auth/login", json={"username": "pacs", "password": "!"})
    assert response.status == 401
    await admin.done("PATCH", f"/users/{made['id']}", {"is_active": False})
    assert (await ask(admin, form, **basic(made["client_id"], renewed["client_secret"])))[0] == 401


def assertion(key: OKPKey, client_id: str, **changed: Any) -> str:
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": ISSUER,
        "exp": int((datetime.now(UTC) + timedelta(minutes=2)).timestamp()),
        "jti": secrets.token_urlsafe(12),
        **changed,
    }
    return jwt.encode({"alg": "Ed25519", "kid": key.kid}, claims, key, algorithms=["Ed25519"])


async def test_a_service_account_signs_its_requests(admin: Api) -> None:
    key = OKPKey.generate_key("Ed25519", {"kid": "one"})
    public = {"keys": [key.as_dict(private=False)]}
    made = await admin.done("POST", "/service-accounts", {"username": "ris", "jwks": public})
    assert (made["method"], made["client_secret"]) == ("private_key_jwt", None)
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    soon = int(datetime.now(UTC).timestamp()) + 60
    genuine = assertion(key, made["client_id"])
    assert (await ask(admin, {**form, "client_assertion": genuine}))[0] == 200
    refused = {
        "used before": genuine,
        "for another": assertion(key, made["client_id"], aud="https://elsewhere.example"),
        "of another": assertion(key, made["client_id"], iss="somebody"),
        "too long": assertion(key, made["client_id"], exp=int(datetime.now(UTC).timestamp()) + 3600),
        "expired": assertion(key, made["client_id"], exp=int(datetime.now(UTC).timestamp()) - 60),
        "without id": assertion(key, made["client_id"], jti=""),
        "with an id that is no text": assertion(key, made["client_id"], jti="\0" * 12),
        "of nobody": assertion(key, "a\0b", iss="a\0b", sub="a\0b"),
        "by another key": assertion(OKPKey.generate_key("Ed25519", {"kid": "one"}), made["client_id"]),
        "with the public key as secret": jwt.encode(
            {"alg": "HS256", "kid": "one"},
            {
                "iss": made["client_id"],
                "sub": made["client_id"],
                "aud": ISSUER,
                "jti": "x" * 12,
                "exp": soon,
            },
            OctKey.import_key(str(public["keys"][0]["x"]) * 2),
            algorithms=["HS256"],
        ),
        "nonsense": "a.b.c",
    }
    for what, sent in refused.items():
        status, found = await ask(admin, {**form, "client_assertion": sent})
        assert (status, found["error"]) == (401, "invalid_client"), what


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": []},
        {"keys": [{"kty": "oct", "k": "AAAA"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA", "d": "AAAA"}]},
        {"keys": ["x"]},
        {"keys": [{"kty": "new"}]},
        {"keys": [{**ED25519, "kty": []}]},
        {"keys": [{**ED25519, "x": 5}]},
        {"keys": [{**ED25519, "crv": "P-256"}]},
        {"keys": [{**ED25519, "kid": "\0"}]},
        {"keys": [{**ED25519, "kid": "\ud800"}]},
        {"keys": [{**ED25519, "more": 10**60}]},
        {"keys": [ED25519], "\0": 1},
        {"keys": [{**ED25519, "use": "enc"}]},
        {"keys": [{**ED25519, "key_ops": ["sign"]}]},
        {"keys": [{**ED25519, "key_ops": None}]},
        {"keys": [{**ED25519, "alg": "HS256"}]},
        {"keys": [{**ED25519, "alg": []}]},
        {"keys": [OKPKey.generate_key("X25519").as_dict(private=False)]},
        {"keys": [ECKey.generate_key("secp256k1").as_dict(private=False)]},
    ],
    ids=range(20),
)
async def test_only_public_keys_are_taken(admin: Api, jwks: dict[str, Any]) -> None:
    wanted = {"username": "ris", "jwks": jwks}
    assert await admin.refused("POST", "/service-accounts", wanted) == (400, "invalid-request")


@pytest.mark.parametrize("key", [ED25519, RSA, P256], ids=["Ed25519", "RSA", "P-256"])
async def test_every_key_that_may_sign_is_taken(admin: Api, key: dict[str, Any]) -> None:
    wanted = {"username": "ris", "jwks": {"keys": [{**key, "use": "sig", "key_ops": ["verify"]}]}}
    assert (await admin.done("POST", "/service-accounts", wanted))["method"] == "private_key_jwt"


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": TOKEN_EXCHANGE}, 400, "invalid_request"),
        (
            {"grant_type": TOKEN_EXCHANGE, "subject_token_type": API_KEY_TYPE, "subject_token": "x"},
            400,
            "invalid_grant",
        ),
        ({"grant_type": "client_credentials"}, 401, "invalid_client"),
        ({"grant_type": "client_credentials", "client_assertion": "x"}, 400, "invalid_request"),
    ],
)
async def test_the_token_route_speaks_oauth(
    admin: Api, form: dict[str, str], status: int, error: str
) -> None:
    found = await ask(admin, form)
    assert (found[0], found[1]["error"]) == (status, error)


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        ("utf-8", b"grant_type=\xff"),
        ("foo", b"a=b"),
        ("utf-16", b"a=b"),
        ("hex", b"a=b"),
        ("undefined", b"a=b"),
    ],
)
async def test_a_form_that_is_no_text_is_refused(admin: Api, charset: str, body: bytes) -> None:
    headers = {"Content-Type": f"application/x-www-form-urlencoded; charset={charset}"}
    response = await admin.client.post("/api/auth/token", data=body, headers=headers)
    assert response.status == 400, await response.text()


async def test_administrators_see_and_end_everybodys_keys(admin: Api, sql: Connection) -> None:
    ana = await make(admin, "ana")
    as_ana = await admin.as_user("ana")
    made = [await as_ana.done("POST", "/me/api-keys", {"name": name}) for name in ("Scanner", "b", "c")]
    await as_ana.done("DELETE", f"/me/api-keys/{made[1]['id']}")
    own = await admin.done("POST", "/me/api-keys", {"name": "nightly scan"})

    async def listed(**params: str) -> list[str]:
        found: list[str] = []
        while True:
            page = await admin.done("GET", "/api-keys?" + urlencode({"limit": "1", **params}))
            found += [one["id"] for one in page["api_keys"]]
            if page["next_cursor"] is None:
                return found
            params["cursor"] = page["next_cursor"]

    assert await listed() == [own["id"], made[2]["id"], made[0]["id"]]
    assert await listed(q="SCAN") == [own["id"], made[0]["id"]]
    assert await listed(q="ana") == [made[2]["id"], made[0]["id"]]
    assert await listed(q=made[2]["prefix"]) == [made[2]["id"]]
    (first,) = (await admin.done("GET", f"/api-keys?q={made[0]['prefix']}"))["api_keys"]
    assert (first["user_id"], first["username"], "key" in first) == (ana["id"], "ana", False)
    assert await as_ana.refused("GET", "/api-keys") == (403, "permission-denied")
    await admin.done("DELETE", f"/api-keys/{made[0]['id']}")
    assert (await who(admin, bearer(made[0]["key"])))[0] == 401
    assert await admin.refused("DELETE", f"/api-keys/{made[0]['id']}") == (404, "not-found")
    logged = await sql.fetchrow(
        "SELECT object, object_repr, action_flag FROM auth.admin_log ORDER BY id DESC"
    )
    assert tuple(logged or ()) == (f"auth.apikey {made[0]['id']}", "ana", 3)
    # Who may do less than the key's owner does not end it.
    await make(admin, "eva", permissions=["view_apikey", "delete_apikey"])
    as_eva = await admin.as_user("eva")
    assert await as_eva.refused("DELETE", f"/api-keys/{own['id']}") == (403, "permission-denied")
