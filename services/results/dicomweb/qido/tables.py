"""What QIDO-RS looks into, as SQL: studies, series, instances, each with the columns of the levels above.

Of one's own collections they are the tables themselves; of what is shared, `held`, `part` and `partial` of
`services.results.studies.partial`, so that a study of which a series is shared is told by that series alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from libs.dicom.web.searching import QueryLevel
from services.results.dicomweb.qido.conditions import DATE_AND_TIME
from services.results.studies.partial import SERIES_OF_PARTS
from services.results.write.header import SERIES, STUDY


class LevelTable(NamedTuple):
    """Rows of one level."""

    name: str
    table: str
    columns: str
    stands: tuple[str, ...] = ()
    """What holds for every row that is told of."""


_LATEST = "sort_key DESC, study_instance_uid DESC, collection DESC"
ORDER: Mapping[QueryLevel, str] = MappingProxyType(
    {
        "study": _LATEST,
        "series": f"{_LATEST}, series_number, series_instance_uid",
        "instance": f"{_LATEST}, series_number, series_instance_uid, instance_number, file_id",
    }
)
"""By the date of the study, the latest first, within it by number: who stops early has read little."""

_STUDY = ("collection", "study_instance_uid", *STUDY, "modalities", "first_received_at")
_SERIES = ("series_instance_uid", "modality", *SERIES)
_FILE = ("file_id", "sop_class_uid", "sop_instance_uid", "instance_number", "rows", "columns")
_STANDS = "{0}.state IN ('received', 'processed', 'failed')"
_FILE_STANDS = f"file.sop_instance_uid IS NOT NULL AND {_STANDS.format('file')}"


def _names(columns: tuple[str, ...], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in columns)


_STUDY_SHOWN = f"{_names(_STUDY)}, study_instances, study_parts, whole"
_SERIES_SHOWN = f"{_STUDY_SHOWN}, {_names(_SERIES)}, series_instances"
_COLUMNS: Mapping[QueryLevel, str] = MappingProxyType(
    {
        "study": f"{_STUDY_SHOWN}, told_by, {DATE_AND_TIME} AS sort_key",
        "series": f"{_SERIES_SHOWN}, told_by, {DATE_AND_TIME} AS sort_key",
        "instance": f"{_SERIES_SHOWN}, {_names(_FILE)}, {DATE_AND_TIME} AS sort_key",
    }
)
SHOWN: Mapping[QueryLevel, str] = MappingProxyType(
    {
        "study": _names((*_STUDY_SHOWN.split(", "), "sort_key"), "page."),
        "series": _names((*_SERIES_SHOWN.split(", "), "sort_key"), "page."),
        "instance": _names((*_SERIES_SHOWN.split(", "), *_FILE, "sort_key"), "page."),
    }
)
"""Columns of a page."""
_WHOLE = (
    f"{_names(_STUDY, 'study.')}, study.instances AS study_instances, NULL::integer AS study_parts, "
    "true AS whole"
)
_OF_SERIES = f"{_names(_SERIES, 'series.')}, series.instances AS series_instances"
_SAME_STUDY = "{0}.collection = study.collection AND {0}.study_instance_uid = study.study_instance_uid"
_SAME_SERIES = f"{_SAME_STUDY} AND {{0}}.series_instance_uid = series.series_instance_uid"

OWN: Mapping[QueryLevel, LevelTable] = MappingProxyType(
    {
        "study": LevelTable(
            "study",
            f"""(SELECT {_WHOLE}, NULL::uuid AS told_by FROM results.study AS study
                WHERE study.instances > 0) AS study""",  # noqa: S608  no foreign text
            _COLUMNS["study"],
        ),
        "series": LevelTable(
            "series",
            f"""(SELECT {_WHOLE}, {_OF_SERIES}, NULL::uuid AS told_by FROM results.study AS study
                JOIN results.series AS series ON {_SAME_STUDY.format("series")}
                WHERE study.instances > 0 AND series.instances > 0) AS series""",  # noqa: S608  likewise
            _COLUMNS["series"],
        ),
        # How many files a series has, the planner does not know: OFFSET 0 keeps it from reading all of them.
        "instance": LevelTable(
            "instance",
            f"""(SELECT {_WHOLE}, {_OF_SERIES}, {_names(_FILE, "file.")} FROM results.study AS study
                JOIN results.series AS series ON {_SAME_STUDY.format("series")}
                CROSS JOIN LATERAL (SELECT * FROM results.upload_dicomresult AS file
                    WHERE {_SAME_SERIES.format("file")} AND {_FILE_STANDS} OFFSET 0) AS file
                WHERE study.instances > 0 AND series.instances > 0) AS instance""",  # noqa: S608
            _COLUMNS["instance"],
        ),
    }
)
OWN_FILES = LevelTable(
    "instance",
    f"""(SELECT {_WHOLE}, {_OF_SERIES}, {_names(_FILE, "file.")} FROM results.upload_dicomresult AS file
        JOIN results.study AS study ON {_SAME_STUDY.format("file")}
        JOIN results.series AS series ON {_SAME_SERIES.format("file")} AND {_SAME_STUDY.format("series")}
        WHERE {_FILE_STANDS}) AS instance""",  # noqa: S608  likewise
    _COLUMNS["instance"],
)
"""Instances where their own UIDs are known: it begins with these."""

_GIVEN_STUDIES = f"""
    SELECT {_WHOLE}, NULL::uuid AS told_by FROM (
        SELECT DISTINCT collection, study_instance_uid FROM held WHERE kind = 'study'
    ) AS held CROSS JOIN LATERAL (
        SELECT * FROM results.study AS study WHERE study.collection = held.collection
            AND study.study_instance_uid = held.study_instance_uid AND study.instances > 0 OFFSET 0
    ) AS study
    UNION ALL
    SELECT {_names(_STUDY)}, instances, series, false, told_by FROM partial
