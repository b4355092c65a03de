"""SQL of a series as a stack: where it lies, and what of its headers drawing needs. Nothing here commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.database.bounded import fetch_planned
from libs.common.database.postgres import Connection
from libs.dicom.stack.elements import ELEMENTS, MACROS, PER_FRAME
from services.results.read.visibility import seen

AT_ONCE = 500
"""Headers that are read at once."""
_STANDING = f"""results.upload_dicomresult AS file
    WHERE file.series_instance_uid = $1 AND file.study_instance_uid IS NOT NULL
        AND file.state IN ('received', 'processed', 'failed') AND {seen("$2", "$3")}"""
_PLACES = f"""
    SELECT collection, study_instance_uid, min(file_id::text) AS first, count(*) AS files,
        count(*) FILTER (WHERE raw_data IS NULL) AS unknown,
        sum(greatest(coalesce(frames, 1), 1)) AS frames,
        md5(string_agg(file_id::text || state || changed_at::text, ',' ORDER BY file_id)) AS digest
    FROM {_STANDING} AND ($4::text IS NULL OR collection = $4)
    GROUP BY collection, study_instance_uid
"""
# A header is unpacked once, by jsonb_each; the groups of thousands of frames are cut down before they travel.
_HEADER = f"""(SELECT jsonb_object_agg(key, CASE WHEN key <> '{PER_FRAME}' THEN value ELSE (
            SELECT jsonb_build_object('vr', 'SQ', 'Value', coalesce(jsonb_agg((
                    SELECT coalesce(jsonb_object_agg(macro.key, macro.value), '{{}}')
                    FROM jsonb_each(item) AS macro WHERE macro.key = ANY ($7::text[])
                ) ORDER BY place), '[]'))
            FROM jsonb_array_elements(CASE jsonb_typeof(value -> 'Value') WHEN 'array' THEN value -> 'Value'
                ELSE '[]' END) WITH ORDINALITY AS items (item, place)
            WHERE jsonb_typeof(item) = 'object'
        ) END) FROM jsonb_each(raw_data) WHERE key = ANY ($6::text[]))::text"""
_COLUMNS = """file_id, state, failure_reason, failure_detail, sop_instance_uid, sop_class_uid,
    transfer_syntax_uid, modality, patient_name, patient_id, patient_birth_date, patient_sex, study_date,
    study_time, study_description, accession_number, series_number, series_description, body_part_examined,
    (statistics -> 'min')::text AS least, (statistics -> 'max')::text AS most"""
_FILES = f"""
    SELECT {_COLUMNS}, {_HEADER} AS header FROM (
        SELECT * FROM {_STANDING} AND collection = $4 AND study_instance_uid = $5 AND raw_data IS NOT NULL
            AND ($8::uuid IS NULL OR file_id > $8)
        ORDER BY file_id LIMIT {AT_ONCE} OFFSET 0
    ) AS file ORDER BY file_id
"""


class SeriesPlace(NamedTuple):
    """A series in one collection and study, as far as a viewer sees it."""

    collection: str
    study: str
    series: str
    files: int
    unknown: int
    """Of the files, those without a header."""
    frames: int
    digest: str
    """Of the files and their states."""


async def places(
    connection: Connection, viewer: Viewer, series: str, collection: str | None
) -> list[SeriesPlace]:
    """Where the viewer sees files of this series, the oldest first."""
    values = [series, viewer.visible, viewer.grantees, collection]
    rows = await fetch_planned(connection, _PLACES, values)
    return [
        SeriesPlace(
            row["collection"],
            row["study_instance_uid"],
            series,
            row["files"],
            row["unknown"],
            int(row["frames"]),
            row["digest"],
        )
        for row in sorted(rows, key=lambda row: row["first"])
    ]


async def files(
    connection: Connection, viewer: Viewer, place: SeriesPlace, after: UUID | None
) -> Sequence[asyncpg.Record]:
    """Files with a header above `after`, AT_ONCE at most; of their headers what is needed, as text."""
    values = [
        place.series,
        viewer.visible,
        viewer.grantees,
        place.collection,
        place.study,
        list(ELEMENTS),
        list(MACROS),
        after,
    ]
    return await fetch_planned(connection, _FILES, values)
