"""SQL of the change feed: pages below the horizon, and pruning.

The horizon is the oldest transaction still running anywhere in the cluster: all below it are settled, so a
reader that stays below it never has a row appear behind it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, fetch_planned
from libs.common.database.postgres import Connection
from services.results.cursors import CursorExpired, Position
from services.results.read.visibility import first_visible

PAGE = 500
PRUNE_LIMIT = 10_000

_HORIZON = """
    SELECT pg_snapshot_xmin(snapshot)::text AS xmin,
        (SELECT extract(epoch FROM clock_timestamp() - min(changed_at)) FROM results.change_feed
         WHERE xid >= pg_snapshot_xmin(snapshot)) AS hidden
    FROM pg_current_snapshot() AS snapshot
"""
_COLUMNS = "file_id, collection, owner_id, state, changed_at, study_instance_uid, series_instance_uid"
_PAGE = f"SELECT xid::text AS xid_text, seq, {_COLUMNS} FROM ({{page}}) AS page ORDER BY xid, seq"
# A position above every transaction id was given out by another life of this database (a restored dump).
_CAN_RESUME = """
    SELECT ($1::text::xid8, $2::bigint) >= (floor.xid, floor.seq)
        AND $1::text::xid8 <= pg_snapshot_xmax(pg_current_snapshot())
    FROM results.change_feed_floor AS floor
"""
# Oldest first by key, so that each call looks at `limit` rows at most even when none is old enough.
_PRUNE = """
    WITH oldest AS (
        SELECT xid, seq, changed_at FROM results.change_feed ORDER BY xid, seq LIMIT $2
    ), gone AS (
        DELETE FROM results.change_feed AS feed USING oldest
        WHERE feed.xid = oldest.xid AND feed.seq = oldest.seq AND oldest.changed_at < now() - $1::interval
        RETURNING feed.xid, feed.seq
    ), last AS (
        SELECT xid, seq FROM gone ORDER BY xid DESC, seq DESC LIMIT 1
    ), raised AS (
        UPDATE results.change_feed_floor AS floor SET xid = last.xid, seq = last.seq
        FROM last WHERE (last.xid, last.seq) > (floor.xid, floor.seq)
    )
    SELECT count(*) FROM gone
"""


class Change(NamedTuple):
    """A row of the feed."""

    position: Position
    file_id: UUID
    collection: str
    owner_id: int
    state: str
    changed_at: datetime
    study_instance_uid: str | None
    series_instance_uid: str | None


class Horizon(NamedTuple):
    """How far readers may go, and the age in seconds of the oldest change beyond it (None: there is none)."""

    position: Position
    hidden: float | None


class Page(NamedTuple):
    """Changes in order, where to go on, and whether more were there already."""

    changes: list[Change]
    next: Position
    more: bool


async def read_horizon(connection: Connection) -> Horizon:
    """The position that has every settled change behind it."""
    row = await connection.fetchrow(_HORIZON)
    assert row is not None  # noqa: S101  the statement has exactly one row
    return Horizon(Position(int(row["xmin"]), 0), None if row["hidden"] is None else float(row["hidden"]))


def page_of(after: Position, horizon: Horizon, viewer: Viewer, limit: int) -> tuple[str, list[Any]]:
    """The statement that reads a page, and its values."""
    parameters = Parameters()
    xid, seq = parameters.add(str(after.xid)), parameters.add(after.seq)
    end = parameters.add(str(horizon.position.xid))
    rows = Rows(
        table="results.change_feed",
        columns=f"xid, seq, {_COLUMNS}",
        conditions=(f"(xid, seq) > ({xid}::text::xid8, {seq}::bigint)", f"xid < {end}::text::xid8"),
        order="xid, seq",
        limit=parameters.add(limit),
    )
    return _PAGE.format(page=first_visible(viewer, rows, parameters)), parameters.values


async def read_page(
    connection: Connection, after: Position, horizon: Horizon, viewer: Viewer, limit: int = PAGE
) -> Page:
    """The changes after `after` and below `horizon` that `viewer` may see."""
    rows = await fetch_planned(connection, *page_of(after, horizon, viewer, limit))
    found = [Change(Position(int(xid), seq), *told) for xid, seq, *told in rows]
    more = len(found) == limit
    return Page(found, found[-1].position if more else max(after, horizon.position), more)


async def require_resumable(connection: Connection, after: Position) -> None:
    """Check that nothing after `after` was pruned. Raises CursorExpired."""
    if not await connection.fetchval(_CAN_RESUME, str(after.xid), after.seq):
        raise CursorExpired(
            "The change feed no longer reaches back to this cursor: read /api/results again and go on "
            "from the `next` of /api/changes without a cursor."
        )


async def prune(connection: Connection, retention: timedelta, limit: int = PRUNE_LIMIT) -> int:
    """Delete up to `limit` changes older than `retention`, oldest first; how many went."""
    gone: int = await connection.fetchval(_PRUNE, retention, limit)
    return gone
