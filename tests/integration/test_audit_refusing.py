"""What cannot be recorded is not done, and not given out: the right to add entries is taken away here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from libs.common.database.postgres import Connection
from libs.common.permissions import ORDINARY
from tests.auth_support import ADMIN, Start, sign_in
from tests.auth_support import bearer as signed_in
from tests.builders import ct_instance
from tests.ingest_http_support import running_ingest, token
from tests.results_support import OWNER, bearer, running_results
from tests.waiting import eventually

NOT_RECORDED = (503, "not-recorded")


async def close_the_log(sql: Connection, role: str) -> None:
    await sql.execute(f"REVOKE INSERT ON auth.audit_pending FROM {role}")
    await sql.execute(f"REVOKE INSERT (entry) ON auth.audit_pending FROM {role}")


async def open_the_log(sql: Connection, role: str) -> None:
    await sql.execute(f"GRANT INSERT (entry) ON auth.audit_pending TO {role}")


async def noted(sql: Connection) -> list[dict[str, Any]]:
    rows = await sql.fetch("SELECT entry::text AS entry FROM auth.audit_pending ORDER BY id")
    return [orjson.loads(row["entry"]) for row in rows]


async def rows(sql: Connection, *tables: str) -> list[int]:
    return [await sql.fetchval(f"SELECT count(*) FROM {table}") for table in tables]


def objects(folder: Path) -> list[Path]:
    return [path for path in (folder / "dicom_file").rglob("*") if path.is_file()]


async def test_an_upload_is_refused_and_leaves_nothing(
    sql: Connection, role_url: Callable[[str], str], tmp_path: Path
) -> None:
    sender, content = token(7, more=["move_dicomfile"], group_3="manage"), ct_instance(seed=1)
    async with running_ingest(role_url("ingest"), tmp_path) as ingest:
        await close_the_log(sql, "ingest")
        status, body = await ingest.send(sender, content)
        assert (status, body["code"]) == NOT_RECORDED
        assert "audit_pending" not in str(body), "what PostgreSQL says is not the caller's"
        assert await rows(sql, "ingest.upload_dicomfile", "ingest.outbox") == [0, 0]
        assert objects(tmp_path) == []
        await open_the_log(sql, "ingest")
        status, body = await ingest.send(sender, content)
        assert status == 202
        file_id = body["files"][0]["id"]
        await close_the_log(sql, "ingest")
        status, body = await ingest.move(sender, file_id, {"collection": "group:3"})
        assert (status, body["code"]) == NOT_RECORDED
        assert await sql.fetchval("SELECT collection FROM ingest.upload_dicomfile") == "user:7"
        # A file that failed is not given its place to another one either.
        await sql.execute("UPDATE ingest.upload_dicomfile SET failed_at = now()")
        other = ct_instance(seed=2, SOPInstanceUID=await sql.fetchval(
            "SELECT sop_instance_uid FROM ingest.upload_dicomfile"))  # fmt: skip
        status, body = await ingest.send(sender, other)
        assert (status, body["code"]) == NOT_RECORDED
        states = await sql.fetch("SELECT id::text, state FROM ingest.upload_dicomfile")
        assert [tuple(row) for row in states] == [(file_id, "accepted")]
        await open_the_log(sql, "ingest")


async def test_a_share_is_not_given(sql: Connection, role_url: Callable[[str], str], tmp_path: Path) -> None:
    async with running_results(role_url("results"), tmp_path) as results:
        file_id = await results.upload()
        await close_the_log(sql, "results")
        sharer = bearer(OWNER, permissions=[*ORDINARY, "share_dicomfile"])
        share = {"grantee": {"user": 9}, "file_id": str(file_id), "mode": "view"}
        for path in ("/api/shares", "/api/links"):
            body = share if path == "/api/shares" else {"file_id": str(file_id), "seconds": 60}
            async with results.client.post(path, json=body, headers=sharer) as answer:
                assert (answer.status, (await answer.json())["code"]) == NOT_RECORDED
        assert await rows(sql, "results.share", "results.link") == [0, 0]
        await open_the_log(sql, "results")


async def test_nobody_signs_in_and_no_account_is_made(start_auth: Start, sql: Connection) -> None:
    client = await start_auth()
    headers = signed_in((await sign_in(client))["access_token"])
    before = await rows(sql, "auth.auth_user", "auth.auth_session", "auth.admin_log")
    await close_the_log(sql, "auth")
    async with client.post("/api/auth/login", json=ADMIN) as answer:
        assert (answer.status, (await answer.json())["code"]) == NOT_RECORDED
    wanted = {"username": "ana", "password": "four unrelated words here"}
    async with client.post("/api/auth/users", json=wanted, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == NOT_RECORDED
    assert await rows(sql, "auth.auth_user", "auth.auth_session", "auth.admin_log") == before


async def test_reads_go_on_for_a_moment_and_no_longer(
    sql: Connection, role_url: Callable[[str], str], tmp_path: Path
) -> None:
    async with running_results(role_url("results"), tmp_path) as results:
        file_id = await results.upload()
        await close_the_log(sql, "results")
        path = f"/api/results/{file_id}"
        assert (await results.json(path))["file_id"] == str(file_id)

        async def refused() -> bool:
            async with await results.get(path) as answer:
                return (answer.status, (await answer.json()).get("code")) == NOT_RECORDED

        await eventually(refused)
        await open_the_log(sql, "results")

        async def answered() -> bool:
            async with await results.get(path) as answer:
                return answer.status == 200

        await eventually(answered)

        async def all_noted() -> bool:
            return len([one for one in await noted(sql) if one["ending"] == "success"]) >= 2

        await eventually(all_noted)


@pytest.mark.parametrize("strict", [True, False])
async def test_strict_reads_are_noted_before_they_are_answered(
    sql: Connection, role_url: Callable[[str], str], tmp_path: Path, strict: bool
) -> None:
    async with running_results(role_url("results"), tmp_path, audit_strict_reads=strict) as results:
        file_id = await results.upload()
        if not strict:
            await close_the_log(sql, "results")  # so that the buffer shows
        await results.json(f"/api/results/{file_id}")
        found = [(one["action"], one["objects"]) for one in await noted(sql)]
        assert found == ([("get_result", [str(file_id)])] if strict else [])
        if not strict:
            await open_the_log(sql, "results")
            return
        await close_the_log(sql, "results")
        async with await results.get(f"/api/results/{file_id}/file") as answer:
            assert (answer.status, (await answer.json())["code"]) == NOT_RECORDED
        await open_the_log(sql, "results")


async def test_the_rest_of_the_buffer_is_written_at_the_end(
    sql: Connection, role_url: Callable[[str], str], tmp_path: Path
) -> None:
    async with running_results(role_url("results"), tmp_path) as results:
        file_id = await results.upload()
        await results.json(f"/api/results/{file_id}")
        await results.json(f"/api/results/{file_id}", user=OWNER + 1, status=404)
    assert [(one["action"], one["ending"]) for one in await noted(sql)] == [
        ("get_result", "success"),
        ("get_result", "refused"),
    ]
