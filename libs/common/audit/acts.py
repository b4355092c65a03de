"""The act that is going on, a request or a command, and the entries of the changes that it makes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any

from libs.common.audit.entries import AuditEntry, Ending, write
from libs.common.database.postgres import Connection
from libs.common.telemetry.tracing import current_trace_id


@dataclass
class Act:
    """What is known of the act that a request or a command is, while it goes on."""

    service: str
    action: str
    objects: list[str] = field(default_factory=list)
    object_type: str | None = None
    collection: str | None = None
    studies: list[str] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)
    actor: str = "anonymous"
    acting_as: str | None = None
    address: str | None = None
    route: str | None = None
    noted: bool = False
    """Whether a transaction has written its entry, or was about to."""
    of_these: set[str] = field(default_factory=set)
    """Ids of the objects of these entries."""
    answered: bool = False
    visit: tuple[Hashable, ...] = ()
    """What it is a look at, the narrowest first; an entry of any of them stands for it."""


_CURRENT: ContextVar[Act] = ContextVar("audit_act")


@contextmanager
def acting(act: Act) -> Iterator[None]:
    """Let changes in this context be noted as `act`: for commands of the operator."""
    before = _CURRENT.set(act)
    try:
        yield
    finally:
        _CURRENT.reset(before)


def about(object_type: str, *objects: object, **details: Any) -> None:
    """Say what the running act is about, also where it comes to nothing."""
    act = _CURRENT.get(None)
    if act is not None:
        act.object_type, act.objects = object_type, list(map(str, objects))
        act.details.update(details)


def come_as(actor: str, acting_as: str | None) -> None:
    """Say whom the running act has turned out to be of."""
    act = _CURRENT.get(None)
    if act is not None:
        act.actor, act.acting_as = actor, acting_as


def entry_of(act: Act, ending: Ending, status: int | None = None) -> AuditEntry:
    """The entry of an act."""
    return AuditEntry(
        service=act.service,
        action=act.action,
        ending=ending,
        actor=act.actor,
        acting_as=act.acting_as,
        object_type=act.object_type,
        objects=tuple(act.objects),
        collection=act.collection,
        studies=tuple(act.studies),
        address=act.address,
        route=act.route,
        status=status,
        trace_id=current_trace_id(),
        details=act.details,
    )


def done(
    object_type: str,
    *objects: object,
    collection: str | None = None,
    study: str | None = None,
    **details: Any,
) -> AuditEntry:
    """The entry of a change, to be written in its transaction, by whoever the running act is of."""
    act = _CURRENT.get(None)
    if act is None:
        act = Act(service="system", action=f"change_{object_type}", actor="system")
    act.noted = True
    act.of_these.update(map(str, objects))
    found = entry_of(act, "success")
    return replace(
        found,
        object_type=object_type,
        objects=tuple(map(str, objects)) or found.objects,
        collection=collection or found.collection,
        studies=found.studies if study is None else (study,),
        details={**found.details, **details},
    )


async def note_done(connection: Connection, object_type: str, *objects: object, **facts: Any) -> None:
    """Write `done` within the caller's transaction. Raises asyncpg's errors."""
    await write(connection, done(object_type, *objects, **facts))
