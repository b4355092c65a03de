"""What lists of studies cost among many: the plans PostgreSQL makes, and how many rows each looks at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from types import MappingProxyType
from typing import Any

import asyncpg
import pytest

from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.common.permissions import ORDINARY
from services.results.cursors import StudyPlace
from services.results.read import store as files
from services.results.read.shared_store import ShareKind
from services.results.studies import store
from services.results.studies.models import StudyFilter, StudySort
from services.results.studies.store import Listing
from tests.fixtures_postgres import PostgresServer, filled_database
from tests.integration.test_results_plans import (
    BEGAN,
    EVERYTHING,
    LIMIT,
    LITTLE,
    MUCH,
    explain,
    proposals,
    rows_looked_at,
    scans,
)

MANY = 20_000
BOUND = 20 * LIMIT + 5 * store.FOUND_MOST
"""Rows that a list may look at: some pages, and the files that each meaning of a search may look at."""
SHARED = 100
"""Of each kind with user 8."""
PLACES: dict[StudySort, StudyPlace] = {
    "-received": StudyPlace("-received", "2026-01-01T03:00:00+00:00", "1.2.9000", "user:100"),
    "study_date": StudyPlace("study_date", "2001-01-01T00:00:00", "1.2.9000", "user:100"),
    "-patient": StudyPlace("-patient", "somebody 5000", "1.2.9000", "user:100"),
}

# A study a second, of one file each; one in a thousand is an MR that failed on an odd machine, ten are of
# user 7 and ten of group 3, the rest of three others.
_STUDIES = f"""
    INSERT INTO results.study (collection, study_instance_uid, patient_name, patient_id, patient, study_date,
        study_time, search, also, modalities, devices, owners, series, files_processed, files_failed,
        files_received, first_received_at, last_received_at)
    SELECT CASE WHEN n % 2000 = 11 THEN 'group:3' ELSE 'user:' || owner END, '1.2.' || n,
        'Somebody^' || n, 'P' || n, 'somebody ' || n || ' p' || n, '2000-01-01'::date + n / 10, '08:00',
        'somebody ' || n || ' p' || n || CASE WHEN rare THEN ' zebra' ELSE ' thorax' END,
        'slice' || n || '.dcm' || chr(10) || CASE WHEN rare THEN 'odd machine' ELSE 'acme scanner' END,
        ARRAY[CASE WHEN rare THEN 'MR' ELSE 'CT' END],
        ARRAY[CASE WHEN rare THEN 'Odd Machine' ELSE 'ACME Scanner' END], ARRAY[owner], 1,
        (NOT rare)::integer, rare::integer, 0, moment, moment
    FROM generate_series(1, {MANY}) AS n, LATERAL (
        SELECT n % 1000 = 7 AS rare, CASE WHEN n % 2000 = 7 THEN 7 ELSE 100 + n % 3 END AS owner,
            $1::timestamptz + n * interval '1 s' AS moment) AS drawn
"""
_FILES = """
    INSERT INTO results.upload_dicomresult (file_id, owner_id, collection, state, precedence, failure_reason,
        file_name, modality, received_at, study_instance_uid, series_instance_uid, sop_instance_uid,
        patient_name, patient, search, device)
    SELECT gen_random_uuid(), owners[1], collection,
        CASE WHEN files_failed > 0 THEN 'failed' ELSE 'processed' END, 1,
        CASE WHEN files_failed > 0 THEN 'x' END, split_part(also, chr(10), 1), modalities[1],
        first_received_at, study_instance_uid, study_instance_uid || '.1',
        '2.25.' || replace(study_instance_uid, '.', ''),
        patient_name, patient, search || ' ' || also, devices[1]
    FROM results.study
"""
_SERIES = """
    INSERT INTO results.series
        (collection, study_instance_uid, series_instance_uid, modality, files_processed, first_received_at)
    SELECT collection, study_instance_uid, series_instance_uid, modality, 1, received_at
    FROM results.upload_dicomresult
