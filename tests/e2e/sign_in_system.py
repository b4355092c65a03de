"""A system with all ways in: passwords, second factors, mail."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from libs.postgresql import folder as postgres_folder
from tests.commands import run_command
from tests.e2e.conftest import System
from tests.e2e.processes import embedded, one_url, start_all, stop_all
from tests.fixtures_postgres import run_apart
from tests.mail_server import MailServer

GROUP = "careful"


@dataclass(frozen=True)
class WaysIn:
    """The system, and what stands around it."""

    system: System
    mail: MailServer

    @property
    def url(self) -> str:
        """Of the portal."""
        return self.system.urls["portal"]

    def person(self, *more: str) -> str:
        """A new account's name."""
        name = f"ana-{secrets.token_hex(4)}"
        self.system.create_user(name, more=[*more, "--group", "uploader"])
        return name

    def careful_person(self) -> str:
        """One whose group demands a second factor."""
        return self.person("--group", GROUP)


@contextmanager
def mail_server() -> Iterator[MailServer]:
    """In an event loop of its own, beside a test that has none."""
    loop, server = asyncio.new_event_loop(), MailServer()
    ready, over = threading.Event(), asyncio.Event()

    async def serve() -> None:
        async with server.served(None):
            ready.set()
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        assert ready.wait(10)
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextmanager
def ways_in(folder: Path, **environment: str) -> Iterator[WaysIn]:
    """Start all of it."""
    with ExitStack() as stack:
        mail = stack.enter_context(mail_server())
        process = embedded(
            folder / "var",
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(mail.port),
            SMTP_SECURITY="none",
            SMTP_FROM="no-reply@portal.test",
            **environment,
        )
        stack.callback(stop_all, [process])
        run_apart(start_all([process]))
        sockets = postgres_folder.socket_folder(folder / "var")
        system = System(
            one_url(process),
            {"services": process},
            folder / "var",
            lambda role: postgres_folder.url(sockets, "bddicomimage", role),
        )
        made = run_command(
            "services.auth",
            "group",
            "create",
            GROUP,
            "--require-second-factor",
            env={
                "DATABASE_URL": system.database_url("auth"),
                "AUTH_KEYRING_FILE": str(folder / "var" / "auth-keyring.json"),
            },
        )
        assert made.returncode == 0, made.stderr
        yield WaysIn(system, mail)
