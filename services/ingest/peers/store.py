"""SQL of peers. Every function takes a connection and never commits."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from libs.common.database.patterns import contains
from libs.common.database.postgres import Connection
from libs.common.http.client import Address
from services.ingest.peers.models import KnownPeer

_COLUMNS = """id, ae_title, addresses::text[] AS addresses, certificate, account_id, collection, port, active,
    note, created_at, changed_at"""
_FIND = f"""
    SELECT {_COLUMNS} FROM ingest.peer AS peer
    WHERE ae_title = $1 AND active AND (certificate IS NULL OR certificate = $3)
        AND EXISTS (SELECT FROM unnest(addresses) AS network WHERE $2::inet <<= network)
    ORDER BY certificate IS NULL,
        (SELECT max(masklen(network)) FROM unnest(addresses) AS network WHERE $2::inet <<= network) DESC, id
    LIMIT 1
"""
_LIST = f"""
    SELECT {_COLUMNS} FROM ingest.peer
    WHERE ($1::uuid IS NULL OR id < $1)
        AND (SELECT bool_and(lower(ae_title) LIKE lower(word) OR lower(note) LIKE lower(word))
             FROM unnest($2::text[]) AS word) IS NOT FALSE
    ORDER BY id DESC LIMIT $3
"""
_GET = f"SELECT {_COLUMNS} FROM ingest.peer WHERE id = $1"
_INSERT = f"""
    INSERT INTO ingest.peer (id, ae_title, addresses, certificate, account_id, collection, port, active, note)
    VALUES ($1, $2, $3::cidr[], $4, $5, $6, $7, $8, $9) RETURNING {_COLUMNS}
"""
_UPDATE = f"""
    UPDATE ingest.peer SET ae_title = $2, addresses = $3::cidr[], certificate = $4, account_id = $5,
        collection = $6, port = $7, active = $8, note = $9, changed_at = now()
    WHERE id = $1 RETURNING {_COLUMNS}
"""
_SILENT = """
    SELECT count(*), count(*) FILTER (WHERE NOT coalesce(
        (SELECT found.active AND found.may_add AND found.may_manage
         FROM auth.may_send(account_id, collection) AS found), false))
    FROM ingest.peer WHERE active
"""
_DELETE = "DELETE FROM ingest.peer WHERE id = $1 RETURNING id"
_MAY_SEND = "SELECT active, may_add, may_manage FROM auth.may_send($1, $2)"


class Rights(NamedTuple):
    """What an account may, as far as sending goes."""

    active: bool
    may_add: bool
    may_manage: bool


async def find_peer(
    connection: Connection, ae_title: str, address: Address, certificate: str | None
) -> KnownPeer | None:
    """The peer that calls itself so from there; one that must show a certificate before one that need not."""
    row = await connection.fetchrow(_FIND, ae_title, address, certificate)
    return None if row is None else _peer(row)


async def may_send(connection: Connection, account_id: int, collection: str) -> Rights | None:
    """Whether the account may send into the collection now; None where there is no such account."""
    row = await connection.fetchrow(_MAY_SEND, account_id, collection)
    return None if row is None or row["active"] is None else Rights(**dict(row))


async def count_silenced(connection: Connection) -> tuple[int, int]:
    """How many peers are active, and of how many of these the account may not send."""
    row = await connection.fetchrow(_SILENT)
    assert row is not None  # noqa: S101  a count
    return row[0], row[1]


async def list_peers(connection: Connection, before: UUID | None, q: str, limit: int) -> list[KnownPeer]:
    """So many at most, newest first."""
    words = [contains(word) for word in q.split()]
    return [_peer(row) for row in await connection.fetch(_LIST, before, words, limit)]


async def get_peer(connection: Connection, peer_id: UUID, *, hold: bool = False) -> KnownPeer | None:
    """One; `hold`: nobody else changes it until the transaction ends."""
    row = await connection.fetchrow(f"{_GET} FOR UPDATE" if hold else _GET, peer_id)
    return None if row is None else _peer(row)


async def insert_peer(connection: Connection, peer_id: UUID, values: Mapping[str, Any]) -> KnownPeer:
    """Make one."""
    row = await connection.fetchrow(_INSERT, peer_id, *_written(values))
    assert row is not None  # noqa: S101  an insert returns its row
    return _peer(row)


async def update_peer(connection: Connection, peer_id: UUID, values: Mapping[str, Any]) -> KnownPeer:
    """Replace all that may change of a held peer."""
    row = await connection.fetchrow(_UPDATE, peer_id, *_written(values))
    assert row is not None  # noqa: S101  the caller holds it
    return _peer(row)


async def delete_peer(connection: Connection, peer_id: UUID) -> bool:
    """Whether there was one."""
    return await connection.fetchval(_DELETE, peer_id) is not None


def _written(values: Mapping[str, Any]) -> tuple[Any, ...]:
    return (
        values["ae_title"],
        [ip_network(one) for one in values["addresses"]],
        values["certificate"],
        values["account_id"],
        values["collection"],
        values["port"],
        values["active"],
        values["note"],
    )


def _peer(row: asyncpg.Record) -> KnownPeer:
    return KnownPeer.model_validate(dict(row))