"""
_SHARES = f"""
    INSERT INTO results.share (id, grantee, kind, collection, file_id, study_instance_uid,
        series_instance_uid, mode, created_by)
    SELECT gen_random_uuid(), 'user:8', kind, collection, CASE WHEN kind = 'file' THEN file_id END,
        study_instance_uid, CASE WHEN kind = 'series' THEN series_instance_uid END, 'view', 100
    FROM (SELECT *, (ARRAY['file', 'series', 'study'])[1 + n % 3] AS kind
        FROM (SELECT *, row_number() OVER (ORDER BY received_at) AS n
            FROM results.upload_dicomresult WHERE owner_id <> 7) AS numbered) AS file
    WHERE n BETWEEN 900 AND 900 + {3 * SHARED} - 1
"""
GIVEN = Viewer(8, MappingProxyType({"user:8": "manage"}), ORDINARY, ("user:8",))
KINDS: tuple[ShareKind, ...] = ("file", "series", "study")
VIEWERS = {"little": LITTLE, "much": MUCH, "everything": EVERYTHING}


async def require_bounded(sql: Connection, statement: str, values: list[Any], bound: int) -> None:
    """Of the nodes that were run; a guarded branch is not, where there is nothing for it to do."""
    plan = await explain(sql, statement, values)
    run = [node for node in scans(plan) if node["Actual Loops"]]
    whole = [node.get("Relation Name") for node in run if node["Node Type"] == "Seq Scan"]
    assert not {"study", "upload_dicomresult", "series"} & {*whole}, json.dumps(plan, indent=1)
    assert rows_looked_at(plan) <= bound, json.dumps(plan, indent=1)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All nodes of a plan."""
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


