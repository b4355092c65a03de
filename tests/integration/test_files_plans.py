"""What lists of files sent cost among many: the plans PostgreSQL makes, and how many rows each looks at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from libs.common.database.postgres import Connection
from libs.common.ids import lowest_id
from services.ingest.models import FileListQuery
from services.ingest.store import list_statement
from tests.fixtures_postgres import PostgresServer, filled_database
from tests.integration.test_results_plans import BEGAN, LIMIT, MANY, require_bounded

# A file a second of three others; ten are of user 7 and ten lie in group 3, one in a thousand is superseded.
_FILES = f"""
    INSERT INTO ingest.upload_dicomfile (id, file, file_name, uploaded_at, owner_id, collection, size_bytes,
        sha256, state, sop_class_uid, sop_instance_uid, transfer_syntax_uid)
    SELECT id, id::text, CASE WHEN n % 1000 = 7 THEN 'Zebra ' ELSE 'slice ' END || n || '.dcm', moment, owner,
        CASE WHEN n % 5000 = 11 THEN 'group:3' ELSE 'user:' || owner END, 1,
        encode(sha256(n::text::bytea), 'hex'),
        CASE WHEN n % 1000 = 5 THEN 'superseded' ELSE 'accepted' END, '1.2', '1.2.' || n, '1.2'
    FROM generate_series(1, {MANY}) AS n, LATERAL (
        SELECT CASE WHEN n % 5000 = 7 THEN 7 ELSE 100 + n % 3 END AS owner,
            $1::timestamptz + n * interval '1 s' AS moment) AS drawn, LATERAL (
        SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
            || '7' || lpad(to_hex(n), 19, '0'))::uuid AS id) AS named
"""


@pytest.fixture(scope="module")
def sent_template(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A database with many files, made once."""
    with filled_database(postgres_server, template_database, (_FILES, BEGAN), ("VACUUM ANALYZE",)) as name:
        yield name


@pytest.fixture
async def sql(postgres_server: PostgresServer, sent_template: str) -> AsyncIterator[Connection]:
    """A connection of the service's role to it."""
    connection = await asyncpg.connect(postgres_server.url(sent_template, "ingest"))
    yield connection
    await connection.close()


QUERIES: dict[str, dict[str, Any]] = {
    "everything": {},
    "oldest first": {"sort": "uploaded"},
    "frequent state": {"state": "accepted"},
    "rare state": {"state": "superseded"},
    "absent state": {"state": "erased"},
    "rare word": {"q": "ZEBRA"},
    "rare word, oldest first": {"q": "zebra", "sort": "uploaded"},
    "frequent word": {"q": "slice dcm"},
    "absent word": {"q": "toaster"},
    "one name": {"q": "slice 31234"},
    "id": {"q": "019b7ff0-ce34-7000-8000-000000000000"},
    "rare owner": {"owner": 7},
    "frequent owner": {"owner": 101},
    "absent owner": {"owner": 12345},
    "word of an owner": {"q": "zebra", "owner": 101},
}
PLACES = {"little": ["group:3", "group:4", "user:7"], "much": ["user:100"], "everything": None}


@pytest.mark.parametrize("asked", QUERIES)
async def test_a_list_looks_at_few_rows(sql: Connection, asked: str) -> None:
    middle = lowest_id(BEGAN.timestamp() + MANY // 2)
    for collections in PLACES.values():
        for cursor in (None, middle):
            query = FileListQuery(**QUERIES[asked], cursor=cursor)
            await require_bounded(sql, *list_statement(collections, query, LIMIT))
