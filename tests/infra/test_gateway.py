"""The gateway's configuration in a real nginx, before services that are played by the test."""

from __future__ import annotations

import asyncio
import io
import os
import re
import secrets
import signal
import socket
import ssl
import subprocess
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from infra import certificates
from tests.infra.requests import requests
from tests.ports import free_ports
from tests.waiting import PATIENCE, eventually

START = Path("infra/gateway/start.sh").absolute()
LIMIT = 1_000_000
GRAFANA_HOST = "grafana.example.org"
GRAFANA_URL = f"https://{GRAFANA_HOST}/"
GETENT = """#!/bin/sh
# Answers like the network's names, from a folder of files.
cat "{folder}/$2" 2>/dev/null
"""


class Gateway:
    """start.sh as the container runs it: own folder, port and names."""

    def __init__(self, folder: Path) -> None:
        """Makes certificates in `folder`."""
        self.folder = folder
        self.certificates = folder / "certs"
        certificates.make(self.certificates)
        self.names = folder / "names"
        self.names.mkdir()
        programs = folder / "bin"
        programs.mkdir()
        (programs / "getent").write_text(GETENT.format(folder=self.names))
        (programs / "getent").chmod(0o755)
        (folder / "nginx").mkdir()
        # nginx started by root hands the work to nobody.
        (folder / "nginx").chmod(0o777)
        self.port, self.grafana_port = free_ports(2)
        self.trust = ssl.create_default_context(cafile=self.certificates / "gateway" / "ca.crt")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start; ended by `close`."""
        # Appending, since nginx opens it as well.
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "sh", str(START)],
                env={
                    "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}:/usr/sbin",
                    "GATEWAY_FOLDER": str(self.folder / "nginx"),
                    "GATEWAY_CERTIFICATES": str(self.certificates / "gateway"),
                    "GATEWAY_LISTEN": str(self.port),
                    "GATEWAY_POLL": "0.1",
                    "MAX_REQUEST_BYTES": str(LIMIT),
                    "GATEWAY_HOST": "localhost",
                    "GRAFANA_HOST": GRAFANA_HOST,
                    "GRAFANA_LISTEN": str(self.grafana_port),
                    "GRAFANA_URL": GRAFANA_URL,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def close(self) -> None:
        """End nginx and the loop beside it."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait(60)

    def resolve(self, name: str, *addresses: str) -> None:
        """Let `name` lead to these addresses from now on."""
        draft = self.names / ".new"
        draft.write_text("".join(f"{address} STREAM {name}\n" for address in addresses))
        draft.rename(self.names / name)

    def url(self, path: str) -> str:
        """Address of a path."""
        return f"https://localhost:{self.port}{path}"

    def presented(self) -> bytes:
        """The certificate that a new connection sees."""
        with self.connected(self.trust) as connection:
            certificate = connection.getpeercert(binary_form=True)
            assert certificate is not None
            return certificate

    def say(self, request: str) -> bytes:
        """What comes back for a request as it stands."""
        with self.connected(self.trust) as connection:
            connection.sendall(request.encode())
            return connection.recv(4096)

    def connected(self, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A connection that is open, or an ssl.SSLError."""
        plain = socket.create_connection(("localhost", self.port), timeout=PATIENCE)
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except ssl.SSLError:
            plain.close()
            raise


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Started once."""
    gateway = Gateway(tmp_path_factory.mktemp("gateway"))
    gateway.start()
    try:
        yield gateway
    finally:
        gateway.close()


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[aiohttp.ClientSession]:
    """Trusts the deployment's CA; the gateway is up."""
    opened: list[socket.socket] = []

    def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        opened.append(socket.socket(family, kind, protocol))
        return opened[-1]

    connector = aiohttp.TCPConnector(ssl=gateway.trust, force_close=True, socket_factory=open_socket)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def alive() -> bool:
            try:
                async with session.get(gateway.url("/livez")) as answer:
                    return answer.status == 200
            except aiohttp.ClientConnectionError:
                return False

        await eventually(alive)
        yield session
    # Each connection ends with TLS's farewell, which takes its time; the loop must not end before.
    await eventually(lambda: all(one.fileno() == -1 for one in opened))


Serve = Callable[..., Awaitable[str]]


@pytest.fixture
async def serve(gateway: Gateway) -> AsyncIterator[Serve]:
    """`await serve("auth", handler)`: a service with this certificate; answers the address it has."""
    async with AsyncExitStack() as stack:

        async def start(
            certificate: str,
            handler: Callable[[web.Request], Awaitable[web.StreamResponse]],
            port: int = 8443,
        ) -> str:
            app = web.Application(client_max_size=2 * LIMIT)
            app.router.add_route("*", "/{path:.*}", handler)
            runner = web.AppRunner(app, shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(end, runner)
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            folder = gateway.certificates / certificate
            context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
            # The port is fixed, so the address is drawn: all of 127.0.0.0/8 is this machine.
            address = (
                f"127.{1 + secrets.randbelow(254)}.{secrets.randbelow(255)}.{1 + secrets.randbelow(254)}"
            )
            await web.TCPSite(runner, address, port, ssl_context=context).start()
            return address

        yield start


async def end(runner: web.AppRunner) -> None:
    """Without TLS's farewell: the gateway keeps its connections open, and the loop would end before them."""
    assert runner.server is not None
    for connection in runner.server.connections:
        if connection.transport is not None:
            connection.transport.abort()
    await runner.cleanup()
    # An aborted transport is closed in the loop's next round, its socket in the one after.
    for _ in range(3):
        await asyncio.sleep(0)


async def echo(request: web.Request) -> web.Response:
    """What arrived."""
    return web.json_response(
        {"path": request.path_qs, "headers": dict(request.headers), "method": request.method}
    )


async def ask(client: aiohttp.ClientSession, url: str, **options: Any) -> tuple[int, dict[str, str], Any]:
    method = options.pop("method", "GET")
    async with client.request(method, url, **options) as answer:
        is_json = "json" in answer.content_type and method != "HEAD"
        body = await answer.json(content_type=None) if is_json else await answer.text()
        return answer.status, dict(answer.headers), body


async def test_a_service_that_is_away_is_a_problem_and_not_a_page(
    gateway: Gateway, client: aiohttp.ClientSession
) -> None:
    status, headers, body = await ask(client, gateway.url("/api/changes"))
    assert (status, body["code"], headers["Content-Type"]) == (503, "unavailable", "application/problem+json")
    assert headers["Strict-Transport-Security"] == "max-age=63072000"
    assert headers["Server"] == "nginx"


async def test_paths_lead_to_their_services_over_verified_tls(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    def named(name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            return web.json_response({}, headers={"X-Service": name})

        return answer

    for name in ("auth", "ingest", "results", "portal"):
        gateway.resolve(name, await serve(name, named(name)))
    for method, path, service in requests():

        async def arrives(method: str = method, path: str = path, service: str = service) -> bool:
            status, headers, _ = await ask(client, gateway.url(path), method=method)
            return status == 200 and headers["X-Service"] == service

        await eventually(arrives)


async def test_what_the_services_say_of_themselves_stays_inside(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    gateway.resolve("portal", await serve("portal", echo))
    for path in ("/metrics", "/readyz"):
        assert (await ask(client, gateway.url(path)))[0] == 404


async def test_a_service_with_another_ones_certificate_is_refused(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    gateway.resolve("auth", await serve("auth", echo))
    await eventually(lambda: _settled(client, gateway.url("/api/auth/me"), 200))
    gateway.resolve("auth", await serve("portal", echo))
    # Host names are on every certificate; the service's own is not.
    await eventually(lambda: _settled(client, gateway.url("/api/auth/me"), 503))


async def test_clients_cannot_say_who_they_are(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    gateway.resolve("auth", await serve("auth", echo))
    await eventually(lambda: _settled(client, gateway.url("/api/auth/me"), 200))
    said = {"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "http", "X-Real-IP": "10.9.8.7"}
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    _, _, body = await ask(client, gateway.url("/api/auth/me"), headers={**said, "traceparent": trace})
    headers = body["headers"]
    assert headers["X-Forwarded-For"] in ("127.0.0.1", "::1")
    assert headers["X-Real-IP"] == headers["X-Forwarded-For"]
    assert headers["X-Forwarded-Proto"] == "https"
    # The Origin check compares with it, port included.
    assert headers["Host"] == f"localhost:{gateway.port}"
    assert headers["traceparent"] == trace


async def test_no_log_holds_what_somebody_asked(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    """Nor tokens of links: not in the lines of errors either, whatever goes wrong."""

    async def spoilt(request: web.Request) -> web.StreamResponse:
        """An answer that breaks off, and one whose header is none, both with the request in them."""
        assert request.transport is not None
        if "header" in request.query:
            request.transport.write(b'HTTP/1.1 200 OK\r\nX-"dpl_secret"\x00: dpl_secret\r\n\r\n')
        else:
            request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
        request.transport.abort()
        return web.Response()

    log = (gateway.folder / "log").read_text
    secret = "/s/dpl_secret?q=dpl_secret", "/api/results?q=dpl_secret", "/x?q=a%22dpl_secret%22"
    referrer = {"Referer": 'https://localhost/?q=", client: "dpl_secret'}
    gateway.resolve("portal", await serve("portal", echo))
    await eventually(lambda: _settled(client, gateway.url("/"), 200))
    assert (await ask(client, gateway.url(secret[0])))[2]["path"] == secret[0]
    gateway.resolve("results", await serve("results", spoilt))
    await eventually(lambda: _is_cut(client, gateway.url("/api/results?q=dpl_secret")))

    async def header_is_refused() -> bool:
        await ask(client, gateway.url("/api/results?header&q=dpl_secret"), headers=referrer)
        return "upstream sent invalid header: (left out)" in log()

    await eventually(header_is_refused)
    # Another one's certificate, nobody there, too much, and requests that are none.
    gateway.resolve("portal", await serve("auth", echo))
    gateway.resolve("results", f"127.9.9.{1 + secrets.randbelow(254)}")
    for path in ("/", "/api/results"):
        await eventually(lambda path=path: _settled(client, gateway.url(path), 503))  # type: ignore[misc]
    for path in secret:
        assert (await ask(client, gateway.url(path), headers=referrer))[0] == 503
    too_much = io.BytesIO(b"x" * (LIMIT + 1))
    url = gateway.url("/api/files?q=dpl_secret")
    assert (await ask(client, url, method="POST", data=too_much, headers=referrer))[0] == 413
    for sent in (
        "GET /%00?q=dpl_secret HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /{'y' * 20_000}?q=dpl_secret HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /?q=dpl_secret HTTP/1.1\r\nHost: x\r\nX: {'dpl_secret' * 2_000}\r\n\r\n",
        'GET /?q=", upstream: "https://dpl_secret HTTP/1.1\r\nHost: "dpl_secret\r\n\r\n',
        "dpl_secret\r\n\r\n",
    ):
        await asyncio.to_thread(gateway.say, sent)

    def shows(told: str) -> bool:
        return re.search(told, log(), re.MULTILINE) is not None

    await eventually(lambda: log().count('"path":"/s/..."') == 2)
    # What went wrong is still told, and with whom.
    for told in (
        r"connect\(\) failed .* while connecting to upstream.*, upstream: https://127\.9\.9\.[0-9]+:8443$",
        r"upstream SSL certificate does not match \(left out\) while SSL handshaking to upstream, client: ",
        r"upstream prematurely closed connection while reading upstream.*, upstream: https://127\.",
        r"client intended to send too large body: 1000001 bytes, client: [0-9.:]+, server: _$",
    ):
        await eventually(partial(shows, told))
    assert "dpl_secret" not in log()


async def test_grafana_is_not_on_the_portals_origin(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    gateway.resolve("portal", await serve("portal", echo))
    gateway.resolve("grafana", await serve("grafana", echo, 3000))
    own = f"https://localhost:{gateway.grafana_port}"
    await eventually(lambda: _settled(client, f"{own}/login", 200))
    await eventually(lambda: _settled(client, gateway.url("/"), 200))
    # By its port, or by its name.
    named = {"Host": GRAFANA_HOST}
    for url, headers in ((f"{own}/d/x?from=1", {}), (gateway.url("/d/x?from=1"), named)):
        cookies = {"Cookie": "__Host-access=portal; grafana_session=a1; x=y; grafana_session_expiry=17"}
        _, _, body = await ask(client, url, headers={**headers, **cookies})
        assert body["path"] == "/d/x?from=1"
        # Browsers send a host's cookies to all its ports: the portal's are none of Grafana's.
        assert body["headers"]["Cookie"] == "grafana_session=a1; grafana_session_expiry=17"
        assert body["headers"]["Host"] == headers.get("Host", f"localhost:{gateway.grafana_port}")
        _, _, body = await ask(client, url, headers={**headers, "Cookie": "__Host-access=portal"})
        assert "Cookie" not in body["headers"]
    # Its paths lead nowhere on the portal's origin.
    for path in ("/grafana", "/grafana/d/x?y"):
        async with client.get(gateway.url(path), allow_redirects=False) as answer:
            assert (answer.status, answer.headers["Location"]) == (308, GRAFANA_URL)


async def test_uploads_and_live_events_flow_without_being_gathered(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    arrived, go_on = asyncio.Event(), asyncio.Event()

    async def upload(request: web.Request) -> web.Response:
        await request.content.readexactly(10)
        arrived.set()
        rest = await request.content.read()
        return web.json_response({"bytes": 10 + len(rest)})

    async def events(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        if request.query:
            await response.write(b"data: 1\n\n")
            await go_on.wait()
        return response

    gateway.resolve("ingest", await serve("ingest", upload))
    gateway.resolve("results", await serve("results", events))
    await eventually(lambda: _settled(client, gateway.url("/api/events"), 200))

    async def body() -> AsyncIterator[bytes]:
        yield b"0123456789"
        await arrived.wait()  # the service has the beginning before the end exists
        yield b"x" * 500_000

    for path in ("/api/files", "/dicom-web/studies"):
        arrived.clear()

        async def uploaded(path: str = path) -> bool:
            _, _, answer = await ask(client, gateway.url(path), method="POST", data=body())
            return bool(answer == {"bytes": 500_010})

        async with asyncio.timeout(PATIENCE):
            await eventually(uploaded)
    async with asyncio.timeout(PATIENCE), client.get(gateway.url("/api/events?after=1")) as stream:
        assert await stream.content.readline() == b"data: 1\n"
        go_on.set()


async def test_too_much_is_a_problem_and_not_a_page(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    for path in ("/api/files", "/dicom-web/studies", "/api/auth/login"):
        data = b"x" * (LIMIT + 1 if path != "/api/auth/login" else 1024 * 1024 + 1)
        status, headers, body = await ask(client, gateway.url(path), method="POST", data=io.BytesIO(data))
        assert (status, body["code"]) == (413, "too-large")
        assert headers["Content-Type"] == "application/problem+json"


async def test_more_copies_share_the_work_and_one_that_is_gone_gets_none(
    gateway: Gateway, client: aiohttp.ClientSession, serve: Serve
) -> None:
    counts = [0, 0]

    def counting(which: int) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(request: web.Request) -> web.Response:
            counts[which] += 1
            return web.Response()

        return answer

    first, second = await serve("portal", counting(0)), await serve("portal", counting(1))
    gateway.resolve("portal", first, second)
    await eventually(lambda: _settled(client, gateway.url("/"), 200))

    async def both() -> bool:
        await _is(client, gateway.url("/"), 200)
        return min(counts) > 0

    await eventually(both)
    gateway.resolve("portal", second)

    async def only_second() -> bool:
        before = counts[0]
        for _ in range(4):
            assert await _is(client, gateway.url("/"), 200)
        return counts[0] == before

    await eventually(only_second)


async def test_a_renewed_certificate_is_presented_without_a_restart(
    gateway: Gateway, client: aiohttp.ClientSession
) -> None:
    before = gateway.presented()
    certificates.make(gateway.certificates, force=True)
    await eventually(lambda: gateway.presented() != before)


async def test_old_protocols_and_plaintext_are_refused(
    gateway: Gateway, client: aiohttp.ClientSession
) -> None:
    for protocol, ciphers in (("TLSv1_2", "AES256-GCM-SHA384:AES128-SHA"), ("TLSv1_1", "ALL:@SECLEVEL=0")):
        context = ssl.create_default_context(cafile=gateway.certificates / "gateway" / "ca.crt")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            context.minimum_version = context.maximum_version = ssl.TLSVersion[protocol]
        context.set_ciphers(ciphers)
        with pytest.raises(ssl.SSLError):
            gateway.connected(context)
    assert (await ask(client, f"http://localhost:{gateway.port}/livez"))[0] == 400


def test_http_2_is_offered(gateway: Gateway, client: aiohttp.ClientSession) -> None:
    context = ssl.create_default_context(cafile=gateway.certificates / "gateway" / "ca.crt")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with gateway.connected(context) as connection:
        assert connection.selected_alpn_protocol() == "h2"
        assert connection.version() == "TLSv1.3"


async def _settled(client: aiohttp.ClientSession, url: str, status: int) -> bool:
    """Whether every worker answers so: while nginx reloads, one of before may take a connection or two."""
    for _ in range(10):
        if not await _is(client, url, status):
            return False
    return True


async def _is_cut(client: aiohttp.ClientSession, url: str) -> bool:
    """Whether an answer begins and does not end."""
    try:
        async with client.get(url) as answer:
            await answer.read()
    except aiohttp.ClientPayloadError:
        return True
    return False


async def _is(client: aiohttp.ClientSession, url: str, status: int) -> bool:
    async with client.get(url) as answer:
        return answer.status == status
