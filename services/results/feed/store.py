"""SQL of the change feed: pages below the horizon, and pruning.

The horizon is the oldest transaction still running anywhere in the cluster: all below it are settled, so a
reader that stays below it never has a row appear behind it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, fetch_planned
from libs.common.database.postgres import Connection
from services.results.cursors import CursorExpired, FeedCursor, Position
from services.results.read.shared_store import read_places
from services.results.read.visibility import first_visible, shared

PAGE = 500
SCAN = 5000
"""Changes that one page may look at to find those that are shared."""
PRUNE_LIMIT = 10_000

# A standby that is promoted, and whatever is restored to a point in time, goes on with another WAL timeline;
# a dump is restored on a server with another identifier, or by our command, which takes the number away.
_HISTORY = """(SELECT system_identifier || '/' || left(pg_walfile_name(pg_current_wal_lsn()), 8)
    FROM pg_control_system())"""
TIMELINE = f"(SELECT number FROM results.change_feed_timeline WHERE history = {_HISTORY})"
"""The number of the history that this server is in; NULL: it has none yet, `read_horizon` draws it."""
_HORIZON = f"""
    SELECT pg_snapshot_xmin(snapshot)::text AS xmin, {TIMELINE} AS timeline,
        (SELECT extract(epoch FROM clock_timestamp() - min(changed_at)) FROM results.change_feed
         WHERE xid >= pg_snapshot_xmin(snapshot)) AS hidden
    FROM pg_current_snapshot() AS snapshot
"""
_BEGIN_TIMELINE = f"""
    INSERT INTO results.change_feed_timeline AS known (history, number) VALUES ({_HISTORY}, $1)
    ON CONFLICT (singleton) DO UPDATE SET history = excluded.history, number = excluded.number, since = now()
    WHERE known.history <> excluded.history
"""
_COLUMNS = "file_id, collection, owner_id, state, changed_at, study_instance_uid, series_instance_uid"
_STORED = _COLUMNS.replace(" state,", " CASE WHEN moved THEN 'moved' ELSE state END AS state,")
_PAGE = (
    f"SELECT xid::text AS xid_text, seq, {_COLUMNS} FROM ({{page}}) AS page ORDER BY xid, seq LIMIT {{limit}}"
)
_AFTER = "(xid, seq) > ({0}::text::xid8, {1}::bigint)"
_UP_TO = "(xid, seq) <= ({0}::text::xid8, {1}::bigint)"
# Of collections that are not the viewer's, where something is shared: what is shared is picked from all.
_SHARED = f"""
    SELECT file.* FROM unnest({{places}}::text[]) AS place (name) CROSS JOIN LATERAL (
        SELECT xid, seq, {_STORED} FROM results.change_feed AS file
        WHERE file.collection = place.name AND {{span}} ORDER BY xid, seq OFFSET 0
    ) AS file WHERE {{shared}}
"""
# The first change that comes after too many of one of the places.
_CUT = f"""
    SELECT cut.xid::text, cut.seq FROM unnest($5::text[]) AS place (name) CROSS JOIN LATERAL (
        SELECT xid, seq FROM results.change_feed WHERE collection = place.name
            AND {_AFTER.format("$1", "$2")} AND {_UP_TO.format("$3", "$4")}
        ORDER BY xid, seq OFFSET $6 LIMIT 1
    ) AS cut ORDER BY cut.xid, cut.seq LIMIT 1