"""  # noqa: S608  no foreign text
_GIVEN_SERIES = f"""
    SELECT {_names(tuple(_STUDY_SHOWN.split(", ")), "study.")}, {_OF_SERIES}, series.told_by
    FROM given AS study JOIN LATERAL (
        SELECT {_names(_SERIES)}, instances, NULL::uuid AS told_by FROM results.series AS series
        WHERE study.whole AND {_SAME_STUDY.format("series")} AND series.instances > 0
        UNION ALL
        SELECT {_names(_SERIES)}, instances, told_by FROM series_of_parts AS series
        WHERE NOT study.whole AND {_SAME_STUDY.format("series")}
    ) AS series ON true
"""  # noqa: S608  likewise
_GIVEN_INSTANCES = f"""
    SELECT {_names(tuple(_SERIES_SHOWN.split(", ")), "study.")}, {_names(_FILE, "file.")}
    FROM ({_GIVEN_SERIES}) AS study JOIN results.upload_dicomresult AS file ON {_SAME_STUDY.format("file")}
        AND file.series_instance_uid = study.series_instance_uid
    WHERE {_FILE_STANDS} AND (study.whole
        OR (file.collection, file.file_id) IN (SELECT collection, file_id FROM held WHERE kind = 'file')
        OR (file.collection, file.study_instance_uid, file.series_instance_uid) IN (
            SELECT collection, study_instance_uid, series_instance_uid FROM held WHERE kind = 'series'))
"""  # noqa: S608  likewise
GIVEN: Mapping[QueryLevel, LevelTable] = MappingProxyType(
    {
        "study": LevelTable("study", "given AS study", _COLUMNS["study"]),
        "series": LevelTable("series", f"({_GIVEN_SERIES}) AS series", _COLUMNS["series"]),
        "instance": LevelTable("instance", f"({_GIVEN_INSTANCES}) AS instance", _COLUMNS["instance"]),
    }
)


def given(own: str | None) -> list[str]:
    """The studies of which something is shared, the oldest of each UID that lies in none of `own`."""
    hidden = ""
    if own is not None:
        hidden = f"""WHERE NOT EXISTS (SELECT FROM results.study AS nearer
            WHERE nearer.study_instance_uid = told.study_instance_uid AND nearer.instances > 0
                AND nearer.collection = ANY ({own}::text[]))"""
    return [
        f"""given AS MATERIALIZED (
            SELECT DISTINCT ON (study_instance_uid) * FROM ({_GIVEN_STUDIES}) AS told {hidden}
            ORDER BY study_instance_uid, coalesce(first_received_at, '-infinity'), collection)""",  # noqa: S608
        f"series_of_parts AS MATERIALIZED ({SERIES_OF_PARTS})",
    ]


def _telling(uid: str) -> str:
    """The first file of a study or series, which answers for it where columns do not."""
    return f"""coalesce(page.told_by, (
        SELECT telling.file_id FROM results.upload_dicomresult AS telling
        WHERE telling.collection = page.collection AND telling.study_instance_uid = page.study_instance_uid
            AND telling.{uid} = page.{uid} AND {_STANDS.format("telling")} AND telling.raw_data IS NOT NULL
        ORDER BY telling.file_id LIMIT 1))"""  # noqa: S608


TOLD_BY: Mapping[QueryLevel, str] = MappingProxyType(
    {
        "study": _telling("study_instance_uid"),
        "series": _telling("series_instance_uid"),
        "instance": "page.file_id",
    }
)
"""Whose header is read for a row of the page."""
