"""A system with all ways in: passwords, second factors, an OpenID provider, mail."""

from __future__ import annotations

import asyncio
import json
import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.postgresql import folder as postgres_folder
from tests.commands import run_command
from tests.e2e.conftest import System
from tests.e2e.processes import embedded, one_url, start_all, stop_all
from tests.fixtures_postgres import run_apart
from tests.mail_server import MailServer
from tests.oidc_support import providers_file

GROUP = "careful"
PROVIDER = "Hospital"


@dataclass(frozen=True)
class WaysIn:
    """The system, and what stands around it."""

    system: System
    mail: MailServer
    issuer: str

    @property
    def url(self) -> str:
        """Of the portal."""
        return self.system.urls["portal"]

    def person(self, *more: str) -> str:
        """A new account's name."""
        name = f"ana-{secrets.token_hex(4)}"
        self.system.create_user(name, more=[*more, "--group", "uploader"])
        return name

    def demand_second_factor(self, name: str) -> None:
        """Of an account that there is, from its next sign-in on."""
        env = {"DATABASE_URL": self.system.database_url("auth")}
        given = ("--group", GROUP, "--group", "uploader")
        made = run_command("services.auth", "user", "change", name, *given, env=env)
        assert made.returncode == 0, made.stderr

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
        assert ready.wait(60)
        yield server
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()


@contextmanager
def provider() -> Iterator[str]:
    """oidc-provider-mock; its issuer."""
    claims: dict[str, Any] = {"sub": "bea", "preferred_username": "bea", "given_name": "Bea"}
    command = (sys.executable, "-W", "ignore", "-m", "oidc_provider_mock", "--port", "0")
    with subprocess.Popen(
        [*command, "--user-claims", json.dumps(claims)], stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stderr is not None
        said, found = "", None
        while found is None:
            line = started.stderr.readline()
            assert line, said
            said += line
            found = re.search(r"http://127\.0\.0\.1:\d+", said)
        reading = threading.Thread(target=started.stderr.read)
        reading.start()
        try:
            yield found[0]
        finally:
            started.terminate()
            reading.join()


@contextmanager
def ways_in(folder: Path, **environment: str) -> Iterator[WaysIn]:
    """Start all of it."""
    with ExitStack() as stack:
        mail = stack.enter_context(mail_server())
        issuer = stack.enter_context(provider())
        given = {"issuer": issuer, "create_accounts": True, "userinfo": True, "title": PROVIDER}
        process = embedded(
            folder / "var",
            OIDC_PROVIDERS_FILE=str(providers_file(folder, one=given)),
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
        yield WaysIn(system, mail, issuer)
