"""A mail server in the test's own event loop, as the real ones behave: with TLS, logins and refusals."""

from __future__ import annotations

import asyncio
import email
import ssl
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

TAKEN = "250 OK"


@dataclass
class MailServer:
    """What it has taken, and what it answers."""

    port: int = 0
    mails: list[Message] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    """Of each mail."""
    recipient: str = TAKEN
    data: str = TAKEN
    password: str | None = None
    """That of the login `dicom`, which mails then take."""
    tried: int = 0

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """A recipient is named."""
        self.tried += 1
        if self.recipient == TAKEN:
            envelope.rcpt_tos.append(address)
        return self.recipient

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        """A mail comes."""
        if self.data == TAKEN:
            assert isinstance(envelope.content, bytes)
            self.mails.append(email.message_from_bytes(envelope.content))
            self.encrypted.append(session.ssl is not None)
        return self.data

    def login(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _kind: str, given: Any
    ) -> AuthResult:
        """Somebody logs in."""
        good = isinstance(given, LoginPassword) and given.login == b"dicom"
        return AuthResult(success=good and given.password.decode() == self.password)

    @asynccontextmanager
    async def served(
        self, context: ssl.SSLContext | None, *, from_the_start: bool = False
    ) -> AsyncIterator[MailServer]:
        """Serve; `context` None: in plaintext."""

        def protocol() -> SMTP:
            with warnings.catch_warnings():
                # It takes TLS from the first byte for none.
                warnings.simplefilter("ignore", UserWarning)
                return SMTP(
                    self,
                    hostname="localhost",
                    tls_context=None if from_the_start else context,
                    require_starttls=context is not None and not from_the_start,
                    auth_required=self.password is not None,
                    auth_require_tls=not from_the_start,
                    authenticator=self.login,
                    loop=asyncio.get_running_loop(),
                )

        server = await asyncio.get_running_loop().create_server(
            protocol, "127.0.0.1", self.port, ssl=context if from_the_start else None
        )
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            await server.wait_closed()
