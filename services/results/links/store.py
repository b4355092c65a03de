"""SQL of links and of the browsers they are open in. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from services.results.sharing.lists_store import STANDS
from services.results.sharing.things_store import things_of

WHOM = "link:"
"""How the grantees of links begin."""

_INSERT = """
    INSERT INTO results.link (id, share_id, token_hash, password_hash, download) VALUES ($1, $2, $3, $4, $5)
"""
_FACTS = """
    SELECT share_id, id, download, password_hash IS NOT NULL AS password, opened, last_opened_at
    FROM results.link WHERE share_id = ANY ($1::uuid[])
"""
_SHARE_OF = "SELECT share_id FROM results.link WHERE id = $1"
_FIND = f"""
    SELECT link.id, link.password_hash, share.collection, share.file_id, share.study_instance_uid,
        share.series_instance_uid
    FROM results.link AS link JOIN results.share AS share
        ON share.id = link.share_id
    WHERE link.token_hash = $1 AND {STANDS}
"""
_BEGIN = f"""
    INSERT INTO results.link_session (hash, link_id, expires_at)
    SELECT $2, link.id, least(share.until, now() + $3 * interval '1 second')
    FROM results.link AS link JOIN results.share AS share ON share.id = link.share_id
    WHERE link.id = $1 AND {STANDS}
    RETURNING expires_at
"""
_KEEP_NEWEST = """
    DELETE FROM results.link_session WHERE hash IN (
        SELECT hash FROM results.link_session WHERE link_id = $1 ORDER BY expires_at DESC, hash OFFSET $2)
"""
_COUNT_OPENED = "UPDATE results.link SET opened = opened + 1, last_opened_at = now() WHERE id = $1"
_OPEN = f"""FROM results.link_session AS session JOIN results.link AS link ON link.id = session.link_id
    JOIN results.share AS share ON share.id = link.share_id
    WHERE session.hash = {{}} AND session.expires_at > now() AND {STANDS}"""
_SESSION = f"""
    SELECT link.id, link.download, share.kind, share.file_id, share.study_instance_uid,
        share.series_instance_uid, share.until AS expires_at,
        least(share.until, session.expires_at) AS session_expires_at
    {_OPEN.format("$1")}
"""
_OVER = f"""
    SELECT asked.hash FROM unnest($1::bytea[]) AS asked (hash)
    WHERE NOT EXISTS (SELECT {_OPEN.format("asked.hash")})
"""
_END = "DELETE FROM results.link_session WHERE hash = $1"
_PRUNE = """
    DELETE FROM results.link_session WHERE hash IN (
        SELECT hash FROM results.link_session WHERE expires_at <= now() ORDER BY expires_at LIMIT $1)
"""
_COUNT_SESSIONS = """
    SELECT count(*) FROM (SELECT FROM results.link_session WHERE expires_at > now() LIMIT $1) AS session
"""


async def insert(
    connection: Connection,
    link_id: UUID,
    share_id: UUID,
    token_hash: bytes,
    password_hash: str | None,
    *,
    download: bool,
) -> None:
    """What opens a new link."""
    await connection.execute(_INSERT, link_id, share_id, token_hash, password_hash, download)


async def with_facts(
    connection: Connection, viewer: Viewer, shares: Sequence[asyncpg.Record]
) -> list[dict[str, Any]]:
    """The links of these shares, in their order, with what is known of both and of what they open."""
    rows = await connection.fetch(_FACTS, [share["id"] for share in shares])
    facts = {row["share_id"]: row for row in rows}
    things = await things_of(connection, viewer, shares)
    return [
        {
            **share,
            **facts[share["id"]],
            "expires_at": share["until"],
            "thing": None if thing is None else dict(thing),
        }
        for share, thing in zip(shares, things, strict=True)
        if share["id"] in facts
    ]


async def share_of(connection: Connection, link_id: UUID) -> UUID | None:
    """The share that a link is."""
    share_id: UUID | None = await connection.fetchval(_SHARE_OF, link_id)
    return share_id


async def find(connection: Connection, token_hash: bytes) -> asyncpg.Record | None:
    """The link that a token opens, and what it is of: none is like one that is over."""
    return await connection.fetchrow(_FIND, token_hash)


async def begin(
    connection: Connection, link_id: UUID, session: bytes, seconds: float, most: int
) -> datetime | None:
    """Open a link in a browser, for so long at most, and count it; its end. None: the link is over.

    Of one link, the `most` newest stay open.
    """
    expires_at: datetime | None = await connection.fetchval(_BEGIN, link_id, session, seconds)
    if expires_at is not None:
        # First, so that openings at the same moment come one after the other.
        await connection.execute(_COUNT_OPENED, link_id)
        await connection.execute(_KEEP_NEWEST, link_id, most)
    return expires_at


async def get_session(connection: Connection, session: bytes) -> asyncpg.Record | None:
    """What is open in a browser, if its link still stands."""
    return await connection.fetchrow(_SESSION, session)


async def which_are_over(connection: Connection, sessions: Iterable[bytes]) -> list[bytes]:
    """Those of `sessions` that open nothing any more."""
    return [row["hash"] for row in await connection.fetch(_OVER, list(sessions))]


async def end(connection: Connection, session: bytes) -> None:
    """Forget a browser."""
    await connection.execute(_END, session)


async def prune(connection: Connection, limit: int) -> None:
    """Delete up to `limit` sessions that are over."""
    await connection.execute(_PRUNE, limit)


async def count_sessions(connection: Connection, most: int) -> int:
    """How many browsers have a link open, counted up to `most`."""
    return int(await connection.fetchval(_COUNT_SESSIONS, most) or 0)
