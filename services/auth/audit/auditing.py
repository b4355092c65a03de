"""What goes on beside the service for the audit log: sealing, proving, handing on, retiring."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable
from services.auth.audit import store
from services.auth.audit.anchor import Anchor, noted_heads
from services.auth.audit.chain import Root, RootSigner, signers_of
from services.auth.audit.forwarding import Forwarder
from services.auth.audit.proof import Proof, prove
from services.auth.audit.retention import retire
from services.auth.audit.sealing import SEAL_SECONDS, LogSealer
from services.auth.audit.sinks import sinks_of
from services.auth.audit.verification import Break
from services.auth.metrics import AuthMetrics
from services.auth.settings import AuthSettings

log = logging.getLogger(__name__)

PAGE = 500
"""Entries that are looked at before requests get their turn: some milliseconds."""


class Looked(NamedTuple):
    """Up to which entry the log was found right, and what came after it."""

    at: datetime
    last_seq: int
    broken: Break | None


class Verifier:
    """Looks at what was added since the last look, and now and then at the whole log."""

    def __init__(
        self, database: Database, keys: Mapping[str, bytes], anchor_file: Path | None, metrics: AuthMetrics
    ) -> None:
        """`keys`: public keys by id."""
        self._database = database
        self._keys = keys
        self._anchor_file = anchor_file
        self._metrics = metrics
        self._verified: Root | None = None
        self.last: Looked | None = None
        """What the last look found, and when it was."""

    async def verify(self, *, whole: bool) -> Proof:
        """Look, and show what was found; `whole`: from the first entry. Raises Unavailable."""
        since = None if whole else self._verified
        anchors = await asyncio.to_thread(noted_heads, self._anchor_file)
        async with self._database.connection() as connection:
            found = await prove(connection, self._keys, anchors, since=since, page=PAGE)
        # What was found broken is looked at from the begin, until it is not.
        self._verified = found.head if found.broken is None else None
        self._metrics.audit_broken.set(found.broken is not None)
        self._metrics.audit_verified.set(time.time())
        self.last = Looked(datetime.now(UTC), found.last_seq, found.broken)
        if found.broken is not None:
            log.critical("the audit log is broken: %s: %s", found.broken.kind, found.broken.detail)
        return found


class Auditing:
    """All of it, of one replica."""

    def __init__(
        self,
        database: Database,
        settings: AuthSettings,
        keys: tuple[RootSigner, Mapping[str, bytes]] | None,
        metrics: AuthMetrics,
    ) -> None:
        """`keys` are of auth's own keyring; without them entries wait, and the log is told to be unsigned."""
        self._database = database
        self._settings = settings
        self._metrics = metrics
        self._keys = keys
        self._forwarder = Forwarder(database, sinks_of(settings), metrics)
        self._verifier: Verifier | None = None

    @property
    def looked(self) -> Looked | None:
        """What this replica's last look found; None before the first."""
        return None if self._verifier is None else self._verifier.last

    @classmethod
    def of(cls, database: Database, settings: AuthSettings, metrics: AuthMetrics) -> Auditing:
        """As configured. Raises ConfigurationError for a keyring that cannot be read."""
        path = settings.auth_keyring_file
        return cls(database, settings, None if path is None else signers_of(Keyring.load(path)), metrics)

    async def run(self) -> None:
        """Seal, prove, hand on and retire, for ever."""
        if self._keys is None:
            log.error("AUTH_KEYRING_FILE is not set: what is noted for the audit log waits unsealed")
            await self._tell_what_waits()
            return
        signer, keys = self._keys
        path = self._settings.audit_anchor_file
        anchor = None if path is None else Anchor(path)
        verifier = self._verifier = Verifier(self._database, keys, path, self._metrics)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(LogSealer(self._database, signer, anchor, self._metrics).run())
            tasks.create_task(self._prove_now_and_then(signer, verifier))
            tasks.create_task(self._forwarder.run())

    async def _tell_what_waits(self) -> None:
        while True:
            try:
                async with self._database.connection() as connection:
                    self._metrics.show_audit(*await store.backlog(connection), None)
            except Unavailable as error:
                log.warning("what waits for the audit log is not known: %s", error.detail)
            await asyncio.sleep(10 * SEAL_SECONDS)

    async def _prove_now_and_then(self, signer: RootSigner, verifier: Verifier) -> None:
        settings = self._settings
        looked = float("-inf")
        while True:
            now = time.monotonic()
            whole = now - looked >= settings.audit_verify_whole_seconds
            try:
                found = await verifier.verify(whole=whole)
                if whole:
                    looked = now
                # What is not proved to be whole is evidence: none of it is dropped.
                if whole and found.broken is None and settings.audit_retention_months:
                    told = await self._forwarder.told()
                    await retire(self._database, signer, settings.audit_retention_months, told=told)
            except Unavailable as error:
                log.warning("the audit log is not verified: %s", error.detail)
            except OSError as error:
                log.error("AUDIT_ANCHOR_FILE cannot be read: %s", error.strerror)
            await asyncio.sleep(settings.audit_verify_seconds)
