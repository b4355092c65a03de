"""Finding entries of the audit log. Nothing here commits."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson

from libs.common.database.bounded import Parameters, fetch_planned
from libs.common.database.postgres import Connection, Database
from libs.common.errors import InvalidRequest
from services.auth.audit.chain import moment
from services.auth.audit.models import AuditFilter, AuditLogEntry

_COLUMNS = """seq, encode(link, 'hex') AS link, sealed_at, at, service, action, ending, actor, acting_as,
    object_type, objects, collection, studies, address, route, status, trace_id, details::text AS details"""
_HEAD = "SELECT coalesce(max(last_seq), 0) FROM auth.audit_batch"
_CURSOR = struct.Struct(">cqq")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PAGE = 2000
"""Entries of an export that are read at once."""


class AuditPlace(NamedTuple):
    """Where an entry stands in lists: by time, and by number among those of one moment."""

    at: datetime
    seq: int


def encode_place(entry: AuditLogEntry) -> str:
    """The cursor after `entry`."""
    packed = _CURSOR.pack(b"a", moment(entry.at), entry.seq)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def decode_place(cursor: str | None) -> AuditPlace | None:
    """The place that a page starts after. Raises InvalidRequest."""
    if cursor is None:
        return None
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        kind, microseconds, seq = _CURSOR.unpack(packed)
        place = AuditPlace(_EPOCH + timedelta(microseconds=microseconds), seq)
    except (struct.error, binascii.Error, ValueError, OverflowError) as error:
        raise InvalidRequest("That is no cursor of this list: begin without one.") from error
    if kind != b"a":
        raise InvalidRequest("That is no cursor of this list: begin without one.")
    return place


def list_statement(
    wanted: AuditFilter, limit: int, *, before: AuditPlace | None = None
) -> tuple[str, list[Any]]:
    """The newest entries before a place, and the values of the statement."""
    parameters = Parameters()
    conditions = _conditions(wanted, parameters)
    if before is not None:
        conditions.append(f"(at, seq) < ({parameters.add(before.at)}, {parameters.add(before.seq)})")
    return _statement(conditions, "at DESC, seq DESC", limit, parameters)


def walk_statement(
    wanted: AuditFilter, limit: int, head: int, *, after: AuditPlace | None
) -> tuple[str, list[Any]]:
    """The oldest entries after a place, none numbered above `head`."""
    parameters = Parameters()
    conditions = [*_conditions(wanted, parameters), f"seq <= {parameters.add(head)}"]
    if after is not None:
        conditions.append(f"(at, seq) > ({parameters.add(after.at)}, {parameters.add(after.seq)})")
    return _statement(conditions, "at, seq", limit, parameters)


async def find(
    connection: Connection, wanted: AuditFilter, before: AuditPlace | None, limit: int
) -> list[AuditLogEntry]:
    """Newest first."""
    return await _fetch(connection, *list_statement(wanted, limit, before=before))


async def walk(database: Database, wanted: AuditFilter) -> AsyncIterator[list[AuditLogEntry]]:
    """All of them that are sealed by now, oldest first, in pages; holds a connection while it reads only.

    Raises Unavailable.
    """
    async with database.connection() as connection:
        head = await connection.fetchval(_HEAD)
    after = None
    while True:
        async with database.connection() as connection:
            page = await _fetch(connection, *walk_statement(wanted, PAGE, head, after=after))
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = AuditPlace(page[-1].at, page[-1].seq)


def _statement(
    conditions: list[str], order: str, limit: int, parameters: Parameters
) -> tuple[str, list[Any]]:
    where = " AND ".join(conditions) or "true"
    statement = (
        f"SELECT {_COLUMNS} FROM auth.audit_log WHERE {where} ORDER BY {order} LIMIT {parameters.add(limit)}"  # noqa: S608
    )
    return statement, parameters.values


async def _fetch(connection: Connection, statement: str, values: list[Any]) -> list[AuditLogEntry]:
    rows = await fetch_planned(connection, statement, values)
    # Straight from the columns, which the sealer has filled: nothing foreign is in them to be validated.
    return [
        AuditLogEntry.model_construct(**row | {"details": orjson.loads(row["details"])})
        for row in map(dict, rows)
    ]


def _conditions(wanted: AuditFilter, parameters: Parameters) -> list[str]:
    equal = {"actor": wanted.actor, "action": wanted.action, "ending": wanted.ending}
    conditions = [f"{name} = {parameters.add(value)}" for name, value in equal.items() if value is not None]
    contained = {"objects": wanted.object, "studies": wanted.study}
    conditions += [
        f"{name} @> ARRAY[{parameters.add(value)}::text]"
        for name, value in contained.items()
        if value is not None
    ]
    if wanted.from_ is not None:
        conditions.append(f"at >= {parameters.add(wanted.from_)}")
    if wanted.to is not None:
        conditions.append(f"at < {parameters.add(wanted.to)}")
    return conditions
