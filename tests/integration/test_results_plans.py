"""What reading costs among many rows: the plans PostgreSQL makes, and how many rows each looks at."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from libs.common.access import Mode, Viewer
from libs.common.database.postgres import Connection
from libs.common.ids import lowest_id
from libs.common.permissions import ALL, ORDINARY
from services.results.cursors import START, Position
from services.results.feed import store as changes
from services.results.feed.store import Horizon
from services.results.jobs import store as job_store
from services.results.jobs.models import JobFilter
from services.results.read import shared_store, store
from services.results.read.models import ResultQuery
from services.results.read.shared_store import NOTE_USE, ShareKind
from services.results.read.visibility import shared
from services.results.sharing import lists_store
from services.results.sharing import store as sharing_store
from services.results.sharing.store import Subject
from services.results.sharing.things_store import THINGS
from tests.fixtures_postgres import PostgresServer, filled_database

MANY = 50_000
LIMIT = 51
BOUND = 20 * LIMIT
"""Rows that a statement may look at: some pages, whatever there is besides."""
STUDIES = 9
"""Studies that are shared with user 8, who looks at as many rows of each as a page has."""
SHARED = 2 * MANY // 50 + 100 * STUDIES + 2 * LIMIT + 1000
"""Rows of all that is shared with user 8: shares with their files, and the files of studies."""
TABLE = "upload_dicomresult"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
"""When the first file came; the others followed, one a second."""

# Files of three others, of which one in a thousand is an MR that failed on an odd machine; ten of user 7
# and ten of group 3 lie between them. A hundred files after one another make a study.
_FILES = f"""
    INSERT INTO results.upload_dicomresult (file_id, owner_id, collection, state, precedence, failure_reason,
        file_name, device_name, modality, received_at, study_instance_uid, series_instance_uid,
        sop_instance_uid, patient_name, search)
    SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0')
            || '7' || lpad(to_hex(n), 19, '0'))::uuid,
        owner, CASE WHEN n % 5000 = 11 THEN 'group:3' ELSE 'user:' || owner END,
        CASE WHEN rare THEN 'failed' ELSE 'processed' END, 1, CASE WHEN rare THEN 'decode-failed' END,
        'slice' || n || '.dcm', CASE WHEN rare THEN 'Odd Machine' ELSE 'ACME Scanner' END,
        CASE WHEN rare THEN 'MR' ELSE 'CT' END, moment,
        '1.2.' || 1000 + n / 100, '1.2.3.' || n / 100, '2.25.' || n, 'Somebody^' || n,
        'somebody ' || n || CASE WHEN rare THEN ' zebra odd machine' ELSE ' acme scanner' END
    FROM generate_series(1, {MANY}) AS n, LATERAL (
        SELECT n % 1000 = 7 AS rare, CASE WHEN n % 5000 = 7 THEN 7 ELSE 100 + n % 3 END AS owner,
            $1::timestamptz + n * interval '1 s' AS moment) AS drawn
"""
_CHANGES = """
    INSERT INTO results.change_feed (file_id, owner_id, collection, state, study_instance_uid)
    SELECT file_id, owner_id, collection, state, study_instance_uid
    FROM results.upload_dicomresult ORDER BY file_id
"""
_COUNTS = """
    INSERT INTO results.counter (collection, state, files)
    SELECT collection, state, count(*) FROM results.upload_dicomresult GROUP BY collection, state
"""


# ANALYZE looks at 300 rows for each unit of the target: with the default of 100 it draws some of these rows,
# and now and then draws so that a plan changes.
_SAMPLE_ALL = f"SET default_statistics_target = {MANY // 300 + 10}"


@pytest.fixture(scope="module")
def crowded_template(postgres_server: PostgresServer, template_database: str) -> Iterator[str]:
    """A database with many files, made once."""
    made = [(_FILES, BEGAN), *((one,) for one in (_CHANGES, _COUNTS, _SHARES, _SAMPLE_ALL, "VACUUM ANALYZE"))]
    with filled_database(postgres_server, template_database, *made) as name:
        yield name


@pytest.fixture
async def sql(postgres_server: PostgresServer, crowded_template: str) -> AsyncIterator[Connection]:
    """A connection of the service's role to it."""
    connection = await asyncpg.connect(postgres_server.url(crowded_template, "results"))
    yield connection
    await connection.close()


