"""What is shared with a viewer: which kinds, where, and the rows of lists, each a bounded branch.

Whoever sees all needs none of it, and what lies in one's own collections is left out: it is seen anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple, get_args
from uuid import UUID

from libs.common.access import Mode, Viewer
from libs.common.database.bounded import Parameters, Rows
from libs.common.database.postgres import Connection, Database
from services.results.read.visibility import LIVE

ShareKind = Literal["file", "series", "study"]
SHARES_CHANNEL = "results_share"
"""NOTIFY on it says that something was shared, changed or taken back."""
KINDS: tuple[ShareKind, ...] = get_args(ShareKind)

# A kind is looked for by one probe each, whatever else somebody holds.
HELD_KINDS = "SELECT " + ", ".join(
    f"""EXISTS (SELECT FROM results.share AS share
        WHERE share.grantee = ANY ($1::text[]) AND share.kind = '{kind}' AND {LIVE}) AS {kind}"""
    for kind in KINDS
)
_PLACES = f"""
    SELECT DISTINCT share.collection FROM results.share AS share
    WHERE share.grantee = ANY ($1::text[]) AND share.collection <> ALL ($2::text[]) AND {LIVE}
    ORDER BY share.collection
"""
_ITEMS = f"""
    SELECT share.grantee, share.mode, share.kind, share.collection, share.file_id, share.study_instance_uid,
        share.series_instance_uid
    FROM results.share AS share WHERE share.grantee = ANY ($1::text[]) AND {LIVE}
"""
_WHICH: dict[ShareKind, str] = {
    "file": "file.file_id = share.file_id",
    "series": "file.study_instance_uid = share.study_instance_uid "
    "AND file.series_instance_uid = share.series_instance_uid",
    "study": "file.study_instance_uid = share.study_instance_uid",
}

# Readers do not wait for one another here: whoever comes second leaves it to the first.
NOTE_USE = f"""
    WITH used AS (
        SELECT id FROM results.share AS share
        WHERE share.grantee = ANY ($1::text[]) AND share.collection = $2 AND {LIVE}
            AND ((share.kind = 'file' AND share.file_id = $3)
                OR (share.study_instance_uid = $4 AND ($3::uuid IS NULL OR share.kind = 'study'
                    OR (share.kind = 'series' AND share.series_instance_uid = $5))))
            AND (share.last_used_at IS NULL OR share.last_used_at < now() - interval '10 minutes')
        FOR UPDATE SKIP LOCKED
    )
    UPDATE results.share AS share SET last_used_at = now() FROM used WHERE share.id = used.id
"""


class SharedItem(NamedTuple):
    """What a share is of, as a key: `uids` are a file's id, a study's, or a study's and a series'."""

    kind: ShareKind
    collection: str
    uids: tuple[str, ...]


def items_of(collection: str, file_id: UUID, study: str | None, series: str | None) -> Iterable[SharedItem]:
    """What may be shared that holds this file."""
    yield SharedItem("file", collection, (str(file_id),))
    if study is not None:
        yield SharedItem("study", collection, (study,))
        if series is not None:
            yield SharedItem("series", collection, (study, series))


async def note_use(
    primary: Database,
    viewer: Viewer,
    collection: str,
    study: str | None,
    file_id: UUID | None = None,
    series: str | None = None,
) -> None:
    """Note that `viewer` opens a file, or a study, that is theirs by what is shared with them alone.

    Others cost no connection.
    """
    if viewer.visible is None or collection in viewer.visible or not viewer.grantees:
        return
    async with primary.connection() as connection:
        await connection.execute(NOTE_USE, viewer.grantees, collection, file_id, study, series)


async def held_kinds(connection: Connection, viewer: Viewer) -> frozenset[ShareKind]:
    """The kinds of what is shared with `viewer` now; nothing is asked for those who see all."""
    if viewer.sees_all or not viewer.grantees:
        return frozenset()
    row = await connection.fetchrow(HELD_KINDS, viewer.grantees)
    assert row is not None  # noqa: S101  the statement has exactly one row
    return frozenset(kind for kind in KINDS if row[kind])


async def read_places(connection: Connection, viewer: Viewer) -> list[str]:
    """The collections, beyond the viewer's own, of which something is shared with them."""
    if viewer.visible is None or not viewer.grantees:
        return []
    return [row["collection"] for row in await connection.fetch(_PLACES, viewer.grantees, viewer.visible)]


async def read_items(connection: Connection, grantees: Sequence[str]) -> dict[str, dict[SharedItem, Mode]]:
    """What is shared with each of `grantees` now, and the most that it allows; without shares: missing."""
    found: dict[str, dict[SharedItem, Mode]] = {}
    for grantee, mode, kind, collection, file_id, study, series in await connection.fetch(_ITEMS, grantees):
        uids = {"file": (str(file_id),), "study": (study,), "series": (study, series)}[kind]
        held, item = found.setdefault(grantee, {}), SharedItem(kind, collection, uids)
        held[item] = "manage" if held.get(item) == "manage" else mode
    return found


def shared_rows(
    kinds: Iterable[ShareKind], viewer: Viewer, rows: Rows, bounds: Sequence[str], parameters: Parameters
) -> list[str]:
    """Queries for the first of `rows`, by file id, that shares of `kinds` open to `viewer`, a query each.

    `bounds` of file ids are comparisons with parameters, e.g. `< $3`. Each share looks at what it is of, in
    the order of the list, and at nothing else: OFFSET 0 keeps the planner from beginning with a filter.
    Several shares may find the same row.
    """
    if viewer.visible is None:
        return []
    grantees, own = parameters.add(viewer.grantees), parameters.add(viewer.visible)
    return [_branch(kind, rows, bounds, grantees, own) for kind in sorted(kinds)]


def _branch(kind: ShareKind, rows: Rows, bounds: Sequence[str], grantees: str, own: str) -> str:
    """Files are walked in the order of their shares, up to the limit; each study or series gives as many."""
    span = "".join(f" AND file.file_id {bound}" for bound in bounds)
    inner = f"""SELECT {rows.columns} FROM (
            SELECT * FROM {rows.table} AS file
            WHERE {_WHICH[kind]} AND file.collection = share.collection AND file.state <> 'erased'{span}
            ORDER BY file.{rows.order} OFFSET 0
        ) AS file WHERE {" AND ".join(rows.conditions) or "true"} ORDER BY {rows.order} LIMIT {rows.limit}"""
    held = f"share.kind = '{kind}' AND share.collection <> ALL ({own}::text[]) AND {LIVE}"
    if kind != "file":
        return f"""SELECT file.* FROM results.share AS share CROSS JOIN LATERAL ({inner}) AS file
            WHERE share.grantee = ANY ({grantees}::text[]) AND {held}"""
    span = "".join(f" AND share.file_id {bound}" for bound in bounds)
    return f"""SELECT file.* FROM unnest({grantees}::text[]) AS held (grantee) CROSS JOIN LATERAL (
            SELECT file.* FROM results.share AS share CROSS JOIN LATERAL ({inner}) AS file
            WHERE share.grantee = held.grantee AND {held}{span}
            ORDER BY share.{rows.order} LIMIT {rows.limit}
        ) AS file"""
