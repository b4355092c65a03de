"""What tests of the audit log share: keys, entries, and months that lie long ago."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prometheus_client import CollectorRegistry

from libs.common.audit.entries import AuditEntry, write
from libs.common.database.postgres import Connection, Database
from libs.common.encryption.keyring import Keyring
from services.auth.audit import store
from services.auth.audit.anchor import Anchor
from services.auth.audit.chain import GENESIS, Link, Root, chained, signers_of
from services.auth.audit.noted import read_entry
from services.auth.audit.sealing import LogSealer
from services.auth.audit.verification import SignedRoot
from services.auth.metrics import AuthMetrics

KEYRING = Keyring("k", {"k": b"k" * 32})
SIGNER, KEYS = signers_of(KEYRING)


def metrics() -> AuthMetrics:
    """Metrics that nobody reads."""
    return AuthMetrics(CollectorRegistry())


def sealer_of(database: Database, anchor_file: Path | None = None) -> LogSealer:
    """A sealer with the tests' key."""
    return LogSealer(database, SIGNER, None if anchor_file is None else Anchor(anchor_file), metrics())


def entries(count: int, first: int = 0) -> list[AuditEntry]:
    """Uploads of user 7, numbered."""
    return [
        AuditEntry("ingest", "upload_files", "success", "user:7", objects=[str(first + n)], details={"n": n})
        for n in range(count)
    ]


async def note(sql: Connection, *noted: AuditEntry) -> None:
    """As a service does."""
    async with sql.transaction():
        await write(sql, *noted)


async def seal_then(sql: Connection, noted: Sequence[AuditEntry], when: datetime) -> Root:
    """Seal a batch as if it had been at `when`, in a month for which a partition is made."""
    first = when.astimezone(UTC).date().replace(day=1)
    after = (first + timedelta(days=31)).replace(day=1)
    name = f"auth.audit_log_{first:%Y_%m}"
    if await sql.fetchval("SELECT to_regclass($1)", name) is None:
        await sql.execute(
            f"CREATE TABLE {name} PARTITION OF auth.audit_log FOR VALUES "
            f"FROM ('{first} 00:00+00') TO ('{after} 00:00+00')"
        )
        await sql.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {name} FROM auth")
        await sql.execute(
            f"CREATE TRIGGER audit_log_not_truncated BEFORE TRUNCATE ON {name} "
            "FOR EACH STATEMENT EXECUTE FUNCTION auth.refuse_change()"
        )
    before = await store.head(sql)
    last = Link(0, GENESIS) if before is None else Link(before.root.last_seq, before.root.root)
    read = [read_entry(entry.to_json(), when) for entry in noted]
    links = chained(last, read)
    batch = 0 if before is None else before.root.batch + 1
    root = Root(batch, links[0].seq, links[-1].seq, last.hash, links[-1].hash, when)
    await store.append(sql, when, links, read)
    await store.append_root(sql, SignedRoot(root, SIGNER.key_id, SIGNER.sign(root)))
    return root


def months_ago(count: int) -> date:
    """The first day of a month."""
    today = datetime.now(UTC)
    number = today.year * 12 + today.month - 1 - count
    return date(number // 12, number % 12 + 1, 1)


async def untriggered(sql: Connection, statement: str) -> None:
    """What a superuser can do who leaves no trace in the schema."""
    async with sql.transaction():
        await sql.execute("SET LOCAL session_replication_role = replica")
        await sql.execute(statement)