# User 8 has no file, and many shares: of a file in fifty, among which are rare ones, and of ten studies.
_SHARES = f"""
    INSERT INTO results.share (id, grantee, kind, collection, file_id, study_instance_uid, mode, created_by)
    SELECT gen_random_uuid(), CASE WHEN n % 2 = 0 THEN 'user:8' ELSE 'group:6' END, 'file', collection,
        file_id, study_instance_uid, 'view', 100
    FROM (SELECT *, row_number() OVER (ORDER BY file_id) AS n FROM results.upload_dicomresult
        WHERE owner_id <> 7) AS file
    WHERE n % 50 = 7
    UNION ALL
    SELECT gen_random_uuid(), 'user:8', 'study', 'user:101', NULL, '1.2.' || 1000 + n * 50, 'view', 100
    FROM generate_series(1, {STUDIES}) AS n
    UNION ALL
    SELECT gen_random_uuid(), 'user:' || n, 'study', 'user:101', NULL, '1.2.' || 1000 + n % 500, 'view', 100
    FROM generate_series(1000, 9000) AS n
"""


def viewer(*groups: str, everything: bool = False) -> Viewer:
    collections: dict[str, Mode] = {"user:7": "manage", **dict.fromkeys(groups, "view")}
    return Viewer(7, MappingProxyType(collections), ALL if everything else ORDINARY)


LITTLE = viewer("group:3", "group:4")
EVERYTHING = viewer(everything=True)
MUCH = Viewer(100, MappingProxyType({"user:100": "manage"}), ORDINARY)
GIVEN = Viewer(8, MappingProxyType({"user:8": "manage"}), ORDINARY, ("user:8", "group:6"))
NOBODY = Viewer(9, MappingProxyType({"user:9": "manage"}), ORDINARY, ("user:9", "group:7"))
KINDS: tuple[ShareKind, ...] = ("file", "study")
TRIGRAMS = ("upload_dicomresult_search", "upload_dicomresult_device", "study_words", "upload_dicomfile_name")
VIEWERS = {"little": LITTLE, "much": MUCH, "everything": EVERYTHING}


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that read a table or an index; what a trigram index proposes is not read yet."""
    if "Scan" in plan["Node Type"] and plan.get("Index Name") not in TRIGRAMS:
        yield plan
    for below in plan.get("Plans", ()):
        yield from scans(below)


def proposals(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The nodes of a plan that ask a trigram index."""
    if plan.get("Index Name") in TRIGRAMS:
        yield plan
    for below in plan.get("Plans", ()):
        yield from proposals(below)


def rows_looked_at(plan: dict[str, Any]) -> int:
    """How many rows the nodes of a plan read, those that they threw away included."""
    removed = ("Rows Removed by Filter", "Rows Removed by Index Recheck")
    return sum(
        round(node["Actual Loops"] * (node["Actual Rows"] + sum(node.get(name, 0) for name in removed)))
        for node in scans(plan)
    )


async def explain(sql: Connection, statement: str, values: list[Any]) -> dict[str, Any]:
    """The plan of a statement that was run."""
    text = await sql.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values)
    plan: dict[str, Any] = json.loads(text)[0]["Plan"]
    return plan


async def require_bounded(sql: Connection, statement: str, values: list[Any], bound: int = BOUND) -> None:
    plan = await explain(sql, statement, values)
    nodes = [(node["Node Type"], node.get("Relation Name", node.get("Index Name"))) for node in scans(plan)]
    assert nodes
    assert not [node for node in nodes if node[0] == "Seq Scan"], nodes
    assert rows_looked_at(plan) <= bound, json.dumps(plan, indent=1)


