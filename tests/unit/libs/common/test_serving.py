"""Serving ends when it is told to, whatever is still on its way."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from aiohttp import web

from libs.common.http.serving import bind, run, serve
from libs.common.keys import DRAINING, FATAL, RUNNING, Running
from libs.common.settings.service import ServiceSettings
from services.portal.app import create
from services.portal.settings import PortalSettings
from tests.waiting import PATIENCE

SETTINGS = ServiceSettings(host="127.0.0.1", port=0, shutdown_timeout=1.0)


def application() -> web.Application:
    app = web.Application()
    app[DRAINING] = asyncio.Event()
    app[RUNNING] = Running()
    app[FATAL] = asyncio.get_running_loop().create_future()
    return app


@pytest.fixture(autouse=True)
def _unspared(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs the tests is no service: a walk through all that it has made takes long."""
    monkeypatch.setattr("libs.common.http.serving.spare_the_collector", lambda _: None)


async def test_a_signal_ends_it_while_it_still_waits_to_be_ready() -> None:
    async def never_ready() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        assert await serve(application(), bind("127.0.0.1", 0), SETTINGS, never_ready) == 0


async def test_a_dead_task_ends_it_while_it_still_waits_to_be_ready() -> None:
    app = application()

    async def never_ready() -> None:
        app[FATAL].set_result("a task died")
        await asyncio.Event().wait()

    async with asyncio.timeout(PATIENCE):
        assert await serve(app, bind("127.0.0.1", 0), SETTINGS, never_ready) == 1
    assert app[DRAINING].is_set()


async def test_it_serves_on_after_it_was_ready() -> None:
    told = asyncio.Event()

    async def ready() -> None:
        told.set()

    serving = asyncio.create_task(serve(application(), bind("127.0.0.1", 0), SETTINGS, ready))
    await told.wait()
    done, _ = await asyncio.wait([serving], timeout=0.1)
    assert not done
    os.kill(os.getpid(), signal.SIGINT)
    assert await serving == 0


async def test_what_cannot_be_told_is_raised() -> None:
    async def broken() -> None:
        raise RuntimeError("no terminal")

    app = application()
    with pytest.raises(RuntimeError, match="no terminal"):
        await serve(app, bind("127.0.0.1", 0), SETTINGS, broken)
    assert app[DRAINING].is_set()


def test_what_stops_the_start_is_one_sentence_and_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REQUIRE_TLS", "true")
    monkeypatch.setenv("PUBLIC_URL", "http://user:secretword@dicom/")
    assert run(PortalSettings, create) == 1
    assert capsys.readouterr().err == (
        "REQUIRE_TLS forbids plaintext and unverified connections: TLS_CERT_FILE: set it, and TLS_KEY_FILE; "
        "PUBLIC_URL: must begin with https://.\n"
    )
