"""Mail to people, through a submission server (RFC 6409) that is verified before anything is said to it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.message import EmailMessage

import aiosmtplib

from libs.common.errors import Unavailable
from libs.common.security.certificates import client_context
from libs.common.settings.smtp import SmtpSettings

TIMEOUT_SECONDS = 20.0
"""For each step of a delivery."""


class MailRefused(Exception):
    """The server does not take this mail, now or later: its address is wrong, say."""


class Mailer:
    """One connection a mail: they are few."""

    def __init__(self, host: str, sender: str, settings: SmtpSettings) -> None:
        """`host` and `sender` are SMTP_HOST and SMTP_FROM."""
        self.sender = sender
        self._host = host
        self._settings = settings

    @classmethod
    def of(cls, settings: SmtpSettings) -> Mailer | None:
        """As configured; None: no mail is sent."""
        if settings.smtp_host is None or settings.smtp_from is None:
            return None
        return cls(settings.smtp_host, settings.smtp_from, settings)

    async def send(self, message: EmailMessage) -> None:
        """Returns once the server has taken it. Raises MailRefused, or Unavailable, which may pass."""
        try:
            async with self._connected() as client:
                await client.send_message(message)
        except aiosmtplib.SMTPRecipientsRefused as error:
            codes = [one.code for one in error.recipients]
            raise self._failed(error, for_good=min(codes, default=0) >= 500) from error
        except aiosmtplib.SMTPDataError as error:
            raise self._failed(error, for_good=error.code >= 500) from error
        except (aiosmtplib.SMTPException, OSError) as error:
            # Certificates that do not fit are among them, and are a ValueError as well.
            raise self._failed(error, for_good=False) from error
        except ValueError as error:
            # No address.
            raise self._failed(error, for_good=True) from error

    async def check(self) -> None:
        """Connect, verify and log in, and send nothing. Raises Unavailable."""
        try:
            async with self._connected() as client:
                await client.noop()
        except (aiosmtplib.SMTPException, OSError) as error:
            raise self._failed(error, for_good=False) from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiosmtplib.SMTP]:
        settings = self._settings
        password = settings.smtp_password
        security = settings.smtp_security
        client = aiosmtplib.SMTP(
            hostname=self._host,
            port=settings.smtp_port,
            username=settings.smtp_username,
            password=None if password is None else password.get_secret_value(),
            use_tls=security == "tls",
            # Never only if the server offers it: whoever sits in between would take the offer out.
            start_tls=security == "starttls",
            tls_context=None if security == "none" else self._context(),
            local_hostname=self.sender.rpartition("@")[2],
            timeout=TIMEOUT_SECONDS,
        )
        try:
            await client.connect()
            yield client
            # What was taken is taken, however the server says good-bye.
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit()
        finally:
            # Also after a handshake that failed, which leaves the connection open.
            client.close()

    def _context(self) -> ssl.SSLContext:
        return client_context(self._settings.smtp_ca_file)

    def _failed(self, error: Exception, *, for_good: bool) -> Exception:
        # Not what the server says: it may quote the address.
        code = getattr(error, "code", None)
        kind = f"{type(error).__name__}{'' if code is None else f' {code}'}"
        if for_good:
            return MailRefused(f"The mail server {self._host} refuses a mail ({kind}).")
        return Unavailable(f"The mail server {self._host} does not take mail ({kind}).")
