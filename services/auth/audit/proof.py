"""Proving that the log is whole, with keys and heads that were kept outside the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from libs.common.database.postgres import Connection
from services.auth.audit import store
from services.auth.audit.chain import Root
from services.auth.audit.verification import Break, Row, Verification

PAGE = 20_000


class Proof(NamedTuple):
    """What a look at the whole log found."""

    entries: int
    last_seq: int
    broken: Break | None


async def prove(
    connection: Connection,
    keys: Mapping[str, bytes],
    anchors: Sequence[Root] = (),
    progress: Callable[[int], None] = lambda _: None,
) -> Proof:
    """Walk the log once, in one snapshot. `progress` is told how many entries were read.

    Raises asyncpg's errors.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if (loose := await store.missing_guards(connection)) is not None:
            return Proof(0, 0, Break("changed", 0, loose))
        verification = Verification(keys, anchors)
        pages = _pages(connection, progress)
        rows: list[Row] = []
        async for signed in store.roots(connection):
            while not rows or rows[-1].link.seq < signed.root.last_seq:
                try:
                    rows += await anext(pages)
                except StopAsyncIteration:
                    break
            end = next((n for n, row in enumerate(rows) if row.link.seq > signed.root.last_seq), len(rows))
            if (
                found := verification.batch(signed, rows[:end], rows[end] if end < len(rows) else None)
            ) is not None:
                return Proof(verification.entries, verification.last.seq, found)
            rows = rows[end:]
        rows += [row async for page in pages for row in page]
        return Proof(verification.entries, verification.last.seq, verification.end(rows))


async def _pages(connection: Connection, progress: Callable[[int], None]) -> AsyncIterator[list[Row]]:
    after, read = 0, 0
    while rows := await store.rows_after(connection, after, most=PAGE):
        yield rows
        after, read = rows[-1].link.seq, read + len(rows)
        progress(read)
