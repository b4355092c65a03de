"""How sign-ins and refusals are counted, read at /metrics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from services.auth.app import create
from services.auth.settings import AuthSettings
from tests.exposition import Exposition
from tests.waiting import eventually

Client = TestClient[web.Request, web.Application]
PASSWORD = "first password"


@pytest.fixture
async def client(role_url: Callable[[str], str]) -> AsyncIterator[Client]:
    settings = AuthSettings(
        database_url=SecretStr(role_url("auth")),
        admin_password=SecretStr(PASSWORD),
        password_time_cost=1,
        password_memory_kib=8192,
        password_parallelism=1,
    )
    async with TestClient(TestServer(create(settings))) as made:
        await eventually(lambda: is_ready(made))
        yield made


async def is_ready(client: Client) -> bool:
    async with client.get("/readyz") as answer:
        return answer.status == 200


async def post(client: Client, path: str, **body: str) -> tuple[int, dict[str, Any]]:
    async with client.post(f"/api/auth/{path}", json=body) as answer:
        return answer.status, await answer.json()


async def counted(client: Client, name: str, label: str) -> dict[str, float]:
    async with client.get("/metrics") as answer:
        samples = Exposition(await answer.text()).samples
    return {sample.labels[label]: sample.value for sample in samples if sample.name == name}


async def test_sign_ins_and_refreshes_by_outcome(client: Client, database_url: str) -> None:
    sql = await asyncpg.connect(database_url)
    _, tokens = await post(client, "login", username="admin", password=PASSWORD)
    for username, password in (("admin", "wrong"), ("nobody", PASSWORD)):
        assert (await post(client, "login", username=username, password=password))[0] == 401
    assert await counted(client, "auth_sign_ins_total", "outcome") == {
        "ok": 1,
        "challenged": 0,
        "wrong_credentials": 2,
        "wrong_code": 0,
        "inactive": 0,
        "busy": 0,
        "throttled": 0,
        "turned_off": 0,
    }
    first = tokens["refresh_token"]
    assert (await post(client, "refresh", refresh_token=first))[0] == 200
    assert (await post(client, "refresh", refresh_token="nobody's"))[0] == 401
    await sql.execute("UPDATE auth.auth_session SET rotated_at = rotated_at - interval '11 seconds'")
    assert (await post(client, "refresh", refresh_token=first))[0] == 401
    assert await counted(client, "auth_refreshes_total", "outcome") == {
        "ok": 1,
        "refused": 1,
        "reused": 1,
        "busy": 0,
    }
    await sql.execute("UPDATE auth.auth_user SET is_active = false")
    assert (await post(client, "login", username="admin", password=PASSWORD))[0] == 401
    assert (await counted(client, "auth_sign_ins_total", "outcome"))["inactive"] == 1
    await sql.close()


async def test_refusals_by_code_and_methods_that_nobody_knows(client: Client) -> None:
    for method in ("GET", "MKCOL", "PROPFIND"):
        async with client.request(method, "/api/auth/me") as answer:
            assert answer.status == (401 if method == "GET" else 405)
    await post(client, "login", username="admin", password="wrong")
    refusals = await counted(client, "http_refusals_total", "code")
    assert refusals == {"not-authenticated": 1, "wrong-credentials": 1}
    methods = await counted(client, "http_server_requests_total", "method")
    assert {"MKCOL", "PROPFIND"}.isdisjoint(methods)
    assert methods["_OTHER"] == 2


async def test_build_and_database_pool(client: Client) -> None:
    async def scraped() -> Exposition:
        async with client.get("/metrics") as answer:
            return Exposition(await answer.text())

    async def all_are_idle() -> bool:
        # Housekeeping takes one now and then.
        return (await scraped()).value("database_pool_connections", pool="auth", state="used") == 0

    await eventually(all_are_idle)
    found = await scraped()
    assert found.value("dicom_build_info", service="auth", version="0.1.0", revision="unknown") == 1
    assert found.value("database_pool_limit", pool="auth") == 10
    assert found.value("database_pool_connections", pool="auth", state="idle") >= 1
    assert found.value("database_acquire_seconds_count", pool="auth") >= 1
    assert found.undocumented == []
