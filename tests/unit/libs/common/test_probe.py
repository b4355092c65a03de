"""The container's health check against servers that answer, refuse and hang up."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from infra import certificates
from libs.common.http import probe


async def answer(request: web.Request) -> web.Response:
    """200 on /livez, 503 elsewhere."""
    return web.Response(text=request.path, status=200 if request.path == "/livez" else 503)


Ask = Callable[..., Awaitable[tuple[bool, str]]]


@pytest.fixture
def ask() -> Ask:
    async def asked(server: TestServer, path: str, **environment: str) -> tuple[bool, str]:
        return await asyncio.to_thread(probe.probe, path, {"PORT": str(server.port), **environment})

    return asked


async def test_only_200_is_well(ask: Ask) -> None:
    app = web.Application()
    app.router.add_get("/{path}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        assert await ask(server, "/livez") == (True, "/livez")
        assert await ask(server, "/readyz") == (False, "/readyz")
        well, said = await ask(server, "/livez", TLS_CERT_FILE="/run/certs/tls.crt")
        assert not well
        assert "SSL" in said


async def test_asks_over_tls_where_the_service_does(ask: Ask, tmp_path: Path) -> None:
    certificates.make(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(tmp_path / "auth" / "tls.crt", tmp_path / "auth" / "tls.key")
    app = web.Application()
    app.router.add_get("/{path}", answer)
    server = TestServer(app, host="127.0.0.1", scheme="https")
    await server.start_server(ssl=context)
    try:
        assert await ask(server, "/livez", TLS_CERT_FILE="/run/certs/tls.crt") == (True, "/livez")
        assert not (await ask(server, "/livez"))[0]
    finally:
        await server.close()


def test_nobody_there_is_not_well(
    unused_tcp_port: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PORT", str(unused_tcp_port))
    assert probe.main([]) == 1
    assert "refused" in capsys.readouterr().out
