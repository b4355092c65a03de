"""SQL of the files of one study. Nothing here commits."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import fetch_planned, first_planned
from libs.common.database.postgres import Connection
from services.results.read.visibility import seen

_STANDING = f"""results.upload_dicomresult AS file
    WHERE file.collection = $1 AND file.study_instance_uid = $2
        AND file.state IN ('received', 'processed', 'failed') AND {seen("$3", "$4")}"""
_MEASURE = f"SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size FROM {_STANDING}"
PAGE = f"""
    SELECT file_id, file_name, modality, series_instance_uid, series_number, series_description, received_at
    FROM {_STANDING} AND ($5::uuid IS NULL OR file_id > $5) ORDER BY file_id LIMIT $6
"""


class StudyKey(NamedTuple):
    """Which study."""

    collection: str
    study_instance_uid: str


async def measure(connection: Connection, viewer: Viewer, study: StudyKey) -> tuple[int, int]:
    """How many files `viewer` sees of it, and how many bytes they have."""
    row = await first_planned(connection, _MEASURE, [*study, viewer.visible, viewer.grantees])
    assert row is not None  # noqa: S101  the statement has exactly one row
    return row["files"], row["size"]


async def page(
    connection: Connection, viewer: Viewer, study: StudyKey, after: UUID | None, limit: int
) -> list[asyncpg.Record]:
    """Files that `viewer` sees of it, above `after`."""
    values = [*study, viewer.visible, viewer.grantees, after, limit]
    return await fetch_planned(connection, PAGE, values)
