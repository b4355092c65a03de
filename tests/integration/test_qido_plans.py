"""What searches of QIDO-RS cost among many: how many rows each looks at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from urllib.parse import parse_qsl

import asyncpg
import pytest

from bench import studies as bench
from libs.common.access import Viewer
from libs.common.database.postgres import Connection
from libs.dicom.web.matching import parse_search
from libs.dicom.web.searching import QueryLevel
from services.results.dicomweb.qido import store
from services.results.dicomweb.qido.answers import MatchWriter
from tests.fixtures_postgres import PostgresServer, filled_database
from tests.integration.test_results_plans import EVERYTHING, LITTLE, explain, rows_looked_at, scans
from tests.integration.test_studies_plans import GIVEN

STUDIES, LIMIT = 2_500, 20
COLLECTION = LITTLE.visible[0] if LITTLE.visible else ""
BOUND = 1_500
"""Of 2,500 studies, as many series and 25,000 instances: some pages."""
FOUND: list[tuple[QueryLevel, str]] = [
    ("study", ""),
    ("study", "StudyDate=20010101-20010120"),
    ("study", "PatientID=00077"),
    ("study", "PatientID=0007*"),
    ("study", "PatientName=perez*"),
    ("study", "PatientName=*absent*"),
    ("study", "fuzzymatching=true&PatientName=absent"),
    ("study", "AccessionNumber=A777"),
    ("study", "ModalitiesInStudy=CT,MR"),
    ("study", "PatientBirthDate=19700101"),
    ("study", "StudyInstanceUID=1.2.840.777,1.2.840.778"),
    ("series", ""),
    ("series", "Modality=MR"),
    ("series", "Modality=XX"),
    ("series", "PatientID=00077"),
    ("series", "SeriesInstanceUID=1.2.840.777.1"),
    ("series", "RequestAttributesSequence.ScheduledProcedureStepID=SPS1"),
    ("instance", ""),
    ("instance", "SOPInstanceUID=1.2.840.777.1.3"),
    ("instance", "StudyInstanceUID=1.2.840.777"),
    ("instance", "StudyInstanceUID=1.2.840.777&SeriesInstanceUID=1.2.840.777.1&InstanceNumber=1"),
    ("instance", "AccessionNumber=A777&Modality=CT"),
    ("instance", "PatientName=perez*"),
]
_SHARES = """
    INSERT INTO results.share (id, grantee, kind, collection, file_id, study_instance_uid,
        series_instance_uid, mode, created_by)
    SELECT gen_random_uuid(), 'user:8', kind, collection, CASE WHEN kind = 'file' THEN file_id END,
        study_instance_uid, CASE WHEN kind = 'series' THEN series_instance_uid END, 'view', 7
    FROM (SELECT *, (ARRAY['file', 'series', 'study'])[1 + n % 3] AS kind
        FROM (SELECT *, row_number() OVER (ORDER BY study_instance_uid, file_id) AS n
            FROM results.upload_dicomresult WHERE file_name LIKE '%_3.dcm') AS numbered
        WHERE n <= 30) AS file
"""


@pytest.fixture(scope="module")
def searched(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A database with many instances, made once."""
    made = [
        (bench.STUDIES, COLLECTION, STUDIES),
        (bench.FILES, COLLECTION, "{}"),
        (bench.SERIES, COLLECTION),
        (_SHARES,),
        ("VACUUM ANALYZE",),
    ]
    with filled_database(postgres_server, template_database, *made) as name:
        yield name


@pytest.fixture
async def sql(postgres_server: PostgresServer, searched: str) -> AsyncIterator[Connection]:
    """A connection of the service's role to it."""
    connection = await asyncpg.connect(postgres_server.url(searched, "results"))
    yield connection
    await connection.close()


def asked(level: QueryLevel, query: str) -> store.SearchAsked:
    """What a route would ask for."""
    search = parse_search(parse_qsl(query, keep_blank_values=True), level)
    tags = MatchWriter(level, search, frozenset()).header_tags
    return store.SearchAsked(level, search.wanted, None, LIMIT + 1, search.offset, tags)


async def looked_at(sql: Connection, viewer: Viewer, level: QueryLevel, query: str) -> int:
    """Rows of tables; that no table is read from end to end."""
    statement = store.search_statement(viewer, asked(level, query), shared=viewer is GIVEN)
    assert statement is not None
    plan = await explain(sql, *statement)
    run = [node for node in scans(plan) if node["Actual Loops"]]
    whole = {node.get("Relation Name") for node in run if node["Node Type"] == "Seq Scan"}
    assert not {"study", "series", "upload_dicomresult"} & whole, json.dumps(plan, indent=1)
    of_headers: int = sum(
        round(node["Actual Loops"] * (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)))
        for node in run
        if node["Node Type"] == "Function Scan"
    )
    return rows_looked_at(plan) - of_headers


async def test_searches_look_at_few_rows(sql: Connection) -> None:
    for viewer in (LITTLE, EVERYTHING):
        for level, query in FOUND:
            rows = await looked_at(sql, viewer, level, query)
            assert rows <= BOUND, (level, query, rows)


async def test_searches_of_what_is_shared_look_at_that_alone(sql: Connection) -> None:
    for level, query in FOUND:
        rows = await looked_at(sql, GIVEN, level, query)
        assert rows <= 2 * BOUND, (level, query, rows)
    page = await store.search(sql, GIVEN, asked("instance", "")._replace(limit=1000))
    assert len(page.rows) == 10 * (1 + 10 + 10)


async def test_what_no_index_finds_is_looked_for_among_the_latest(
    sql: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LOOKED_MOST", {"study": 100, "series": 100, "instance": 100})
    queries: list[tuple[QueryLevel, str]] = [
        ("study", "PatientSex=M"),
        ("study", "PatientName=*zz*"),
        ("series", "SeriesNumber=77"),
        ("instance", "SOPClassUID=1.2"),
        ("instance", "InstanceNumber=7"),
    ]
    for level, query in queries:
        for viewer in (LITTLE, EVERYTHING):
            rows = await looked_at(sql, viewer, level, query)
            assert rows <= BOUND, (level, query, rows)
            assert not (await store.search(sql, viewer, asked(level, query))).whole
            few = asked(level, f"{query}&StudyInstanceUID=1.2.840.777")
            assert (await store.search(sql, viewer, few)).whole
