"""What `/readyz` tells whom: names to everybody who asks, reasons to the log alone."""

from __future__ import annotations

import logging

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from libs.common import keys
from libs.common.errors import Unavailable
from libs.common.http.application import create_app
from libs.common.settings.service import ServiceSettings
from libs.common.telemetry.tracing import Telemetry

ADDRESS = "db.internal.example:5432"


async def test_no_address_leaves_by_readyz(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "libs.common.http.health")
    settings = ServiceSettings()
    app = create_app(settings, Telemetry("test", settings))
    problem: list[str] = []

    async def database() -> None:
        if problem:
            raise Unavailable(problem[0])

    async def broker() -> None:
        return

    app[keys.READINESS].update(database=database, broker=broker)
    async with TestClient[web.Request, web.Application](TestServer(app)) as client:

        async def ask() -> tuple[int, dict[str, str]]:
            async with client.get("/readyz") as answer:
                assert ADDRESS not in await answer.text()
                return answer.status, (await answer.json())["checks"]

        assert await ask() == (200, {"database": "ok", "broker": "ok"})
        problem.append(f"PostgreSQL at {ADDRESS} does not answer.")
        for _ in range(3):
            assert await ask() == (503, {"database": "failed", "broker": "ok"})
        problem[0] = f"Schema lacks 0001 at {ADDRESS}."
        assert (await ask())[0] == 503
        problem.clear()
        assert (await ask())[0] == 200
    # Probes come every few seconds: each reason is told once.
    assert [record.getMessage() for record in caplog.records if record.name == "libs.common.http.health"] == [
        f"not ready: database: PostgreSQL at {ADDRESS} does not answer.",
        f"not ready: database: Schema lacks 0001 at {ADDRESS}.",
        "ready again: database",
    ]
