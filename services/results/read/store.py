"""SQL that reads results; nothing here touches raw_data but `get_result`."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, fetch_planned
from libs.common.database.frequency import frequent_words, like
from libs.common.database.patterns import contains
from libs.common.database.postgres import Connection
from libs.common.ids import lowest_id
from services.results.read.models import ResultFilter, ResultQuery
from services.results.read.search import parse_search
from services.results.read.shared_store import ShareKind, held_kinds, shared_rows
from services.results.read.visibility import LIVE, first_visible, seen

CLOCK_MARGIN = 3600.0
"""Seconds that the clock may have been set back between the drawing of an id and its file's acceptance."""
AFTER_ASCII = "\x7f"
"""Greater than whatever can follow in a UID."""

_TABLE = "results.upload_dicomresult"
_LIST_COLUMNS = """file_id, collection, owner_id, file_name, folder, state, device_name, modality,
    average_before_normalization, average_after_normalization, data_size, size_bytes, received_at,
    processed_at, failure_reason, failure_detail, thumbnail_key IS NOT NULL AS thumbnail,
    study_instance_uid, series_instance_uid, sop_instance_uid,
    patient_name, patient_id, patient_birth_date, patient_sex, study_date, study_time, accession_number,
    study_id, study_description, referring_physician_name, series_description, series_number,
    body_part_examined, instance_number"""
_SEEN = seen("$2", "$3")
_GET = f"""
    SELECT {_LIST_COLUMNS}, changed_at, trace_id, sha256, sop_class_uid, transfer_syntax_uid, rows, columns,
        frames, image_position, image_orientation, method_version, attempts,
        coalesce(warnings, '[]')::text AS warnings, statistics::text AS statistics, raw_data::text AS raw_data
    FROM {_TABLE} AS file WHERE file_id = $1 AND {_SEEN}
"""
MOST_ATTEMPTS = 256
"""Of one file, that are shown: it may have been tried again any number of times."""
_GET_ATTEMPTS = f"""
    SELECT file.collection, file.study_instance_uid, log.* FROM {_TABLE} AS file LEFT JOIN LATERAL (
        SELECT attempt, outcome, reason, worker, lane, started_at, finished_at, recorded_at, waited_seconds,
            fetch_seconds, decode_seconds, measure_seconds, store_seconds, cpu_seconds, peak_memory_bytes
        FROM results.processing_log AS log WHERE log.file_id = file.file_id AND outcome <> 'received'
        ORDER BY finished_at DESC, attempt DESC LIMIT {MOST_ATTEMPTS}) AS log ON true
    WHERE file_id = $1 AND {_SEEN} ORDER BY finished_at, attempt
"""
GET_OBJECT = f"""
    SELECT file_name, thumbnail_key IS NOT NULL AS thumbnail, collection, study_instance_uid,
        series_instance_uid, sop_class_uid, state
    FROM {_TABLE} AS file WHERE file_id = $1 AND {_SEEN}
"""
_GET_FRAME_MEANS = f"""
    SELECT nullif(statistics -> 'frame_means', 'null')::text AS means,
        coalesce(statistics -> 'frame_means_stored' = 'true', false) AS stored, collection, study_instance_uid
    FROM {_TABLE} AS file WHERE file_id = $1 AND {_SEEN}
"""
STACK_MOST = 20_000
"""Images of a series that are put in order."""
# What stands of the series of a file, as far as the viewer sees it. OFFSET 0 keeps the planner from beginning
# elsewhere.
_STACK = f"""
    SELECT file.file_id, file.instance_number, file.image_position, file.image_orientation, file.collection,
        file.study_instance_uid, file.series_instance_uid
    FROM (SELECT collection, study_instance_uid, series_instance_uid FROM {_TABLE} AS file
        WHERE file_id = $1 AND {_SEEN}) AS one
    CROSS JOIN LATERAL (
        SELECT * FROM {_TABLE} AS file
        WHERE file.series_instance_uid = one.series_instance_uid AND file.collection = one.collection
        ORDER BY file.file_id DESC LIMIT {STACK_MOST} OFFSET 0
    ) AS file
    WHERE file.study_instance_uid = one.study_instance_uid AND file.state NOT IN ('superseded', 'erased')
        AND {_SEEN}
"""
_COUNT = """
    SELECT state, sum(files)::bigint AS files FROM results.counter
    WHERE ($1::text[] IS NULL OR collection = ANY ($1)) GROUP BY state
"""
# What is shared beyond one's own collections, each file once: whole studies, series of other studies, files
# of other series. Studies and series know how many they hold.
_COUNT_SHARED = f"""
    WITH held AS MATERIALIZED (
        SELECT DISTINCT share.kind, share.collection, share.study_instance_uid, share.series_instance_uid,
            share.file_id
        FROM results.share AS share
        WHERE share.grantee = ANY ($2::text[]) AND share.collection <> ALL ($1::text[]) AND {LIVE}
    ), study AS (
        SELECT files_received, files_processed, files_failed, files_superseded
        FROM held CROSS JOIN LATERAL (SELECT * FROM results.study AS study
            WHERE study.collection = held.collection AND study.study_instance_uid = held.study_instance_uid
            OFFSET 0) AS study
        WHERE held.kind = 'study'
    ), series AS (
        SELECT files_received, files_processed, files_failed, files_superseded
        FROM held CROSS JOIN LATERAL (SELECT * FROM results.series AS series
            WHERE series.collection = held.collection AND series.study_instance_uid = held.study_instance_uid
                AND series.series_instance_uid = held.series_instance_uid OFFSET 0) AS series
        WHERE held.kind = 'series' AND (held.collection, held.study_instance_uid) NOT IN (
            SELECT collection, study_instance_uid FROM held WHERE kind = 'study')
    ), file AS (
        SELECT file.state
        FROM (SELECT DISTINCT collection, file_id FROM held WHERE kind = 'file') AS held
        CROSS JOIN LATERAL (SELECT * FROM {_TABLE} AS file WHERE file.file_id = held.file_id
            AND file.collection = held.collection AND file.state <> 'erased' OFFSET 0) AS file
        WHERE (file.collection, coalesce(study_instance_uid, '')) NOT IN (
                SELECT collection, study_instance_uid FROM held WHERE kind = 'study')
            AND (file.collection, coalesce(study_instance_uid, ''), coalesce(series_instance_uid, ''))
            NOT IN (SELECT collection, study_instance_uid, series_instance_uid
                FROM held WHERE kind = 'series')
    )
    SELECT state, sum(files)::bigint AS files FROM (
        SELECT state, files FROM results.counter WHERE collection = ANY ($1)
        UNION ALL
        SELECT state, files FROM (TABLE study UNION ALL TABLE series) AS whole CROSS JOIN LATERAL (VALUES
            ('received', files_received), ('processed', files_processed), ('failed', files_failed),
            ('superseded', files_superseded)) AS told (state, files)
        UNION ALL
        SELECT state, 1 FROM file
    ) AS counted GROUP BY state
"""

