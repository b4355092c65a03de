"""SQL of shares: what they may be of, who holds what, and their lists. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from libs.common.access import Mode, Viewer
from libs.common.database.bounded import first_planned
from libs.common.database.postgres import Connection
from services.results.read.shared_store import SHARES_CHANNEL, ShareKind
from services.results.read.visibility import LIVE, seen

TABLE = "results.upload_dicomresult"
COLUMNS = """id, grantee, kind, collection, file_id, study_instance_uid, series_instance_uid, mode, until,
    reason, created_by, created_at, given_under"""
SHOWN = f"{COLUMNS}, last_used_at"
_FIND_FILE = f"""
    SELECT collection, study_instance_uid, series_instance_uid FROM {TABLE} AS file
    WHERE file_id = $1 AND state <> 'erased' AND {seen("$2", "$3")}
"""
_WHOLE = """($3::text IS NULL OR file.study_instance_uid = $3)
    AND ($4::text IS NULL OR file.series_instance_uid = $4) AND file.study_instance_uid IS NOT NULL
    AND file.state <> 'erased'"""
_FIND_WHOLE = f"""
    SELECT found.collection, found.study_instance_uid
    FROM unnest($5::text[]) WITH ORDINALITY AS candidate (name, place) CROSS JOIN LATERAL (
        SELECT file.collection, file.study_instance_uid FROM {TABLE} AS file
        WHERE file.collection = candidate.name AND {_WHOLE} AND {seen("$1", "$2")}
        ORDER BY file.file_id LIMIT 1
    ) AS found ORDER BY candidate.place LIMIT 1
"""
# OFFSET 0: else the planner walks all files in the order of their ids to find one of the study.
FIND_ANYWHERE = f"""
    SELECT file.collection, file.study_instance_uid
    FROM (SELECT * FROM {TABLE} AS file WHERE {_WHOLE} OFFSET 0) AS file
    WHERE {seen("$1", "$2")} ORDER BY file.file_id LIMIT 1
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('share ' || $1, 0))"
MANAGED_BY = f"""
    SELECT share.id, share.until FROM results.share AS share
    WHERE share.grantee = ANY ($1::text[]) AND share.collection = $2 AND share.mode = 'manage' AND {LIVE}
        AND ((share.kind = 'file' AND share.file_id = $3)
            OR (share.study_instance_uid = $4 AND (share.kind = 'study'
                OR (share.kind = 'series' AND share.series_instance_uid = $5))))
    ORDER BY share.id = $6::uuid DESC NULLS LAST, share.until DESC NULLS FIRST, share.id LIMIT 1
"""
# Ended ones that are not swept yet as well: they stand in the way of another.
SAME = """
    SELECT id, given_under FROM results.share
    WHERE created_by = $1 AND grantee = $2 AND kind = $3 AND collection = $4 AND revoked_at IS NULL
        AND ((kind = 'file' AND file_id = $5) OR (kind <> 'file' AND study_instance_uid = $6
            AND series_instance_uid IS NOT DISTINCT FROM $7))
    FOR UPDATE
"""
_COUNT = f"""
    SELECT (SELECT count(*) FROM results.share AS share WHERE share.created_by = $1 AND {LIVE}) AS by_maker,
        (SELECT count(*) FROM results.share AS share WHERE share.grantee = $2 AND {LIVE}) AS with_grantee,
        (SELECT count(*) FROM results.share AS share
            WHERE share.created_by = $1 AND share.grantee = $2 AND {LIVE}) AS by_maker_with_grantee,
        (SELECT count(*) FROM results.share AS share
            WHERE share.kind = $3 AND share.collection = $4 AND {LIVE}
                AND share.file_id IS NOT DISTINCT FROM $5 AND (share.kind = 'file'
                    OR (share.study_instance_uid = $6 AND share.series_instance_uid IS NOT DISTINCT FROM $7))
        ) AS of_item
"""
_INSERT = f"""
    INSERT INTO results.share ({COLUMNS})
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, now(), $12) RETURNING {SHOWN}
"""
_UPDATE = f"""
    UPDATE results.share SET mode = $2, until = $3, reason = $4, given_under = $5 WHERE id = $1
    RETURNING {SHOWN}
"""
# Whatever was given under a share, and under that.
_UNDER = """
    WITH RECURSIVE under (id) AS (
        SELECT id FROM results.share WHERE given_under = $1 AND revoked_at IS NULL
        UNION SELECT share.id FROM results.share AS share JOIN under ON share.given_under = under.id
        WHERE share.revoked_at IS NULL
    )
"""
_END_UNDER = f"""{_UNDER}
    UPDATE results.share SET revoked_at = now() WHERE id IN (SELECT id FROM under) RETURNING id
"""
_SHORTEN_UNDER = f"""{_UNDER}
    UPDATE results.share SET until = $2 WHERE id IN (SELECT id FROM under) AND (until IS NULL OR until > $2)
"""
_END = "UPDATE results.share SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL RETURNING id"
_NOTIFY = "SELECT pg_notify($1, '')"
_END_EXPIRED = """
    WITH over AS (
        SELECT id FROM results.share WHERE until <= now() AND revoked_at IS NULL
        ORDER BY until LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    UPDATE results.share AS share SET revoked_at = share.until FROM over WHERE share.id = over.id
    RETURNING share.id
"""


