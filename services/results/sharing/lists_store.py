"""SQL of the lists of shares, newest first, and of one of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from libs.common.database.postgres import Connection
from services.results.read.shared_store import ShareKind
from services.results.read.visibility import LIVE
from services.results.sharing.store import SHOWN, TABLE, Subject

_SHOWN = ", ".join(f"share.{name.strip()}" for name in SHOWN.split(","))
# One of an erased file, or of one that left its collection, opens nothing. No EXISTS: the planner would
# make a hash of all files.
STANDS = f"""{LIVE} AND (share.kind <> 'file' OR coalesce((
    SELECT file.collection = share.collection AND file.state <> 'erased'
    FROM {TABLE} AS file WHERE file.file_id = share.file_id), false))"""
_GET = f"SELECT {_SHOWN} FROM results.share AS share WHERE share.id = $1 AND {LIVE}"
_BEFORE = "($1::uuid IS NULL OR share.id < $1)"
_NEWEST = "ORDER BY share.id DESC LIMIT $2"
BY = f"""
    SELECT {_SHOWN} FROM results.share AS share
    WHERE {_BEFORE} AND share.created_by = $3 AND starts_with(share.grantee, $4) AND {STANDS} {_NEWEST}
"""
WITH = f"""
    SELECT share.* FROM unnest($3::text[]) AS mine (name) CROSS JOIN LATERAL (
        SELECT {_SHOWN} FROM results.share AS share
        WHERE {_BEFORE} AND share.grantee = mine.name AND {STANDS} {_NEWEST}) AS share {_NEWEST}
"""
_ONE = f"""
    SELECT {_SHOWN} FROM results.share AS share
    WHERE {_BEFORE} AND share.collection = $3 AND starts_with(share.grantee, $7) AND {STANDS} AND {{}}
    {_NEWEST}
"""
OF: dict[ShareKind, str] = {
    "file": _ONE.format(
        "(share.file_id = $4 OR (share.study_instance_uid = $5 AND (share.kind = 'study'"
        " OR (share.kind = 'series' AND share.series_instance_uid = $6))))"
    ),
    "study": _ONE.format("share.study_instance_uid = $5 AND $4::uuid IS NULL AND $6::text IS NULL"),
    "series": _ONE.format(
        "share.study_instance_uid = $5 AND $4::uuid IS NULL AND (share.kind = 'study'"
        " OR (share.kind = 'series' AND share.series_instance_uid = $6))"
    ),
}
ALL = f"""
    SELECT {_SHOWN} FROM results.share AS share
    WHERE {_BEFORE} AND starts_with(share.grantee, $3) AND {STANDS} {_NEWEST}
"""
_COUNT_LIVE = f"""
    SELECT split_part(grantee, ':', 1) AS whom, count(*) AS shares FROM (
        SELECT share.grantee FROM results.share AS share WHERE {LIVE} LIMIT $1) AS share GROUP BY whom
"""


async def get(connection: Connection, share_id: UUID) -> asyncpg.Record | None:
    """A share that was not taken back; also of a file that has left its collection, and may return."""
    return await connection.fetchrow(_GET, share_id)


async def list_by(
    connection: Connection, maker: int, before: UUID | None, limit: int, whom: str = ""
) -> list[asyncpg.Record]:
    """Those of one maker with grantees whose names begin with `whom`, newest first."""
    return await connection.fetch(BY, before, limit, maker, whom)


async def list_with(
    connection: Connection, grantees: Sequence[str], before: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Those with any of `grantees`, newest first."""
    return await connection.fetch(WITH, before, limit, grantees)


async def list_of(
    connection: Connection, subject: Subject, before: UUID | None, limit: int, whom: str = ""
) -> list[asyncpg.Record]:
    """Those that open a file or a series; of a study, those of what is in it as well. Newest first.

    Only those with grantees whose names begin with `whom`.
    """
    kind, *item = subject
    return await connection.fetch(OF[kind], before, limit, *item, whom)


async def list_all(
    connection: Connection, before: UUID | None, limit: int, whom: str = ""
) -> list[asyncpg.Record]:
    """Everybody's, with grantees whose names begin with `whom`, newest first."""
    return await connection.fetch(ALL, before, limit, whom)


async def count_live(connection: Connection, most: int) -> dict[str, int]:
    """How many are in force with users, groups and links, counted up to `most`."""
    return {row["whom"]: row["shares"] for row in await connection.fetch(_COUNT_LIVE, most)}
