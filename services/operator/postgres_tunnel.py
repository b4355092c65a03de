"""TLS for libpq's programs (psql, pg_dump, pg_restore): the wheel's are built without it.

They connect to a Unix socket in a private folder; what they say goes on to the server over TLS that is
verified here, as the URL's sslmode asks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from libs.common.errors import ConfigurationError
from libs.common.security.certificates import client_context

CONNECT_TIMEOUT = 10.0
"""Seconds for TCP and the handshake."""
_PORT = 5432
_SSL_REQUEST = struct.pack("!II", 8, 80877103)
_SASL = struct.pack("!I", 10)
"""How AuthenticationSASL begins; the names of the mechanisms follow (PostgreSQL 54.7)."""
_CHUNK = 1 << 16
_OURS = frozenset({"host", "port", "sslmode", "sslrootcert"})


@contextlib.contextmanager
def through_tls(url: str) -> Iterator[str]:
    """A URL for programs without TLS that leads where `url` does; `url` itself if it does not ask for TLS.

    Raises ConfigurationError for CAs that cannot be read, and for several hosts in one URL.
    """
    target = Target.of(url)
    if target is None:
        yield url
        return
    with tempfile.TemporaryDirectory(prefix="dicom-tunnel-") as folder, _loop() as loop:
        tunnel = Tunnel(target, Path(folder) / f".s.PGSQL.{_PORT}")
        asyncio.run_coroutine_threadsafe(tunnel.open(), loop).result()
        try:
            yield target.local_url(url, folder)
        finally:
            asyncio.run_coroutine_threadsafe(tunnel.close(), loop).result()


@dataclass(frozen=True)
class Target:
    """Where the server is, and how it is verified."""

    host: str
    port: int
    sslmode: str
    ca_file: Path | None

    @classmethod
    def of(cls, url: str) -> Self | None:
        """None for a URL that asks for no TLS or names a Unix socket. Raises ConfigurationError."""
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        mode = options.get("sslmode", "prefer")
        if mode not in ("require", "verify-ca", "verify-full"):
            return None
        try:
            host, port = (
                parts.hostname or options.get("host", ""),
                parts.port or int(options.get("port", _PORT)),
            )
        except ValueError:
            raise ConfigurationError("Name one host and one port in the URL of the database.") from None
        if host.startswith(("/", "%2f")):
            return None
        if not host or "," in host:
            raise ConfigurationError("Name one host and one port in the URL of the database.")
        given = options.get("sslrootcert")
        target = cls(host, port, mode, None if given is None else Path(given))
        target.context()
        return target

    def context(self) -> ssl.SSLContext:
        """As libpq's sslmode says. Raises ConfigurationError for CAs that cannot be read."""
        try:
            context = client_context(self.ca_file)
        except OSError as error:
            raise ConfigurationError(f"Correct TLS_CA_FILE or sslrootcert: {error}.") from error
        if self.sslmode != "verify-full":
            context.check_hostname = False
        if self.sslmode == "require" and self.ca_file is None:
            context.verify_mode = ssl.CERT_NONE
        return context

    def local_url(self, url: str, folder: str) -> str:
        """`url` with the socket in `folder` instead of the host."""
        parts = urlsplit(url)
        user = parts.netloc.rpartition("@")[0]
        kept = [(name, value) for name, value in parse_qsl(parts.query) if name not in _OURS]
        options = [*kept, ("host", folder), ("port", str(_PORT)), ("sslmode", "disable")]
        netloc = f"{user}@" if user else ""
        # By hand: `urlunsplit` leaves out the // where there is no host.
        return f"postgresql://{netloc}{parts.path}?{urlencode(options, quote_via=quote)}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection there and back until either side ends it."""
        async with _closing(writer):
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    far_reader, far_writer = await self._connect()
            except (OSError, ConfigurationError) as error:
                writer.write(_failure(f"{self.host}:{self.port}: {_reason(error)}"))
                return
            async with _closing(far_writer):
                there = asyncio.create_task(_copy(reader, far_writer))
                back = asyncio.create_task(_copy_answers(far_reader, writer))
                try:
                    await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
                finally:
                    there.cancel()
                    back.cancel()
                    await asyncio.wait([there, back])

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Ask for TLS and begin it, as PostgreSQL's protocol has it (54.2.11, SSLRequest). Raises OSError."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        try:
            writer.write(_SSL_REQUEST)
            # Nothing may come after it in clear: it would pass for what the server says over TLS.
            if await reader.read(_CHUNK) != b"S":
                raise ConnectionError("the server takes no TLS")
            await writer.start_tls(self.context(), server_hostname=self.host)
        except BaseException:
            writer.transport.abort()
            raise
        return reader, writer


class Tunnel:
    """Listens on a Unix socket and serves each connection with a task of its own."""

    def __init__(self, target: Target, path: Path) -> None:
        """`path` is the socket's."""
        self._target = target
        self._path = path
        self._server: asyncio.Server | None = None
        self._running: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_unix_server(self._begin, self._path)

    async def close(self) -> None:
        """Listen no longer, and cut what still runs."""
        if self._server is not None:
            self._server.close()
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Not left to the server, which complains of a task that is cancelled.
        task = asyncio.create_task(self._target.serve(reader, writer))
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Until the end of `reader`, or until one of the two is lost."""
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


async def _copy_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What the server says, without an offer that libpq takes for an attack when it sees no TLS itself."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        kind = b""
        while kind not in (b"R", b"E"):
            kind, length = struct.unpack("!cI", await reader.readexactly(5))
            body = await reader.readexactly(length - 4)
            if kind == b"R" and body.startswith(_SASL):
                body = body.replace(b"SCRAM-SHA-256-PLUS\0", b"")
            writer.write(kind + struct.pack("!I", len(body) + 4) + body)
        await _copy(reader, writer)


@contextlib.asynccontextmanager
async def _closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _reason(error: Exception) -> str:
    if isinstance(error, ConfigurationError):
        return error.detail or error.title
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return str(error) or type(error).__name__


def _failure(message: str) -> bytes:
    """An ErrorResponse with the code connection_failure (PostgreSQL 54.7)."""
    fields = b"SFATAL\0VFATAL\0C08006\0M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!I", len(fields) + 4) + fields


@contextlib.contextmanager
def _loop() -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop in a thread of its own: the caller waits for a program meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="postgresql tunnel")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
