"""Real operating-system processes of the product, and a client like a user's program."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from libs.common.encryption.keyring import Keyring
from libs.common.http.prefixes import service_of
from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
ADMIN = "admin"
PASSWORD = "correct horse battery staple"
START_TIMEOUT = 120.0


@dataclass
class Process:
    """One `python -m MODULE` with its environment; its output goes to `log`."""

    module: str
    environment: Mapping[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    source: Path = ROOT
    """Folder of the code that it runs."""
    arguments: tuple[str, ...] = ()
    """Of a command."""
    _popen: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def _tls(self) -> bool:
        return "TLS_CERT_FILE" in self.environment

    @property
    def started(self) -> bool:
        """Whether it was ever started."""
        return self._popen is not None

    @property
    def running(self) -> bool:
        """Whether it has not ended since it was started."""
        return self._popen is not None and self._popen.poll() is None

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._popen is not None
        return self._popen.pid

    def start(self) -> None:
        """Start it; `ready` says when it works."""
        inherited = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR")}
        with self.log.open("ab") as log:
            own = {
                "HOST": "127.0.0.1",
                "PORT": str(self.port),
                # Tests find what they did by traces of their own.
                "TRACED_CALLERS": "127.0.0.1",
                # A slow disk answers late, not never.
                "DATABASE_TIMEOUT": "60",
                "AMQP_PUBLISH_TIMEOUT": "60",
            }
            self._popen = subprocess.Popen(
                [sys.executable, "-m", self.module, *self.arguments],
                cwd=self.source,
                env={**inherited, **own, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def ready(self) -> None:
        """Wait until /readyz answers 200; fails with the log's end when the process dies."""
        verified = ssl.create_default_context(cafile=self.environment["TLS_CA_FILE"]) if self._tls else True
        connector = aiohttp.TCPConnector(ssl=verified)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.timeout(START_TIMEOUT):
            while True:
                assert self._popen is not None
                assert self._popen.poll() is None, f"{self.module} ended:\n{self.output()[-4000:]}"
                try:
                    async with session.get(f"{self.url}/readyz") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)

    def output(self) -> str:
        """Everything it printed."""
        return self.log.read_text(errors="replace")

    def kill(self) -> None:
        """kill -9, as a power cut would."""
        assert self._popen is not None
        self._popen.send_signal(signal.SIGKILL)
        self._popen.wait(60)

    def wait(self, timeout: float) -> int:
        """The exit code of what ends by itself."""
        assert self._popen is not None
        return self._popen.wait(timeout)

    def stop(self, timeout: float = 60.0) -> int:
        """SIGTERM, and wait; returns the exit code."""
        assert self._popen is not None
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGTERM)
        return self._popen.wait(timeout)


