"""Completing rows that earlier releases wrote: columns of the header, studies, series, counters, analyses.

Safe beside a running system and safe to kill: each batch is a transaction, and a row that is complete is no
longer picked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from libs.common.database.postgres import Connection, Database
from services.results.write import accounts_store, fill_store, store
from services.results.write.accounts import Moved, Place, account
from services.results.write.header import columns_of

FILES = 200
BYTES = 4 << 20
"""Of packed header JSON in one batch, which one row may exceed."""


async def fill_next(database: Database, after: UUID) -> tuple[UUID | None, int]:
    """Complete the next batch above `after`; its last file (None: there is no more), and how many it was."""
    async with database.connection() as connection:
        picked = await fill_store.pick_unfilled(connection, after, FILES, BYTES)
        if not picked:
            return None, 0
        async with connection.transaction():
            return picked[-1], await fill_files(connection, picked)


async def count_missed(database: Database) -> int:
    """Complete a batch of rows that the release before has written since the migration; how many."""
    async with database.connection() as connection:
        picked = await fill_store.pick_uncounted(connection, FILES)
        if not picked:
            return 0
        async with connection.transaction():
            return await fill_files(connection, picked)


async def fill_files(connection: Connection, file_ids: Sequence[UUID]) -> int:
    """Complete these rows within a transaction; how many needed it."""
    await store.lock_files(connection, file_ids)
    rows = await fill_store.read_unfilled(connection, file_ids)
    if not rows:
        return 0
    moves = {moved.file_id: moved for moved in map(_moved, rows)}
    done = await fill_store.complete(
        connection,
        [
            {
                "file_id": moved.file_id,
                "state": moved.now.state,
                "known": moved.columns is not None,
                **(moved.columns or {}),
            }
            for moved in moves.values()
        ],
    )
    await fill_store.analyse(connection, sorted(done))
    moved_now = account(moved for file_id, moved in moves.items() if file_id in done)
    await accounts_store.apply_accounts(connection, moved_now)
    return len(done)


def _moved(row: asyncpg.Record) -> Moved:
    here = Place(row["collection"], row["study_instance_uid"], row["series_instance_uid"], None)
    columns: dict[str, Any] | None = None
    if row["raw_data"] is not None:
        columns = columns_of(orjson.loads(row["raw_data"]), row["file_name"])
        columns |= {"modality": row["modality"], "file_name": row["file_name"]}
    return Moved(
        UUID(bytes=row["file_id"].bytes),  # asyncpg's own kind is no JSON
        here._replace(state=row["counted"]),
        here._replace(state=row["filed"]),
        here._replace(state=row["state"]),
        row["owner_id"],
        columns,
        row["received_at"],
        row["cover"],
    )
