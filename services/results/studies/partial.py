"""Studies of which only series or files are shared: told by these alone, and by nothing else of the study.

As parts of a statement: `held` are the shares in force, `part` the series and files, `partial` the studies
that they make, with the columns of results.study.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from services.results.read.shared_store import ShareKind
from services.results.read.visibility import LIVE
from services.results.write.header import SERIES, STUDY

_FILES = "results.upload_dicomresult"
_COUNTED = ("files_received", "files_processed", "files_failed")
_STANDS = "file.state IN ('received', 'processed', 'failed')"
_SERIES_FACTS = ("modality", "device", *SERIES)

# Whoever sees all of a collection, or all of a study, needs none of its parts.
_HELD = """held AS MATERIALIZED (
    SELECT DISTINCT share.kind, share.collection, share.study_instance_uid, share.series_instance_uid,
        share.file_id
    FROM results.share AS share
    WHERE share.grantee = ANY ({grantees}::text[]) AND share.collection <> ALL ({own}::text[])
        AND {live}{more}
)"""
_STATES = ", ".join(f"(file.state = '{name.removeprefix('files_')}')::integer AS {name}" for name in _COUNTED)
_PATIENT = ", ".join(f"file.{name}" for name in (*STUDY, "patient", "owner_id"))
# Of a series any file tells what results.series does not.
_OF_SERIES = f"""
    SELECT series.collection, series.study_instance_uid, series.series_instance_uid, file.file_id, {_PATIENT},
        {", ".join(f"series.{name}" for name in (*_SERIES_FACTS, *_COUNTED))},
        series.first_received_at, series.last_received_at, series.cover_file_id
    FROM held CROSS JOIN LATERAL (
        SELECT * FROM results.series AS series
        WHERE series.collection = held.collection AND series.study_instance_uid = held.study_instance_uid
            AND series.series_instance_uid = held.series_instance_uid AND series.instances > 0 OFFSET 0
    ) AS series CROSS JOIN LATERAL (
        SELECT * FROM {_FILES} AS file
        WHERE file.series_instance_uid = held.series_instance_uid AND file.collection = held.collection
            AND file.study_instance_uid = held.study_instance_uid AND {_STANDS} LIMIT 1
    ) AS file
    WHERE held.kind = 'series' AND (held.collection, held.study_instance_uid) NOT IN (
        SELECT collection, study_instance_uid FROM held WHERE kind = 'study')
"""  # noqa: S608  no foreign text
_OF_FILES = f"""
    SELECT file.collection, file.study_instance_uid, file.series_instance_uid, file.file_id, {_PATIENT},
        {", ".join(f"file.{name}" for name in _SERIES_FACTS)},
        {_STATES},
        file.received_at AS first_received_at, file.received_at AS last_received_at,
        CASE WHEN file.state = 'processed' AND file.thumbnail_key IS NOT NULL THEN file.file_id
        END AS cover_file_id
    FROM (SELECT DISTINCT collection, file_id FROM held WHERE kind = 'file') AS held CROSS JOIN LATERAL (
        SELECT * FROM {_FILES} AS file WHERE file.file_id = held.file_id
            AND file.collection = held.collection AND file.study_instance_uid IS NOT NULL AND {_STANDS}
        OFFSET 0
    ) AS file
    WHERE (file.collection, file.study_instance_uid) NOT IN (
            SELECT collection, study_instance_uid FROM held WHERE kind = 'study')
        AND (file.collection, file.study_instance_uid, coalesce(file.series_instance_uid, '')) NOT IN (
            SELECT collection, study_instance_uid, series_instance_uid FROM held WHERE kind = 'series')
"""  # noqa: S608  likewise


def _first(name: str) -> str:
    return f"(array_agg({name} ORDER BY file_id) FILTER (WHERE {name} IS NOT NULL))[1]"


def _all(name: str) -> str:
    return f"(array_agg(DISTINCT {name}) FILTER (WHERE {name} IS NOT NULL))[:32]"


_TOLD = ", ".join(
    [
        *(f"{_first(name)} AS {name}" for name in (*STUDY, "cover_file_id")),
        *(f"sum({name})::integer AS {name}" for name in _COUNTED),
        f"sum({' + '.join(_COUNTED)})::integer AS instances",
        "(array_agg(file_id ORDER BY file_id))[1] AS told_by",
        "min(first_received_at) AS first_received_at, max(last_received_at) AS last_received_at",
    ]
)
_PARTIAL = f"""partial AS MATERIALIZED (
    SELECT collection, study_instance_uid, {_TOLD}, coalesce({_first("patient")}, '') AS patient,
        coalesce({_all("modality")}, '{{}}') AS modalities, coalesce({_all("device")}, '{{}}') AS devices,
        coalesce({_all("owner_id")}, '{{}}') AS owners,
        count(DISTINCT series_instance_uid)::integer AS series, NULL::text AS search, ''::text AS also
    FROM part GROUP BY collection, study_instance_uid
)"""  # noqa: S608  likewise
SERIES_OF_PARTS = f"""
    SELECT collection, study_instance_uid, series_instance_uid,
        {", ".join(f"{_first(name)} AS {name}" for name in _SERIES_FACTS)},
        {", ".join(f"sum({name})::integer AS {name}" for name in _COUNTED)},
        sum({" + ".join(_COUNTED)})::integer AS instances, min(first_received_at) AS received_at,
        max(last_received_at) AS last_received_at, {_first("cover_file_id")} AS cover_file_id,
        (array_agg(file_id ORDER BY file_id))[1] AS told_by
    FROM part WHERE series_instance_uid IS NOT NULL
    GROUP BY collection, study_instance_uid, series_instance_uid
"""  # noqa: S608  likewise


def parts(kinds: Collection[ShareKind], grantees: str, own: str, more: Sequence[str] = ()) -> list[str]:
    """The common table expressions; `more` are conditions on `share`."""
    of = [text for kind, text in (("series", _OF_SERIES), ("file", _OF_FILES)) if kind in kinds]
    ctes = [
        _HELD.format(grantees=grantees, own=own, live=LIVE, more="".join(f" AND {each}" for each in more))
    ]
    if of:
        ctes += [f"part AS MATERIALIZED ({' UNION ALL '.join(of)})", _PARTIAL]
    return ctes
