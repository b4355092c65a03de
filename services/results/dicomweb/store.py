"""SQL of the instances of one target. Nothing here commits."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import Parameters, fetch_planned, first_planned
from libs.common.database.postgres import Connection
from services.results.read.visibility import seen

_COLUMNS = """file_id, study_instance_uid, series_instance_uid, sop_instance_uid, sop_class_uid,
    transfer_syntax_uid, frames, thumbnail_key IS NOT NULL AS thumbnail, file_name, modality, series_number,
    series_description, received_at"""
HEADERS_BYTES = 1 << 20
"""Of headers that are read at once, but for one that is larger by itself."""
_HEADERS_AT_ONCE = 200


class Addressed(NamedTuple):
    """Which instances an address names, in the one collection that answers."""

    caller: Viewer
    collection: str
    study: str
    series: str | None
    instance: str | None


def _standing(target: Addressed, parameters: Parameters) -> str:
    add = parameters.add
    conditions = [
        f"file.collection = {add(target.collection)}",
        f"file.study_instance_uid = {add(target.study)}",
        "file.state IN ('received', 'processed', 'failed')",
        "file.series_instance_uid IS NOT NULL AND file.raw_data IS NOT NULL",
        seen(add(target.caller.visible), add(target.caller.grantees)),
    ]
    if target.series is not None:
        conditions.append(f"file.series_instance_uid = {add(target.series)}")
    if target.instance is not None:
        conditions.append(f"file.sop_instance_uid = {add(target.instance)}")
    return f"results.upload_dicomresult AS file WHERE {' AND '.join(conditions)}"


async def page(
    connection: Connection, target: Addressed, after: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Instances that the caller sees, above `after`."""
    parameters = Parameters()
    rows = _standing(target, parameters)
    above, most = parameters.add(after), parameters.add(limit)
    return await fetch_planned(
        connection,
        f"""SELECT {_COLUMNS} FROM {rows} AND ({above}::uuid IS NULL OR file_id > {above})
            ORDER BY file_id LIMIT {most}""",
        parameters.values,
    )


async def headers(connection: Connection, target: Addressed, after: UUID | None) -> list[asyncpg.Record]:
    """Headers in the DICOM JSON Model as text, as many as fit HEADERS_BYTES, above `after`; at least one."""
    parameters = Parameters()
    rows = _standing(target, parameters)
    above = parameters.add(after)
    return await fetch_planned(
        connection,
        f"""SELECT file_id, study_instance_uid, series_instance_uid, sop_instance_uid,
                raw_data::text AS raw_data
            FROM (SELECT file.*, row_number() OVER walk AS place,
                    sum(pg_column_size(raw_data)) OVER walk AS size
                FROM (SELECT * FROM {rows} AND ({above}::uuid IS NULL OR file_id > {above})
                    ORDER BY file_id LIMIT {_HEADERS_AT_ONCE}) AS file
                WINDOW walk AS (ORDER BY file_id)) AS file
            WHERE place = 1 OR size <= {HEADERS_BYTES} ORDER BY file_id""",
        parameters.values,
    )


async def measure(connection: Connection, target: Addressed) -> asyncpg.Record:
    """How many instances the caller sees, which these are as a digest, and their transfer syntaxes."""
    parameters = Parameters()
    rows = _standing(target, parameters)
    row = await first_planned(
        connection,
        f"""SELECT count(*) AS instances, min(file_id::text)::uuid AS file_id,
                md5(string_agg(file_id::text, ',' ORDER BY file_id)) AS digest,
                coalesce(array_agg(DISTINCT coalesce(transfer_syntax_uid, '')), '{{}}') AS syntaxes
            FROM {rows}""",
        parameters.values,
    )
    assert row is not None  # noqa: S101  the statement has exactly one row
    return row


async def cover(connection: Connection, target: Addressed) -> asyncpg.Record | None:
    """The instance that stands for all of them: the middle one of those with a thumbnail, else any."""
    parameters = Parameters()
    rows = _standing(target, parameters)
    return await first_planned(
        connection,
        f"""SELECT file_id, thumbnail FROM (
                SELECT file_id, thumbnail, row_number() OVER (ORDER BY file_id) AS place,
                    count(*) OVER () AS all_of_them
                FROM (SELECT file_id, thumbnail_key IS NOT NULL AS thumbnail FROM {rows}) AS file
            ) AS file ORDER BY thumbnail DESC, abs(place - (all_of_them + 1) / 2), place LIMIT 1""",
        parameters.values,
    )