class Client:
    """The API as a program uses it: a bearer token and JSON."""

    def __init__(
        self, session: aiohttp.ClientSession, urls: Mapping[str, str], tls: ssl.SSLContext | None = None
    ) -> None:
        """`urls` holds the base URL of `auth`, `ingest` and `results`; `tls` is how `session` verifies."""
        self.session = session
        self.urls = urls
        self.tls = tls
        self.headers: dict[str, str] = {}

    async def login(self, username: str = ADMIN, password: str = PASSWORD) -> dict[str, Any]:
        """Sign in; later calls carry the token."""
        body = {"username": username, "password": password}
        async with self.session.post(f"{self.urls['auth']}/api/auth/login", json=body) as answer:
            tokens: dict[str, Any] = await answer.json()
            assert answer.status == 200, tokens
        self.headers = {"Authorization": f"Bearer {tokens['access_token']}"}
        return tokens

    async def upload(self, *files: tuple[str, bytes]) -> tuple[int, dict[str, Any]]:
        """POST /api/files as multipart; returns status and body."""
        form = aiohttp.FormData(quote_fields=False)
        for name, content in files:
            form.add_field("file", content, filename=name, content_type="application/dicom")
        async with self.session.post(
            f"{self.urls['ingest']}/api/files", data=form, headers=self.headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def upload_raw(self, content: Any, name: str | None = None) -> tuple[int, dict[str, Any]]:
        """POST /api/files as application/dicom."""
        params = {} if name is None else {"file_name": name}
        headers = {**self.headers, "Content-Type": "application/dicom"}
        async with self.session.post(
            f"{self.urls['ingest']}/api/files", data=content, params=params, headers=headers
        ) as answer:
            return answer.status, await answer.json(content_type=None)

    async def get(self, path: str, **params: str) -> tuple[int, Any]:
        """GET of the service that serves `path`; JSON is parsed, anything else is bytes."""
        # Without a portal of its own, any service answers for a path that is nobody's.
        base = self.urls.get(service_of("GET", path)) or self.urls["ingest"]
        async with self.session.get(base + path, params=params, headers=self.headers) as answer:
            if "json" in answer.content_type:
                return answer.status, await answer.json(content_type=None)
            return answer.status, await answer.read()

    async def ended(self, file_id: str, timeout: float = 100.0) -> dict[str, Any]:
        """Wait until the file is processed or failed, and whence it came is known; returns the result."""
        async with asyncio.timeout(timeout):
            while True:
                status, result = await self.get(f"/api/results/{file_id}")
                # An outcome may overtake what tells of the file: its name, its study, its header.
                whole = status == 200 and result["received_at"] is not None
                if whole and result["state"] in ("processed", "failed"):
                    return dict(result)
                assert status in (200, 404), result
                await asyncio.sleep(0.05)

    async def all_ended(self, count: int, timeout: float = 120.0) -> dict[str, int]:
        """Wait until `count` results exist and none waits; returns the summary."""
        async with asyncio.timeout(timeout):
            while True:
                status, summary = await self.get("/api/results/summary")
                if status == 200 and summary["total"] >= count and summary["received"] == 0:
                    return dict(summary)
                await asyncio.sleep(0.1)


@asynccontextmanager
async def client_of(urls: Mapping[str, str], tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A client with a session of its own, not signed in; `tls` where a private CA signed."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls or True)) as session:
        yield Client(session, urls, tls)


def embedded(data_dir: Path, **environment: str) -> Process:
    """`python -m services` on embedded defaults with a known administrator."""
    data_dir.mkdir(parents=True, exist_ok=True)
    return Process(
        "services",
        {
            "DATA_DIR": str(data_dir),
            "ADMIN_USERNAME": ADMIN,
            "ADMIN_PASSWORD": PASSWORD,
            "DIMSE_PORT": "0",
            **environment,
        },
        data_dir.parent / f"{data_dir.name}.log",
    )


def one_url(process: Process) -> dict[str, str]:
    """The URLs of a process that serves everything."""
    return dict.fromkeys(("auth", "ingest", "results", "portal"), process.url)


def separate(
    folder: Path, database_urls: Mapping[str, str], amqp_url: str | Mapping[str, str], **environment: str
) -> dict[str, Process]:
    """auth, ingest, processor and results as processes of their own; `database_urls` has one per role.

    `amqp_url` is one for all, or one for each service and the operator, whose commands have auth's settings.
    """
    auth_keyring = folder / "auth-keyring.json"
    if not auth_keyring.exists():
        Keyring.create(auth_keyring)
    auth_port = free_port()
    scheme = "https" if "TLS_CERT_FILE" in environment else "http"
    common = {
        "DATA_DIR": str(folder),
        "KEYRING_FILE": str(folder / "keyring.json"),
        "AUTH_JWKS_URL": f"{scheme}://127.0.0.1:{auth_port}/api/auth/jwks.json",
        "ADMIN_USERNAME": ADMIN,
        "ADMIN_PASSWORD": PASSWORD,
        "AUTH_KEYRING_FILE": str(auth_keyring),
        **environment,
    }
    made = {}
    for name in ("auth", "ingest", "processor", "results"):
        broker = amqp_url if isinstance(amqp_url, str) else amqp_url.get(name, amqp_url["operator"])
        own = {
            "AMQP_URL": broker,
            **common,
            **({"DATABASE_URL": database_urls[name]} if name in database_urls else {}),
        }
        port = auth_port if name == "auth" else free_port()
        made[name] = Process(f"services.{name}", own, folder / f"{name}.log", port)
    return made


def urls_of(processes: Mapping[str, Process]) -> dict[str, str]:
    """Base URL by service name."""
    return {name: process.url for name, process in processes.items()}


async def start_all(processes: Iterable[Process]) -> None:
    """Start them side by side and wait for all."""
    started = list(processes)
    for process in started:
        process.start()
    await asyncio.gather(*(p.ready() for p in started))


def stop_all(processes: Iterable[Process]) -> None:
    """Stop those that run; one that hangs is killed and fails the test."""
    hung = []
    for process in processes:
        try:
            process.stop()
        except subprocess.TimeoutExpired:
            process.kill()
            hung.append(process.module)
    assert not hung, f"did not stop: {hung}"
