"""Finding entries of the audit log. Nothing here commits."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import orjson

from libs.common.database.bounded import Parameters, fetch_planned
from libs.common.database.postgres import Connection
from services.auth.audit.models import AuditFilter, AuditLogEntry

_COLUMNS = """seq, encode(link, 'hex') AS link, sealed_at, at, service, action, ending, actor, acting_as,
    object_type, objects, collection, studies, address, route, status, trace_id, details::text AS details"""
PAGE = 5000


async def find(
    connection: Connection, wanted: AuditFilter, before: int | None, limit: int
) -> list[AuditLogEntry]:
    """Newest first, below `before`."""
    parameters = Parameters()
    conditions = _conditions(wanted, parameters)
    if before is not None:
        conditions.append(f"seq < {parameters.add(before)}")
    return await _fetch(connection, conditions, "seq DESC", limit, parameters)


async def walk(connection: Connection, wanted: AuditFilter) -> AsyncIterator[list[AuditLogEntry]]:
    """All of them, oldest first, in pages."""
    after = 0
    while True:
        parameters = Parameters()
        conditions = [*_conditions(wanted, parameters), f"seq > {parameters.add(after)}"]
        page = await _fetch(connection, conditions, "seq", PAGE, parameters)
        if page:
            yield page
        if len(page) < PAGE:
            return
        after = page[-1].seq


async def _fetch(
    connection: Connection, conditions: list[str], order: str, limit: int, parameters: Parameters
) -> list[AuditLogEntry]:
    where = " AND ".join(conditions) or "true"
    statement = (
        f"SELECT {_COLUMNS} FROM auth.audit_log WHERE {where} ORDER BY {order} LIMIT {parameters.add(limit)}"  # noqa: S608
    )
    rows = await fetch_planned(connection, statement, parameters.values)
    return [AuditLogEntry(**_values(dict(row))) for row in rows]


def _values(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "details": orjson.loads(row["details"])}


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
