"""SQL of studies and series that files have left: what is empty goes, of the rest the files that stay tell.

Whoever sees the old collection must not go on reading what only a file told that lies elsewhere now. The rows
are locked already, by the difference that was written to them (`accounts_store`).
"""

from __future__ import annotations

from collections.abc import Collection

import orjson

from libs.common.database.postgres import Connection
from services.results.write.accounts import FILES
from services.results.write.header import ALSO_CHARACTERS, SERIES, STUDY, patient_of, study_also, study_search

_KEY = ("collection", "study_instance_uid")
_NAMED = "(collection, {uids}) IN (SELECT * FROM unnest({parameters}))"
_EMPTY = " + ".join(FILES) + " = 0"
_STUDIES = _NAMED.format(uids="study_instance_uid", parameters="$1::text[], $2::text[]")
_SERIES = _NAMED.format(
    uids="study_instance_uid, series_instance_uid", parameters="$1::text[], $2::text[], $3::text[]"
)


def _retold(table: str, facts: tuple[str, ...], more: str, values: str, uids: str, named: str) -> str:
    """An UPDATE by the files that stay; of each fact the first that is known, in order of arrival."""
    first = ", ".join(
        f"(array_agg(file.{name} ORDER BY received_at, file_id) FILTER (WHERE file.{name} IS NOT NULL))[1]"
        for name in facts
    )
    cover = "(array_agg(file_id) FILTER (WHERE state = 'processed' AND thumbnail_key IS NOT NULL))[1]"
    return f"""
        UPDATE results.{table} AS held
        SET ({", ".join(facts)}, {more}first_received_at, last_received_at, cover_file_id) = (
            SELECT {first}, {values}min(received_at), max(received_at), {cover}
            FROM results.upload_dicomresult AS file
            WHERE file.collection = held.collection AND {uids} AND file.state <> 'erased')
        WHERE {named}
        RETURNING collection, study_instance_uid, {", ".join(facts)}
    """


_OF_STUDY = "file.study_instance_uid = held.study_instance_uid"
_RETELL_STUDIES = _retold(
    "study",
    STUDY,
    "series, modalities, devices, owners, ",
    """(SELECT count(*) FROM results.series WHERE series.collection = held.collection
        AND series.study_instance_uid = held.study_instance_uid),
    coalesce((array_agg(DISTINCT file.modality) FILTER (WHERE file.modality <> ''))[:32], '{}'),
    coalesce((array_agg(DISTINCT file.device) FILTER (WHERE file.device <> ''))[:32], '{}'),
    coalesce((array_agg(DISTINCT file.owner_id))[:32], '{}'), """,
    _OF_STUDY,
    _STUDIES,
)
_RETELL_SERIES = _retold(
    "series",
    ("modality", "device", *SERIES),
    "",
    "",
    f"{_OF_STUDY} AND file.series_instance_uid = held.series_instance_uid",
    _SERIES,
)
# The name of one file, and what there is of devices and descriptions.
_ALSO = """
    SELECT held.collection, held.study_instance_uid, told.file_name, told.device, told.series_description
    FROM unnest($1::text[], $2::text[]) AS held (collection, study_instance_uid) CROSS JOIN LATERAL (
        SELECT (array_agg(file.file_name ORDER BY file.received_at))[1] AS file_name, file.device,
            file.series_description
        FROM results.upload_dicomresult AS file
        WHERE file.collection = held.collection AND file.study_instance_uid = held.study_instance_uid
            AND file.state <> 'erased'
        GROUP BY file.device, file.series_description ORDER BY min(file.received_at) LIMIT 64
    ) AS told
"""
_SEARCHED = """
    UPDATE results.study AS held SET search = told.search, patient = told.patient, also = told.also
    FROM jsonb_to_recordset($1::text::jsonb)
        AS told (collection text, study_instance_uid text, search text, patient text, also text)
    WHERE (held.collection, held.study_instance_uid) = (told.collection, told.study_instance_uid)
"""


async def close_left(connection: Connection, left: Collection[tuple[str, str, str | None]]) -> None:
    """Bring these up to date; series before studies, as everybody locks them."""
    series = [[*column] for column in zip(*(key for key in left if key[2] is not None), strict=True)]
    studies = [[*column] for column in zip(*{key[:2] for key in left}, strict=True)]
    if series:
        await connection.execute(f"DELETE FROM results.series WHERE {_SERIES} AND {_EMPTY}", *series)
        await connection.execute(_RETELL_SERIES, *series)
    await connection.execute(f"DELETE FROM results.study WHERE {_STUDIES} AND {_EMPTY}", *studies)
    rows = await connection.fetch(_RETELL_STUDIES, *studies)
    also: dict[tuple[str, str], dict[str, None]] = {}
    for row in await connection.fetch(_ALSO, *studies):
        lines = also.setdefault((row["collection"], row["study_instance_uid"]), {})
        name, *more = study_also(dict(row))
        lines.update(dict.fromkeys(more if lines else (name, *more)))
    told = [
        {
            **{name: row[name] for name in _KEY},
            "search": study_search(dict(row)),
            "patient": patient_of(dict(row)),
            "also": "\n".join(also.get((row["collection"], row["study_instance_uid"]), ()))[:ALSO_CHARACTERS],
        }
        for row in rows
    ]
    await connection.execute(_SEARCHED, orjson.dumps(told).decode())