QUERIES: dict[str, dict[str, Any]] = {
    "everything": {},
    "rare state": {"state": "failed"},
    "frequent state": {"state": "processed"},
    "absent state": {"state": "superseded"},
    "rare modality": {"modality": "MR"},
    "frequent modality": {"modality": "CT"},
    "absent modality": {"modality": "XX"},
    "last moments": {"from": "2026-01-01T13:53:00Z"},
    "after all": {"from": "2027-01-01"},
    "first moments": {"to": "2026-01-01T00:00:20Z"},
    "a moment between": {"from": "2026-01-01T07:00:00Z", "to": "2026-01-01T07:00:30Z"},
    "a day": {"from": "2026-01-01", "to": "2026-01-01"},
    "rare state and modality in a day": {"from": "2026-01-01", "state": "failed", "modality": "MR"},
    "study": {"study": "1.2.1077"},
    "series": {"series": "1.2.3.77"},
    "absent study": {"study": "9.9"},
    "rare device": {"device": "odd mach"},
    "frequent device": {"device": "scanner"},
    "absent device": {"device": "toaster"},
    "rare words": {"q": "MACHÍNE^zebra"},
    "frequent word": {"q": "scan"},
    "absent word": {"q": "toaster"},
    "uid": {"q": "2.25.7777"},
    "beginning of a uid": {"q": "1.2.1077"},
    "rare owner": {"owner": 7},
    "absent owner": {"owner": 12345},
    "oldest first": {"sort": "received"},
    "oldest first of a rare state": {"sort": "received", "state": "failed"},
    "file id": {"q": "019b7ff0-ce34-7000-8000-000000000000"},
}


