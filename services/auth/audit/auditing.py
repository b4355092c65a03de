"""What goes on beside the service for the audit log: sealing, and a look at the whole log now and then."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from libs.common.database.postgres import Database
from libs.common.encryption.keyring import Keyring
from libs.common.errors import Unavailable
from services.auth.audit.anchor import Anchor, read_anchors
from services.auth.audit.chain import Root, signers_of
from services.auth.audit.proof import prove
from services.auth.audit.sealing import LogSealer
from services.auth.metrics import AuthMetrics
from services.auth.settings import AuthSettings

log = logging.getLogger(__name__)

VERIFY_SECONDS = 3600.0


class Auditing:
    """The sealer and the verifier of one replica."""

    def __init__(
        self,
        database: Database,
        keyring: Keyring | None,
        anchor_file: Path | None,
        metrics: AuthMetrics,
    ) -> None:
        """`keyring` is auth's own; without it entries wait, and the log is told to be unsigned."""
        self._database = database
        self._anchor_file = anchor_file
        self._metrics = metrics
        self._keys: Mapping[str, bytes] = {}
        self._sealer: LogSealer | None = None
        if keyring is not None:
            signer, self._keys = signers_of(keyring)
            anchor = None if anchor_file is None else Anchor(anchor_file)
            self._sealer = LogSealer(database, signer, anchor, metrics)

    @classmethod
    def of(cls, database: Database, settings: AuthSettings, metrics: AuthMetrics) -> Auditing:
        """As configured. Raises ConfigurationError for a keyring that cannot be read."""
        path = settings.auth_keyring_file
        keyring = None if path is None else Keyring.load(path)
        return cls(database, keyring, settings.audit_anchor_file, metrics)

    async def run(self) -> None:
        """Seal and verify, for ever."""
        if self._sealer is None:
            log.error("AUTH_KEYRING_FILE is not set: what is noted for the audit log waits unsealed")
            await asyncio.Event().wait()
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sealer.run())
            tasks.create_task(self._verify_now_and_then())

    async def _verify_now_and_then(self) -> None:
        while True:
            try:
                await self.verify()
            except Unavailable as error:
                log.warning("the audit log is not verified: %s", error.detail)
            await asyncio.sleep(VERIFY_SECONDS)

    async def verify(self) -> None:
        """Look at the whole log, and show what was found. Raises Unavailable."""
        async with self._database.connection() as connection:
            found = await prove(connection, self._keys, await asyncio.to_thread(self._anchors))
        self._metrics.audit_broken.set(found.broken is not None)
        self._metrics.audit_verified.set(time.time())
        if found.broken is not None:
            log.critical("the audit log is broken: %s: %s", found.broken.kind, found.broken.detail)

    def _anchors(self) -> Sequence[Root]:
        path = self._anchor_file
        return list(read_anchors(path)) if path is not None and path.exists() else []