# One literal condition per filter; those that are not set are left out, so that each plan fits its filters.
_BOUND = "file_id {}"
_STATE = "state = {}"
_NOT_SUPERSEDED = "state <> 'superseded'"
_MODALITY = "modality = {}"
_STUDY = "study_instance_uid = {}"
_SERIES = "series_instance_uid = {}"
_OWNER = "owner_id = {}"
_DEVICE = "lower(device_name) LIKE lower({})"
_FROM = "received_at >= {}"
_TO = "received_at < {}"
_FILE = "file_id = {}"
_SEARCH = "search"
# Rows of before there was `search`, until they are filled; an index holds only these.
_UNFILLED = "search IS NULL"
_WORD_UNFILLED = "(lower(file_name) LIKE lower({0}) OR lower(device_name) LIKE lower({0}))"
# By code points, as the indexes on UIDs are: so a prefix is a range whatever the database's collation.
_UIDS = ("sop_instance_uid", "series_instance_uid", "study_instance_uid")
_UID_BEGINS = "{0} ~>=~ {1} AND {0} ~<~ {2}"


def list_statement(
    viewer: Viewer,
    query: ResultQuery,
    after: UUID | None,
    limit: int,
    kinds: Collection[ShareKind] = (),
    frequent: Collection[str] = (),
) -> tuple[str, list[Any]]:
    """The statement that lists results, and its values; `kinds` of things are shared with the viewer.

    `frequent` are patterns of words of `q` that no index looks for.
    """
    parameters = Parameters()
    standing = [_NOT_SUPERSEDED] if query.state is None else []
    oldest = query.sort == "received"
    begin = [] if after is None else [f"{'>' if oldest else '<'} {parameters.add(after)}"]
    order = "file_id ASC" if oldest else "file_id DESC"
    part = Slice(_LIST_COLUMNS, order, limit, begin, standing)
    text = _list(viewer, query, parameters, part, kinds, frequent)
    return text, parameters.values