@pytest.mark.parametrize("asked", QUERIES)
async def test_a_list_looks_at_few_rows(sql: Connection, asked: str) -> None:
    query = ResultQuery.model_validate(QUERIES[asked])
    middle = lowest_id(BEGAN.timestamp() + MANY // 2)
    for seen in VIEWERS.values():
        for before in (None, middle):
            await require_bounded(sql, *store.list_statement(seen, query, before, LIMIT))


async def test_the_series_of_a_file_is_all_that_is_looked_at_for_its_neighbours(sql: Connection) -> None:
    file_id = await sql.fetchval(
        "SELECT file_id FROM results.upload_dicomresult WHERE series_instance_uid = '1.2.3.77' "
        "AND collection = 'user:100' LIMIT 1"
    )
    for seen in (MUCH, EVERYTHING):
        found = await store.get_stack(sql, file_id, seen)
        assert {(row["series_instance_uid"], row["collection"]) for row in found} == {
            ("1.2.3.77", "user:100")
        }
        await require_bounded(sql, *store.stack_statement(file_id, seen), bound=2 * 100 + 10)
    assert await store.get_stack(sql, file_id, NOBODY) == []


async def test_many_groups_make_many_small_branches(sql: Connection) -> None:
    seen = viewer(*(f"group:{number}" for number in range(100)))
    await require_bounded(sql, *store.list_statement(seen, ResultQuery(q="zebra"), None, LIMIT))


@pytest.mark.parametrize("seen", VIEWERS)
async def test_a_frequent_word_beside_a_rare_one_is_looked_at_in_the_rows_of_that(
    sql: Connection, seen: str
) -> None:
    """The index would read all entries of the frequent one, however few rows the rare one leaves."""
    both, rare = ResultQuery(q="zebra somebody"), ResultQuery(q="zebra")
    frequent = await store.frequent_in(sql, both.q)
    assert frequent == {"%somebody%"}
    statement = store.list_statement(VIEWERS[seen], both, None, LIMIT, (), frequent)
    await require_bounded(sql, *statement)
    asked = [
        node["Index Cond"]
        for node in proposals(await explain(sql, *statement))
        if "search" in node["Index Cond"]
    ]
    # Of those who have little, all is looked at.
    assert seen == "little" or any("zebra" in condition for condition in asked)
    assert not any("somebody" in condition for condition in asked)
    found = await store.list_results(sql, VIEWERS[seen], both, None, LIMIT)
    assert found == await store.list_results(sql, VIEWERS[seen], rare, None, LIMIT)
    counted = await store.count_facets(sql, VIEWERS[seen], both)
    assert counted == await store.count_facets(sql, VIEWERS[seen], rare)


async def test_words_that_are_alike_are_all_looked_for(sql: Connection) -> None:
    assert await store.frequent_in(sql, "zebra odd") == set()
    assert await store.frequent_in(sql, "somebody scanner") == set()
    # No index finds these, though no row holds them: the frequent one is all that it has to look for.
    assert await store.frequent_in(sql, "zq somebody") == set()
    assert await store.frequent_in(sql, "z-q_x somebody") == set()
    assert await store.frequent_in(sql, "somebody") == await store.frequent_in(sql, None) == set()


async def test_no_plan_outlives_the_values_it_was_made_for(sql: Connection) -> None:
    """A plan for any values would read the files of others to find one's own."""
    end = Horizon(Position(2**63, 0), None, 1)
    for _ in range(10):
        await store.list_results(sql, LITTLE, ResultQuery(), None, LIMIT)
        await changes.read_page(sql, START, end, LITTLE)
    kept = await sql.fetch(
        "SELECT statement FROM pg_prepared_statements WHERE statement LIKE $1", "%FROM results.%"
    )
    assert kept == []


@pytest.mark.parametrize("seen", VIEWERS)
@pytest.mark.parametrize("asked", ["everything", "rare state", "rare modality", "a day"])
async def test_all_pages_together_hold_what_the_filter_finds(sql: Connection, seen: str, asked: str) -> None:
    query, viewer = ResultQuery.model_validate(QUERIES[asked] | {"q": "zebra"}), VIEWERS[seen]
    found: list[UUID] = []
    before = None
    while True:
        statement, values = store.list_statement(viewer, query, before, 7)
        page = await sql.fetch(statement, *values)
        found += [row["file_id"] for row in page]
        if len(page) < 7:
            break
        before = found[-1]
    expected = await sql.fetch(
        "SELECT file_id FROM results.upload_dicomresult WHERE search LIKE '%zebra%' "
        "AND ($1::text[] IS NULL OR collection = ANY ($1)) ORDER BY file_id DESC",
        viewer.visible,
    )
    assert found == [row["file_id"] for row in expected] != []


@pytest.mark.parametrize(("where", "most", "bound"), [("processed", 1, 10), ("failed", 64, 3 * 2000 + 100)])
async def test_a_step_of_a_job_looks_no_further_than_it_must(
    sql: Connection, where: str, most: int, bound: int
) -> None:
    """Places come free one by one, a million times; where few match, a page is read twice."""
    wanted = JobFilter.model_validate({"state": where})
    middle, last = lowest_id(BEGAN.timestamp() + MANY // 2), UUID(int=2**128 - 1)
    statement = job_store.page_statement(wanted, middle, last, rows=2000, most=most)
    await require_bounded(sql, *statement, bound=bound)


async def test_a_walk_of_a_job_finds_every_file(sql: Connection) -> None:
    wanted, last = JobFilter.model_validate({"state": "failed"}), UUID(int=2**128 - 1)
    expected = await sql.fetch(
        "SELECT file_id FROM results.upload_dicomresult WHERE state = 'failed' ORDER BY file_id"
    )
    for rows, most in ((7000, 3), (7000, 7000), (999, 1)):
        found: list[UUID] = []
        after, whole = UUID(int=0), False
        while not whole:
            page = await job_store.page(sql, wanted, after, last, rows=rows, most=most)
            found += page.found
            after, whole = page.end or after, page.whole
        assert found == [row["file_id"] for row in expected] != []


@pytest.mark.parametrize("seen", VIEWERS)
async def test_a_page_of_changes_looks_at_few_rows(sql: Connection, seen: str) -> None:
    end = Position(2**63, 0)
    for after in (START, Position(1, MANY // 2)):
        await require_bounded(sql, *changes.page_of(after, end, VIEWERS[seen], LIMIT))


@pytest.mark.parametrize("seen", VIEWERS)
async def test_counting_touches_no_file(sql: Connection, seen: str) -> None:
    plan = await explain(sql, *store.count_statement(VIEWERS[seen]))
    assert {node.get("Relation Name", node.get("Index Name")) for node in scans(plan)} <= {
        "counter",
        "counter_pkey",
    }
    counts = await store.count_states(sql, VIEWERS[seen])
    assert sum(counts.values()) == {"little": 20, "much": 16_660, "everything": MANY}[seen]


FREQUENT = {
    "oldest first",
    "everything",
    "frequent state",
    "frequent modality",
    "frequent device",
    "frequent word",
    "a day",
}


@pytest.mark.parametrize("asked", QUERIES)
async def test_a_list_of_shared_files_looks_at_few_rows(sql: Connection, asked: str) -> None:
    """Of what is frequent a page of each branch; of what is rare no more than all that is shared."""
    query = ResultQuery.model_validate(QUERIES[asked])
    middle = lowest_id(BEGAN.timestamp() + MANY // 2)
    bound = BOUND + STUDIES * LIMIT if asked in FREQUENT else SHARED
    for before in (None, middle):
        statement, values = store.list_statement(GIVEN, query, before, LIMIT, KINDS)
        await require_bounded(sql, statement, values, bound)


async def test_who_has_no_collection_sees_what_is_shared_alone(sql: Connection) -> None:
    """As whoever follows a link."""
    nobody = Viewer(0, MappingProxyType({}), ORDINARY, ("group:6",))
    shares = await sql.fetchval("SELECT count(*) FROM results.share WHERE grantee = 'group:6'")
    assert len(await store.list_results(sql, nobody, ResultQuery(), None, MANY)) == shares > 0
    assert sum((await store.count_states(sql, nobody)).values()) == shares
    end = Horizon(Position(2**63, 0), None, 1)
    page = await changes.read_page(sql, START, end, nobody)
    assert page.changes
    stranger = Viewer(0, MappingProxyType({}), ORDINARY, ("group:7",))
    assert await store.list_results(sql, stranger, ResultQuery(q="scan"), None, LIMIT) == []
    assert (await changes.read_page(sql, START, end, stranger)).changes == []


async def test_shares_of_others_cost_one_probe(sql: Connection) -> None:
    plan = await explain(sql, shared_store.HELD_KINDS, [NOBODY.grantees])
    assert {node["Node Type"] for node in scans(plan)} <= {"Index Scan", "Index Only Scan"}
    assert rows_looked_at(plan) == 0
    assert await shared_store.held_kinds(sql, NOBODY) == frozenset()
    assert await shared_store.held_kinds(sql, GIVEN) == {*KINDS}
    assert await shared_store.held_kinds(sql, EVERYTHING) == frozenset()


@pytest.mark.parametrize("asked", ["everything", "rare state", "rare words", "study", "a moment between"])
async def test_all_pages_together_hold_what_is_shared(sql: Connection, asked: str) -> None:
    query = ResultQuery.model_validate(QUERIES[asked])
    found: list[UUID] = []
    before = None
    while True:
        page = await store.list_results(sql, GIVEN, query, before, LIMIT)
        found += [row["file_id"] for row in page]
        if len(page) < LIMIT:
            break
        before = found[-1]
    statement, values = store.list_statement(EVERYTHING, query, None, 2 * MANY)
    everything = [row["file_id"] for row in await sql.fetch(statement, *values)]
    visible = {
        row["file_id"]
        for row in await sql.fetch(
            f"SELECT file_id FROM results.upload_dicomresult AS file WHERE {shared('$1')}", GIVEN.grantees
        )
    }
    assert found == [file_id for file_id in everything if file_id in visible]


async def test_one_row_is_probed_for_its_shares(sql: Connection) -> None:
    file_id = await sql.fetchval("SELECT file_id FROM results.share WHERE kind = 'file' LIMIT 1")
    for seen, found in ((GIVEN, 1), (NOBODY, 0)):
        values = [file_id, seen.visible, seen.grantees]
        plan = await explain(sql, store.GET_OBJECT, values)
        assert not [node for node in scans(plan) if node["Node Type"] == "Seq Scan"]
        assert rows_looked_at(plan) <= 5
        assert len(await sql.fetch(store.GET_OBJECT, *values)) == found


async def test_pages_of_shared_changes_are_bounded_and_complete(sql: Connection) -> None:
    end = Horizon(Position(2**63, 0), None, 1)
    places = await shared_store.read_places(sql, GIVEN)
    assert places == ["group:3", "user:100", "user:101", "user:102"]
    for after in (START, Position(1, MANY // 2)):
        statement, values = changes.cut_of(after, end.position, places)
        await require_bounded(sql, statement, values, changes.SCAN + len(places))
        cut = await sql.fetchrow(statement, *values)
        last = end.position if cut is None else Position(int(cut["xid"]), cut["seq"])
        statement, values = changes.page_of(after, last, GIVEN, LIMIT, places)
        await require_bounded(sql, statement, values, 5 * changes.SCAN)
    found: list[UUID] = []
    page = await changes.read_page(sql, START, end, GIVEN)
    while True:
        found += [change.file_id for change in page.changes]
        if not page.more:
            break
        page = await changes.read_page(sql, page.next, end, GIVEN)
    expected = await sql.fetch(
        f"SELECT file_id FROM results.upload_dicomresult AS file WHERE {shared('$1')} ORDER BY file_id",
        GIVEN.grantees,
    )
    assert found == [row["file_id"] for row in expected] != []


async def test_counting_what_is_shared_looks_at_each_share_once(sql: Connection) -> None:
    plan = await explain(sql, *store.count_statement(GIVEN, KINDS))
    assert not [
        node for node in scans(plan) if (node["Node Type"], node.get("Relation Name")) == ("Seq Scan", TABLE)
    ]
    assert rows_looked_at(plan) <= 10 * SHARED
    plan = await explain(sql, *store.count_statement(NOBODY, KINDS))
    found = {node.get("Relation Name", node.get("CTE Name")): node["Actual Rows"] for node in scans(plan)}
    assert set(found.values()) == {0}, found


async def test_lists_of_shares_and_sharing_look_at_few_rows(sql: Connection) -> None:
    maker = Viewer(100, MappingProxyType({"user:100": "manage"}), ORDINARY, ("user:100",))
    study = Subject("study", "user:101", None, "1.2.1077", None)
    file_id = await sql.fetchval("SELECT file_id FROM results.share WHERE kind = 'file' LIMIT 1")
    file = Subject("file", "user:101", file_id, "1.2.1077", "1.2.3.77")
    for statement, values, bound in (
        (lists_store.BY, [None, LIMIT, 100, ""], BOUND),
        (lists_store.ALL, [None, LIMIT, ""], BOUND),
        (lists_store.WITH, [None, LIMIT, GIVEN.grantees], BOUND),
        (lists_store.OF["study"], [None, LIMIT, *study[1:], ""], BOUND),
        (lists_store.OF["file"], [None, LIMIT, *file[1:], ""], BOUND),
        (sharing_store.SAME, [100, "user:8", *file], 10),
        (sharing_store.FIND_ANYWHERE, [None, GIVEN.grantees, "1.2.1499", None], 300),
        (sharing_store.FIND_ANYWHERE, [None, GIVEN.grantees, "7.7.7", None], 10),
        (sharing_store.MANAGED_BY, [GIVEN.grantees, *file[1:], None], SHARED),
        (THINGS, [GIVEN.visible, GIVEN.grantees, *([value] for value in study[1:])], SHARED),
        (NOTE_USE, [GIVEN.grantees, *file[1:]], SHARED),
        (NOTE_USE, [GIVEN.grantees, *study[1:]], SHARED),
        (THINGS, [GIVEN.visible, GIVEN.grantees, *([value] for value in file[1:])], SHARED),
    ):
        await require_bounded(sql, statement, values, bound)
    assert await sharing_store.find_whole(sql, maker, "1.2.1077", None, ["user:100"]) is not None
