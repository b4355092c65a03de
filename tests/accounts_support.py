"""Whether studies, series and counters say what the files say."""

from __future__ import annotations

from libs.common.database.postgres import Connection

_FILES = ", ".join(
    f"count(*) FILTER (WHERE state = '{state}') AS files_{state}"
    for state in ("received", "processed", "failed", "superseded")
)
_COUNTERS = (
    "SELECT collection, state, count(*) AS files FROM results.upload_dicomresult GROUP BY 1, 2",
    "SELECT collection, state, files FROM results.counter WHERE files <> 0",
)
_STUDIES = (
    f"""SELECT collection, study_instance_uid, count(DISTINCT series_instance_uid) AS series,
            min(received_at), max(received_at), {_FILES}
        FROM results.upload_dicomresult WHERE study_instance_uid IS NOT NULL GROUP BY 1, 2""",
    """SELECT collection, study_instance_uid, series, first_received_at, last_received_at,
            files_received, files_processed, files_failed, files_superseded
        FROM results.study""",
)
_SERIES = (
    f"""SELECT collection, study_instance_uid, series_instance_uid, min(received_at), max(received_at),
            {_FILES}
        FROM results.upload_dicomresult
        WHERE study_instance_uid IS NOT NULL AND series_instance_uid IS NOT NULL GROUP BY 1, 2, 3""",
    """SELECT collection, study_instance_uid, series_instance_uid, first_received_at, last_received_at,
            files_received, files_processed, files_failed, files_superseded
        FROM results.series""",
)
_COVERS = """
    SELECT count(*) FROM results.study LEFT JOIN results.upload_dicomresult AS file
        ON file.file_id = cover_file_id AND file.state = 'processed' AND file.thumbnail_key IS NOT NULL
    WHERE ($1::text IS NULL OR study.collection = $1)
        AND ((cover_file_id IS NULL) <> (files_processed = 0)
            OR (cover_file_id IS NOT NULL AND file.file_id IS NULL))
"""
_UNFILLED = """
    SELECT count(*) FROM results.upload_dicomresult
    WHERE ($1::text IS NULL OR collection = $1) AND (
        counted IS DISTINCT FROM state OR (study_instance_uid IS NOT NULL AND filed IS DISTINCT FROM state)
        OR (raw_data IS NOT NULL AND header_version < 2))
"""
_ANALYSES = """
    SELECT count(*) FROM results.upload_dicomresult AS file
    FULL JOIN results.analysis ON analysis.file_id = file.file_id AND analyzer = 'pixels'
    WHERE ($1::text IS NULL OR file.collection = $1) AND (
        (analysis.state IS DISTINCT FROM CASE WHEN failure_reason IS NOT NULL THEN 'failed'
            WHEN method_version IS NOT NULL THEN 'processed' END)
        OR analysis.reason IS DISTINCT FROM failure_reason
        OR analysis.version IS DISTINCT FROM method_version)
"""


async def require_agreement(sql: Connection, collection: str | None = None) -> None:
    """Count everything anew, and compare. Every file that is processed has a thumbnail here.

    With `collection`, what lies in that one only: other tests take rows away.
    """
    async with sql.transaction(isolation="repeatable_read", readonly=True):
        for counted, kept in (_COUNTERS, _STUDIES, _SERIES):
            expected = {tuple(row) for row in await sql.fetch(counted) if collection in (None, row[0])}
            found = {tuple(row) for row in await sql.fetch(kept) if collection in (None, row[0])}
            assert found == expected, (found - expected, expected - found)
        for wrong in (_COVERS, _UNFILLED, _ANALYSES):
            assert await sql.fetchval(wrong, collection) == 0
