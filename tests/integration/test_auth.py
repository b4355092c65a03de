"""The auth service over real HTTP on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Callable
from http.cookies import Morsel
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientResponse
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from libs.common.database.migrations import migrate
from libs.common.database.postgres import Connection
from libs.common.errors import TokenExpired
from libs.common.keys import FATAL
from libs.common.permissions import ALL
from libs.common.security.tokens import TokenVerifier
from services.auth.app import create
from services.auth.schema import MIGRATIONS
from services.auth.settings import AuthSettings
from tests.auth_support import ADMIN, Start, answer, is_ready, me, refresh, sign_in
from tests.commands import run_command
from tests.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[2]

WRONG = {"detail": "Wrong user name or password.", "status": 401, "code": "wrong-credentials"}


async def test_signing_in_gives_tokens_that_say_who_it_is(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    found = await sign_in(client)
    assert set(found) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (found["token_type"], found["expires_in"]) == ("Bearer", 600)
    assert await me(client, found["access_token"]) == (
        200,
        {
            "user_id": 1,
            "username": "admin",
            "staff": True,
            "groups": [1],
            "permissions": sorted(ALL),
            "collections": {"user:1": "manage"},
            "default_collection": "user:1",
            "first_name": "",
            "last_name": "",
            "email": "",
            "language": "",
            "must_change_password": False,
        },
    )
    assert await sql.fetchval("SELECT last_login > now() - interval '1 minute' FROM auth.auth_user")
    assert (await sign_in(client, username="ADMIN"))["access_token"]


async def test_every_failed_sign_in_looks_the_same(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    await sql.execute(
        "INSERT INTO auth.auth_user (username, password, is_active)"
        " SELECT 'closed', password, false FROM auth.auth_user"
    )
    attempts: list[dict[str, str]] = [
        {"password": "wrong"},
        {"username": "nobody"},
        {"username": "closed"},
        {"username": "no such name!"},
        {"username": "a\0b"},
    ]
    for changed in attempts:
        response = await client.post("/api/auth/login", json={**ADMIN, **changed})
        assert response.status == 401
        assert WRONG.items() <= (await response.json()).items()
        assert "Set-Cookie" not in response.headers


async def test_groups_and_permissions_are_in_the_token(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    await sql.execute(
        """
        INSERT INTO auth.auth_group (id, name, mode) VALUES (50, 'heart', 'view'), (60, 'others', 'manage');
        INSERT INTO auth.auth_group_permissions (group_id, permission_id)
            SELECT 50, id FROM auth.auth_permission WHERE codename IN ('view_job', 'view_queue');
        INSERT INTO auth.auth_user_groups (user_id, group_id) VALUES (1, 50);
        INSERT INTO auth.auth_user_user_permissions (user_id, permission_id)
            SELECT 1, id FROM auth.auth_permission WHERE codename IN ('view_queue', 'add_dicomfile');
        UPDATE auth.auth_user SET is_superuser = false WHERE id = 1;
        DELETE FROM auth.auth_user_groups WHERE group_id = 1;
        """
    )
    _, found = await me(client, (await sign_in(client))["access_token"])
    assert found["groups"] == [50]
    assert found["permissions"] == ["add_dicomfile", "view_job", "view_queue"]
    assert found["collections"] == {"user:1": "manage", "group:50": "view"}


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "invalid-request"),
        (b"{", 400, "invalid-request"),
        (b"[]", 400, "invalid-request"),
        (b'{"username":"admin"}', 400, "invalid-request"),
        (b'{"username":5,"password":"x"}', 400, "invalid-request"),
        (b'{"username":"\\ud800","password":"x"}', 400, "invalid-request"),
        (b'{"username":"admin","password":"\\ud800"}', 400, "invalid-request"),
        (b'{"username":"admin","password":""}', 400, "invalid-request"),
        (json.dumps({"username": "admin", "password": "x" * 1025}).encode(), 400, "invalid-request"),
        (json.dumps({"username": "x" * 151, "password": "x"}).encode(), 400, "invalid-request"),
        (b'{"username":"admin","password":"\\u0000"}', 401, "wrong-credentials"),
        (b" " * 16_385, 413, "too-large"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_odd_bodies_are_problems_of_the_caller(
    start_auth: Start, body: bytes, status: int, code: str
) -> None:
    client = await start_auth()
    response = await client.post("/api/auth/login", data=body, headers={"Content-Type": "application/json"})
    problem = await response.json()
    assert (response.status, problem["code"]) == (status, code)
    assert response.content_type == "application/problem+json"


async def test_a_body_without_length_is_bounded_too(start_auth: Start) -> None:
    client = await start_auth()

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    response = await client.post(
        "/api/auth/login", data=endless(), headers={"Content-Type": "application/json"}
    )
    assert response.status == 413


async def test_a_form_cannot_sign_in(start_auth: Start) -> None:
    client = await start_auth()
    for data in (ADMIN, json.dumps(ADMIN)):
        response = await client.post("/api/auth/login", data=data)
        assert (response.status, (await response.json())["code"]) == (415, "unsupported-type")


async def test_a_refresh_token_is_replaced_by_its_use(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    first = await sign_in(client)
    status, second = await refresh(client, first["refresh_token"])
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert second["access_token"] != first["access_token"]
    assert (await me(client, second["access_token"]))[0] == 200
    row = await sql.fetchrow("SELECT * FROM auth.auth_session")
    assert row is not None
    stored = json.dumps(dict(row), default=lambda v: v.hex() if isinstance(v, bytes) else str(v))
    for token in (first["refresh_token"], second["refresh_token"]):
        assert token.partition(".")[2] not in stored


async def test_two_tabs_that_refresh_at_once_both_stay(start_auth: Start) -> None:
    one, two = await start_auth(), await start_auth()
    token = (await sign_in(one))["refresh_token"]
    found = await asyncio.gather(*(refresh(client, token) for client in (one, two) * 5))
    assert {status for status, _ in found} == {200}
    following = {body["refresh_token"] for _, body in found}
    assert len(following) == 1
    assert (await refresh(one, following.pop()))[0] == 200


async def test_a_token_used_again_after_the_grace_period_ends_the_session(
    start_auth: Start, sql: Connection
) -> None:
    client = await start_auth()
    first = (await sign_in(client))["refresh_token"]
    _, second = await refresh(client, first)
    await sql.execute("UPDATE auth.auth_session SET rotated_at = rotated_at - interval '11 seconds'")
    status, problem = await refresh(client, first)
    assert (status, problem["code"]) == (401, "not-authenticated")
    assert (await refresh(client, second["refresh_token"]))[0] == 401
    assert (await refresh(client, (await sign_in(client))["refresh_token"]))[0] == 200


async def test_what_is_no_refresh_token_is_refused(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    token = (await sign_in(client))["refresh_token"]
    unknown = "0" * 32 + token[32:]
    for text in (unknown, "x", ".", token + "=", token.upper(), "\N{SNOWMAN}"):
        assert (await refresh(client, text))[0] == 401
    assert (await refresh(client, ""))[0] == 400
    assert (await refresh(client, "x" * 257))[0] == 400
    assert (await client.post("/api/auth/refresh")).status == 400
    assert await sql.fetchval("SELECT revoked_at IS NULL FROM auth.auth_session")


async def test_sessions_end_with_time_and_with_the_account(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    old, closed = await sign_in(client), await sign_in(client)
    await sql.execute(
        "UPDATE auth.auth_session SET expires_at = now() WHERE id = $1::text::uuid",
        old["refresh_token"].partition(".")[0],
    )
    assert (await refresh(client, old["refresh_token"]))[0] == 401
    await sql.execute("UPDATE auth.auth_user SET is_active = false")
    assert (await refresh(client, closed["refresh_token"]))[0] == 401
    assert (await me(client, closed["access_token"]))[0] == 401
    await sql.execute("UPDATE auth.auth_user SET is_active = true")
    assert (await refresh(client, closed["refresh_token"]))[0] == 200


async def test_signing_out_ends_the_session(start_auth: Start) -> None:
    client = await start_auth()
    mine, other = await sign_in(client), await sign_in(client)
    for token in (mine["refresh_token"], mine["refresh_token"], "unknown"):
        response = await client.post("/api/auth/logout", json={"refresh_token": token})
        assert (response.status, await response.read()) == (204, b"")
    assert (await refresh(client, mine["refresh_token"]))[0] == 401
    assert (await refresh(client, other["refresh_token"]))[0] == 200
    assert (await client.post("/api/auth/logout")).status == 400


def cookies(response: ClientResponse) -> dict[str, Morsel[str]]:
    return dict(response.cookies.items())


async def test_browsers_get_cookies_that_scripts_cannot_read(start_auth: Start) -> None:
    client = await start_auth(public_url="https://dicom.example.org")
    response = await client.post("/api/auth/login", json={**ADMIN, "cookie": True})
    assert await answer(response) == {"token_type": "Cookie", "expires_in": 600}
    access = cookies(response)["__Host-dicom_access"]
    fresh = cookies(response)["__Secure-dicom_refresh"]
    for cookie in (access, fresh):
        assert cookie["httponly"] is True
        assert cookie["secure"] is True
        assert cookie["samesite"] == "Strict"
        assert cookie["domain"] == ""
    assert (access["path"], access["max-age"]) == ("/", "600")
    assert fresh["path"] == "/api/auth"
    assert 14 * 86_400 - 10 <= int(fresh["max-age"]) <= 14 * 86_400


async def test_below_a_path_the_refresh_token_is_sent_below_that_path(start_auth: Start) -> None:
    client = await start_auth(public_url="https://example.org/dicom/")
    response = await client.post("/api/auth/login", json={**ADMIN, "cookie": True})
    assert cookies(response)["__Host-dicom_access"]["path"] == "/"
    assert cookies(response)["__Secure-dicom_refresh"]["path"] == "/dicom/api/auth"


async def test_a_browser_stays_signed_in_until_it_signs_out(start_auth: Start) -> None:
    client = await start_auth()
    response = await client.post("/api/auth/login", json={**ADMIN, "cookie": True})
    assert cookies(response)["dicom_access"]["secure"] == ""
    assert (await client.get("/api/auth/me")).status == 200
    bodies: tuple[dict[str, str] | None, ...] = (None, {})
    for body in bodies:
        response = await client.post("/api/auth/refresh", json=body)
        assert await answer(response) == {"token_type": "Cookie", "expires_in": 600}
        assert cookies(response)["dicom_refresh"].value
        assert (await client.get("/api/auth/me")).status == 200
    token = cookies(response)["dicom_refresh"].value
    response = await client.post("/api/auth/logout")
    assert response.status == 204
    assert {c["max-age"] for c in cookies(response).values()} == {"0"}
    assert (await client.get("/api/auth/me")).status == 401
    assert (await refresh(client, token))[0] == 401


async def test_foreign_pages_cannot_use_the_cookies(start_auth: Start) -> None:
    client = await start_auth()
    foreign = {"Origin": "https://evil.example"}
    response = await client.post("/api/auth/login", json={**ADMIN, "cookie": True}, headers=foreign)
    assert response.status == 403
    await client.post("/api/auth/login", json={**ADMIN, "cookie": True})
    for path in ("refresh", "logout"):
        response = await client.post(f"/api/auth/{path}", headers=foreign)
        assert (response.status, (await response.json())["code"]) == (403, "permission-denied")
    assert (
        await client.post("/api/auth/refresh", headers={"Origin": str(client.make_url("")).rstrip("/")})
    ).ok


async def test_without_a_token_there_is_no_me(start_auth: Start) -> None:
    client = await start_auth()
    assert (await client.get("/api/auth/me")).status == 401
    assert (await me(client, "nonsense"))[1]["code"] == "token-invalid"


async def test_other_services_verify_with_the_published_keys(start_auth: Start) -> None:
    client = await start_auth()
    token = (await sign_in(client))["access_token"]
    response = await client.get("/api/auth/jwks.json")
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert set((await response.json())["keys"][0]) == {"kty", "crv", "x", "kid", "use", "alg"}
    now = [0.0]
    verifier = TokenVerifier(str(client.make_url("/api/auth/jwks.json")), clock=lambda: now[0])
    await verifier.open()
    await verifier.ready()
    assert (await verifier.verify(token)).username == "admin"
    now[0] = 1e11
    with pytest.raises(TokenExpired):
        await verifier.verify(token)
    await verifier.close()


async def test_replicas_share_one_key_and_one_administrator(
    start_auth: Start, sql: Connection, capsys: pytest.CaptureFixture[str]
) -> None:
    replicas = await asyncio.gather(*(start_auth(admin_password=None) for _ in range(4)))
    printed = re.findall(r"User name: admin  Password: (\S+)", capsys.readouterr().out)
    assert len(printed) == 1
    assert await sql.fetchval("SELECT count(*) FROM auth.signing_key") == 1
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_user WHERE is_superuser AND is_staff") == 1
    token = (await sign_in(replicas[0], password=printed[0]))["access_token"]
    assert [(await me(replica, token))[0] for replica in replicas] == [200] * 4
    later = await start_auth(admin_password=None)
    assert capsys.readouterr().out == ""
    assert (await me(later, token))[0] == 200


async def test_an_administrator_under_another_name_is_enough(start_auth: Start, sql: Connection) -> None:
    client = await start_auth(admin_username="Jefa")
    await start_auth(admin_username="admin")
    assert [row["username"] for row in await sql.fetch("SELECT username FROM auth.auth_user")] == ["Jefa"]
    assert (await sign_in(client, username="jefa"))["access_token"]


async def test_replicas_that_disagree_about_the_name_still_make_one(
    start_auth: Start, sql: Connection
) -> None:
    await asyncio.gather(*(start_auth(admin_username=f"admin{n}") for n in range(4)))
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_user") == 1


async def test_a_weak_first_password_stops_the_service_and_an_old_one_does_not(
    start_auth: Start, sql: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    weak = await start_auth(ready=False, admin_password=SecretStr("short"))
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([weak.app[FATAL]])
    assert "Set another ADMIN_PASSWORD" in caplog.text
    assert await sql.fetchval("SELECT count(*) FROM auth.auth_user") == 0
    await start_auth()
    # Somebody administers already: what the setting says is not used.
    assert await is_ready(await start_auth(admin_password=SecretStr("short")))


async def test_a_taken_name_is_not_made_administrator(
    start_auth: Start, sql: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    await sql.execute("INSERT INTO auth.auth_user (username, password) VALUES ('Admin', '!')")
    client = await start_auth()
    assert "set ADMIN_USERNAME" in caplog.text
    assert (await client.post("/api/auth/login", json=ADMIN)).status == 401
    assert not await sql.fetchval("SELECT is_superuser FROM auth.auth_user")


async def test_hashes_follow_the_parameters(start_auth: Start, sql: Connection) -> None:
    await sign_in(await start_auth())
    client = await start_auth(password_time_cost=2)
    await sign_in(client)
    renewed = await sql.fetchval("SELECT password FROM auth.auth_user")
    assert ",t=2," in renewed
    await sign_in(client)
    assert await sql.fetchval("SELECT password FROM auth.auth_user") == renewed


async def test_it_waits_for_a_late_database(
    postgres_server: Any,
    empty_database_url: str,
    auth_settings: AuthSettings,
    caplog: pytest.LogCaptureFixture,
) -> None:
    late = auth_settings.model_copy(
        update={"database_url": SecretStr(empty_database_url), "database_set_role": False}
    )
    async with TestClient(TestServer(create(late))) as client:
        response = await client.get("/readyz")
        assert response.status == 503
        assert (await response.json())["checks"]["auth"] == "failed"
        assert "not ready: auth: Schema auth lacks" in caplog.text
        assert (await client.get("/livez")).status == 200
        assert (await client.post("/api/auth/login", json=ADMIN)).status == 503
        await migrate(empty_database_url, [MIGRATIONS])
        await eventually(lambda: is_ready(client))
        assert await sign_in(client)


async def test_without_a_server_it_says_so_and_lives(auth_settings: AuthSettings) -> None:
    nowhere = auth_settings.model_copy(update={"database_url": SecretStr("postgresql://auth@127.0.0.1:1/x")})
    async with TestClient(TestServer(create(nowhere))) as client:
        assert (await client.get("/livez")).status == 200
        answer = await client.get("/readyz")
        assert (answer.status, (await answer.json())["checks"]["auth"]) == (503, "failed")
        for method, path in (("POST", "login"), ("GET", "jwks.json")):
            response = await client.request(method, f"/api/auth/{path}", json=ADMIN)
            assert (response.status, (await response.json())["code"]) == (503, "unavailable")
            assert response.headers["Retry-After"]


async def test_expired_sessions_are_forgotten_at_the_next_start(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    await sign_in(client)
    kept = await sign_in(client)
    await sql.execute(
        "UPDATE auth.auth_session SET expires_at = now() - interval '1 h' WHERE id <> $1::text::uuid",
        kept["refresh_token"].partition(".")[0],
    )
    await start_auth()

    async def one_is_left() -> bool:
        return bool(await sql.fetchval("SELECT count(*) = 1 FROM auth.auth_session"))

    await eventually(one_is_left)


async def test_the_operator_reads_accounts_but_no_secret(
    role_url: Callable[[str], str], start_auth: Start
) -> None:
    await sign_in(await start_auth())
    connection = await asyncpg.connect(role_url("operator"))
    try:
        assert await connection.fetchval("SELECT username FROM auth_user") == "admin"
        assert await connection.fetchval("SELECT count(*) FROM auth_session WHERE revoked_at IS NULL") == 1
        for column, table in (
            ("password", "auth_user"),
            ("token_hash", "auth_session"),
            ("previous_hash", "auth_session"),
            ("rotation_salt", "auth_session"),
            ("private_key", "signing_key"),
            ("*", "signing_key"),
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f"SELECT {column} FROM auth.{table}")
        readable = await connection.fetch(
            "SELECT c.relname || '.' || a.attname AS name"
            " FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
            " WHERE c.relnamespace = 'auth'::regnamespace AND a.attnum > 0 AND c.relkind IN ('r', 'v')"
            " AND has_column_privilege(c.oid, a.attnum, 'SELECT')"
        )
        secret = re.compile("password|hash|salt|secret|token|private|seed")
        harmless = {
            "auth_user.must_change_password",
            "auth_user.password_changed_at",
            # Of links and mails: when and whose, not what opens anything.
            *(f"password_mail.{name}" for name in ("id", "user_ids", "created_at", "due_at", "attempts")),
            *(f"password_reset.{name}" for name in ("id", "user_id", "made_by", "created_at", "expires_at")),
        }
        assert {row["name"] for row in readable if secret.search(row["name"])} <= harmless
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE auth.auth_user SET is_staff = true")
    finally:
        await connection.close()


async def test_names_differ_by_more_than_case(sql: Connection) -> None:
    insert = "INSERT INTO auth.auth_user (username, password) VALUES ($1, '!')"
    await sql.execute(insert, "Ñandú")
    with pytest.raises(asyncpg.UniqueViolationError):
        await sql.execute(insert, "ñANDÚ")


def create_user(url: str, *arguments: str, password: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k not in ("ADMIN_USERNAME", "ADMIN_PASSWORD")}
    cheap = {"PASSWORD_TIME_COST": "1", "PASSWORD_MEMORY_KIB": "8192"}
    environment = {**environment, "DATABASE_URL": url, **cheap}
    return run_command("services.auth", "create-user", *arguments, env=environment, given=password)


async def test_more_users_are_made_from_a_shell(start_auth: Start, role_url: Callable[[str], str]) -> None:
    client, url = await start_auth(), role_url("auth")
    made = await asyncio.to_thread(create_user, url, "Ana", "--staff", password="su contraseña\n")
    assert (made.returncode, made.stdout, made.stderr) == (0, "User Ana created (id 2).\n", "")
    tokens = await sign_in(client, username="ana", password="su contraseña")
    _, found = await me(client, tokens["access_token"])
    assert (found["user_id"], found["username"], found["staff"]) == (2, "Ana", True)
    failed = await asyncio.to_thread(create_user, url, "ANA", password="another good phrase")
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr == "There is a user named ANA already (upper and lower case do not matter).\n"


async def test_the_service_describes_itself(start_auth: Start) -> None:
    client = await start_auth()
    document = await (await client.get("/api/auth/openapi.json")).json()
    assert document["openapi"].startswith("3.1")
    assert set(document["paths"]) >= {
        f"/api/auth/{name}" for name in ("login", "refresh", "logout", "me", "jwks.json", "users", "groups")
    }
    assert document["paths"]["/api/auth/login"]["post"]["security"] == [{}]
