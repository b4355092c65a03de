"""Proving that the log is whole, with keys and heads that were kept outside the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import NamedTuple

from libs.common.database.postgres import Connection
from services.auth.audit import store
from services.auth.audit.chain import Root
from services.auth.audit.verification import Break, Row, SignedRoot, Verification

PAGE = 10_000
"""Entries that are read at once."""
_SIGNATURE = 40
"""Entries that cost as much to hash as a signature to check."""
TellRead = Callable[[int, int], None]
"""Told how many entries were read, and of how many."""


class Proof(NamedTuple):
    """What a look at the log found."""

    entries: int
    last_seq: int
    broken: Break | None
    head: Root | None = None
    """The last root that was found right, to look on from."""


async def prove(
    connection: Connection,
    keys: Mapping[str, bytes],
    anchors: Sequence[Root] = (),
    progress: TellRead = lambda _read, _of: None,
    *,
    since: Root | None = None,
    page: int = PAGE,
) -> Proof:
    """Walk the log once, in one snapshot, from its begin or from the root up to which it was found right.

    Raises asyncpg's errors.
    """
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        if (loose := await store.missing_guards(connection)) is not None:
            return Proof(0, 0, Break("changed", 0, loose))
        verification = Verification(keys, anchors, await store.retired(connection), since)
        if (wrong := verification.begin()) is not None:
            return Proof(0, 0, wrong)
        return await _walk(connection, verification, progress, since, page)


async def _walk(
    connection: Connection, verification: Verification, progress: TellRead, since: Root | None, page: int
) -> Proof:
    reader = _Reader(connection, 0 if since is None else since.last_seq, page)
    newest = await store.head(connection)
    total = 0 if newest is None else newest.root.last_seq
    head, worked = None, 0
    async for signed in store.roots(connection, after=-1 if since is None else since.batch - 1):
        rows, following = await reader.up_to(signed)
        if (found := verification.batch(signed, rows, following)) is not None:
            return Proof(verification.entries, verification.last.seq, found, head)
        head = signed.root
        progress(reader.last_seq, total)
        worked += _SIGNATURE + len(rows)
        if worked >= page:
            # Whoever else uses this event loop waits for no more than a page, however small batches are.
            worked = 0
            await asyncio.sleep(0)
    left = await reader.rest()
    return Proof(verification.entries, verification.last.seq, verification.end(left), head)


class _Reader:
    """Entries in order, read in pages, handed out by batch."""

    def __init__(self, connection: Connection, after: int, page: int) -> None:
        self._pages = self._read(connection, after, page)
        self._rows: list[Row] = []
        self._place = 0
        self.last_seq = after

    async def up_to(self, signed: SignedRoot) -> tuple[list[Row], Row | None]:
        """The entries of a batch and before, as far as they were not handed out, and the one that follows."""
        last, found = signed.root.last_seq, list[Row]()
        while True:
            begin = place = self._place
            while place < len(self._rows) and self._rows[place].link.seq <= last:
                place += 1
            found += self._rows[begin:place]
            self._place = place
            if place < len(self._rows):
                return found, self._rows[place]
            if not await self._turn():
                return found, None

    async def rest(self) -> list[Row]:
        """What was not handed out, as far as it matters: the first page of it."""
        if self._place == len(self._rows):
            await self._turn()
        return self._rows[self._place :]

    async def _turn(self) -> bool:
        self._rows, self._place = await anext(self._pages, []), 0
        if self._rows:
            self.last_seq = self._rows[-1].link.seq
        return bool(self._rows)

    @staticmethod
    async def _read(connection: Connection, after: int, page: int) -> AsyncIterator[list[Row]]:
        while rows := await store.rows_after(connection, after, most=page):
            yield rows
            after = rows[-1].link.seq
