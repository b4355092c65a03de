"""`GET /api/auth/audit` and its export: who saw this study, asked by an auditor over HTTP."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import orjson
import pytest
from fhir.resources.R4B.auditevent import AuditEvent

from libs.common.audit.entries import AuditEntry
from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from tests.audit_support import note
from tests.auth_support import Start, bearer, sign_in
from tests.integration.test_identity import Api
from tests.waiting import eventually

STUDY = "1.2.840.99.1"


@pytest.fixture
async def admin(start_auth: Start, tmp_path: Path) -> Api:
    """The administrator of a service that seals."""
    keyring = tmp_path / "auth-keyring.json"
    Keyring.create(keyring)
    anchors = tmp_path / "anchors.jsonl"
    client = await start_auth(auth_keyring_file=keyring, audit_anchor_file=anchors)
    return Api(client, (await sign_in(client))["access_token"])


def seen(actor: str, study: str = STUDY, **more: Any) -> AuditEntry:
    return AuditEntry(
        "results", "get_result", "success", actor, object_type="file", objects=["f"], studies=[study], **more
    )


async def noted(sql: Connection, *entries: AuditEntry) -> None:
    await note(sql, *entries)

    async def sealed() -> bool:
        return not await sql.fetchval("SELECT EXISTS (SELECT FROM auth.audit_pending)")

    await eventually(sealed)


async def test_who_saw_a_study_is_one_query(admin: Api, sql: Connection) -> None:
    await noted(sql, seen("user:7"), seen("link:abc"), seen("user:8", "9.9"))
    found = await admin.done("GET", f"/audit?study={STUDY}")
    assert [entry["actor"] for entry in found["entries"]] == ["link:abc", "user:7"]
    assert found["next_cursor"] is None
    first = await admin.done("GET", f"/audit?study={STUDY}&limit=1")
    second = await admin.done("GET", f"/audit?study={STUDY}&limit=1&cursor={first['next_cursor']}")
    assert [*first["entries"], *second["entries"]] == found["entries"]
    assert (await admin.done("GET", f"/audit?study={STUDY}&actor=user:7&action=get_result&ending=success"))[
        "entries"
    ] == second["entries"]
    for nothing in ("from=2199-01-01T00:00:00Z", "to=2000-01-01T00:00:00Z", "object=g", "ending=refused"):
        assert (await admin.done("GET", f"/audit?study={STUDY}&{nothing}"))["entries"] == []


@pytest.mark.parametrize("cursor", ["x", "%00", "AAAA", "a" * 64, "cgAAAAAAAAAAAAAAAAAAAAA", "é"])
async def test_a_cursor_of_something_else_is_refused(admin: Api, cursor: str) -> None:
    status, _ = await admin.refused("GET", f"/audit?cursor={cursor}")
    assert status == 400


async def exported(admin: Api, query: str) -> tuple[str, bytes]:
    response = await admin.client.get(f"/api/auth/audit/export?{query}", headers=admin.headers)
    assert response.status == 200
    return response.content_type, await response.read()


async def test_exports_hold_what_the_filter_finds(admin: Api, sql: Connection) -> None:
    entries = [seen(f"user:{n}", details={"n": n}) for n in range(7)]
    await noted(sql, *entries, seen("user:1", "9.9"))
    kind, body = await exported(admin, f"study={STUDY}")
    assert kind == "application/jsonl"
    assert [orjson.loads(line)["actor"] for line in body.splitlines()] == [one.actor for one in entries]
    kind, body = await exported(admin, f"study={STUDY}&format=csv")
    assert kind == "text/csv"
    _, *rows = csv.reader(io.StringIO(body.decode(), newline=""))
    assert len(rows) == 7
    kind, body = await exported(admin, f"study={STUDY}&format=fhir")
    assert kind == "application/fhir+ndjson"
    events = [AuditEvent.model_validate_json(line).model_dump() for line in body.splitlines()]
    assert [event["agent"][0]["who"]["identifier"]["value"] for event in events] == [
        one.actor for one in entries
    ]


async def test_taking_the_log_along_is_itself_noted(admin: Api, sql: Connection) -> None:
    await exported(admin, "format=csv")

    async def told() -> list[Any]:
        return list((await admin.done("GET", "/audit?action=export_audit"))["entries"])

    (entry,) = await eventually(told)
    assert entry["actor"].startswith("user:")


async def test_the_log_says_how_far_it_is_sealed_and_proved(admin: Api, sql: Connection) -> None:
    await noted(sql, seen("user:7"))

    async def proved() -> bool:
        state = await admin.done("GET", "/audit/state")
        return state["proved"] is not None

    await eventually(proved)
    state = await admin.done("GET", "/audit/state")
    assert state["sealed"]["last_seq"] >= 1
    assert state["proved"]["whole"] is True
    assert state["proved"]["last_seq"] <= state["sealed"]["last_seq"]
    assert state["waiting"] >= 0


async def test_the_log_is_for_auditors(admin: Api, start_auth: Start) -> None:
    assert await Api(admin.client, "none").refused("GET", "/audit") == (401, "token-invalid")
    response = await admin.client.get("/api/auth/audit/export", headers=bearer("none"))
    assert response.status == 401