class Subject(NamedTuple):
    """What is shared. A file's UIDs may be unknown; a study has no series, neither has a file id."""

    kind: ShareKind
    collection: str
    file_id: UUID | None
    study_instance_uid: str | None
    series_instance_uid: str | None


class Terms(NamedTuple):
    """With whom, how much, until when and why."""

    grantee: str
    mode: Mode
    until: datetime | None
    reason: str | None


class Counts(NamedTuple):
    """How many shares there are already."""

    by_maker: int
    with_grantee: int
    by_maker_with_grantee: int
    of_item: int


async def find_file(connection: Connection, viewer: Viewer, file_id: UUID) -> Subject | None:
    """A file that `viewer` sees."""
    row = await connection.fetchrow(_FIND_FILE, file_id, viewer.visible, viewer.grantees)
    return None if row is None else Subject("file", row["collection"], file_id, row[1], row[2])


async def find_whole(
    connection: Connection,
    viewer: Viewer,
    study: str | None,
    series: str | None,
    collections: Sequence[str] | None,
) -> Subject | None:
    """The study, or the series if one is named, in the first of `collections` where `viewer` sees some of it.

    None are all.
    """
    values: list[Any] = [viewer.visible, viewer.grantees, study, series]
    row = (
        await first_planned(connection, FIND_ANYWHERE, values)
        if collections is None
        else await connection.fetchrow(_FIND_WHOLE, *values, collections)
    )
    if row is None:
        return None
    return Subject("study" if series is None else "series", row["collection"], None, row[1], series)


async def lock_collection(connection: Connection, collection: str) -> None:
    """One at a time changes what is shared of `collection`, until the transaction ends."""
    await connection.execute(_LOCK, collection)


async def managed_by(
    connection: Connection, viewer: Viewer, subject: Subject, rather: UUID | None
) -> asyncpg.Record | None:
    """The share by which `viewer` manages `subject` (id, until): `rather`, else the longest."""
    _, collection, *item = subject
    return await connection.fetchrow(MANAGED_BY, viewer.grantees, collection, *item, rather)


async def find_same(
    connection: Connection, maker: int, grantee: str, subject: Subject
) -> asyncpg.Record | None:
    """The maker's share of the same with the same (id, given_under), locked."""
    return await connection.fetchrow(SAME, maker, grantee, *subject)


async def count(connection: Connection, maker: int, grantee: str, subject: Subject) -> Counts:
    """How many there are of one maker, with one grantee and of one thing."""
    row = await connection.fetchrow(_COUNT, maker, grantee, *subject)
    assert row is not None  # noqa: S101  the statement has exactly one row
    return Counts(*row)


async def insert(
    connection: Connection, share_id: UUID, maker: int, subject: Subject, terms: Terms, under: UUID | None
) -> asyncpg.Record:
    """A new share."""
    grantee, mode, until, reason = terms
    row = await connection.fetchrow(_INSERT, share_id, grantee, *subject, mode, until, reason, maker, under)
    assert row is not None  # noqa: S101  the statement returns what it inserts
    return row


async def update(connection: Connection, share_id: UUID, terms: Terms, under: UUID | None) -> asyncpg.Record:
    """Change a share that is locked; what was given under it becomes no more than it is."""
    row = await connection.fetchrow(_UPDATE, share_id, terms.mode, terms.until, terms.reason, under)
    assert row is not None  # noqa: S101  it is locked
    if terms.mode == "view":
        await connection.execute(_END_UNDER, share_id)
    elif terms.until is not None:
        await connection.execute(_SHORTEN_UNDER, share_id, terms.until)
    return row


async def end(connection: Connection, share_id: UUID) -> int:
    """End a share and whatever was given under it; how many ended."""
    under = await connection.fetch(_END_UNDER, share_id)
    return len(under) + len(await connection.fetch(_END, share_id))


async def end_expired(connection: Connection, limit: int) -> int:
    """Note the end of up to `limit` shares whose time is over; how many."""
    return len(await connection.fetch(_END_EXPIRED, limit))


async def notify(connection: Connection) -> None:
    """Wake those who keep in memory what is shared, at the commit."""
    await connection.execute(_NOTIFY, SHARES_CHANNEL)
