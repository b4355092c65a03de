"""Entries in the forms that others read: JSON lines, CSV (RFC 4180) and FHIR R4 AuditEvent."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import orjson

from services.auth.audit.models import AuditLogEntry

MEDIA_TYPES = {"jsonl": "application/jsonl", "csv": "text/csv", "fhir": "application/fhir+ndjson"}
COLUMNS = tuple(AuditLogEntry.model_fields)
_OUTCOMES = {"success": "0", "refused": "4", "error": "8"}
"""http://hl7.org/fhir/R4/valueset-audit-event-outcome.html"""
_ACTIONS = {"POST": "C", "PUT": "U", "PATCH": "U", "DELETE": "D", "GET": "R", "HEAD": "R"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How cells begin that spreadsheets calculate (owasp.org, CSV Injection)."""
_REST = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_OBJECT_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"


def lines(kind: str, entries: Sequence[AuditLogEntry]) -> bytes:
    """A part of an export; CSV without its heading."""
    if kind == "csv":
        out = io.StringIO()
        csv.writer(out).writerows(
            [_cell(value) for value in entry.model_dump(mode="json").values()] for entry in entries
        )
        return out.getvalue().encode()
    make = fhir if kind == "fhir" else _plain
    return b"".join(orjson.dumps(make(entry), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)


def heading(kind: str) -> bytes:
    """What comes before the first entry."""
    return (",".join(COLUMNS) + "\r\n").encode() if kind == "csv" else b""


def _plain(entry: AuditLogEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json")


def _cell(value: Any) -> str:
    text = (
        orjson.dumps(value).decode()
        if isinstance(value, list | dict)
        else ""
        if value is None
        else str(value)
    )
    # A spreadsheet would run what looks like a formula.
    return f"'{text}" if text.startswith(_FORMULA) else text


def fhir(entry: AuditLogEntry) -> dict[str, Any]:
    """One AuditEvent (http://hl7.org/fhir/R4/auditevent.html)."""
    agent: dict[str, Any] = {
        "who": {"identifier": {"value": _word(entry.actor)}},
        "requestor": entry.actor not in ("system", "operator"),
    }
    if entry.address is not None:
        agent["network"] = {"address": _word(entry.address), "type": "2"}
    if entry.acting_as is not None:
        agent["altId"] = _word(entry.acting_as)
    kind = None if entry.object_type is None else _word(entry.object_type)
    entities = [_entity({"value": _word(one)}, kind) for one in entry.objects]
    entities += [
        _entity({"system": "urn:dicom:uid", "value": f"urn:oid:{_word(study)}"}, "study")
        for study in entry.studies
    ]
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": str(entry.seq),
        "type": {"system": _REST, "code": "rest", "display": "RESTful Operation"},
        "subtype": [{"code": _word(entry.action)}],
        "action": _ACTIONS.get((entry.route or "").partition(" ")[0], "E"),
        "recorded": entry.at.isoformat(),
        "outcome": _OUTCOMES.get(entry.ending, "8"),
        "agent": [agent],
        "source": {"observer": {"identifier": {"value": _word(entry.service)}}},
    }
    if entities:
        event["entity"] = entities
    return event


def _entity(identifier: dict[str, str], name: str | None) -> dict[str, Any]:
    kind = {"system": _OBJECT_TYPES, "code": "2", "display": "System Object"}
    return {"what": {"identifier": identifier}, "type": kind, **({} if name is None else {"name": name})}


def _word(text: str) -> str:
    """As FHIR's codes and strings may be: not empty, no control characters, single spaces."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split()) or "unknown"
