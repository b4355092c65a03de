"""The log outside the database: a folder with entries, signed roots and statements on dropped months as JSON
lines, and the public keys; provable by itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import orjson

from libs.common.database.postgres import Connection
from libs.common.errors import ConfigurationError
from services.auth.audit import store
from services.auth.audit.anchor import head_line, read_head
from services.auth.audit.chain import Link, RetiredMonth, Root, SealedEntry, key_id, moment
from services.auth.audit.proof import PAGE, Proof, TellRead
from services.auth.audit.verification import Row, SignedRetired, SignedRoot, Verification

ENTRIES = "entries.jsonl"
ROOTS = "roots.jsonl"
RETIRED = "retired.jsonl"
KEYS = "keys.json"
"""For convenience: whoever proves the log had better bring the keys that they were given another way."""


async def write(
    connection: Connection,
    folder: Path,
    keys: Mapping[str, bytes],
    progress: TellRead = lambda _read, _of: None,
) -> int:
    """Write the log, in one snapshot, into an empty folder; returns how many entries. Raises OSError."""
    count, after = 0, 0
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        newest = await store.head(connection)
        (folder / KEYS).write_bytes(keys_document(keys))
        with (folder / RETIRED).open("xb") as retired:
            retired.writelines(map(_retired_line, await store.retired(connection)))
        with (folder / ROOTS).open("xb") as roots:
            async for signed in store.roots(connection):
                roots.write(head_line(signed))
        with (folder / ENTRIES).open("xb") as entries:
            while rows := await store.rows_after(connection, after, most=PAGE):
                entries.writelines(map(_line, rows))
                after, count = rows[-1].link.seq, count + len(rows)
                progress(after, 0 if newest is None else newest.root.last_seq)
    return count


def prove(folder: Path, keys: Mapping[str, bytes], anchors: Sequence[Root], progress: TellRead) -> Proof:
    """Walk an archive. Raises OSError and, for lines that are none of an archive, ConfigurationError."""
    with _explaining(folder):
        verification = Verification(keys, anchors, _statements(folder / RETIRED))
        if (wrong := verification.begin()) is not None:
            return Proof(0, 0, wrong)
        return _walk(folder, verification, progress)


def _walk(folder: Path, verification: Verification, progress: TellRead) -> Proof:
    total = max((signed.root.last_seq for signed in _roots(folder / ROOTS)), default=0)
    rows = _rows(folder / ENTRIES)
    ahead = next(rows, None)
    head = None
    for signed in _roots(folder / ROOTS):
        mine: list[Row] = []
        while ahead is not None and ahead.link.seq <= signed.root.last_seq:
            mine.append(ahead)
            ahead = next(rows, None)
        if (found := verification.batch(signed, mine, ahead)) is not None:
            return Proof(verification.entries, verification.last.seq, found, head)
        head = signed.root
        progress(head.last_seq, total)
    left = [] if ahead is None else [ahead]
    return Proof(verification.entries, verification.last.seq, verification.end(left), head)


def keys_document(keys: Mapping[str, bytes]) -> bytes:
    """Public keys as JSON, by id."""
    told = {name: public.hex() for name, public in sorted(keys.items())}
    return orjson.dumps(told, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def read_keys(path: Path) -> dict[str, bytes]:
    """What `keys_document` wrote. Raises OSError, ConfigurationError."""
    try:
        keys = [bytes.fromhex(public) for public in orjson.loads(path.read_bytes()).values()]
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path} holds no public keys of an audit log.") from error
    # By what they are, not by what the file calls them.
    return {key_id(public): public for public in keys}


@contextmanager
def _explaining(folder: Path) -> Iterator[None]:
    """Raise ConfigurationError for lines that have another form than an export's."""
    try:
        yield
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ConfigurationError(
            f"A line in {folder} has another form than an export's: bring a whole one."
        ) from error


def _statements(path: Path) -> list[SignedRetired]:
    return [
        SignedRetired(
            RetiredMonth(
                date.fromisoformat(facts["month"]),
                int(facts["last_batch"]),
                int(facts["last_seq"]),
                bytes.fromhex(facts["root"]),
                datetime.fromisoformat(facts["retired_at"]),
            ),
            str(facts["key_id"]),
            bytes.fromhex(facts["signature"]),
        )
        for facts in _read(path)
    ]


def _retired_line(one: SignedRetired) -> bytes:
    facts = {
        **one.retired._asdict(),
        "root": one.retired.root.hex(),
        "key_id": one.key_id,
        "signature": one.signature.hex(),
    }
    return orjson.dumps(facts, option=orjson.OPT_APPEND_NEWLINE)


def _line(row: Row) -> bytes:
    facts = {**row.entry._asdict(), "at": moment(row.entry.at)}
    written = {"seq": row.link.seq, "link": row.link.hash.hex(), **facts}
    return orjson.dumps(written, option=orjson.OPT_APPEND_NEWLINE)


def _rows(path: Path) -> Iterator[Row]:
    for facts in _read(path):
        facts["at"] = datetime.fromtimestamp(facts["at"] // 1_000_000, UTC).replace(
            microsecond=facts["at"] % 1_000_000
        )
        entry = SealedEntry(*(facts[name] for name in SealedEntry._fields))
        yield Row(Link(facts["seq"], bytes.fromhex(facts["link"])), entry)


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
