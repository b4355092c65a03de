"""Reading what services have noted: whatever its form, it becomes an entry, so that nothing is lost. Pure."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

import orjson

from libs.common.audit.entries import MOST_OBJECTS, MOST_TEXT
from services.auth.audit.chain import GENESIS, SealedEntry, linked

log = logging.getLogger(__name__)

UNREADABLE = "audit.unreadable"
"""The action of an entry that is none of ours, kept as it came."""
_STATUS = range(1000)


def read_entry(written: str, now: datetime) -> SealedEntry:
    """An entry as it was noted; what cannot be read is kept as it is.

    Who may add entries must not be able to stop the sealer by one: whatever it could not hash, store and find
    again alike is unreadable as well.
    """
    try:
        facts = orjson.loads(written)
        entry = SealedEntry(
            at=datetime.fromisoformat(facts["at"]).astimezone(UTC),
            service=_bounded(facts["service"]),
            action=_bounded(facts["action"]),
            ending=_bounded(facts["ending"]),
            actor=_bounded(facts["actor"]),
            acting_as=_text(facts, "acting_as"),
            object_type=_text(facts, "object_type"),
            objects=_texts(facts, "objects"),
            collection=_text(facts, "collection"),
            studies=_texts(facts, "studies"),
            address=_text(facts, "address"),
            route=_text(facts, "route"),
            status=_status(facts),
            trace_id=_text(facts, "trace_id"),
            details=dict(facts.get("details", {})),
        )
        linked(GENESIS, entry)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        log.error("an audit entry has another form than ours: it is kept as it came")
        return SealedEntry(
            at=now, service="auth", action=UNREADABLE, ending="error", actor="system", acting_as=None,
            object_type=None, objects=[], collection=None, studies=[], address=None, route=None,
            status=None, trace_id=None, details={"entry": written},
        )  # fmt: skip
    return entry


def _text(facts: dict[str, object], name: str) -> str | None:
    value = facts.get(name)
    return None if value is None else _bounded(value)


def _texts(facts: dict[str, object], name: str) -> list[str]:
    values = facts.get(name, [])
    if not isinstance(values, list) or len(values) > MOST_OBJECTS:
        raise ValueError(name)
    return [_bounded(one) for one in values]


def _bounded(value: object) -> str:
    # No index holds much longer ones.
    text = str(value)
    if len(text) > MOST_TEXT:
        raise ValueError("text")
    return text


def _status(facts: dict[str, object]) -> int | None:
    value = facts.get("status")
    if value is None or (type(value) is int and value in _STATUS):
        return value
    raise TypeError("status")
