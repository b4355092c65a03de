"""What administrators changed: one row per change, in its transaction (the table that Django's panel has)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import orjson

from libs.common.audit.acts import note_done
from libs.common.database.bounded import Parameters, fetch_planned
from libs.common.database.postgres import Connection
from services.auth.identity.models import AdminLogEntry, LogQuery

Flag = Literal[1, 2, 3]
ADDED: Flag = 1
CHANGED: Flag = 2
DELETED: Flag = 3

_INSERT = """
    INSERT INTO auth.admin_log
        (user_id, content_type_id, object_id, object_repr, object, action_flag, change_message)
    SELECT $1, (SELECT id FROM auth.django_content_type WHERE app_label = $2 AND model = $3),
        $4, $5, $6, $7, $8
"""
_LIST = """
    SELECT entry.id, entry.action_time, entry.user_id, kind.app_label, kind.model, entry.object_id,
        entry.object_repr, entry.action_flag, entry.change_message
    FROM auth.admin_log AS entry LEFT JOIN auth.django_content_type AS kind ON kind.id = entry.content_type_id
"""
_KIND = "(SELECT id FROM auth.django_content_type WHERE model = {model} ORDER BY id LIMIT 1)"


async def note(
    connection: Connection,
    user_id: int,
    model: tuple[str, str],
    object_id: object,
    object_repr: str,
    flag: Flag,
    fields: Sequence[str] = (),
) -> None:
    """Note a change by `user_id` of an object of `model` (app label, model); `fields` name what changed."""
    kind = {ADDED: "added", CHANGED: "changed", DELETED: "deleted"}[flag]
    told: list[dict[str, Any]] = [{kind: {"fields": sorted(fields)} if fields else {}}]
    await connection.execute(
        _INSERT,
        user_id,
        *model,
        str(object_id),
        object_repr[:200],
        f"{model[0]}.{model[1]} {object_id}",
        flag,
        orjson.dumps(told).decode(),
    )
    await note_done(connection, model[1], object_id, change=kind, fields=sorted(fields))


def list_statement(query: LogQuery, limit: int) -> tuple[str, list[Any]]:
    """The newest entries that `query` chooses, and the values of the statement."""
    parameters = Parameters()
    conditions = []
    if query.user is not None:
        conditions.append(f"entry.user_id = {parameters.add(query.user)}")
    if query.model is not None:
        conditions.append(f"entry.content_type_id = {_KIND.format(model=parameters.add(query.model))}")
    if query.object is not None:
        conditions.append(f"entry.object_id = {parameters.add(query.object)}")
    if query.cursor is not None:
        conditions.append(f"entry.id < {parameters.add(query.cursor)}")
    where = " AND ".join(conditions) or "true"
    return f"{_LIST} WHERE {where} ORDER BY entry.id DESC LIMIT {parameters.add(limit)}", parameters.values


async def read(connection: Connection, query: LogQuery, limit: int) -> list[AdminLogEntry]:
    """Newest first, as `query` chooses."""
    rows = await fetch_planned(connection, *list_statement(query, limit))
    return [AdminLogEntry.model_validate(dict(row)) for row in rows]
