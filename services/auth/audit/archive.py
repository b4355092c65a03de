"""The log outside the database: a folder with entries and signed roots as JSON lines, provable by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from libs.common.database.postgres import Connection
from libs.common.errors import ConfigurationError
from services.auth.audit import store
from services.auth.audit.anchor import head_line, read_head
from services.auth.audit.chain import Link, Root, SealedEntry, moment
from services.auth.audit.proof import PAGE, Proof
from services.auth.audit.verification import Row, SignedRoot, Verification

ENTRIES = "entries.jsonl"
ROOTS = "roots.jsonl"


async def write(connection: Connection, folder: Path) -> int:
    """Write the log, in one snapshot, into an empty folder; returns how many entries. Raises OSError."""
    count, after = 0, 0
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        with (folder / ROOTS).open("xb") as roots:
            async for signed in store.roots(connection):
                roots.write(head_line(signed))
        with (folder / ENTRIES).open("xb") as entries:
            while rows := await store.rows_after(connection, after, most=PAGE):
                entries.writelines(map(_line, rows))
                after, count = rows[-1].link.seq, count + len(rows)
    return count


def prove(
    folder: Path,
    keys: Mapping[str, bytes],
    anchors: Sequence[Root],
    progress: Callable[[int], None],
) -> Proof:
    """Walk an archive. Raises OSError and, for lines that are none of an archive, ConfigurationError."""
    verification = Verification(keys, anchors)
    rows = _rows(folder / ENTRIES)
    ahead = next(rows, None)
    read = 0
    for signed in _roots(folder / ROOTS):
        mine: list[Row] = []
        while ahead is not None and ahead.link.seq <= signed.root.last_seq:
            mine.append(ahead)
            ahead = next(rows, None)
        if (found := verification.batch(signed, mine, ahead)) is not None:
            return Proof(verification.entries, verification.last.seq, found)
        read += len(mine)
        progress(read)
    left = [] if ahead is None else [ahead]
    return Proof(verification.entries, verification.last.seq, verification.end(left))


def _line(row: Row) -> bytes:
    facts = {**row.entry._asdict(), "at": moment(row.entry.at)}
    written = {"seq": row.link.seq, "link": row.link.hash.hex(), **facts}
    return orjson.dumps(written, option=orjson.OPT_APPEND_NEWLINE)


def _rows(path: Path) -> Iterator[Row]:
    for facts in _read(path):
        entry = {name: facts[name] for name in SealedEntry._fields}
        entry["at"] = datetime.fromtimestamp(facts["at"] // 1_000_000, UTC).replace(
            microsecond=facts["at"] % 1_000_000
        )
        yield Row(Link(facts["seq"], bytes.fromhex(facts["link"])), SealedEntry(**entry))


def _roots(path: Path) -> Iterator[SignedRoot]:
    for facts in _read(path):
        yield read_head(facts)


def _read(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                facts = orjson.loads(line)
            except ValueError as error:
                raise ConfigurationError(
                    f"Line {number} of {path} is not JSON: bring a whole export."
                ) from error
            yield facts
