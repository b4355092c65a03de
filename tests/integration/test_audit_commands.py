"""The operator's commands in the audit log: who typed them, and how they ended."""

from __future__ import annotations

import asyncio
import getpass
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from libs.common.database.postgres import Connection
from libs.common.encryption.keyring import Keyring
from tests.integration.test_command import command

PASSWORD = "four unrelated words here\n"


async def run(*arguments: str, stdin: str = "", **environment: Any) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(command, *arguments, stdin=stdin, **environment)


async def noted(sql: Connection) -> list[dict[str, Any]]:
    rows = await sql.fetch("SELECT entry::text AS entry FROM auth.audit_pending ORDER BY id")
    await sql.execute("DELETE FROM auth.audit_pending")
    return [orjson.loads(row["entry"]) for row in rows]


async def told(sql: Connection) -> list[tuple[str, str]]:
    """Action and ending of what was noted since, each by whom this process is."""
    entries = await noted(sql)
    assert {entry["actor"] for entry in entries} <= {f"operator:{getpass.getuser()}"}
    return [(entry["action"], entry["ending"]) for entry in entries]


@pytest.fixture
def places(tmp_path: Path, database_url: str) -> dict[str, Any]:
    Keyring.create(tmp_path / "keyring.json")
    (tmp_path / "var" / "dicom_file" / ".tmp").mkdir(parents=True)
    return {
        "DATABASE_ADMIN_URL": database_url,
        "DATA_DIR": tmp_path / "var",
        "KEYRING_FILE": tmp_path / "keyring.json",
    }


async def test_accounts(sql: Connection, role_url: Callable[[str], str]) -> None:
    url = {"DATABASE_URL": role_url("auth")}
    made = await run("create-user", "ana", "--superuser", stdin=PASSWORD, **url)
    assert made.returncode == 0, made.stderr
    [entry] = await noted(sql)
    user_id = await sql.fetchval("SELECT id::text FROM auth.auth_user WHERE username = 'ana'")
    assert (entry["action"], entry["ending"], entry["objects"]) == (
        "command.user-create",
        "success",
        [user_id],
    )
    assert "four unrelated" not in str(entry)
    assert (await run("create-user", "ana", stdin=PASSWORD, **url)).returncode == 1
    assert (await run("create-user", "beto", stdin="short\n", **url)).returncode == 1
    assert (await run("user", "list", **url)).returncode == 0
    assert (await run("group", "delete", "nothing", **url)).returncode == 1
    assert await told(sql) == [
        ("command.user-create", "refused"),
        ("command.user-create", "refused"),
        ("command.user-list", "success"),
        ("command.group-delete", "refused"),
    ]


async def test_what_looks_after_the_system(sql: Connection, places: dict[str, Any]) -> None:
    assert (await run("migrate", **places)).returncode == 0
    assert (await run("fill-results", **places)).returncode == 0
    assert (await run("reconcile", **places)).returncode == 0
    assert (await run("reconcile", "--repair", **places)).returncode == 0
    assert (await run("dead", "list", **places)).returncode == 0
    assert (await run("dead", "replay", "--all", **places)).returncode == 1
    job = await run("reprocess", "--where", "state=failed", **places)
    assert "Say --yes" in job.stderr
    assert await told(sql) == [
        ("command.migrate", "success"),
        ("command.fill-results", "success"),
        ("command.fill-results", "success"),
        ("command.reconcile", "success"),
        ("command.reconcile", "success"),
        ("command.dead-replay", "success"),
        ("command.dead-replay", "success"),
        ("command.reprocess", "refused"),
    ]


async def test_a_backup_and_its_restoration(
    sql: Connection, places: dict[str, Any], tmp_path: Path, empty_database_url: str
) -> None:
    done = await run("backup", str(tmp_path / "backups"), **places)
    assert done.returncode == 0, done.stderr
    begun, ended = await noted(sql)
    assert (begun["action"], begun["details"]) == ("command.backup", {"begun": True})
    assert (ended["action"], ended["details"]) == ("command.backup", {"exit_code": 0})
    assert (await run("backup", str(tmp_path / "keyring.json"), **places)).returncode == 1
    assert await told(sql) == [("command.backup", "success"), ("command.backup", "refused")]

    [backup] = (tmp_path / "backups").iterdir()
    elsewhere = {**places, "DATABASE_ADMIN_URL": empty_database_url, "DATA_DIR": tmp_path / "restored"}
    done = await run("restore", str(backup), **elsewhere)
    assert done.returncode == 0, done.stderr
    restored = await asyncpg.connect(empty_database_url)
    try:
        assert await told(restored) == [
            ("command.backup", "success"),
            ("command.reconcile", "success"),
            ("command.reconcile", "success"),
            ("command.restore", "success"),
        ]
    finally:
        await restored.close()


async def test_psql_is_not_opened_unseen(sql: Connection, database_url: str) -> None:
    query = ("psql", "-At", "-c", "SELECT 1")
    assert (await run(*query, DATABASE_URL=database_url)).stdout == "1\n"
    assert await told(sql) == [("command.psql", "success")] * 2
    await sql.execute('REVOKE INSERT (entry) ON auth.audit_pending FROM "operator"')
    done = await run(*query, DATABASE_URL=database_url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "recorded" in done.stderr
