"""What searching the audit log costs among many entries: plans that use an index, and few rows looked at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from libs.common.database.postgres import Connection, Database
from services.auth.audit import reading
from services.auth.audit.models import AuditFilter
from services.auth.audit.reading import AuditPlace
from tests.fixtures_postgres import PostgresServer, filled_database
from tests.integration.test_results_plans import require_bounded

MANY = 50_000
LIMIT = 101
BOUND = 20 * LIMIT
"""Rows that a page may look at, whatever there is besides."""

# Entries of fourteen hours, sealed in two months, a fifth by one user. One study in a thousand entries,
# one that half of them are about, one act in a hundred refused.
_ENTRIES = f"""
    INSERT INTO auth.audit_log (seq, sealed_at, link, at, service, action, ending, actor, object_type,
        objects, collection, studies, route, status, trace_id, details)
    SELECT n, CASE WHEN n < {MANY} / 2 THEN now() ELSE now() + interval '1 month' END, sha256(n::text::bytea),
        timestamptz '2026-01-01T00:00Z' + n * interval '1 s', 'results',
        CASE WHEN n % 1000 = 7 THEN 'open_link' ELSE 'get_result' END,
        CASE WHEN n % 100 = 3 THEN 'refused' ELSE 'success' END,
        CASE WHEN n % 5 = 1 THEN 'user:1' WHEN n % 5000 = 7 THEN 'user:7' ELSE 'user:' || 100 + n % 50 END,
        'file', ARRAY['file-' || n], 'user:1',
        ARRAY[CASE WHEN n % 2 = 0 THEN '1.2.popular' WHEN n % 1000 = 7 THEN '1.2.rare'
            ELSE '1.2.' || n / 10 END],
        'GET /api/results/{{file_id}}', 200, md5(n::text), '{{}}'
    FROM generate_series(1, {MANY}) AS n
"""


@pytest.fixture(scope="module")
def crowded(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A database with many entries, made once."""
    sample_all = f"SET default_statistics_target = {MANY // 300 + 10}"
    made = ((_ENTRIES,), (sample_all,), ("VACUUM ANALYZE auth.audit_log",))
    with filled_database(postgres_server, template_database, *made) as name:
        yield name


@pytest.fixture
async def sql(postgres_server: PostgresServer, crowded: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(postgres_server.url(crowded, "auth"))
    yield connection
    await connection.close()


@pytest.fixture
async def database(postgres_server: PostgresServer, crowded: str) -> AsyncIterator[Database]:
    found = Database(postgres_server.url(crowded, "auth"), size=2, timeout=10, application_name="test")
    await found.open()
    yield found
    await found.close()


MIDDLE: dict[str, Any] = {"from": "2026-01-01T06:00:00Z", "to": "2026-01-01T07:00:00Z"}
QUERIES: dict[str, dict[str, Any]] = {
    "everything": {},
    "busy user": {"actor": "user:1"},
    "quiet user": {"actor": "user:7"},
    "absent user": {"actor": "user:9"},
    "object": {"object": "file-4242"},
    "absent object": {"object": "file-0"},
    "popular study": {"study": "1.2.popular"},
    "rare study": {"study": "1.2.rare"},
    "study of few": {"study": "1.2.77"},
    "absent study": {"study": "9.9"},
    "frequent action": {"action": "get_result"},
    "rare action": {"action": "open_link"},
    "absent action": {"action": "none"},
    "success": {"ending": "success"},
    "refused": {"ending": "refused"},
    "errors": {"ending": "error"},
    "an hour in the middle": MIDDLE,
    "before all": {"to": "2025-01-01T00:00:00Z"},
    "after all": {"from": "2027-01-01T00:00:00Z"},
    "user in an hour": {"actor": "user:1", **MIDDLE},
    "rare study in an hour": {"study": "1.2.rare", **MIDDLE},
    "refused of a user": {"actor": "user:1", "ending": "refused"},
    "rare study, user and action": {"study": "1.2.rare", "actor": "user:7", "action": "open_link"},
}


@pytest.mark.parametrize("asked", QUERIES)
async def test_a_page_looks_at_few_entries(sql: Connection, asked: str) -> None:
    wanted = AuditFilter.model_validate(QUERIES[asked])
    row = await sql.fetchrow("SELECT at, seq FROM auth.audit_log WHERE seq = $1", MANY // 2)
    assert row is not None
    for before in (None, AuditPlace(row["at"], row["seq"])):
        await require_bounded(sql, *reading.list_statement(wanted, LIMIT, before=before), BOUND)
        await require_bounded(sql, *reading.walk_statement(wanted, LIMIT, MANY, after=before), BOUND)


@pytest.mark.parametrize("asked", ["quiet user", "rare study", "refused", "an hour in the middle"])
async def test_all_pages_together_hold_what_the_filter_finds(
    sql: Connection, database: Database, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = AuditFilter.model_validate(QUERIES[asked])
    found: list[int] = []
    before = None
    while page := await reading.find(sql, wanted, before, 97):
        found += [entry.seq for entry in page]
        before = reading.decode_place(reading.encode_place(page[-1]))
    assert found == sorted(set(found), reverse=True) != []
    monkeypatch.setattr(reading, "PAGE", 83)
    walked = [entry.seq async for page in reading.walk(database, wanted) for entry in page]
    assert walked == [seq for seq in reversed(found) if seq <= await sql.fetchval(reading._HEAD)]