@pytest.fixture(scope="module")
def studied_template(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A database with many studies, made once."""
    made = [(_STUDIES, BEGAN), *((one,) for one in (_FILES, _SERIES, _SHARES, "VACUUM ANALYZE"))]
    with filled_database(postgres_server, template_database, *made) as name:
        yield name


@pytest.fixture
async def sql(postgres_server: PostgresServer, studied_template: str) -> AsyncIterator[Connection]:
    """A connection of the service's role to it."""
    connection = await asyncpg.connect(postgres_server.url(studied_template, "results"))
    yield connection
    await connection.close()


QUERIES: dict[str, dict[str, Any]] = {
    "everything": {},
    "rare state": {"state": "failed"},
    "absent state": {"state": "received"},
    "frequent state": {"state": "processed"},
    "rare modality": {"modality": "MR"},
    "frequent modality": {"modality": "CT,XX"},
    "absent modality": {"modality": "XX"},
    "rare device": {"device": "odd mach"},
    "frequent device": {"device": "scanner"},
    "absent device": {"device": "toaster"},
    "rare owner": {"owner": 7},
    "absent owner": {"owner": 12345},
    "days": {"received": "2026-01-01T01:00:00Z..2026-01-01T01:00:20Z"},
    "after all": {"received": "2027-01-01.."},
    "study dates": {"study_from": "2001-02-01", "study_to": "2001-02-03"},
    "rare words": {"q": "MACHÍNE^zebra"},
    "frequent word": {"q": "thorax"},
    "absent word": {"q": "toaster"},
    "a file's name": {"q": "slice777.dcm"},
    "uid": {"q": "1.2.7777"},
    "uid of a file": {"q": "2.25.127777"},
    "patient": {"patient": "somebody p7777"},
}


@pytest.mark.parametrize("asked", QUERIES)
async def test_a_list_looks_at_few_rows(sql: Connection, asked: str) -> None:
    wanted = StudyFilter.model_validate(QUERIES[asked])
    for seen in VIEWERS.values():
        for sort, place in PLACES.items():
            for after in (None, place):
                statement = store.list_statement(seen, Listing(wanted, sort, LIMIT, after))
                assert statement is not None
                await require_bounded(sql, *statement, BOUND)


@pytest.mark.parametrize("asked", QUERIES)
async def test_a_list_of_what_is_shared_looks_at_that_alone(sql: Connection, asked: str) -> None:
    wanted = StudyFilter.model_validate(QUERIES[asked])
    for sort, place in PLACES.items():
        statement = store.list_statement(GIVEN, Listing(wanted, sort, LIMIT, place), KINDS)
        assert statement is not None
        await require_bounded(sql, *statement, 100 * SHARED)


@pytest.mark.parametrize("asked", ["everything", "rare words", "rare modality", "frequent word"])
async def test_all_pages_together_hold_what_is_shared(sql: Connection, asked: str) -> None:
    wanted = StudyFilter.model_validate(QUERIES[asked])
    found: list[str] = []
    after = None
    while True:
        page = await store.list_studies(sql, GIVEN, Listing(wanted, "-received", 40, after))
        found += [row["study_instance_uid"] for row in page]
        if len(page) < 40:
            break
        last = page[-1]
        after = StudyPlace("-received", last["key"], last["study_instance_uid"], last["collection"])
    given = {
        row[0]
        for row in await sql.fetch(
            "SELECT coalesce(share.study_instance_uid, file.study_instance_uid) FROM results.share AS share "
            "LEFT JOIN results.upload_dicomresult AS file USING (file_id) WHERE grantee = 'user:8'"
        )
    }
    everything = await store.list_studies(sql, EVERYTHING, Listing(wanted, "-received", MANY))
    assert found == [of["study_instance_uid"] for of in everything if of["study_instance_uid"] in given] != []


@pytest.mark.parametrize("seen", [LITTLE, MUCH, EVERYTHING])
async def test_a_frequent_word_beside_a_rare_one_is_looked_at_in_the_studies_of_that(
    sql: Connection, seen: Viewer
) -> None:
    wanted = StudyFilter(q="zebra somebody")
    frequent = await files.frequent_in(sql, wanted.q)
    assert frequent == {"%somebody%"}
    asked = Listing(wanted, "-received", LIMIT)
    statement = store.list_statement(seen, asked, (), frequent)
    assert statement is not None
    await require_bounded(sql, *statement, bound=BOUND)
    conditions = [node["Index Cond"] for node in proposals(await explain(sql, *statement))]
    # Of those who have little, all is looked at.
    assert seen is LITTLE or any("zebra" in condition for condition in conditions)
    assert not any("somebody" in condition for condition in conditions)
    found = await store.list_studies(sql, seen, asked)
    rare = StudyFilter(q="zebra")
    assert found == await store.list_studies(sql, seen, Listing(rare, "-received", LIMIT))
    assert found
    counted = await store.count_facets(sql, seen, wanted)
    assert counted == await store.count_facets(sql, seen, rare)


async def test_one_study_is_found_by_its_key(sql: Connection) -> None:
    for seen in (*VIEWERS.values(), GIVEN):
        kinds = KINDS if seen is GIVEN else ()
        statement = store.list_statement(seen, Listing(StudyFilter(), "received", 100, uid="1.2.777"), kinds)
        assert statement is not None
        await require_bounded(sql, *statement, 10 * SHARED)


async def test_facets_count_all_that_is_seen(sql: Connection) -> None:
    for seen, total in ((EVERYTHING, MANY), (LITTLE, 20)):
        rows, complete = await store.count_facets(sql, seen, StudyFilter())
        assert complete
        counts = {(name, value): count for name, value, count in rows}
        assert (
            counts["total", ""] == total == sum(c for (name, _), c in counts.items() if name == "collection")
        )


@pytest.mark.parametrize("asked", ["everything", "rare modality", "frequent modality", "frequent state"])
async def test_facets_pass_once_over_studies_and_sort_none(sql: Connection, asked: str) -> None:
    for seen in VIEWERS.values():
        statement = store.facets_statement(seen, StudyFilter.model_validate(QUERIES[asked]))
        assert statement is not None
        plan = await explain(sql, *statement)
        read = [node["Actual Rows"] for node in scans(plan) if node.get("Relation Name") == "study"]
        assert sum(read) <= MANY, json.dumps(plan, indent=1)
        ordered = [node["Actual Rows"] for node in nodes(plan) if "Sort" in node["Node Type"]]
        assert max(ordered, default=0) <= 100, json.dumps(plan, indent=1)