"""
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
    """A row of the feed; `state` is `moved` to those whose collection the file has left."""

    position: Position
    file_id: UUID
    collection: str
    owner_id: int
    state: str
    changed_at: datetime
    study_instance_uid: str | None
    series_instance_uid: str | None


class Horizon(NamedTuple):
    """How far readers may go, and the age in seconds of the oldest change beyond it (None: there is none).

    Positions of different timelines have nothing to do with each other.
    """

    position: Position
    hidden: float | None
    timeline: int


class Page(NamedTuple):
    """Changes in order, where to go on, and whether more were there already."""

    changes: list[Change]
    next: Position
    more: bool


async def read_horizon(connection: Connection) -> Horizon:
    """The position that has every settled change behind it."""
    row = await connection.fetchrow(_HORIZON)
    assert row is not None  # noqa: S101  the statement has exactly one row
    if row["timeline"] is None:
        # Random: two standbys of one server may both have become its next timeline.
        await connection.execute(_BEGIN_TIMELINE, 1 + secrets.randbelow(2**63 - 1))
        return await read_horizon(connection)
    hidden = None if row["hidden"] is None else float(row["hidden"])
    return Horizon(Position(int(row["xmin"]), 0), hidden, row["timeline"])


def page_of(
    after: Position, end: Position, viewer: Viewer, limit: int, places: Sequence[str] = ()
) -> tuple[str, list[Any]]:
    """The statement that reads a page after `after` and up to `end`, and its values.

    `places` are collections of which something is shared with the viewer.
    """
    parameters = Parameters()
    first = [parameters.add(value) for value in (str(after.xid), after.seq)]
    last = [parameters.add(value) for value in (str(end.xid), end.seq)]
    rows = Rows(
        table="results.change_feed",
        columns=f"xid, seq, {_STORED}",
        conditions=(_AFTER.format(*first), _UP_TO.format(*last)),
        order="xid, seq",
        limit=parameters.add(limit),
    )
    page = first_visible(viewer, rows, parameters)
    if places:
        more = _SHARED.format(
            places=parameters.add(places),
            span=" AND ".join(rows.conditions),
            shared=shared(parameters.add(viewer.grantees)),
        )
        page = f"({page}) UNION ALL ({more})"
    return _PAGE.format(page=page, limit=rows.limit), parameters.values


def cut_of(after: Position, end: Position, places: Sequence[str]) -> tuple[str, list[Any]]:
    """The statement that finds where a page that looks into `places` has to end early, and its values."""
    each = max(SCAN // len(places), 1)
    return _CUT, [str(after.xid), after.seq, str(end.xid), end.seq, places, each]


async def read_page(
    connection: Connection, after: Position, horizon: Horizon, viewer: Viewer, limit: int = PAGE
) -> Page:
    """The changes after `after` and below `horizon` that `viewer` may see.

    A page may end early, even without any, where much lies between what is shared with the viewer.
    """
    end = horizon.position
    if places := await read_places(connection, viewer):
        statement, values = cut_of(after, end, places)
        cut = await connection.fetchrow(statement, *values)
        end = end if cut is None else Position(int(cut["xid"]), cut["seq"] - 1)
    rows = await fetch_planned(connection, *page_of(after, end, viewer, limit, places))
    found = [Change(Position(int(xid), seq), *told) for xid, seq, *told in rows]
    if len(found) == limit:
        return Page(found, found[-1].position, True)
    return Page(found, max(after, end), end < horizon.position)


async def require_resumable(connection: Connection, cursor: FeedCursor, horizon: Horizon) -> None:
    """Check that nothing after `cursor` was pruned, and that it is of this timeline. Raises CursorExpired."""
    after, timeline = cursor
    if timeline is not None and timeline != horizon.timeline:
        raise CursorExpired(
            "The database was replaced after this cursor was given out (a failover, or a restore): read "
            "/api/results again and go on from the `next` of /api/changes without a cursor."
        )
    if not await connection.fetchval(_CAN_RESUME, str(after.xid), after.seq):
        raise CursorExpired(
            "The change feed no longer reaches back to this cursor: read /api/results again and go on "
            "from the `next` of /api/changes without a cursor."
        )


async def prune(connection: Connection, retention: timedelta, limit: int = PRUNE_LIMIT) -> int:
    """Delete up to `limit` changes older than `retention`, oldest first; how many went."""
    gone: int = await connection.fetchval(_PRUNE, retention, limit)
    return gone
