"""Dropping months of the log, oldest first: each leaves a signed statement of where the chain goes on."""

from __future__ import annotations

import logging
from datetime import UTC, date, datetime

from libs.common.audit.entries import AuditEntry, write
from libs.common.database.postgres import Connection, Database
from services.auth.audit import store
from services.auth.audit.chain import RetiredMonth, RootSigner
from services.auth.audit.verification import SignedRetired

log = logging.getLogger(__name__)


def ends_by(now: datetime, months: int) -> date:
    """The first day of the oldest month that is kept, when `months` are after they have ended; pure."""
    number = now.year * 12 + now.month - 1 - months
    return date(number // 12, number % 12 + 1, 1)


async def retire(
    database: Database, signer: RootSigner, months: int, *, told: int | None, now: datetime | None = None
) -> list[date]:
    """Drop the months that ended more than `months` months ago; returns them.

    `told`: the last entry that every sink has taken, whose month and those after it stay; None: there is no
    sink. Raises Unavailable.
    """
    dropped = []
    moment = now or datetime.now(UTC)
    while (month := await _retire_one(database, signer, ends_by(moment, months), told, moment)) is not None:
        log.warning("the month %s of the audit log was retired", f"{month:%Y-%m}")
        dropped.append(month)
    return dropped


async def _retire_one(
    database: Database, signer: RootSigner, kept: date, told: int | None, now: datetime
) -> date | None:
    async with database.transaction() as connection:
        # The sealer's own lock: no batch is added meanwhile, and no other replica retires.
        if await store.try_lock(connection) is None:
            return None
        month = await store.oldest_month(connection)
        if month is None or month >= kept:
            return None
        last = await store.last_root_of(connection, month)
        if last is None or (told is not None and told < last.root.last_seq):
            return None
        root = last.root
        said = RetiredMonth(month, root.batch, root.last_seq, root.root, now)
        await store.note_key(connection, signer.key_id, signer.public)
        await store.retire_month(connection, SignedRetired(said, signer.key_id, signer.sign(said)))
        await _note(connection, said)
        return month


async def _note(connection: Connection, said: RetiredMonth) -> None:
    entry = AuditEntry(
        service="auth",
        action="retire_audit_month",
        ending="success",
        actor="system",
        object_type="audit_month",
        objects=[f"{said.month:%Y-%m}"],
        details={"last_seq": said.last_seq},
    )
    await write(connection, entry)
