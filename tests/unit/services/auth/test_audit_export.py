"""Exports of the audit log, read by what reads them elsewhere."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.auditevent import AuditEvent
from hypothesis import given
from hypothesis import strategies as st

from services.auth.audit import export
from services.auth.audit.models import AuditLogEntry

FULL: dict[str, Any] = {
    "seq": 7, "link": "ab" * 32, "sealed_at": datetime(2026, 5, 1, 12, 0, 1, tzinfo=UTC),
    "at": datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC), "service": "results", "action": "get_result",
    "ending": "success", "actor": "user:7", "acting_as": "session:1", "object_type": "file",
    "objects": ["one", "two"], "collection": "group:3", "studies": ["1.2.840.1"], "address": "192.0.2.7",
    "route": "GET /api/results/{file_id}", "status": 200, "trace_id": "0" * 32, "details": {"bytes": 9},
}  # fmt: skip
BARE = {
    **FULL, "ending": "error", "actor": "system", "acting_as": None, "object_type": None, "objects": [],
    "collection": None, "studies": [], "address": None, "route": None, "status": None, "trace_id": None,
    "details": {},
}  # fmt: skip
texts = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=20)


def entry(**changed: Any) -> AuditLogEntry:
    return AuditLogEntry(**{**FULL, **changed})


@pytest.mark.parametrize("facts", [FULL, BARE])
def test_an_audit_event_is_one_of_fhir_r4(facts: dict[str, Any]) -> None:
    (line,) = export.lines("fhir", [AuditLogEntry(**facts)]).splitlines()
    event = AuditEvent.model_validate_json(line)
    assert event.id == "7"
    assert event.outcome == {"success": "0", "error": "8"}[facts["ending"]]
    assert event.recorded == facts["at"]
    told_of = event.model_dump()
    assert told_of["agent"][0]["who"]["identifier"]["value"] == facts["actor"]
    told = [one["what"]["identifier"]["value"] for one in told_of.get("entity", [])]
    assert told == [*facts["objects"], *(f"urn:oid:{study}" for study in facts["studies"])]


@given(st.fixed_dictionaries(dict.fromkeys(("service", "action", "actor", "object_type", "address"), texts)))
def test_whatever_was_noted_becomes_an_audit_event(changed: dict[str, str]) -> None:
    (line,) = export.lines("fhir", [entry(**changed)]).splitlines()
    AuditEvent.model_validate_json(line)


@given(st.lists(texts, max_size=3), texts, texts)
def test_a_csv_file_holds_what_was_noted_and_no_formula(objects: list[str], actor: str, action: str) -> None:
    noted = entry(objects=objects, actor=actor, action=action)
    text = (export.heading("csv") + export.lines("csv", [noted])).decode()
    heading, row = list(csv.reader(io.StringIO(text, newline="")))
    assert tuple(heading) == export.COLUMNS
    told = dict(zip(heading, row, strict=True))
    assert told["actor"].removeprefix("'") == actor.removeprefix("'")
    assert orjson.loads(told["objects"]) == objects
    assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in row)


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"])
def test_a_formula_is_text_in_a_spreadsheet(formula: str) -> None:
    (row,) = csv.reader(io.StringIO(export.lines("csv", [entry(action=formula)]).decode(), newline=""))
    assert f"'{formula}" in row


def test_json_lines_are_the_entries() -> None:
    (line,) = export.lines("jsonl", [entry()]).splitlines()
    assert AuditLogEntry.model_validate_json(line) == entry()
