"""SQL that reads results. `owner_id` None sees all; nothing here touches raw_data but `get_result`."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import asyncpg

from libs.common.database.postgres import Connection
from services.results.read.models import ResultQuery

_SUMMARY_COLUMNS = """file_id, file_name, state, device_name, modality, average_before_normalization,
    average_after_normalization, data_size, size_bytes, received_at, processed_at, owner_id,
    failure_reason, failure_detail, thumbnail_key IS NOT NULL AS thumbnail"""

_GET = f"""
    SELECT {_SUMMARY_COLUMNS}, changed_at, trace_id, sha256, sop_class_uid, sop_instance_uid,
        series_instance_uid, study_instance_uid, transfer_syntax_uid, rows, columns, frames,
        method_version, attempts,
        coalesce(warnings, '[]')::text AS warnings, statistics::text AS statistics, raw_data::text AS raw_data
    FROM results.upload_dicomresult
    WHERE file_id = $1 AND ($2::bigint IS NULL OR owner_id = $2)
"""
_GET_OBJECT = """
    SELECT file_name, state, thumbnail_key FROM results.upload_dicomresult
    WHERE file_id = $1 AND ($2::bigint IS NULL OR owner_id = $2)
"""
_COUNT = "SELECT state, count(*) AS files FROM results.upload_dicomresult GROUP BY state"
_COUNT_OWN = """
    SELECT state, count(*) AS files FROM results.upload_dicomresult WHERE owner_id = $1 GROUP BY state
"""
# One literal condition per filter; those that are not set are left out, so that each plan fits its filters.
_OWNER = "owner_id = ${}"
_BEFORE = "file_id < ${}"
_STATE = "state = ${}"
_MODALITY = "modality = ${}"
_DEVICE = "strpos(lower(device_name), lower(${})) > 0"
_FROM = "received_at >= ${}"
_TO = "received_at < ${}"
_SEARCH = """(strpos(lower(file_name), lower(${0})) > 0 OR strpos(lower(device_name), lower(${0})) > 0
    OR starts_with(sop_instance_uid, ${0}) OR starts_with(series_instance_uid, ${0})
    OR starts_with(study_instance_uid, ${0}) OR file_id::text = lower(${0}))"""


async def list_results(
    connection: Connection, owner_id: int | None, query: ResultQuery, before: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Newest uploads first, below `before`."""
    filters = {
        _OWNER: owner_id,
        _BEFORE: before,
        _STATE: query.state,
        _MODALITY: query.modality,
        _DEVICE: query.device,
        _FROM: query.from_,
        _TO: query.to,
        _SEARCH: query.q,
    }
    values: list[Any] = [limit]
    conditions = ["true"]
    for condition, value in filters.items():
        if value is not None:
            values.append(value)
            conditions.append(condition.format(len(values)))
    return await connection.fetch(
        f"SELECT {_SUMMARY_COLUMNS} FROM results.upload_dicomresult "
        f"WHERE {' AND '.join(conditions)} ORDER BY file_id DESC LIMIT $1",
        *values,
    )


async def get_result(connection: Connection, file_id: UUID, owner_id: int | None) -> asyncpg.Record | None:
    """One whole result, its JSON as text."""
    return await connection.fetchrow(_GET, file_id, owner_id)


async def get_object(connection: Connection, file_id: UUID, owner_id: int | None) -> asyncpg.Record | None:
    """What serving its objects needs: file_name, state, thumbnail_key."""
    return await connection.fetchrow(_GET_OBJECT, file_id, owner_id)


async def count_states(connection: Connection, owner_id: int | None) -> dict[str, int]:
    """How many files are in each state; states without files are missing."""
    rows = await (connection.fetch(_COUNT) if owner_id is None else connection.fetch(_COUNT_OWN, owner_id))
    return {row["state"]: row["files"] for row in rows}
