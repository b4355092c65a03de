"""`make bench-audit`: how fast an audit log of a million entries is sealed, proved, exported and searched.

One JSON line a figure. The entries are drawn alike each time: 200 people, 20,000 studies of which few are
popular, one act in fifty refused.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from prometheus_client import CollectorRegistry

from bench.people import show
from bench.report import percentile
from libs.common.audit.entries import AuditEntry
from libs.common.database.postgres import Connection, Database
from libs.common.encryption.keyring import Keyring
from libs.postgresql.embedded import EmbeddedPostgres
from services.auth.audit import archive, reading
from services.auth.audit.anchor import Anchor, noted_heads
from services.auth.audit.auditing import Verifier
from services.auth.audit.chain import signers_of
from services.auth.audit.models import AuditFilter
from services.auth.audit.proof import prove
from services.auth.audit.sealing import LogSealer
from services.auth.metrics import AuthMetrics
from services.operator.migrations import bring_up_to_date

PART = 20_000
"""Entries that are noted at once."""
REPEATS = 20
PEOPLE = 200
STUDIES = 20_000
ACTIONS = ("get_result", "list_results", "get_thumbnail", "upload_files", "login", "open_link")
SPREAD = timedelta(days=300)
"""Over which the acts lie."""
FILTERS: dict[str, dict[str, Any]] = {
    "everything": {},
    "busy user": {"actor": "user:1"},
    "quiet user": {"actor": "user:199"},
    "popular study": {"study": "1.2.840.1"},
    "seldom study": {"study": "1.2.840.19999"},
    "absent study": {"study": "9.9"},
    "object": {"object": "file-4242"},
    "action": {"action": "open_link"},
    "refused": {"ending": "refused"},
    "errors, of which there are none": {"ending": "error"},
    "a month in the middle": {"from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
    "user in a month": {"actor": "user:1", "from": "2026-05-01T00:00:00Z", "to": "2026-06-01T00:00:00Z"},
    "user and seldom action": {"actor": "user:1", "action": "login", "ending": "refused"},
    "popular study and user": {"study": "1.2.840.1", "actor": "user:3"},
}
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


def drawn(count: int) -> Iterator[AuditEntry]:
    """Entries as services note them, in the order of their time."""
    chance = random.Random(20260101)
    for number in range(count):
        # Few people and studies have most of the acts.
        person = int(PEOPLE * chance.random() ** 3)
        study = int(STUDIES * chance.random() ** 4)
        yield AuditEntry(
            service="results",
            action=chance.choice(ACTIONS),
            ending="refused" if chance.random() < 0.02 else "success",
            actor=f"user:{person}",
            acting_as=f"session:{person * 31}",
            object_type="file",
            objects=[f"file-{chance.randrange(count)}"],
            collection=f"user:{person}",
            studies=[f"1.2.840.{study}"],
            address="192.0.2.7",
            route="GET /api/results/{file_id}",
            status=200,
            trace_id=f"{number:032x}",
            details={"bytes": number},
            at=BEGIN + SPREAD * (number / count),
        )


async def note(sql: Connection, entries: Sequence[AuditEntry]) -> None:
    """Into what waits, as fast as PostgreSQL takes it."""
    text = io.BytesIO()
    for entry in entries:
        text.write(entry.to_json().replace("\\", "\\\\").encode() + b"\n")
    text.seek(0)
    await sql.copy_to_table("audit_pending", schema_name="auth", columns=["entry"], source=text)


async def measure(url: str, count: int, folder: Path) -> None:
    """Fill, seal, prove, export, prove that, and search."""
    signer, keys = signers_of(Keyring("bench", {"bench": b"b" * 32}))
    database = Database(url, role="auth", size=4, timeout=600, application_name="bench")
    await database.open()
    sql = await asyncpg.connect(url)
    anchors = folder / "anchors.jsonl"
    sealer = LogSealer(database, signer, Anchor(anchors), AuthMetrics(CollectorRegistry()))
    entries, sealing = drawn(count), 0.0
    while part := list(itertools.islice(entries, PART)):
        await note(sql, part)
        begun = time.perf_counter()
        while await sealer.seal():
            pass
        sealing += time.perf_counter() - begun
    show("sealed", entries=count, per_second=count / sealing)
    await sql.execute("VACUUM ANALYZE auth.audit_log")
    size = await sql.fetchval(
        "SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('auth.audit_log')"
    )
    show("size", bytes_per_entry=float(size) / count)

    async def whole() -> None:
        async with database.connection() as connection:
            found = await prove(connection, keys, noted_heads(anchors))
        assert (found.broken, found.entries) == (None, count), found

    await timed("proved online", whole)
    verifier = Verifier(database, keys, anchors, AuthMetrics(CollectorRegistry()))
    gaps = Gaps()
    async with gaps:
        await timed("proved beside the service, whole", lambda: verifier.verify(whole=True))
    show("longest wait of a request meanwhile", ms=gaps.longest * 1000)
    await timed("proved beside the service, what was added", lambda: verifier.verify(whole=False))

    async def export() -> None:
        async with database.connection() as connection:
            assert await archive.write(connection, folder / "export", keys) == count

    (folder / "export").mkdir()
    await timed("exported", export)

    async def offline() -> None:
        found = archive.prove(folder / "export", keys, noted_heads(anchors), lambda _read, _of: None)
        assert (found.broken, found.entries) == (None, count), found

    await timed("proved offline", offline)
    for name, asked in FILTERS.items():
        await search(database, name, AuditFilter.model_validate(asked))
    await sql.close()
    await database.close()


class Gaps:
    """How long something else on the event loop had to wait at most."""

    longest = 0.0

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._watch())

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(0.001)
            self.longest = max(self.longest, time.perf_counter() - begun - 0.001)


async def timed(what: str, work: Callable[[], Awaitable[object]]) -> None:
    """Show how long something takes."""
    begun, worked = time.perf_counter(), time.process_time()
    await work()
    # On a busy machine the second says more: it leaves out who else was working, PostgreSQL as well.
    show(what, seconds=time.perf_counter() - begun, own_cpu_seconds=time.process_time() - worked)


async def search(database: Database, name: str, wanted: AuditFilter) -> None:
    """The first pages of a hundred, several times over."""
    took, found = [], 0
    for _ in range(REPEATS):
        before = None
        for _ in range(3):
            begun = time.perf_counter()
            async with database.connection() as connection:
                page = await reading.find(connection, wanted, before, 101)
            took.append(time.perf_counter() - begun)
            found = max(found, len(page))
            if len(page) <= 100:
                break
            before = reading.AuditPlace(page[99].at, page[99].seq)
    show(f"searched: {name}", p50_ms=percentile(took, 0.5) * 1000, max_ms=max(took) * 1000, found=found)


def main(arguments: Sequence[str]) -> int:
    """Measure on an embedded PostgreSQL of its own."""
    parser = argparse.ArgumentParser(prog="make bench-audit")
    parser.add_argument("--entries", type=int, default=1_000_000)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as name, EmbeddedPostgres(Path(name)) as server:
        asyncio.run(bring_up_to_date(server.url("bddicomimage")))
        asyncio.run(measure(server.url("bddicomimage"), options.entries, Path(name)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
