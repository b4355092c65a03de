"""What every service notes of an act: who, acting as what, did what to which object, and how it ended.

An entry is written into `auth.audit_pending`, in the transaction of the act itself, and is never changed:
auth's sealer chains it into `auth.audit_log`. Entries hold ids and numbers, never patient data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import asyncpg
import orjson

from libs.common.database.postgres import Connection
from libs.common.errors import NotRecorded

Ending = Literal["success", "refused", "error"]
"""Done; not let in, or asked for what makes no sense; failed on our side."""

MOST_OBJECTS = 1000
"""Ids in one entry; of more, their number is told in `details`."""
MOST_TEXT = 256
"""Characters of each text; longer ones are cut."""

_INSERT = "INSERT INTO auth.audit_pending (entry) SELECT one::jsonb FROM unnest($1::text[]) AS one"


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One act. Who is `user:7`, `service:9`, `link:<id>`, `operator`, `system` or `anonymous`."""

    service: str
    action: str
    ending: Ending
    actor: str
    acting_as: str | None = None
    """`session:<id>` or `client:<id>`: what the actor came with."""
    object_type: str | None = None
    objects: Sequence[str] = ()
    collection: str | None = None
    studies: Sequence[str] = ()
    """Study Instance UIDs."""
    address: str | None = None
    route: str | None = None
    status: int | None = None
    trace_id: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    """Small facts, each a number, a flag or a word of ours."""
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    joins: bool = False
    """Whether it is one with others of its kind of the same moment."""

    def to_json(self) -> str:
        """As it is written: absent facts left out, texts and ids bounded."""
        details = dict(self.details)
        if len(self.objects) > MOST_OBJECTS:
            details["objects"] = len(self.objects)
        facts = {
            "at": self.at.isoformat(),
            "service": self.service,
            "action": self.action,
            "ending": self.ending,
            "actor": self.actor,
            "acting_as": self.acting_as,
            "object_type": self.object_type,
            "objects": list(self.objects[:MOST_OBJECTS]),
            "collection": self.collection,
            "studies": list(dict.fromkeys(self.studies))[:MOST_OBJECTS],
            "address": self.address,
            "route": self.route,
            "status": self.status,
            "trace_id": self.trace_id,
            "details": details,
        }
        return orjson.dumps({name: _bounded(value) for name, value in facts.items() if value}).decode()


async def write(connection: Connection, *entries: AuditEntry) -> None:
    """Note acts within the caller's transaction: without its entry no act is committed.

    Raises NotRecorded, and asyncpg's errors.
    """
    with recording():
        await connection.execute(_INSERT, [entry.to_json() for entry in entries])


@contextmanager
def recording() -> Iterator[None]:
    """Around statements that write into `auth.audit_pending`: raise NotRecorded where it takes nothing."""
    try:
        yield
    except asyncpg.SyntaxOrAccessError as error:
        # No right, no table, no schema. PostgreSQL tells which one in its text only.
        if "audit_pending" in str(error) or "auth" in str(error):
            raise NotRecorded from error
        raise


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        # PostgreSQL's text holds no NUL, JSON no lone surrogate.
        clean = value[:MOST_TEXT].replace("\0", "�")
        return clean.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_bounded(one) for one in value]
    if isinstance(value, dict):
        return {str(name): _bounded(one) for name, one in value.items()}
    return value
