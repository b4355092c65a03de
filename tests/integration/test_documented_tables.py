"""The ten tables that the customer's documentation prints: the operator's to read, nobody's by accident."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from libs.common.database.postgres import Connection
from libs.common.permissions import PERMISSIONS
from services.operator.migrations import MIGRATIONS
from tests.integration.test_schema import psql

ROOT = Path(__file__).parents[2]
TABLES = {
    "auth_group": "id name",
    "auth_group_permissions": "id group_id permission_id",
    "auth_permission": "id name content_type_id codename",
    "auth_user": "id password last_login is_superuser username first_name last_name email is_staff is_active "
    "date_joined",
    "auth_user_groups": "id user_id group_id",
    "auth_user_user_permissions": "id user_id permission_id",
    "django_admin_log": "id action_time user_id content_type_id object_id object_repr action_flag "
    "change_message",
    "django_content_type": "id app_label model",
    "django_migrations": "id app name applied",
    "django_session": "session_key session_data expire_date",
}
VIEWS_ONLY = {"django_admin_log", "django_migrations", "django_session"}
UNQUALIFIED = re.compile(
    rf"\b(?:FROM|JOIN|INTO|UPDATE|TABLE|ONLY|USING|REFERENCES)\s+(?:{'|'.join(TABLES)})\b", re.IGNORECASE
)


@pytest.fixture
async def accounts(sql: Connection) -> None:
    """A row in every table."""
    await sql.execute(
        """
        INSERT INTO auth.auth_user (id, username, password) VALUES (77, 'ana', '$argon2id$hidden');
        INSERT INTO auth.auth_user_groups (user_id, group_id) SELECT 77, min(id) FROM auth.auth_group;
        INSERT INTO auth.auth_user_user_permissions (user_id, permission_id)
            SELECT 77, min(id) FROM auth.auth_permission;
        INSERT INTO auth.auth_session (id, user_id, token_hash, expires_at)
            VALUES ('00000000-0000-0000-0000-00000000abcd', 77, decode(repeat('ab', 32), 'hex'), now());
        INSERT INTO auth.admin_log (user_id, object_id, object_repr, action_flag, change_message)
            VALUES (77, '77', 'ana', 1, '');
        """
    )


@pytest.mark.parametrize("table", TABLES)
def test_the_operator_prints_it_by_its_name(
    accounts: None, role_url: Callable[[str], str], table: str
) -> None:
    printed = psql(role_url("operator"), f"SELECT * FROM {table};")
    assert (printed.returncode, printed.stderr) == (0, "")
    header, _, *rows = printed.stdout.splitlines()
    assert set(TABLES[table].split()) <= {name.strip() for name in header.split("|")}
    assert "(0 rows)" not in rows
    for secret in ("$argon2id$", "abab", "00000000-0000-0000-0000-00000000abcd"):
        assert secret not in printed.stdout
    described = psql(role_url("operator"), rf"\d {table}")
    assert (described.returncode, described.stderr) == (0, "")
    for column in TABLES[table].split():
        assert re.search(rf"^ {column} +\|", described.stdout, re.MULTILINE), column


def test_psql_lists_all_ten(role_url: Callable[[str], str]) -> None:
    listed = psql(role_url("operator"), r"\dt", r"\dv")
    assert (listed.returncode, listed.stderr) == (0, "")
    for table in TABLES:
        assert re.search(rf"\| {table} +\| (table|view)\b", listed.stdout), table


async def test_the_password_is_masked(accounts: None, role_url: Callable[[str], str]) -> None:
    operator = await asyncpg.connect(role_url("operator"))
    try:
        assert await operator.fetchval("SELECT password FROM auth_user WHERE id = 77") == "********"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await operator.fetchval("SELECT password FROM auth.auth_user")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await operator.execute("UPDATE auth_user SET is_superuser = true")
    finally:
        await operator.close()


@pytest.mark.parametrize("role", [source.schema for source in MIGRATIONS])
async def test_no_service_reaches_a_view(role_url: Callable[[str], str], role: str) -> None:
    connection = await asyncpg.connect(role_url(role))
    try:
        assert not await connection.fetchval("SELECT has_schema_privilege('operator', 'USAGE')")
        for table in TABLES:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.fetch(f'SELECT FROM "operator".{table}')
            # Even a name without its schema finds the service's own table, or one that it may not use.
            found = await connection.fetchrow(
                "SELECT oid, relnamespace::regnamespace::text AS schema FROM pg_class "
                "WHERE oid = to_regclass($1)",
                table,
            )
            assert (found and found["schema"]) == (None if table in VIEWS_ONLY else "auth"), table
            if found is not None:
                rights = "SELECT has_any_column_privilege($1::oid, 'SELECT, INSERT, UPDATE, REFERENCES')"
                assert await connection.fetchval(rights, found["oid"]) == (role == "auth"), table
    finally:
        await connection.close()


def statements() -> Iterator[tuple[Path, str]]:
    """Every text in the services' and the libraries' code."""
    for path in (*ROOT.glob("services/**/*.py"), *ROOT.glob("libs/**/*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield path, node.value


def test_every_statement_names_the_schema() -> None:
    found = [(path, match[0]) for path, text in statements() for match in UNQUALIFIED.finditer(text)]
    assert found == []
    assert UNQUALIFIED.search("SELECT 1 FROM auth_user AS u")
    assert sum("auth.auth_user" in text for _, text in statements()) > 10


async def test_every_model_has_djangos_permissions_and_what_services_check_beyond(sql: Connection) -> None:
    rows = await sql.fetch(
        """
        SELECT kind.app_label, kind.model, array_agg(one.codename) AS codenames
        FROM auth.django_content_type AS kind
        JOIN auth.auth_permission AS one ON one.content_type_id = kind.id
        GROUP BY 1, 2
        """
    )
    models = {(row["app_label"], row["model"]): set(row["codenames"]) for row in rows}
    assert models.keys() >= {
        ("upload", "dicomfile"),
        ("upload", "dicomresult"),
        ("upload", "share"),
        ("auth", "user"),
        ("auth", "group"),
        ("auth", "permission"),
        ("sessions", "session"),
        ("admin", "logentry"),
        ("contenttypes", "contenttype"),
    }
    for (_, model), codenames in models.items():
        assert codenames >= {f"{action}_{model}" for action in ("add", "change", "delete", "view")}
    given = set().union(*models.values())
    assert given == set(PERMISSIONS)
    assert given >= {"view_all_dicomresult", "share_dicomfile", "retry_dicomfile", "replay_deadletter"}
    assert await sql.fetchval("SELECT count(*) FROM auth.django_content_type") == len(models)
