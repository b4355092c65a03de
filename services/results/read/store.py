"""SQL that reads results; nothing here touches raw_data but `get_result`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, Rows, fetch_planned
from libs.common.database.postgres import Connection
from libs.common.ids import lowest_id
from services.results.read.models import ResultQuery
from services.results.read.search import contains, parse_search
from services.results.read.visibility import SEEN, first_visible

CLOCK_MARGIN = 3600.0
"""Seconds that the clock may have been set back between the drawing of an id and its file's acceptance."""
AFTER_ASCII = "\x7f"
"""Greater than whatever can follow in a UID."""

_TABLE = "results.upload_dicomresult"
_LIST_COLUMNS = """file_id, collection, owner_id, file_name, state, device_name, modality,
    average_before_normalization, average_after_normalization, data_size, size_bytes, received_at,
    processed_at, failure_reason, failure_detail, thumbnail_key IS NOT NULL AS thumbnail,
    study_instance_uid, series_instance_uid, sop_instance_uid,
    patient_name, patient_id, patient_birth_date, patient_sex, study_date, study_time, accession_number,
    study_id, study_description, referring_physician_name, series_description, series_number,
    body_part_examined, instance_number"""
_GET = f"""
    SELECT {_LIST_COLUMNS}, changed_at, trace_id, sha256, sop_class_uid, transfer_syntax_uid, rows, columns,
        frames, image_position, image_orientation, method_version, attempts,
        coalesce(warnings, '[]')::text AS warnings, statistics::text AS statistics, raw_data::text AS raw_data
    FROM {_TABLE} WHERE file_id = $1 AND {SEEN.format("$2")}
"""
_GET_OBJECT = f"""
    SELECT file_name, thumbnail_key IS NOT NULL AS thumbnail
    FROM {_TABLE} WHERE file_id = $1 AND {SEEN.format("$2")}
"""
_GET_FRAME_MEANS = f"""
    SELECT nullif(statistics -> 'frame_means', 'null')::text AS means,
        coalesce(statistics -> 'frame_means_stored' = 'true', false) AS stored
    FROM {_TABLE} WHERE file_id = $1 AND {SEEN.format("$2")}
"""
_COUNT = f"""
    SELECT state, sum(files)::bigint AS files FROM results.counter WHERE {SEEN.format("$1")} GROUP BY state
"""

# One literal condition per filter; those that are not set are left out, so that each plan fits its filters.
_BEFORE = "file_id < {}"
_STATE = "state = {}"
_NOT_SUPERSEDED = "state <> 'superseded'"
_MODALITY = "modality = {}"
_STUDY = "study_instance_uid = {}"
_SERIES = "series_instance_uid = {}"
_DEVICE = "lower(device_name) LIKE lower({})"
_FROM = "received_at >= {}"
_TO = "received_at < {}"
_FILE = "file_id = {}"
_WORD = "search LIKE {}"
# Rows of before there was `search`, until they are filled; an index holds only these.
_UNFILLED = "search IS NULL"
_WORD_UNFILLED = "(lower(file_name) LIKE lower({0}) OR lower(device_name) LIKE lower({0}))"
# By code points, as the indexes on UIDs are: so a prefix is a range whatever the database's collation.
_UIDS = ("sop_instance_uid", "series_instance_uid", "study_instance_uid")
_UID_BEGINS = "{0} ~>=~ {1} AND {0} ~<~ {2}"


def list_statement(
    viewer: Viewer, query: ResultQuery, before: UUID | None, limit: int
) -> tuple[str, list[Any]]:
    """The statement that lists results, and its values.

    What `q` may mean is asked for by one bounded branch each; a result that several of them find counts once.
    """
    parameters = Parameters()
    most = parameters.add(limit)
    filters = _filters(parameters, query, before)
    branches = [
        first_visible(
            viewer, Rows(_TABLE, _LIST_COLUMNS, (*filters, *meaning), "file_id DESC", most), parameters
        )
        for meaning in _meanings(parameters, query)
    ]
    found = " UNION ALL ".join(f"({branch})" for branch in branches)
    return (
        f"SELECT DISTINCT ON (file_id) * FROM ({found}) AS found ORDER BY file_id DESC LIMIT {most}",
        parameters.values,
    )


def _filters(parameters: Parameters, query: ResultQuery, before: UUID | None) -> list[str]:
    """Conditions that hold for every row of the list."""
    given = {
        _BEFORE: before,
        _STATE: query.state,
        _MODALITY: query.modality,
        _STUDY: query.study,
        _SERIES: query.series,
        _DEVICE: None if query.device is None else contains(query.device),
        _FROM: query.from_,
        _TO: query.to,
    }
    conditions = [form.format(parameters.add(value)) for form, value in given.items() if value is not None]
    if query.state is None:
        conditions.append(_NOT_SUPERSEDED)
    if query.to is not None:
        # An id is drawn before its file is received: a walk begins near `to`, not with the newest of all.
        conditions.append(_BEFORE.format(parameters.add(lowest_id(query.to.timestamp() + CLOCK_MARGIN))))
    return conditions


def _meanings(parameters: Parameters, query: ResultQuery) -> list[list[str]]:
    """What `q` may mean, as the conditions of a branch each; without `q`, one branch without any."""
    search = parse_search(query.q or "")
    if not search.words:
        return [[]]
    meanings = [
        [_WORD.format(parameters.add(word)) for word in search.words],
        [_UNFILLED, *(_WORD_UNFILLED.format(parameters.add(word)) for word in search.words_as_typed)],
    ]
    if search.uid is not None:
        first, end = parameters.add(search.uid), parameters.add(search.uid + AFTER_ASCII)
        meanings += [[_UID_BEGINS.format(column, first, end)] for column in _UIDS]
    if search.file_id is not None:
        meanings.append([_FILE.format(parameters.add(search.file_id))])
    return meanings


async def list_results(
    connection: Connection, viewer: Viewer, query: ResultQuery, before: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Newest uploads first, below `before`."""
    return await fetch_planned(connection, *list_statement(viewer, query, before, limit))


async def get_result(connection: Connection, file_id: UUID, viewer: Viewer) -> asyncpg.Record | None:
    """One whole result, its JSON as text."""
    return await connection.fetchrow(_GET, file_id, viewer.visible)


async def get_object(connection: Connection, file_id: UUID, viewer: Viewer) -> asyncpg.Record | None:
    """What serving its objects needs: file_name, and whether there is a thumbnail."""
    return await connection.fetchrow(_GET_OBJECT, file_id, viewer.visible)


async def get_frame_means(connection: Connection, file_id: UUID, viewer: Viewer) -> asyncpg.Record | None:
    """The means by frame as JSON text, or whether they lie in the object store."""
    return await connection.fetchrow(_GET_FRAME_MEANS, file_id, viewer.visible)


def count_statement(viewer: Viewer) -> tuple[str, list[Any]]:
    """The statement that counts files by state, and its values."""
    return _COUNT, [viewer.visible]


async def count_states(connection: Connection, viewer: Viewer) -> dict[str, int]:
    """How many files are in each state; states without files may be missing."""
    statement, values = count_statement(viewer)
    rows = await connection.fetch(statement, *values)
    return {row["state"]: row["files"] for row in rows}