class Slice(NamedTuple):
    """Which part of a list, and what of it."""

    columns: str
    order: str
    limit: int
    begin: Sequence[str] = ()
    """Comparisons that file ids must stand."""
    conditions: Sequence[str] = ()


def _list(
    viewer: Viewer,
    query: ResultFilter,
    parameters: Parameters,
    part: Slice,
    kinds: Collection[ShareKind],
    frequent: Collection[str],
) -> str:
    """The query of results that stand a filter.

    What `q` may mean is asked for by one bounded branch each, and what is shared by one for each kind; a
    result that several of them find counts once.
    """
    most, order = parameters.add(part.limit), part.order
    bounds = [*part.begin, *_below(parameters, query)]
    filters = [*part.conditions, *_filters(parameters, query)]
    meanings = meanings_of(parameters, query.q, frequent)
    within = [_BOUND.format(bound) for bound in bounds]
    branches = [
        first_visible(
            viewer, Rows(_TABLE, part.columns, (*within, *filters, *meaning), order, most), parameters
        )
        for meaning in meanings
    ]
    if kinds:
        any_meaning = " OR ".join(" AND ".join(meaning) or "true" for meaning in meanings)
        wanted = Rows(_TABLE, part.columns, (*filters, f"({any_meaning})"), order, most)
        branches += shared_rows(kinds, viewer, wanted, bounds, parameters)
    found = " UNION ALL ".join(f"({branch})" for branch in branches)
    return f"SELECT DISTINCT ON (file_id) * FROM ({found}) AS found ORDER BY {order} LIMIT {most}"


def _below(parameters: Parameters, query: ResultFilter) -> list[str]:
    """What the ids of all files of the list stand."""
    if query.to is None:
        return []
    # An id is drawn before its file is received: a walk begins near `to`, not with the newest of all.
    return [f"< {parameters.add(lowest_id(query.to.timestamp() + CLOCK_MARGIN))}"]


def _filters(parameters: Parameters, query: ResultFilter) -> list[str]:
    """Conditions that hold for every row of the list."""
    given = {
        _STATE: query.state,
        _MODALITY: query.modality,
        _STUDY: query.study,
        _SERIES: query.series,
        _OWNER: query.owner,
        _DEVICE: None if query.device is None else contains(query.device),
        _FROM: query.from_,
        _TO: query.to,
    }
    return [form.format(parameters.add(value)) for form, value in given.items() if value is not None]


def meanings_of(parameters: Parameters, q: str | None, frequent: Collection[str] = ()) -> list[list[str]]:
    """What `q` may mean, as the conditions of a branch each; without `q`, one branch without any."""
    search = parse_search(q or "")
    if not search.words:
        return [[]]
    meanings = [
        [like(_SEARCH, parameters.add(word), by_index=word not in frequent) for word in search.words],
        [_UNFILLED, *(_WORD_UNFILLED.format(parameters.add(word)) for word in search.words_as_typed)],
    ]
    if search.uid is not None:
        first, end = parameters.add(search.uid), parameters.add(search.uid + AFTER_ASCII)
        meanings += [[_UID_BEGINS.format(column, first, end)] for column in _UIDS]
    if search.file_id is not None:
        meanings.append([_FILE.format(parameters.add(search.file_id))])
    return meanings


