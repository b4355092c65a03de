"""Sending the mails that wait: after the answer, so that no time tells whether there is an account."""

from __future__ import annotations

import asyncio
import logging

from libs.common.audit.acts import Act, acting, note_done
from libs.common.backoff import backoff
from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from libs.common.ids import new_uuid
from libs.common.mail import Mailer, MailRefused
from services.auth.machines.secrets import hash_secret, new_secret
from services.auth.metrics import AuthMetrics, Mail
from services.auth.password_reset import store
from services.auth.password_reset.letters import compose
from services.auth.password_reset.models import WaitingMail

log = logging.getLogger(__name__)

POLL_SECONDS = 5.0
LEASE_SECONDS = 300.0
"""Longer than mails to MOST_ACCOUNTS take. A process that is killed in between leaves them to the next."""
FIRST_DELAY, LONGEST_DELAY = 5.0, 300.0


class Mailing:
    """Every replica sends; a row is one replica's at a time. A mail may come twice, and never not at all."""

    def __init__(
        self, database: Database, mailer: Mailer, base_url: str, seconds: int, metrics: AuthMetrics
    ) -> None:
        """`base_url` is that of the portal; links are good for `seconds`, and as long mails are tried."""
        self._database = database
        self._mailer = mailer
        self._base_url = base_url
        self._seconds = seconds
        self._metrics = metrics
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """There is something to do."""
        self._wake.set()

    async def run(self) -> None:
        """Send for ever; a database or mail server that is away is waited for."""
        while True:
            self._wake.clear()
            try:
                while await self.work():
                    pass
                async with self._database.connection() as connection:
                    self._metrics.show_mails(*await store.sizes(connection))
            except Unavailable as error:
                log.warning("mails wait: %s", error.detail)
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def work(self) -> bool:
        """Send what waits longest; False: nothing does. Raises Unavailable without a database."""
        async with self._database.transaction() as connection:
            waiting = await store.claim(connection, LEASE_SECONDS)
        if waiting is None:
            return False
        if waiting.age > self._seconds and waiting.user_ids:
            log.error("a mail with a link for a new password was given up: the server has not taken it")
            self._metrics.mailed("given_up")
        else:
            try:
                for user_id in waiting.user_ids:
                    await self._write_to(waiting, user_id)
            except Unavailable as error:
                self._metrics.mailed("delayed")
                log.warning("a mail is sent later: %s", error.detail)
                pause = backoff(waiting.attempts, first=FIRST_DELAY, most=LONGEST_DELAY)
                async with self._database.transaction() as connection:
                    await store.delay(connection, waiting.id, pause)
                return True
        async with self._database.transaction() as connection:
            await store.end(connection, waiting.id)
        return True

    async def _write_to(self, waiting: WaitingMail, user_id: int) -> None:
        token = new_secret()
        async with self._database.transaction() as connection:
            recipient = await store.recipient(connection, user_id)
            if recipient is None:
                return
            await store.insert_link(
                connection, hash_secret(token), new_uuid(), user_id, None, float(self._seconds)
            )
        outcome: Mail = "sent"
        try:
            message = compose(
                recipient,
                sender=self._mailer.sender,
                base_url=self._base_url,
                token=token,
                seconds=self._seconds,
            )
            await self._mailer.send(message)
        except (MailRefused, ValueError) as error:
            outcome = "refused"
            log.error("mails do not reach the address of user %s: %s", user_id, type(error).__name__)
        self._metrics.mailed(outcome)
        with acting(Act("auth", "send_password_link", actor="system")):
            async with self._database.transaction() as connection:
                await store.take_out(connection, waiting.id, user_id)
                await note_done(connection, "user", user_id, mail=outcome)
