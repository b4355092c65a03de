"""Serving ends when it is told to, whatever is still on its way."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Iterator

import pytest
from aiohttp import ClientSession, web

from libs.common.http.serving import bind, run, serve
from libs.common.keys import DRAINING, FATAL, RUNNING, Running
from libs.common.settings.service import ServiceSettings
from libs.common.settings.telemetry import TelemetrySettings
from libs.common.telemetry.logs import configure_logging
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


async def test_a_line_of_a_head_may_be_as_long_as_the_gateway_lets_it_be() -> None:
    """A search for many UIDs is one."""

    async def asked(request: web.Request) -> web.Response:
        return web.Response(text=str(len(request.query["StudyInstanceUID"].split(","))))

    told, app, listener = asyncio.Event(), application(), bind("127.0.0.1", 0)
    app.router.add_get("/", asked)

    async def ready() -> None:
        told.set()

    serving = asyncio.create_task(serve(app, listener, SETTINGS, ready))
    await told.wait()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    async with ClientSession() as session:
        for count, status in ((250, 200), (300, 400)):
            uids = ",".join(f"{number:060}" for number in range(count))
            async with session.get(f"{url}?StudyInstanceUID={uids}") as answer:
                assert answer.status == status
                assert status != 200 or await answer.text() == str(count)
    os.kill(os.getpid(), signal.SIGINT)
    assert await serving == 0


@pytest.mark.parametrize(
    "request_", [b"GET /?PatientName=Doe%s HTTP/1.1\r\n\r\n" % (b"1" * 20_000),
                 b"GET / HTTP/1.1\r\nAuthorization: Basic Doe\x00\r\n\r\n"],
)  # fmt: skip
@pytest.mark.parametrize("level", ["INFO", "WARNING"])
async def test_what_cannot_be_read_is_in_no_log(
    request_: bytes, level: str, capsys: pytest.CaptureFixture[str], restored_logging: None
) -> None:
    configure_logging(TelemetrySettings(log_format="text", log_level=level))
    told, listener = asyncio.Event(), bind("127.0.0.1", 0)

    async def ready() -> None:
        told.set()

    serving = asyncio.create_task(serve(application(), listener, SETTINGS, ready))
    await told.wait()
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(request_)
    assert (await reader.read()).startswith(b"HTTP/1.0 400")
    writer.close()
    os.kill(os.getpid(), signal.SIGINT)
    assert await serving == 0
    line = capsys.readouterr().err
    assert "Doe" not in line
    assert ("INFO aiohttp.server: Error handling request from 127.0.0.1: " in line) is (level == "INFO")


@pytest.fixture
def restored_logging() -> Iterator[None]:
    """What the test sets is for itself."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("aiohttp.server").filters.clear()


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