async def list_results(
    connection: Connection, viewer: Viewer, query: ResultQuery, after: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """In the order of `query`, behind `after`."""
    kinds = await held_kinds(connection, viewer)
    frequent = await frequent_in(connection, query.q)
    return await fetch_planned(connection, *list_statement(viewer, query, after, limit, kinds, frequent))


async def frequent_in(connection: Connection, q: str | None) -> frozenset[str]:
    """Patterns of the words of `q` that are too frequent beside its others for an index to look for them."""
    return await frequent_words(connection, _TABLE, _SEARCH, parse_search(q or "").words)


COUNTED_MOST = 20_000
"""Results that are looked at to count the values of filters."""
VALUES_MOST = 100
"""Values of one filter that are told."""
FACETS = ("state", "modality", "device", "owner", "collection")
"""Filters whose values are counted."""
_FACET_VALUES = {
    "state": "state",
    "modality": "modality",
    "device": "device_name",
    "owner": "owner_id::text",
    "collection": "collection",
}


def facets_statement(
    viewer: Viewer,
    query: ResultFilter,
    kinds: Collection[ShareKind] = (),
    frequent: Collection[str] = (),
) -> tuple[str, list[Any]]:
    """The statement that counts the values of filters, each with the others as they are."""
    parameters = Parameters()
    others = query.model_copy(update={"state": None, "modality": None, "device": None, "owner": None})
    columns = "file_id, state, modality, device_name, owner_id, collection"
    part = Slice(columns, "file_id DESC", COUNTED_MOST + 1)
    text = _list(viewer, others, parameters, part, kinds, frequent)
    asked: dict[str, str] = {}
    if query.modality is not None:
        asked["modality"] = _MODALITY.format(parameters.add(query.modality))
    if query.device is not None:
        asked["device"] = _DEVICE.format(parameters.add(contains(query.device)))
    if query.owner is not None:
        asked["owner"] = _OWNER.format(parameters.add(query.owner))
    state = _NOT_SUPERSEDED if query.state is None else _STATE.format(parameters.add(query.state))

    def where(but: str = "") -> str:
        found = [condition for name, condition in asked.items() if name != but]
        return " AND ".join([*found, *([state] if but != "state" else [])]) or "true"

    counts = [
        f"""(SELECT '{name}' AS facet, {value} AS value, count(*) AS files FROM seen
            WHERE {value} IS NOT NULL AND {where(name)}
            GROUP BY {value} ORDER BY files DESC, value LIMIT {VALUES_MOST})"""
        for name, value in _FACET_VALUES.items()
    ]
    counts += [
        f"SELECT 'total', '', count(*) FROM seen WHERE {where()}",
        "SELECT 'looked', '', count(*) FROM seen",
    ]
    return f"WITH seen AS MATERIALIZED ({text}) {' UNION ALL '.join(counts)}", parameters.values


async def count_facets(
    connection: Connection, viewer: Viewer, query: ResultFilter
) -> tuple[list[tuple[str, str, int]], bool]:
    """Rows of filter, value and count, and whether all there is was looked at."""
    kinds = await held_kinds(connection, viewer)
    frequent = await frequent_in(connection, query.q)
    rows = await fetch_planned(connection, *facets_statement(viewer, query, kinds, frequent))
    counts = [(row[0], row[1], row[2]) for row in rows]
    looked = sum(count for name, _, count in counts if name == "looked")
    return [of for of in counts if of[0] != "looked"], looked <= COUNTED_MOST


async def get_result(connection: Connection, file_id: UUID, viewer: Viewer) -> asyncpg.Record | None:
    """One whole result, its JSON as text."""
    return await connection.fetchrow(_GET, file_id, viewer.visible, viewer.grantees)


async def get_attempts(connection: Connection, file_id: UUID, viewer: Viewer) -> list[asyncpg.Record] | None:
    """The attempts at a file, oldest first; None where there is no such file."""
    rows = await connection.fetch(_GET_ATTEMPTS, file_id, viewer.visible, viewer.grantees)
    return [row for row in rows if row["outcome"] is not None] if rows else None


def stack_statement(file_id: UUID, viewer: Viewer) -> tuple[str, list[Any]]:
    """The statement that finds the images of the series of a file, and its values."""
    return _STACK, [file_id, viewer.visible, viewer.grantees]


async def get_stack(connection: Connection, file_id: UUID, viewer: Viewer) -> list[asyncpg.Record]:
    """The images of the series that a file is of, in no order; none where it is of none."""
    statement, values = stack_statement(file_id, viewer)
    return await connection.fetch(statement, *values)


async def get_object(connection: Connection, file_id: UUID, viewer: Viewer) -> asyncpg.Record | None:
    """What serving its objects needs: file_name, and whether there is a thumbnail."""
    return await connection.fetchrow(GET_OBJECT, file_id, viewer.visible, viewer.grantees)


async def get_frame_means(connection: Connection, file_id: UUID, viewer: Viewer) -> asyncpg.Record | None:
    """The means by frame as JSON text, or whether they lie in the object store."""
    return await connection.fetchrow(_GET_FRAME_MEANS, file_id, viewer.visible, viewer.grantees)


def count_statement(viewer: Viewer, kinds: Collection[ShareKind] = ()) -> tuple[str, list[Any]]:
    """The statement that counts files by state, and its values; `kinds` of things are shared as well."""
    return (_COUNT_SHARED, [viewer.visible, viewer.grantees]) if kinds else (_COUNT, [viewer.visible])


async def count_states(connection: Connection, viewer: Viewer) -> dict[str, int]:
    """How many files are in each state; states without files may be missing."""
    statement, values = count_statement(viewer, await held_kinds(connection, viewer))
    rows = await connection.fetch(statement, *values)
    return {row["state"]: row["files"] for row in rows}
